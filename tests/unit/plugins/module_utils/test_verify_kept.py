# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kept verdict is reused when it is whole, passed and about the same thing, and never else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._verify import read_verdict
from ansible_collections.stt.engine.plugins.module_utils._verify_collect import STEPS
from ansible_collections.stt.engine.plugins.module_utils._verify_parts import wanted_checks
from ansible_collections.stt.engine.plugins.module_utils._verify_request import VerifyRequest
from ansible_collections.stt.engine.plugins.module_utils._verify_subject import describe_subject
from tests.unit.plugins.module_utils.test_verify import LABELS, image, params, result

KEY = {"phase": "R4", "image": "sha256:abc"}


WHOLE = [result(step) for step in STEPS["R4"][:3]] + [result("R4.4", status="skipped")]


def plan(checks: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [{"id": check["id"], "name": check["name"]} for check in checks]


def kept(**changes: Any) -> dict[str, Any]:
    return {
        "verdict": "passed",
        "checks": WHOLE,
        "planned": plan(WHOLE),
        "reuse_key": KEY,
        "judged": "2026-01-31T08:15:00Z",
        "reused": False,
        **changes,
    }


def read(path: Path | None, *wanted: tuple[str, str]) -> dict[str, Any] | None:
    return read_verdict(path, KEY, STEPS["R4"], wanted)


def test_a_passing_verdict_on_the_same_thing_is_reused_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "R4.json"
    path.write_text(json.dumps(kept()))
    found = read(path, ("R4.2", "one"))
    assert found is not None
    assert (found["reused"], found["changed"], found["verdict"]) == (True, False, "passed")
    assert found["msg"] == (
        "R4.json: the same content passed on this boot of the host (2026-01-31T08:15:00Z)"
    )


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(kept(verdict="failed")),
        json.dumps(kept(checks=[])),
        json.dumps(kept(checks=[result("R4.1", status="failed")])),
        json.dumps(kept(checks=[{"status": "passed"}])),
        json.dumps(kept(checks="passed")),
        json.dumps(kept(reuse_key={**KEY, "image": "sha256:other"})),
        json.dumps(kept(reuse_key={})),
        "[]",
        "{",
        "",
    ],
)
def test_no_other_verdict_is_reused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "R4.json"
    path.write_text(content)
    assert read(path) is None
    assert read(tmp_path / "gone.json") is None
    assert read(None) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"checks": WHOLE[:3], "planned": plan(WHOLE[:3])},
        {"checks": WHOLE[:3]},
        {"planned": plan(WHOLE[:3])},
        {"planned": [*plan(WHOLE[:3]), {"id": "R4.4", "name": "another"}]},
        {"checks": [*WHOLE, WHOLE[0]]},
        {"checks": [*WHOLE, WHOLE[0]], "planned": plan([*WHOLE, WHOLE[0]])},
        {"checks": [*WHOLE, {**WHOLE[0], "name": "two", "status": "fine"}]},
        {"planned": []},
        {"planned": None},
        {"planned": ["R4.1 one"]},
    ],
)
def test_a_kept_verdict_that_is_not_whole_is_not_reused(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    path = tmp_path / "R4.json"
    path.write_text(json.dumps(kept(**changes)))
    assert read(path) is None


def test_a_kept_verdict_has_every_check_that_has_to_be_there(tmp_path: Path) -> None:
    path = tmp_path / "R4.json"
    path.write_text(json.dumps(kept()))
    assert read(path, ("R4.4", "one")) is not None
    assert read(path, ("R4.4", "two")) is None
    gates = VerifyRequest.from_params("R2", params(tmp_path))
    wanted = wanted_checks(gates, describe_subject(gates, image(**LABELS)))
    assert {("R2.5", "secrets"), ("R2.5", "inventory")} <= set(wanted)
    accepting = VerifyRequest.from_params("R5", params(tmp_path, accept_transcripts=True))
    assert len(wanted_checks(accepting, describe_subject(accepting, image(**LABELS)))) == 1
