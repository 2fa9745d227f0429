# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a test that plants a fault says where it was caught and with which message.

Both are taken from what the run itself gave, never written down in the test. `make faults` holds
them against the catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
BAD = ("failed", "error")
Record = Callable[[str, object], None]


def by_checks(record: Record, checks: Iterable[Mapping[str, Any]], outcome: str = "") -> None:
    """A fault that checks found: the steps and the sentences of those that did not pass."""
    bad = [check for check in checks if check["status"] in BAD]
    names: dict[str, list[str]] = {}
    for check in bad:
        names.setdefault(check["id"], []).append(check["name"])
    at = "; ".join(f"{step} {', '.join(dict.fromkeys(said))}" for step, said in names.items())
    sentences = (
        f"{check['id']} {check['name']}: found {check['found']}; needed {check['expected']}; "
        f"fix: {check['fix']}"
        for check in bad
    )
    _say(record, outcome or "stopped", at, "\n".join(sentences))


def by_module(record: Record, module: str, result: Mapping[str, Any]) -> None:
    """A fault that a module refused: the step of the role that calls it, and its message."""
    assert result["failed"] is True, result
    _say(record, "stopped", step_of(module), str(result["msg"]))


def by_run(record: Record, report: Mapping[str, Any], outcome: str = "") -> None:
    """A fault that stopped a whole release: the step and the message of its report."""
    failure = report["failure"]
    bad = [check for check in report["checks"] if check["status"] in BAD]
    if bad:
        by_checks(record, bad, outcome)
    else:
        _say(record, outcome or "stopped", failure["task"], str(failure["msg"]))


def recovered(
    record: Record, module: str, said: str = "", *, outcome: str = "recovered", task: str = ""
) -> None:
    """A fault that a module came through: the step of the role that calls it."""
    _say(record, outcome, step_of(module, task), said)


def _say(record: Record, outcome: str, at: str, message: str) -> None:
    record("outcome", outcome)
    record("caught_at", at)
    record("message", message)


@cache
def step_of(module: str, words: str = "") -> str:
    """The runbook's step in which the roles call a module, from the name of the task.

    ``words`` of the name tell which task is meant where several steps call it.
    """
    found = {
        match[0]
        for path in CHECKOUT.glob("roles/*/tasks/*.yml")
        for task in yaml.safe_load(path.read_text(encoding="utf-8"))
        if f"stt.engine.{module}" in task
        and words in task["name"]
        and (match := re.match(r"R[1-6]\.[0-9]", task.get("name", "")))
    }
    (step,) = found
    return step
