# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of the lines that a container of checks prints, and what a verdict is about."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._check_result import verdict
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._verify import (
    verify,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_collect import STEPS, collect
from ansible_collections.stt.engine.plugins.module_utils._verify_container import (
    ContainerRun,
    take,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_request import VerifyRequest
from ansible_collections.stt.engine.plugins.module_utils._verify_subject import (
    describe_subject,
    reuse_key,
    specification,
)
from tests.unit.model_files import safetensors, write_ctranslate2

Change = Callable[[list[dict[str, Any]]], None]


def result(step: str, name: str = "one", status: str = "passed") -> dict[str, Any]:
    return {
        "id": step,
        "name": name,
        "status": status,
        "expected": "it works",
        "found": "it does",
        "fix": "" if status in ("passed", "skipped") else "mend it",
        "seconds": 0.1,
        "evidence": {},
    }


def good_messages() -> list[dict[str, Any]]:
    results = [result(step) for step in STEPS["R4"]]
    plan = {"planned": [{"id": one["id"], "name": one["name"]} for one in results]}
    return [plan, *results, {"finished": {"verdict": "passed", "results": 4}}]


def run_of(messages: list[dict[str, Any]], **changes: Any) -> ContainerRun:
    values: dict[str, Any] = {"messages": messages, "exit_status": 0, **changes}
    return ContainerRun(**values)


def test_a_good_run_passes() -> None:
    planned, checks = collect(STEPS["R4"], run_of(good_messages()), 60)
    assert [entry["id"] for entry in planned] == list(STEPS["R4"])
    assert [check["status"] for check in checks] == ["passed"] * 4
    assert verdict(checks) == "passed"


def drop(index: int) -> Change:
    return lambda messages: messages.pop(index) and None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (drop(2), "no result: the container ended with exit status 0"),
        (drop(5), "the checks did not say that they are finished"),
        (lambda messages: messages.append(result("R4.1")), "two results for R4.1 one"),
        (lambda messages: messages.append(result("R4.1", "two")), "not planned: R4.1 two"),
        (lambda messages: messages[1].pop("fix") and None, "a malformed line for R4.1 one"),
        (lambda messages: messages[1].update(status="fine"), "a malformed line for R4.1 one"),
        (lambda messages: messages[1].update(found=""), "a malformed line for R4.1 one"),
        (lambda messages: messages[1].update(seconds=None), "a malformed line for R4.1 one"),
        (lambda messages: messages[0]["planned"].pop(3) and None, "no check of R4.4 was planned"),
        (lambda messages: messages.clear(), "no check of R4.1 was planned"),
    ],
)
def test_whatever_is_missing_is_an_error_and_never_a_pass(change: Change, words: str) -> None:
    messages = good_messages()
    change(messages)
    _planned, checks = collect(STEPS["R4"], run_of(messages), 60)
    errors = [check for check in checks if check["status"] == "error"]
    assert any(words in check["found"] for check in errors), checks
    assert verdict(checks) == "failed"
    assert all(check["fix"] for check in errors)


def test_a_number_that_is_no_json_does_not_get_into_a_report() -> None:
    run = run_of([])
    take(b'{"id": "R5.1", "evidence": {"rate": NaN, "of": [1e999, -Infinity, 1.5]}}', run)
    assert run.messages == [{"id": "R5.1", "evidence": {"rate": None, "of": [None, None, 1.5]}}]
    take(b"[NaN]", run)
    assert run.noise == ["[NaN]"]


def test_recordings_put_the_end_off_by_a_day_at_most() -> None:
    run = run_of([])
    for seconds in (60.0, 120.0):
        take(json.dumps({"more_seconds": seconds}).encode(), run)
    assert (run.more_seconds, run.messages, run.noise) == (180.0, [], [])
    take(b'{"more_seconds": 1e99}', run)
    assert run.more_seconds == 86400.0


