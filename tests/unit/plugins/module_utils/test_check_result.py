# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A statement becomes a result, and results a verdict."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._check_result import (
    evaluate,
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
