# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The phases of a release as they are run: when each began and ended, and with which result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError

PHASES = ("R1", "R2", "R3", "R4", "R5", "R6")


def begin(phases: Sequence[Mapping[str, Any]], phase: str, now: datetime) -> list[dict[str, Any]]:
    """The phases with this one begun, or begun again, in the order of their start."""
    others = [dict(entry) for entry in phases if entry["id"] != phase]
    return [*others, {"id": phase, "started": timestamp(now)}]


def finish(
    phases: Sequence[Mapping[str, Any]],
    phase: str,
    now: datetime,
    *,
    changed: bool,
    checks: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """The phases with this one ended; it must have begun.

    Ending a phase again moves its end and keeps ``changed`` once it was true.
    """
    entry = next((dict(entry) for entry in phases if entry["id"] == phase), None)
    if entry is None:
        raise SttError(
            f"phase {phase}",
            found="an end without a beginning",
            needed="state: started before state: finished",
            fix=f"begin it with stt.engine.stt_phase, phase {phase} and state started",
        )
    entry.update(
        finished=timestamp(now),
        seconds=round((now - parse(entry["started"])).total_seconds(), 3),
        changed=changed or bool(entry.get("changed", False)),
        status=status_of(checks),
    )
    return [entry if other["id"] == phase else dict(other) for other in phases]


def status_of(checks: Sequence[Mapping[str, Any]]) -> str:
    """What a phase's checks add up to; a phase without checks of its own has passed."""
    statuses = {check["status"] for check in checks}
    if statuses & {"failed", "error"}:
        return "failed"
    return "skipped" if statuses == {"skipped"} else "passed"


def merge_checks(
    kept: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """All check results, the newest of each id and name, in the order of the first appearance."""
    merged = {(check["id"], check["name"]): dict(check) for check in kept}
    merged.update({(check["id"], check["name"]): dict(check) for check in new})
    return list(merged.values())


def timestamp(moment: datetime) -> str:
    """A moment in UTC as the release's files write it: 2026-01-31T08:15:00.250Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """The moment that :func:`timestamp` wrote."""
    return datetime.fromisoformat(text)
