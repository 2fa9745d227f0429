# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test says of a planted fault comes from the run, not from the test."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench import caught


@pytest.fixture
def said() -> dict[str, Any]:
    return {}


def check(step: str, name: str, status: str) -> dict[str, str]:
    words = {"found": "a", "expected": "b", "fix": "mend it"}
    return {"id": step, "name": name, "status": status, **words}


@pytest.mark.parametrize(
    ("module", "step"),
    [
        ("stt_host_check", "R1.1"),
        ("stt_image_build", "R2.1"),
        ("stt_model_fetch", "R3.1"),
        ("stt_model_convert", "R3.1"),
    ],
)
def test_a_modules_step_is_that_of_the_task_that_calls_it(module: str, step: str) -> None:
    assert caught.step_of(module) == step


def test_words_tell_which_of_several_tasks_is_meant() -> None:
    assert caught.step_of("stt_release_lock", "Show what moved") == "R1.2"
    with pytest.raises(ValueError, match="too many"):
        caught.step_of("stt_release_lock")


def test_checks_are_told_by_step_and_in_their_own_sentences(said: dict[str, Any]) -> None:
    checks = [
        check("R2.5", "glibc", "failed"),
        check("R2.5", "labels", "passed"),
        check("R2.5", "packages", "error"),
        check("R4.3", "torch_version", "failed"),
        check("R4.4", "logs_writable", "skipped"),
    ]
    caught.by_checks(said.__setitem__, checks)
    assert said["caught_at"] == "R2.5 glibc, packages; R4.3 torch_version"
    assert said["message"].splitlines()[0] == "R2.5 glibc: found a; needed b; fix: mend it"
    assert len(said["message"].splitlines()) == 3


def test_a_release_is_told_by_its_report(said: dict[str, Any]) -> None:
    failure = {"task": "R3.1 | Fetch the model", "msg": "model x: found a; needed b; fix: c d"}
    caught.by_run(said.__setitem__, {"failure": failure, "checks": []}, outcome="refused")
    assert said == {
        "outcome": "refused",
        "caught_at": "R3.1 | Fetch the model",
        "message": failure["msg"],
    }
    caught.by_run(said.__setitem__, {"failure": failure, "checks": [check("R1.1", "x", "failed")]})
    assert (said["outcome"], said["caught_at"]) == ("stopped", "R1.1 x")


def test_a_module_that_did_not_fail_has_caught_nothing(said: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        caught.by_module(said.__setitem__, "stt_model_fetch", {"failed": False, "msg": ""})
    assert said == {}
