# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check result is, and what a list of them adds up to."""

from __future__ import annotations

from typing import Any, Literal

Verdict = Literal["passed", "failed"]


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


def sentence(check: dict[str, Any]) -> str:
    """One line that names the check, what was found, what was needed and how to fix it."""
    return (
        f"{check['id']} {check['name']}: found {check['found']}; "
        f"needed {check['expected']}; fix: {check['fix']}"
    )
