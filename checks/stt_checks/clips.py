# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clips that are transcribed: audio, what is spoken in it, for which model, its limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ._clips import SILENCE, Entry, judge_clips
from .baseline import GONE, THIS_RUN, Baseline, baseline_of
from .error_rate import (
    character_error_rate,
    error_rate,
    letters,
    normalise,
    plain,
    word_error_rate,
)
from .outcome import Outcome
from .settings import Settings

WINDOW_SECONDS = 30.0
ACCEPT = (
    "listen to the clip and read both texts: when the new one is right, or was changed on purpose, "
    "accept it with -e model_check_accept_transcripts=true; else mend what changed the model, its "
    "tokenizer or the decoder since it was accepted"
)


class ClipsError(Exception):
    """A directory of clips that cannot be used, with the reason."""


@dataclass(frozen=True)
class Clip:
    """One recording; ``text`` is None when nothing is spoken, or nobody knows what.

    ``accepted`` tells since when the text is an accepted transcript; None for one that was typed.
    """

    path: Path
    kind: str
    text: str | None
    language: str | None
    model: str | None
    cer: float
    wer: float | None
    accepted: str | None = None

    @property
    def silent(self) -> bool:
        """Whether nobody speaks in it."""
        return self.kind == SILENCE

    def judge(self, text: str, language: str | None = None) -> dict[str, Any]:
        """Hold a transcription against what is spoken; ``good``: it is within the limits."""
        found = normalise(text)
        if self.silent:
            return {"clip": self.path.name, "expected": "", "text": found, "good": not found}
        judged: dict[str, Any] = {
            "clip": self.path.name,
            "expected": normalise(self.text or ""),
            "text": found,
        }
        good = bool(found)
        if self.text is not None:
            rates = self._rates(self.text, found)
            judged.update({name: round(rate, 4) for name, rate in rates.items()})
            good = good and not over(rates)
        if self.accepted is not None:
            judged["accepted"] = self.accepted
        if language is not None:
            judged["language"] = language
            judged["language_expected"] = self.language
            good = good and self.language in (None, language)
        return {**judged, "good": good}

    def _rates(self, wanted: str, found: str) -> dict[str, float]:
        """Error rates and their limits; of a typed text each character counts.

        An accepted one was written by a decoder, and another sets marks and spaces otherwise.
        """
        if self.accepted is None:
            characters = character_error_rate(wanted, found)
            words = word_error_rate(wanted, found)
        else:
            characters = error_rate(letters(wanted), letters(found))
            words = error_rate(*(plain(normalise(one)).split() for one in (wanted, found)))
        rates = {"cer": characters, "cer_limit": self.cer, "wer": words}
        return rates if self.wer is None else {**rates, "wer_limit": self.wer}


def over(entry: Mapping[str, Any]) -> list[str]:
    """The rates of a judged transcript that are above their limits, as words."""
    return [
        f"{name.upper()} {entry[name]:g} above {entry[f'{name}_limit']:g}"
        for name in ("cer", "wer")
        if f"{name}_limit" in entry and entry[name] > entry[f"{name}_limit"]
    ]


def difference(entry: Mapping[str, Any]) -> str:
    """What is wrong with a judged transcript: clip, both texts, the limit that it exceeds."""
    sentence = f"{entry['clip']} gave {entry['text']!r}"
    if "heard_by" in entry:
        sentence = f"{entry['clip']} gave {entry['heard_by']} {entry['text']!r}"
    if entry["expected"] or "unknown" not in entry:
        sentence += f" for {entry['expected']!r}"
    if "as_heard_by" in entry:
        sentence += f" as heard by {entry['as_heard_by']}"
    if "accepted" in entry:
        sentence += f" as accepted {entry['accepted']}"
    sentence = ", ".join([sentence, *over(entry)])
    if entry.get("language_expected") not in (None, entry.get("language")):
        sentence += f" in {entry.get('language') or 'no language'} for {entry['language_expected']}"
    return sentence


def as_wanted(judged: Sequence[Mapping[str, Any]], unknown: int | None = None) -> str:
    """That every transcript is right, and by what it was judged; of ``unknown`` how many were."""
    accepted = sum("accepted" in entry for entry in judged)
    heard = [entry for entry in judged if "unknown" in entry]
    spoken = len(judged) - accepted - len(heard)
    words = [f"{spoken} clips are transcribed as spoken"] if spoken else []
    if accepted:
        words.append(f"{accepted} as accepted" if spoken else _as_accepted(accepted))
    if heard:
        of = f"{len(heard)} of {unknown or len(heard)} clips of unknown text"
        agreed = all("cer" in entry for entry in heard)
        words.append(f"{of} agree with what was heard before" if agreed else f"{of} gave some")
    return " and ".join(words)


