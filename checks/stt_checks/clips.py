# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clips that are transcribed: audio, what is spoken in it, for which model, its limits."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .error_rate import character_error_rate, normalise, word_error_rate
from .outcome import Outcome
from .settings import Settings

KINDS = ("speech", "long", "silence")
WINDOW_SECONDS = 30.0


class ClipsError(Exception):
    """A directory of clips that cannot be used, with the reason."""


@dataclass(frozen=True)
class Clip:
    """One recording; ``text`` is None when nothing is spoken."""

    path: Path
    kind: str
    text: str | None
    language: str | None
    model: str
    cer: float
    wer: float

    def judge(self, text: str, language: str | None = None) -> dict[str, Any]:
        """Hold a transcription against what is spoken; ``good``: it is within the limits."""
        found = normalise(text)
        if self.text is None:
            return {"clip": self.path.name, "expected": "", "text": found, "good": not found}
        characters = character_error_rate(self.text, found)
        words = word_error_rate(self.text, found)
        good = bool(found) and characters <= self.cer and words <= self.wer
        judged = {
            "clip": self.path.name,
            "expected": normalise(self.text),
            "text": found,
            "cer": round(characters, 4),
            "wer": round(words, 4),
            "cer_limit": self.cer,
            "wer_limit": self.wer,
        }
        if language is not None:
            judged["language"] = language
            judged["language_expected"] = self.language
            good = good and self.language in (None, language)
        return {**judged, "good": good}


@dataclass(frozen=True)
class Clips:
    """All clips of a directory, and whether their texts hold for the model at hand."""

    clips: tuple[Clip, ...]
    model: str
    left_out: tuple[Clip, ...] = ()

    @property
    def known(self) -> list[Clip]:
        """Clips whose limits were set for this model: their texts are judged."""
        return [clip for clip in self.clips if clip.model.replace("/", "_") == self.model]

    def known_of(self, *kinds: str) -> list[Clip]:
        return [clip for clip in self.known if clip.kind in kinds]

    def of(self, *kinds: str) -> list[Clip]:
        """Clips of some kinds, whichever model they are for."""
        return [clip for clip in self.clips if clip.kind in kinds]

    @property
    def spoken(self) -> list[Clip]:
        """Short recordings of speech, or long ones where there are no short ones."""
        return self.of("speech") or self.of("long")

    def in_english(self) -> Clips:
        """Those that an English-only model can be judged by: silence has no language."""
        kept = [clip for clip in self.clips if clip.text is None or clip.language in (None, "en")]
        others = tuple(clip for clip in self.clips if clip not in kept)
        return replace(self, clips=tuple(kept), left_out=others)

    def tell(self, outcome: Outcome) -> Outcome:
        """The same outcome, which also says how many clips were left out."""
        if not self.left_out:
            return outcome
        counted = Counter(str(clip.language) for clip in self.left_out)
        languages = ", ".join(f"{count} in {name}" for name, count in sorted(counted.items()))
        return replace(
            outcome,
            found=f"{outcome.found}; left out, as the model knows only English: {languages}",
            evidence={**outcome.evidence, "left_out": [clip.path.name for clip in self.left_out]},
        )


def load_clips(settings: Settings) -> Clips | None:
    """The clips of the settings' directory, or None when none was given."""
    if settings.clips is None:
        return None
    index = settings.clips / "clips.json"
    try:
        document = json.loads(index.read_bytes())
    except (OSError, ValueError) as error:
        raise ClipsError(f"{index} cannot be read: {error}") from error
    if not isinstance(document, list) or not document:
        raise ClipsError(f"{index} holds no list of clips")
    clips = tuple(_clip(settings.clips, entry, number) for number, entry in enumerate(document))
    return Clips(clips, settings.transformers)


def _clip(directory: Path, entry: Any, number: int) -> Clip:
    try:
        clip = Clip(
            path=directory / entry["file"],
            kind=entry["kind"],
            text=entry["text"],
            language=entry["language"],
            model=entry["model"],
            cer=float(entry["limits"]["cer"]),
            wer=float(entry["limits"]["wer"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ClipsError(f"clip {number + 1} in {directory}/clips.json: {error!r}") from error
    if clip.kind not in KINDS:
        raise ClipsError(f"{clip.path.name}: kind {clip.kind!r}; needed one of {', '.join(KINDS)}")
    if (clip.text is None) != (clip.kind == "silence"):
        raise ClipsError(f"{clip.path.name}: a silence has no text and everything else has one")
    if not clip.path.is_file():
        raise ClipsError(f"{clip.path} does not exist")
    return clip
