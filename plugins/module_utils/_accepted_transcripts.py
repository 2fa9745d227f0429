# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accepted transcripts as the lock keeps them: of one model, each for one recording.

``{repository, commit, quantization, clips: {name: {sha256, text, language, made_by, accepted}}}``
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError

MODEL = ("repository", "commit", "quantization")
CLIP = ("sha256", "text", "language", "made_by", "accepted")
# What is the same where nothing new was heard: then it stays accepted since when it was.
HEARD = ("sha256", "text", "language")
# The check whose evidence has what was heard.
CHECK = ("R5.5", "transcripts_to_accept")
SHA256 = re.compile(r"[0-9a-f]{64}")
ACCEPT = "-e model_check_accept_transcripts=true"
READ = {
    "en": "A person has to listen to these recordings and read what was heard in them, before the "
    "lock is committed: from now on these texts count as right.",
    "ko": "아래 녹음을 사람이 직접 듣고 전사문을 읽어 확인한 뒤 잠금 파일을 커밋하십시오. "
    "이제부터 이 전사문이 정답으로 쓰입니다.",
}

Record = dict[str, Any]


def complaint(record: Any) -> str | None:
    """What is wrong with a record as somebody gave it; None when nothing is."""
    if not isinstance(record, Mapping):
        return "accepted_transcripts that is not a mapping"
    if not record:
        return None
    if set(record) != {*MODEL, "clips"} or not all(_is_text(record[key]) for key in MODEL):
        return f"accepted_transcripts without the texts {', '.join(MODEL)} and clips alone"
    if not isinstance(record["clips"], Mapping):
        return "accepted_transcripts.clips that is not a mapping"
    for name, clip in record["clips"].items():
        whole = isinstance(clip, Mapping) and set(clip) == set(CLIP)
        if not whole or not all(_is_text(clip[key]) for key in CLIP):
            return f"accepted_transcripts.clips.{name} without the texts {', '.join(CLIP)} alone"
        if not SHA256.fullmatch(clip["sha256"]):
            return f"accepted_transcripts.clips.{name} whose sha256 is not 64 hex digits"
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def read_record(given: Any) -> Record:
    """A record that a module was given; raises SttError for one that is none."""
    wrong = complaint(given or {})
    if wrong is not None:
        raise SttError(
            "parameter accepted_transcripts",
            found=wrong,
            needed="accepted transcripts as the release lock has them",
            fix=f"restore the committed lock, or accept them again with {ACCEPT}",
        )
    return dict(given or {})


def require_model(repository: str, commit: str, quantization: str) -> None:
    """Refuse to accept for a model that nobody could name later."""
    if repository and commit and quantization:
        return
    raise SttError(
        "transcripts to accept",
        found="models without manifests that name repository, commit and quantization",
        needed="models that this collection has fetched and converted",
        fix="fetch and convert them with this collection, or leave accept_transcripts out",
    )


def accept(
    model: Mapping[str, str],
    checks: Sequence[Mapping[str, Any]],
    moment: str,
    before: Mapping[str, Any],
) -> Record:
    """The record of what a run has heard; empty when it had nothing to hear.

    ``model`` has repository, commit and quantization; ``before`` is what was accepted until now.
    """
    heard: Mapping[str, Any] = {}
    for check in checks:
        if (check["id"], check["name"]) == CHECK and check["status"] == "passed":
            heard = check["evidence"].get("accepted") or {}
    if not heard:
        return {}
    alike = bool(before) and all(before[key] == model[key] for key in MODEL)
    earlier = before["clips"] if alike else {}
    clips = {}
    for name, clip in heard.items():
        old = earlier.get(name) or {}
        same = all(old.get(key) == clip[key] for key in HEARD)
        clips[name] = dict(old) if same else {**clip, "accepted": moment}
    return {**{key: model[key] for key in MODEL}, "clips": clips}


def lines(record: Mapping[str, Any], language: str) -> list[str]:
    """What an operator is told: each text, and that a person has to read it."""
    return [
        READ[language],
        *(
            f"  {name} ({clip['language']}): {_printable(clip['text'])}"
            for name, clip in sorted(record["clips"].items())
        ),
    ]


def _printable(text: str) -> str:
    """No text may move the cursor of a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
