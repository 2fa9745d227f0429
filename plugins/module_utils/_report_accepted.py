# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report says once of accepted transcripts: which do not hold, and who has to listen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._accepted_transcripts import CHECK

NOT_APPLIED = "not_applied"
LABEL = {"ko": "승인된 전사문", "en": "Accepted transcripts"}
UNHELD = {
    "ko": "이번 음성 파일에 적용되지 않음 {count}개 ({which})",
    "en": "{count} of them do not hold here ({which})",
}
LISTEN = {
    "ko": "잠금 파일을 커밋하기 전에, 이번에 승인한 녹음을 직접 듣고 전사문을 확인하십시오.",
    "en": "Listen to the recordings that were accepted in this run, and read their transcripts, "
    "before the lock is committed.",
}
# As the checks say them; {} stands for what a reason names.
REASONS_KO = {
    "another recording than was accepted under its name": "승인했을 때와 다른 녹음",
    "no longer among the clips": "지금은 없는 음성 파일",
    "it was accepted for another model ({})": "다른 모델({})에서 승인한 전사문",
}


def unheld(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and words of what was accepted and does not hold here, whichever checks say it."""
    found: dict[str, str] = {}
    for check in report["checks"]:
        told = check["evidence"].get(NOT_APPLIED)
        if isinstance(told, Mapping):
            found.update({str(name): str(why) for name, why in told.items()})
    if not found:
        return []
    language = str(report["language"])
    clips: dict[str, list[str]] = {}
    for name, why in sorted(found.items()):
        clips.setdefault(_reason(why, language), []).append(name)
    which = "; ".join(f"{', '.join(names)}: {why}" for why, names in clips.items())
    return [(LABEL[language], UNHELD[language].format(count=len(found), which=which))]


def listen(report: Mapping[str, Any]) -> str:
    """What a person has to do where this run accepted transcripts; else nothing."""
    heard = any(
        (check["id"], check["name"]) == CHECK
        and check["status"] == "passed"
        and check["evidence"].get("accepted")
        for check in report["checks"]
    )
    return LISTEN[str(report["language"])] if heard and report["verdict"] == "passed" else ""


def _reason(why: str, language: str) -> str:
    for english, korean in REASONS_KO.items() if language == "ko" else ():
        begin, hole, end = english.partition("{}")
        if why == english:
            return korean
        if hole and why.startswith(begin) and why.endswith(end):
            return korean.format(why[len(begin) : len(why) - len(end)])
    return why
