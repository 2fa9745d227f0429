# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release's check results add up to. No result, and a skip without a reason, are errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

STATUSES = ("passed", "failed", "error", "skipped")
# What a model's release rests on: of each row one check has to have passed. A skip is excused only
# where the image need not have the packages and no reference image has them either.
TEXTS = ("R5.5/faster_whisper_texts", "R5.5/faster_whisper_batched", "R5.6/decoders_agree")
SERVICE = "R5.7/service_transcribes"
PROOFS: Mapping[str, tuple[str, ...]] = {
    "that the model writes what is spoken": TEXTS,
    "that the service transcribes": (SERVICE,),
    "that the converted model computes what the original does": ("R5.8/encoder_agreement",),
}
# Keys of the evidence, as the checks write them.
LACKS = "lacks"
UNHELD = "unheld"
STEP = re.compile(r"R[1-6]\.[1-9]")

Check = Mapping[str, Any]


@dataclass(frozen=True)
class Judgement:
    """A verdict, the counts, and the checks it rests on: planned ones without a result too."""

    verdict: Literal["passed", "failed"]
    checks: list[dict[str, Any]]
    counts: dict[str, int]

    @property
    def not_green(self) -> list[dict[str, Any]]:
        """The failed and the broken checks."""
        return [check for check in self.checks if check["status"] in ("failed", "error")]


def judge(checks: Sequence[Check], planned: Iterable[str] = ()) -> Judgement:
    """Judge check results against what was planned.

    ``planned`` holds step ids (``R4.3``: at least one result) or single checks (``R4.3/cuda``).
    """
    complete = [_sound(check) for check in checks]
    complete += _missing(complete, planned)
    complete = _proven(complete)
    complete.sort(key=lambda check: check["id"])
    counts = dict.fromkeys(STATUSES, 0)
    for check in complete:
        counts[check["status"]] += 1
    proven = counts["passed"] > 0 and not counts["failed"] and not counts["error"]
    return Judgement("passed" if proven else "failed", complete, counts)


def _sound(check: Check) -> dict[str, Any]:
    """A result with every field, or the error of a result that is not one."""
    sound: dict[str, Any] = {
        "id": str(check.get("id", "")),
        "name": str(check.get("name", "")),
        "status": check.get("status"),
        "expected": str(check.get("expected", "")),
        "found": str(check.get("found", "")),
        "fix": str(check.get("fix", "")),
        "seconds": float(check.get("seconds") or 0.0),
        "evidence": dict(check.get("evidence") or {}),
    }
    wrong = ""
    if not STEP.fullmatch(sound["id"]) or not sound["name"]:
        wrong = f"a result without a step id and a name ({sound['id']!r}, {sound['name']!r})"
    elif sound["status"] not in STATUSES:
        wrong = f"the status {sound['status']!r}, which is none of {', '.join(STATUSES)}"
    elif sound["status"] == "skipped" and not sound["found"].strip():
        wrong = "a skip that does not say why"
    if wrong:
        sound.update(status="error", found=wrong, fix="correct what produced this result")
    return sound


def _proven(checks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same results; a skip of what a release rests on is a failure."""
    by_key = {_key(check): check for check in checks}
    failing: dict[str, str] = {}
    for what, keys in PROOFS.items():
        there = [by_key[key] for key in keys if key in by_key]
        if any(check["status"] != "skipped" for check in there):
            continue
        failing.update({_key(check): what for check in there if not check["evidence"].get(LACKS)})
    agreed = by_key.get("R5.6/decoders_agree", {}).get("status") == "passed"
    service = by_key.get(SERVICE)
    if service and service["status"] == "passed" and service["evidence"].get(UNHELD) and not agreed:
        failing[SERVICE] = "that the service writes what is spoken: no other program heard it"
    return [_unproven(check, failing.get(_key(check), "")) for check in checks]


def _unproven(check: dict[str, Any], what: str) -> dict[str, Any]:
    if not what:
        return check
    return {
        **check,
        "status": "failed",
        "found": f"{check['status']}: {check['found']}; so nothing shows {what}",
        "fix": "give model_check_clips recordings of speech that this model knows, and a release "
        "of another engine a reference image (model_check_reference)",
    }


def _missing(checks: Sequence[Check], planned: Iterable[str]) -> list[dict[str, Any]]:
    seen = {check["id"] for check in checks} | {_key(check) for check in checks}
    absent = sorted(set(planned) - seen)
    return [
        {
            "id": item.partition("/")[0],
            "name": item.partition("/")[2] or "result",
            "status": "error",
            "expected": "a result of this check",
            "found": "no result",
            "fix": "run the release again; a check that was planned must report",
            "seconds": 0.0,
            "evidence": {},
        }
        for item in absent
    ]


def _key(check: Check) -> str:
    return f"{check['id']}/{check['name']}"


def name_of(check: Check) -> str:
    """A check as sentences name it."""
    return f"{check['id']} {check['name']}"
