# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which recording a running service is asked for, and what the sealed release made of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._clips import (
    INDEX,
    LONG,
    SPEECH,
    Entry,
    judge_clips,
)
from ansible_collections.stt.engine.plugins.module_utils._digest import sha256_file
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._service_ask import AGREEMENT

# The check in whose evidence a release keeps what its own service gave for each recording.
CHECK = "service_transcribes"
# For how long an answer is waited for: a long recording takes what its check may take.
SECONDS = {SPEECH: 120, LONG: 1800}

Transcript = Mapping[str, Any]


@dataclass(frozen=True)
class Chosen:
    """A recording on the controller; ``text`` is empty where none of this very one is known."""

    path: Path
    name: str
    text: str
    limit: float
    timeout: int


def read_clips(directory: Path) -> list[Entry]:
    """The clips of a directory that is in order; SttError with everything that is wrong in it."""
    entries, judgement = judge_clips(directory)
    found = judgement.findings
    if not found:
        return entries
    raise SttError(
        f"clips {directory}",
        found="; ".join(f"{one.object}: {one.found} ({one.fix})" for one in found),
        needed="a directory with clips.json and the recordings that it lists",
        fix="correct what is named, or bring the clips back as they were when the release was made",
    )


def files_of(entries: Iterable[Entry]) -> list[str]:
    """What is read of a directory of clips: its index and what that lists, sorted."""
    return sorted({INDEX, *(str(PurePosixPath(entry.file)) for entry in entries)})


def read_transcripts(report: Path) -> list[Transcript]:
    """What the release's own service gave when it was sealed; often nothing."""
    try:
        checks = json.loads(report.read_bytes())["checks"]
        return [
            transcript
            for check in checks
            if check["name"] == CHECK
            for transcript in check["evidence"].get("transcripts", [])
        ]
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise SttError(
            f"report {report}",
            found=f"no report of a release ({type(error).__name__}: {error})",
            needed="the report.json that was sealed with the release",
            fix="bring the release back as it was sealed",
        ) from error


def choose(
    directory: Path, entries: Sequence[Entry], transcripts: Sequence[Transcript]
) -> Chosen | None:
    """The recording to send: one whose sealed text is known, else any of speech, short ones first.

    A name says nothing: somebody may have recorded anew under it. None where nobody speaks.
    """
    short = [entry for entry in entries if entry.kind == SPEECH]
    long = [entry for entry in entries if entry.kind == LONG]
    long.sort(key=lambda entry: (directory / entry.file).stat().st_size)
    spoken = [*short, *long]
    good = [one for one in transcripts if one.get("good") and one.get("text")]
    for entry in spoken:
        mine = [one for one in good if one.get("clip") == entry.name and one.get("sha256")]
        digest = sha256_file(directory / entry.file) if mine else ""
        for one in mine:
            if one["sha256"] == digest:
                limit = float(one.get("cer_limit", AGREEMENT))
                return _chosen(directory, entry, str(one["text"]), limit)
    return _chosen(directory, spoken[0], "", AGREEMENT) if spoken else None


def _chosen(directory: Path, entry: Entry, text: str, limit: float) -> Chosen:
    return Chosen(directory / entry.file, entry.name, text, limit, SECONDS[entry.kind])
