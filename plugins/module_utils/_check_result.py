# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check result is, and what a list of them adds up to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

Verdict = Literal["passed", "failed"]
# What a message names: the rest is for the report.
NAMED = 6
# How a message begins that only sums up checks.
SUMMED_UP = re.compile(r"R[1-6]: \d+ of \d+ checks did not pass \(")


def evaluate(check: dict[str, Any]) -> dict[str, Any]:
    """Turn one statement (``that`` and its sentences) into a check result.

    A ``skip_reason`` says why the statement cannot be judged here; nothing else makes a skip.
    """
    reason = str(check.get("skip_reason") or "").strip()
    holds = bool(check["that"]) and all(check["that"])
    return {
        "id": check["id"],
        "name": check["name"],
        "status": "skipped" if reason else "passed" if holds else "failed",
        "expected": check["expected"],
        "found": reason or check["found"],
        "fix": "" if holds or reason else check["fix"],
        "seconds": check["seconds"],
        "evidence": check["evidence"],
    }


def verdict(checks: list[dict[str, Any]]) -> Verdict:
    """Passed only when there are results and each is passed or skipped."""
    if checks and all(check["status"] in ("passed", "skipped") for check in checks):
        return "passed"
    return "failed"


def sentence(check: Mapping[str, Any]) -> str:
    """One line that names the check, what was found, what was needed and how to fix it."""
    return f"{check['id']} {check['name']}: {_told(check)}"


def failure_message(phase: str, checks: Sequence[Mapping[str, Any]]) -> str:
    """Which checks did not pass, and what the first of them says; the report tells the rest."""
    bad = [check for check in checks if check["status"] not in ("passed", "skipped")]
    names = [f"{check['id']} {check['name']}" for check in bad[:NAMED]]
    if len(bad) > NAMED:
        names.append(f"{len(bad) - NAMED} more")
    return (
        f"{phase}: {len(bad)} of {len(checks)} checks did not pass ({', '.join(names)}); "
        f"{'the first: ' if len(bad) > 1 else ''}{_told(bad[0])}"
    )


def is_summary(message: str) -> bool:
    """Whether a message is one of :func:`failure_message`."""
    return SUMMED_UP.match(message) is not None


def _told(check: Mapping[str, Any]) -> str:
    return f"found {check['found']}; needed {check['expected']}; fix: {check['fix']}"