def test_what_no_encoding_can_write_gets_neither_into_a_log_nor_into_a_report() -> None:
    run = run_of([])
    take(rb'{"id": "R4.2", "found": "\udcc7\udcd1.txt", "evidence": {"\ud800": ["\ud83d"]}}', run)
    assert run.messages == [
        {"id": "R4.2", "found": "\\udcc7\\udcd1.txt", "evidence": {"\\ud800": ["\\ud83d"]}}
    ]


def test_an_archive_that_says_nothing_fails_every_step() -> None:
    _planned, checks = collect(STEPS["R5"], run_of([]), 60)
    assert [check["id"] for check in checks] == list(STEPS["R5"])
    assert {check["status"] for check in checks} == {"error"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"timed_out": True}, "stopped at the time limit of 60 s"),
        ({"exit_status": 137, "out_of_memory": True}, "the out-of-memory killer struck"),
        ({"exit_status": 137}, "killed from outside"),
        ({"exit_status": 1}, "ended with exit status 1"),
    ],
)
def test_a_lost_check_says_how_the_container_ended(changes: dict[str, Any], words: str) -> None:
    messages = good_messages()[:3]
    _planned, checks = collect(STEPS["R4"], run_of(messages, **changes), 60)
    lost = [check for check in checks if check["status"] == "error"]
    assert len(lost) >= 2
    assert all(words in check["found"] for check in lost)


@pytest.fixture
def host(tmp_path: Path) -> Path:
    model = tmp_path / "models" / "a_b"
    write_ctranslate2(model / "converted")
    (model / "original").mkdir()
    (model / "original" / "model.safetensors").write_bytes(safetensors({"a": (2,)}))
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "clips.json").write_text("[]")
    (tmp_path / "checks.pyz").write_bytes(b"archive")
    return tmp_path


def params(host: Path, **changes: Any) -> dict[str, Any]:
    return {
        "image": "stt-engine:one",
        "checks": str(host / "checks.pyz"),
        "models": {
            "ctranslate2": str(host / "models/a_b/converted"),
            "transformers": str(host / "models/a_b/original"),
            "name": "a_b",
        },
        "clips": str(host / "clips"),
        "gpu": "auto",
        "container": "stt-test-engine",
        "memory_bytes": 1_000_000_000,
        "timeout": 60.0,
        "deadline": None,
        "docker": "docker",
        "expected": {},
        "logs_directory": None,
        "reuse": None,
        **changes,
    }


def image(**labels: str) -> dict[str, Any]:
    config = {"Labels": labels, "Entrypoint": None, "Cmd": ["python3", "-m", "stt_engine"]}
    return {"Id": "sha256:abc", "Config": config}


LABELS = {
    "stt.engine.torch": "2.8.0",
    "stt.engine.cuda": "cu128",
    "stt.engine.variant": "full",
}


def test_expectations_come_from_labels_manifests_and_the_caller(host: Path) -> None:
    manifest = {
        "format": 1,
        "quantization": "int8_float16",
        "model_bin": {"mel_bins": 80},
        "files": [{"path": "model.bin", "size": 1, "sha256": "ab", "extra": 5}],
        "stamps": {},
    }
    (host / "models/a_b/converted.manifest.json").write_text(json.dumps(manifest))
    request = VerifyRequest.from_params(
        "R5", params(host, expected={"torch": "2.9.0", "uid": None})
    )
    subject = describe_subject(request, image(**LABELS))
    assert subject.expected == {
        "torch": "2.9.0",
        "torchaudio": "2.8.0",
        "cuda": "12.8",
        "quantization": "int8_float16",
        "mel_bins": 80,
        "cuda_visible_devices": "0",
    }
    document = specification(request, subject, gpu_given=False)
    assert document["models"]["files"] == {
        "ctranslate2": [{"path": "model.bin", "size": 1, "sha256": "ab"}]
    }
    assert document["service_command"] == ["python3", "-m", "stt_engine"]
    assert document["clips"] == "/checks/clips"
    assert document["variant"] == "full"


def test_an_image_without_labels_expects_nothing_of_torch(host: Path) -> None:
    request = VerifyRequest.from_params("R4", params(host))
    subject = describe_subject(request, image())
    assert "torch" not in subject.expected
    # Nor is it taken for this collection's own.
    assert subject.variant == "foreign"