def _as_accepted(count: int) -> str:
    return f"{count} clips are transcribed as accepted"


def advice(judged: Sequence[Mapping[str, Any]]) -> str:
    """What to do about an accepted transcript that came out otherwise; empty for other clips."""
    return ACCEPT if any("accepted" in entry and not entry["good"] for entry in judged) else ""


@dataclass(frozen=True)
class Clips:
    """All clips of a directory, and whether their texts hold for the model at hand."""

    clips: tuple[Clip, ...]
    model: str
    left_out: tuple[Clip, ...] = ()
    # Accepted transcripts that do not hold, by the names of their clips, with the reason.
    not_applied: Mapping[str, str] = field(default_factory=dict)

    @property
    def known(self) -> list[Clip]:
        """Clips that are judged by their text: it was typed for this model or any, or accepted.

        Silence is among them where it was given for this model.
        """
        return [clip for clip in self.clips if self._is_known(clip)]

    @property
    def unknown(self) -> list[Clip]:
        """Clips with speech whose text nobody has typed or accepted for this model."""
        return [clip for clip in self.clips if not clip.silent and not self._is_known(clip)]

    def _is_known(self, clip: Clip) -> bool:
        named = clip.model is not None and clip.model.replace("/", "_") == self.model
        if clip.silent:
            return named
        if clip.text is None:
            return False
        return named or clip.model is None or clip.accepted is not None

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
        kept = [clip for clip in self.clips if clip.silent or clip.language in (None, "en")]
        others = tuple(clip for clip in self.clips if clip not in kept)
        return replace(self, clips=tuple(kept), left_out=others)

    def tell(self, outcome: Outcome) -> Outcome:
        """The same outcome, which also says which clips were left out, or judged by less.

        Accepted transcripts that do not hold are told once by the report, out of the evidence.
        """
        sentences, evidence = [outcome.found], dict(outcome.evidence)
        if self.left_out:
            counted = Counter(str(clip.language) for clip in self.left_out)
            languages = ", ".join(f"{count} in {name}" for name, count in sorted(counted.items()))
            sentences.append(f"left out, as the model knows only English: {languages}")
            evidence["left_out"] = [clip.path.name for clip in self.left_out]
        if self.not_applied:
            evidence["not_applied"] = dict(self.not_applied)
        return replace(outcome, found="; ".join(sentences), evidence=evidence)


def load_clips(settings: Settings) -> Clips | None:
    """The clips of the settings' directory, or None when none was given."""
    if settings.clips is None:
        return None
    entries, judgement = judge_clips(settings.clips)
    if judgement.findings:
        raise ClipsError(" | ".join(finding.sentence() for finding in judgement.findings))
    baseline = baseline_of(settings)
    clips = Clips(tuple(_clip(settings.clips, entry) for entry in entries), settings.transformers)
    return _apply(clips, baseline, now=settings.accept_transcripts)


def _clip(directory: Path, entry: Entry) -> Clip:
    return Clip(
        directory / entry.file,
        entry.kind,
        entry.text,
        entry.language,
        entry.model,
        entry.cer,
        entry.wer,
    )


def _apply(clips: Clips, baseline: Baseline, *, now: bool) -> Clips:
    """Clips of unknown text, each with what was accepted for it."""
    unknown = clips.unknown
    applied: list[Clip] = []
    not_applied: dict[str, str] = {}
    for clip in clips.clips:
        entry = baseline.of(clip.path) if clip in unknown else None
        if entry is None:
            applied.append(clip)
            if clip in unknown and baseline.why_not(clip.path):
                not_applied[clip.path.name] = baseline.why_not(clip.path)
            continue
        accepted = THIS_RUN if now else str(entry["accepted"])
        language = clip.language or entry["language"]
        applied.append(replace(clip, text=entry["text"], language=language, accepted=accepted))
    there = {clip.path.name for clip in clips.clips}
    not_applied.update({name: GONE for name in baseline.clips if name not in there})
    return replace(clips, clips=tuple(applied), not_applied=not_applied)
