# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R5.5, where a person accepts: what faster-whisper hears in clips of unknown text.

It comes before the other transcriptions: they are held against what was heard here, so that a text
on which the decoders do not agree is never accepted.
"""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Iterator
from typing import Any

from .baseline import keep, sha256_of
from .clips import Clip
from .error_rate import letters, normalise
from .hearing_time import time_for
from .lacks import lacking
from .log_probability import NAME as LOG_PROBABILITY
from .log_probability import doubts, sure
from .outcome import Outcome, failed, first_few, passed, skipped
from .r5_loads import load_faster_whisper
from .r5_transcripts import FASTER_WHISPER, no_speech, usable_clips
from .registry import Check, Progress, Registry
from .settings import Settings
from .unknown_texts import Heard, listen, plausible

registry = Registry()

STEP = "R5.5"
NAME = "transcripts_to_accept"
FIX = (
    "listen to the clip: give it the language that is spoken in it, kind silence where nobody "
    "speaks, or type its text into clips.json"
)


@registry.plan
def _plan(settings: Settings) -> Iterator[Check]:
    if settings.accept_transcripts:
        yield Check(
            STEP,
            NAME,
            lambda _settings: (
                "faster-whisper is sure of some text, in the right language, for each clip of "
                "unknown text"
            ),
            FIX,
            transcripts_to_accept,
            imports=FASTER_WHISPER,
            deadline=1800,
            cuda=True,
        )


def transcripts_to_accept(settings: Settings, progress: Progress) -> Outcome:
    lacks = lacking(settings, *FASTER_WHISPER)
    if lacks is not None:
        return lacks
    clips = usable_clips(settings)
    if isinstance(clips, Outcome):
        return clips
    if not clips.spoken:
        return clips.tell(no_speech())
    if not clips.unknown:
        return clips.tell(skipped("every clip's text is known for this model: none to accept"))
    model = load_faster_whisper(settings)
    made_by = _made_by(model)
    heard: dict[str, dict[str, Any]] = {}
    judged: list[dict[str, Any]] = []
    audio_seconds = 0.0
    started = time.monotonic()
    for clip in clips.unknown:
        progress(f"transcribing {clip.path.name}", time_for([clip]))
        # With the options of R5.5's other checks: none.
        found = listen(model, str(clip.path))
        audio_seconds += found.seconds
        judged.append(_judge(clip, found))
        heard[clip.path.name] = {
            "sha256": sha256_of(clip.path),
            "text": normalise(found.text),
            "language": found.language,
            "made_by": made_by,
        }
    evidence: dict[str, Any] = {
        "transcripts": judged,
        "audio_seconds": round(audio_seconds, 2),
        "real_time_factor": round((time.monotonic() - started) / audio_seconds, 4),
    }
    bad = [_refusal(one) for one in judged if not one["good"]]
    reason = first_few(bad, 3) or doubts(judged)
    if reason:
        return clips.tell(failed(f"not to be accepted: {reason}", **evidence))
    if settings.scratch is not None:
        keep(settings.scratch, heard)
    return clips.tell(
        passed(
            f"{len(heard)} transcripts to accept, once a person has read them",
            accepted=heard,
            **evidence,
        )
    )


def _judge(clip: Clip, found: Heard) -> dict[str, Any]:
    judged = plausible(clip, found)
    # A text of marks alone says nothing that another could be held against.
    return {**judged, "good": judged["good"] and bool(letters(found.text))}


def _refusal(entry: dict[str, Any]) -> str:
    sentence = f"{entry['clip']} gave {entry['text']!r} in {entry['language']}"
    if entry["language_expected"] not in (None, entry["language"]):
        sentence += f" for {entry['language_expected']}"
    if not sure(entry):
        sentence += f" with a mean log-probability of {entry[LOG_PROBABILITY]:.2f}"
    return sentence


def _made_by(model: Any) -> str:
    """What heard it: packages, type and device, for whoever asks later why a text has changed."""
    versions = " with ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("faster-whisper", "ctranslate2")
    )
    return f"{versions}, {model.model.compute_type} on {model.model.device}"
