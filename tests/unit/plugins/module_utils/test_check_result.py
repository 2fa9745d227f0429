# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A statement becomes a result, and results a verdict."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.action.stt_checks import ActionModule
from ansible_collections.stt.engine.plugins.module_utils._check_result import (
    NAMED,
    evaluate,
    failure_message,
    is_summary,
    sentence,
    verdict,
)


def statement(that: list[bool]) -> dict[str, Any]:
    return {
        "id": "R2.3",
        "name": "library_path",
        "that": that,
        "expected": "LD_LIBRARY_PATH is set",
        "found": "nothing",
        "fix": "Set it.",
        "seconds": 0.5,
        "evidence": {"a": 1},
    }


@pytest.mark.parametrize("that", [[], [False], [True, False]])
def test_a_statement_that_does_not_hold_fails_and_says_how_to_fix_it(that: list[bool]) -> None:
    check = evaluate(statement(that))
    assert check["status"] == "failed"
    assert sentence(check) == (
        "R2.3 library_path: found nothing; needed LD_LIBRARY_PATH is set; fix: Set it."
    )


def test_a_statement_that_holds_passes_without_a_fix() -> None:
    assert evaluate(statement([True, True])) == {
        "id": "R2.3",
        "name": "library_path",
        "status": "passed",
        "expected": "LD_LIBRARY_PATH is set",
        "found": "nothing",
        "fix": "",
        "seconds": 0.5,
        "evidence": {"a": 1},
    }


def test_a_reason_to_skip_is_what_was_found() -> None:
    skipped = evaluate({**statement([False]), "skip_reason": "built below another root"})
    assert (skipped["status"], skipped["found"], skipped["fix"]) == (
        "skipped",
        "built below another root",
        "",
    )
    assert evaluate({**statement([False]), "skip_reason": "  "})["status"] == "failed"


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], "failed"),
        (["passed"], "passed"),
        (["passed", "skipped"], "passed"),
        (["passed", "failed"], "failed"),
        (["passed", "error"], "failed"),
        (["passed", "unknown"], "failed"),
    ],
)
def test_only_passed_and_skipped_add_up_to_a_pass(statuses: list[str], expected: str) -> None:
    assert verdict([{"status": status} for status in statuses]) == expected


def failing(step: str, name: str, status: str = "failed") -> dict[str, Any]:
    return {**evaluate(statement([False])), "id": step, "name": name, "status": status}


def test_the_message_of_several_failures_is_short() -> None:
    bad = [failing("R5.5", f"texts_{number}") for number in range(NAMED + 2)]
    checks = [evaluate(statement([True])), *bad, failing("R5.7", "service", "error")]
    message = failure_message("R5", checks)
    assert is_summary(message)
    assert message.startswith(
        f"R5: {NAMED + 3} of {NAMED + 4} checks did not pass (R5.5 texts_0, R5.5 texts_1, "
    )
    assert message.endswith(
        "R5.5 texts_5, 3 more); the first: "
        "found nothing; needed LD_LIBRARY_PATH is set; fix: Set it."
    )
    assert not is_summary(sentence(bad[0]))


def test_one_failure_is_told_whole() -> None:
    assert failure_message("R4", [failing("R4.3", "torch")]) == (
        "R4: 1 of 1 checks did not pass (R4.3 torch); "
        "found nothing; needed LD_LIBRARY_PATH is set; fix: Set it."
    )


def test_results_that_are_kept_for_the_report_are_not_returned_again() -> None:
    action = object.__new__(ActionModule)
    results = [evaluate(statement([True])), failing("R4.3", "torch")]
    given = {"checks": [], "results": results, "kept": True, "log_path": "/opt/stt/R4.log"}
    assert action.act(given) == {
        "changed": False,
        "failed": True,
        "verdict": "failed",
        "msg": failure_message("R2", results),
        "log_path": "/opt/stt/R4.log",
    }
    assert action.act({**given, "kept": False})["checks"] == results
    assert action.act({**given, "results": results[:1]})["checks"] == results[:1]
