# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks' self-test showed, put together from the phases that were asked, and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._report_text import (
    duration,
    moment,
    reason,
    text,
)
from ansible_collections.stt.engine.plugins.module_utils._report_text import (
    is_told as is_known,
)

ROW = ("gate", "control", "planted", "status", "found", "as_planted")


def put_together(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """One result of all phases; None unless each of them has shown that its gates can fail."""
    if not parts or not all(parts):
        return None
    return {
        # The oldest of them: what was shown by then holds for all.
        "ran": min(str(part["ran"]) for part in parts),
        "seconds": round(sum(float(part["seconds"]) for part in parts), 1),
        "controls": sum(int(part["controls"]) for part in parts),
        "gates": sum(int(part["gates"]) for part in parts),
        "failed_as_planted": sum(int(part["failed_as_planted"]) for part in parts),
        "left_out": [
            {"gate": str(one["gate"]), "reason": str(one["reason"])}
            for part in parts
            for one in part["left_out"]
        ],
        "rows": [{key: row[key] for key in ROW} for part in parts for row in part["rows"]],
    }


def sentence(report: Mapping[str, Any]) -> str:
    """When it ran and what it showed, or that it never ran with these checks."""
    language, shown = str(report["language"]), report["self_test"]
    if shown is None:
        return text("self_test_never", language)
    ran = text(
        "self_test_ran",
        language,
        ran=moment(shown["ran"]),
        failed=shown["failed_as_planted"],
        gates=shown["gates"],
        took=duration(shown["seconds"], language),
    )
    if not shown["left_out"]:
        return ran
    left = text("self_test_left_out", language, count=len(shown["left_out"]))
    reasons = {one["reason"] for one in shown["left_out"]}
    # Several are told one by one on the page.
    why = [one for one in reasons if len(reasons) == 1 and is_known(one, language)]
    return f"{ran}{left} ({reason(why[0], language)})" if why else ran + left


def is_told(report: Mapping[str, Any]) -> bool:
    """Whether a report speaks of it: one of a run that was stopped only where it ran."""
    return report["self_test"] is not None or not report["failure"]
