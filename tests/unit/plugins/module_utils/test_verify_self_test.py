# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is concluded from negative controls: every gate has failed, or there is no judge."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._digest import sha256_file
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._verify_container import (
    CheckContainer,
    ContainerRun,
    Part,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_request import VerifyRequest
from ansible_collections.stt.engine.plugins.module_utils._verify_self_test import (
    Rows,
    complaint,
    read_record,
    read_rows,
    summary,
)
from tests.unit.plugins.module_utils.test_verify import params, result

IMAGE = "sha256:" + "0123456789abcdef" * 4


def row(gate: str, status: str = "failed", **changes: Any) -> dict[str, Any]:
    step, _slash, name = gate.partition("/")
    return {
        "id": step,
        "name": name,
        "control": "flipped_weight",
        "planted": "one flipped bit",
        "status": status,
        "found": "the cosine is 0.02",
        "as_planted": status == "failed",
        "left_out": False,
        "lacks": False,
        **changes,
    }


def messages(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    planned: dict[str, list[str]] = {}
    for one in rows:
        planned.setdefault(one["control"], []).append(f"{one['id']}/{one['name']}")
    announced = [{"control": name, "gates": gates} for name, gates in planned.items()]
    return [{"planned": announced, "without": {}}, *rows, {"finished": {"rows": len(rows)}}]


def concluded(*rows: dict[str, Any], checks: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    known = [result(one["id"], one["name"]) for one in rows] if checks is None else checks
    return {"phase": "R5", **summary(Rows(list(rows)), known)}


def test_gates_that_all_failed_as_planted_are_a_judge() -> None:
    shown = concluded(row("R5.8/one"), row("R5.8/one", control="other"), row("R5.1/two"))
    assert (shown["gates"], shown["failed_as_planted"], shown["controls"]) == (2, 2, 2)
    assert shown["left_out"] == []
    assert complaint(shown) is None
    assert shown["rows"][0] == {
        "gate": "R5.8/one",
        "control": "flipped_weight",
        "planted": "one flipped bit",
        "status": "failed",
        "found": "the cosine is 0.02",
        "as_planted": True,
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "passed"}, "R5.8/one passed although one flipped bit was planted"),
        ({"status": "skipped", "found": "no clips"}, "R5.8/one was skipped although"),
        ({"status": "error"}, "R5.8/one ended as error although"),
        # For another reason than the one that was planted.
        ({"status": "failed", "as_planted": False}, "R5.8/one ended as failed although"),
    ],
)
def test_a_gate_that_does_not_fail_as_planted_is_no_judge(
    changes: dict[str, Any], words: str
) -> None:
    # Another fault that it does see makes it no better.
    shown = concluded(row("R5.8/one", **changes), row("R5.8/one", control="other"))
    assert (shown["gates"], shown["failed_as_planted"]) == (1, 0)
    error = complaint(shown)
    assert error is not None
    assert words in error.found
    assert "1 of 1 gates that did not fail as planted" in error.found
    assert error.fix
    assert error.needed


def test_what_the_release_could_not_ask_is_left_out_and_told() -> None:
    skipped = [{**result("R5.3", "load", "skipped"), "found": "the slim variant has no torch"}]
    shown = concluded(
        row("R5.3/load", "skipped", found="the slim variant has no torch"),
        row("R5.8/one"),
        checks=[*skipped, result("R5.8", "one")],
    )
    assert (shown["gates"], shown["failed_as_planted"]) == (1, 1)
    assert shown["left_out"] == [
        {"gate": "R5.3/load", "reason": "skipped in the release too: the slim variant has no torch"}
    ]
    assert complaint(shown) is None


def test_what_cannot_be_planted_here_is_told_although_another_fault_shows_the_gate() -> None:
    reason = "no GPU on this host"
    hidden = row("R4.3/cuda", "skipped", found=reason, left_out=True, control="hidden_gpu")
    alone = concluded(hidden)
    assert alone["left_out"] == [{"gate": "R4.3/cuda", "reason": reason}]
    both = concluded(hidden, row("R4.3/cuda", control="missing_gpu"))
    assert both["left_out"] == alone["left_out"]
    assert (both["gates"], both["failed_as_planted"]) == (1, 1)
    assert complaint(both) is None