def test_mounts_are_the_runbooks_places(host: Path) -> None:
    request = VerifyRequest.from_params("R5", params(host))
    assert set(request.mounts()) == {
        "/app/models/ctranslate2_model",
        "/app/models/a_b",
        "/checks/checks.pyz",
        "/checks/clips",
    }


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("checks.pyz", "check archive"),
        ("models/a_b/converted", "converted model"),
        ("models/a_b/original", "original model"),
        ("clips/clips.json", "clips"),
    ],
)
def test_what_is_not_there_is_named_and_skips_in_check_mode(
    host: Path, path: str, what: str
) -> None:
    (host / path).rename(host / "elsewhere")
    request = VerifyRequest.from_params("R5", params(host))
    with pytest.raises(SttError) as error:
        verify(request, check_mode=False)
    assert error.value.object == what
    assert str(host / path) in error.value.found
    skipped = verify(request, check_mode=True)
    assert (skipped["skipped"], skipped["verdict"], skipped["checks"]) == (True, "unknown", [])
    assert what in skipped["skip_reason"]


def test_no_image_is_said_before_docker_is_asked(host: Path) -> None:
    request = VerifyRequest.from_params("R5", params(host, image="", docker="/no/such/docker"))
    with pytest.raises(SttError, match="build the image first"):
        verify(request, check_mode=False)


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "x" * 200])
def test_container_names_are_judged(host: Path, name: str) -> None:
    with pytest.raises(SttError, match="a container name"):
        VerifyRequest.from_params("R5", params(host, container=name))


def touch(path: str) -> Callable[[Path], None]:
    return lambda host: (host / path).write_bytes((host / path).read_bytes())


@pytest.mark.parametrize(
    "change",
    [
        touch("models/a_b/converted/model.bin"),
        touch("models/a_b/original/model.safetensors"),
        lambda host: (host / "models/a_b/converted/more").write_text("x"),
        lambda host: (host / "checks.pyz").write_bytes(b"another archive"),
        lambda host: (host / "clips/clips.json").write_text("[1]"),
        lambda host: Path(os.fsdecode(bytes(host / "clips") + b"/\xc7\xd1.txt")).write_text("x"),
    ],
)
def test_the_key_of_a_verdict_moves_with_what_it_is_about(
    host: Path, change: Callable[[Path], None]
) -> None:
    request = VerifyRequest.from_params("R5", params(host))
    subject = describe_subject(request, image(**LABELS))
    key = reuse_key(request, subject)
    assert reuse_key(request, subject) == key
    assert key["boot"]
    change(host)
    assert reuse_key(request, subject) != key


@pytest.mark.parametrize(
    "changes",
    [
        {"gpu": "absent"},
        {"expected": {"torch": "2.9.0"}},
        {"clips": None},
        {"real_time_factor_limit": 0.5},
        {"accept_transcripts": True},
    ],
)
def test_the_key_of_a_verdict_moves_with_what_was_asked(
    host: Path, changes: dict[str, Any]
) -> None:
    def key_of(**changed: Any) -> dict[str, str]:
        request = VerifyRequest.from_params("R5", params(host, **changed))
        return reuse_key(request, describe_subject(request, image(**LABELS)))

    assert key_of() != key_of(**changes)
    # How long it may take is not what it is about.
    assert key_of() == key_of(timeout=5.0, memory_bytes=5, container="another")


def test_a_limit_of_speed_reaches_the_checks(host: Path) -> None:
    def told(**changes: Any) -> Any:
        request = VerifyRequest.from_params("R5", params(host, **changes))
        subject = describe_subject(request, image(**LABELS))
        return specification(request, subject, gpu_given=False)["real_time_factor_limit"]

    assert told() == 0.0
    assert told(real_time_factor_limit=0.25) == 0.25
    for wrong in (-1.0, float("nan")):
        with pytest.raises(SttError, match="real_time_factor_limit"):
            told(real_time_factor_limit=wrong)
