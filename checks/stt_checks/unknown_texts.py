# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips whose text nobody has set: which are heard, and what every program's text is held against.

Each program hears the same clips. faster-whisper, one clip at a time, and transformers leave their
texts to the checks that come after; the batched pipeline and the service have to agree with them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .clips import Clip, Clips
from .error_rate import character_error_rate, plain
from .hearing_time import LONG_SECONDS, seconds_of
from .log_probability import certainty, sure
from .settings import Settings

# Two decoders of one model may part at a punctuation mark or a rare word, not more.
AGREEMENT = 0.2
# More of them would tell little more: what is wrong in a program is wrong for many clips.
MOST_SHORT = 12
FASTER_WHISPER = "faster-whisper"
TRANSFORMERS = "transformers"
HEARD = "heard.json"
RATE_IN_NAME = re.compile(r"[0-9]+ ?khz|stereo|mono", re.IGNORECASE)

# The texts of one recording, by the program that heard them.
Texts = Mapping[str, str]


@dataclass(frozen=True)
class Heard:
    """What a program made of one recording."""

    text: str
    language: str
    seconds: float
    certainty: dict[str, float] = field(default_factory=dict)


def listen(model: Any, audio: Any, **options: Any) -> Heard:
    """What faster-whisper makes of one recording, a path or decoded samples."""
    found, info = model.transcribe(audio, **options)
    segments = list(found)
    text = "".join(segment.text for segment in segments)
    return Heard(text, info.language, info.duration, certainty(segments))


def choose(clips: Clips) -> list[Clip]:
    """The clips of unknown text that are heard: of each language and format, and a long one."""
    chosen = in_turn([clip for clip in clips.unknown if clip.kind != "long"], MOST_SHORT)
    long = [clip for clip in clips.unknown if clip.kind == "long"]
    if long:
        shortest = min(long, key=lambda clip: clip.path.stat().st_size)
        if not chosen or seconds_of(shortest) <= LONG_SECONDS:
            chosen.append(shortest)
    return chosen


def in_turn(clips: Iterable[Clip], most: int) -> list[Clip]:
    """At most so many clips: each next one of a language and format that were there least."""
    left = list(clips)
    chosen: list[Clip] = []
    both: Counter[tuple[str | None, str]] = Counter()
    languages: Counter[str | None] = Counter()
    formats: Counter[str] = Counter()

    def seen(clip: Clip) -> tuple[int, int, int]:
        kind = format_of(clip.path)
        return both[clip.language, kind], languages[clip.language], formats[kind]

    while left and len(chosen) < most:
        clip = min(left, key=seen)
        left.remove(clip)
        chosen.append(clip)
        kind = format_of(clip.path)
        both[clip.language, kind] += 1
        languages[clip.language] += 1
        formats[kind] += 1
    return chosen


def format_of(path: Path) -> str:
    """The format of a recording as its name tells it: suffix, rate and channels."""
    named = [one.lower().replace(" ", "") for one in RATE_IN_NAME.findall(path.stem)]
    return " ".join([path.suffix.lower(), *named])


def keep(settings: Settings, program: str, texts: Mapping[str, str]) -> None:
    """Leave what a program heard to the checks that come after, beside what others have left."""
    if settings.scratch is None:
        return
    left = {name: dict(by) for name, by in kept(settings).items()}
    for name, text in texts.items():
        left.setdefault(name, {})[program] = text
    part = settings.scratch / f"{HEARD}.part"
    part.write_text(json.dumps(left), encoding="utf-8")
    part.rename(settings.scratch / HEARD)


def kept(settings: Settings) -> dict[str, Texts]:
    """What earlier checks of this run have heard, by the names of clips; often nothing."""
    path = settings.scratch / HEARD if settings.scratch is not None else None
    if path is None or not path.is_file():
        return {}
    found: dict[str, Texts] = json.loads(path.read_text(encoding="utf-8"))
    return found


def plausible(clip: Clip, heard: Heard) -> dict[str, Any]:
    """What can be said of a text where there is nothing to hold it against."""
    text = heard.text.strip()
    return {
        "clip": clip.path.name,
        "expected": "",
        "unknown": True,
        "text": text,
        "language": heard.language,
        "language_expected": clip.language,
        **heard.certainty,
        "good": bool(text) and clip.language in (None, heard.language) and sure(heard.certainty),
    }


def agreement(clip: Clip, reference: str, heard: Heard) -> dict[str, Any]:
    """Hold a text against another decoder's, where nobody has set what is spoken."""
    distance = character_error_rate(plain(reference), plain(heard.text))
    judged = plausible(clip, heard)
    return {
        **judged,
        "expected": reference.strip(),
        "cer": round(distance, 4),
        "cer_limit": AGREEMENT,
        "good": judged["good"] and distance <= AGREEMENT,
    }


def held(clip: Clip, texts: Texts, heard: Heard) -> dict[str, Any]:
    """Hold a text against the nearest of others, which were held against each other."""
    if not texts:
        return plausible(clip, heard)
    judged = {program: agreement(clip, text, heard) for program, text in texts.items()}
    nearest = min(judged, key=lambda program: float(judged[program]["cer"]))
    return {**judged[nearest], "as_heard_by": nearest}


def spread(clips: Sequence[Clip], count: int) -> list[Clip]:
    """At most ``count`` clips, taken evenly, so that every language is likely among them."""
    if len(clips) <= count:
        return list(clips)
    return [clips[index * len(clips) // count] for index in range(count)]