def test_a_gate_without_a_control_needs_a_reason() -> None:
    checks = [result("R5.8", "one"), result("R5.8", "forgotten")]
    shown = concluded(row("R5.8/one"), checks=checks)
    assert (shown["gates"], shown["failed_as_planted"]) == (2, 1)
    error = complaint(shown)
    assert error is not None
    assert "R5.8/forgotten" in error.found
    known = Rows([row("R5.8/one")], {"R5.8/forgotten": "its fault needs another machine"})
    told = summary(known, checks)
    assert told["left_out"] == [
        {"gate": "R5.8/forgotten", "reason": "its fault needs another machine"}
    ]


def drop(at: int) -> Callable[[list[dict[str, Any]]], object]:
    return lambda said: said.pop(at)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (drop(1), "no result: the container ended with exit status 0"),
        (drop(-1), "it did not say that it is finished"),
        (drop(0), "it did not say that it is finished"),
        (lambda said: said.clear(), "it did not say that it is finished"),
    ],
)
def test_whatever_is_missing_is_no_proof(
    change: Callable[[list[dict[str, Any]]], object], words: str
) -> None:
    said = messages(row("R5.8/one"), row("R5.1/two"))
    change(said)
    rows = read_rows(ContainerRun(messages=said, exit_status=0), 60)
    shown = {"phase": "R5", **summary(rows, [result("R5.8", "one"), result("R5.1", "two")])}
    error = complaint(shown)
    assert error is not None
    assert words in error.found


def test_a_record_holds_for_the_same_checks_in_the_same_image(tmp_path: Path) -> None:
    (tmp_path / "checks.pyz").write_bytes(b"archive")
    given = {**params(tmp_path), "self_test_record": str(tmp_path / "R5.json")}
    request = VerifyRequest.from_params("R5", given)
    assert read_record(request, IMAGE) == {}
    digest = sha256_file(tmp_path / "checks.pyz")
    record = {"image": IMAGE, "checks": digest, **concluded(row("R5.8/one"))}
    request_record = tmp_path / "R5.json"
    request_record.write_text(json.dumps(record))
    assert read_record(request, IMAGE) == record
    assert read_record(request, IMAGE.replace("0", "1")) == {}
    assert read_record(replace(request, phase="R4"), IMAGE) == {}
    request_record.write_text(json.dumps({**record, "wrong": record["rows"]}))
    assert read_record(request, IMAGE) == {}
    request_record.write_text("{")
    assert read_record(request, IMAGE) == {}
    request_record.write_text(json.dumps(record))
    (tmp_path / "checks.pyz").write_bytes(b"another archive")
    assert read_record(request, IMAGE) == {}
    assert read_record(replace(request, self_test_record=None), IMAGE) == {}


def test_the_wrong_container_has_everything_that_the_right_one_must_not(tmp_path: Path) -> None:
    (tmp_path / "checks.pyz").write_bytes(b"archive")
    request = VerifyRequest.from_params("R4", params(tmp_path))
    client = tmp_path / "docker"
    client.write_text("#!/bin/sh\necho '[]'\n")
    client.chmod(0o755)
    docker = DockerCli(str(client))

    def arguments(self_test: str) -> list[str]:
        part = Part(IMAGE, "self-test", self_test=self_test)
        return CheckContainer(docker, request, part).arguments(gpu=False)

    right, wrong = arguments("place"), arguments("surroundings")
    assert {"--read-only", "--network=none", "--user=2000"} <= set(right)
    assert {"--network=host", "--user=0", "--tmpfs=/tmp:ro"} <= set(wrong)
    assert not {"--read-only", "--network=none", "--user=2000"} & set(wrong)
    # What keeps the host safe stays as it is, and so do the models.
    for kept in ("--cap-drop=ALL", "--security-opt=no-new-privileges"):
        assert kept in right
        assert kept in wrong
    mounts = [one for one in wrong if one.startswith("--volume=")]
    assert mounts
    assert all(one.endswith(":ro") for one in mounts)
    assert (right[-1], wrong[-1]) == ("--self-test=place", "--self-test=surroundings")
