# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run did for its release, what it reused, and what the release is sealed with, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._report_text import moment, text

# The phases that make something, and those whose checks may be reused.
MADE = {"image": "R2", "model": "R3"}
CHECKED = ("R2", "R4", "R5")
DIGITS = 12


def put_seal(
    given: Mapping[str, Any] | None, phases: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """The seal as the report keeps it; None for a release that is not sealed."""
    if not given:
        return None
    changed = {str(phase["id"]) for phase in phases if phase["changed"]}
    return {
        "sealed": str(given["sealed"]),
        "anew": bool(given["anew"]),
        "key_sha256": str(given["key_sha256"]),
        "lock": str(given["lock"]),
        "made": [what for what, phase in MADE.items() if phase in changed],
        "reused": [phase for phase in CHECKED if phase in given["reused"]],
    }


def seal_lines(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and words of what the run did, and of key and lock."""
    seal, language = report["seal"], str(report["language"])
    if not seal:
        return []
    kept = not seal["made"] and not seal["anew"] and seal["reused"] == list(CHECKED)
    did = (
        text("run_unchanged", language, when=moment(seal["sealed"]))
        if kept
        else "; ".join(_did(seal, language))
    )
    signed = (
        text("seal_signed", language, digits=seal["key_sha256"][:DIGITS])
        if seal["key_sha256"]
        else text("unsigned", language)
    )
    lock = text("seal_lock", language, path=seal["lock"]) if seal["lock"] else ""
    return [(text("run", language), did), (text("seal", language), f"{signed}{lock}")]


def _did(seal: Mapping[str, Any], language: str) -> Iterator[str]:
    for what in MADE:
        yield text(f"{what}_{'made' if what in seal['made'] else 'reused'}", language)
    anew = [phase for phase in CHECKED if phase not in seal["reused"]]
    for key, phases in (("checks_run", anew), ("checks_reused", seal["reused"])):
        if phases:
            yield text(key, language, phases=", ".join(phases))
    yield text("sealed_anew" if seal["anew"] else "seal_kept", language)
