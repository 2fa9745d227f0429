# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R5.5 and R5.6: recordings are transcribed, by faster-whisper and by transformers."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .clips import (
    KINDS,
    Clip,
    Clips,
    ClipsError,
    advice,
    as_wanted,
    difference,
    load_clips,
)
from .error_rate import character_error_rate, plain
from .log_probability import LEAST_EACH, LEAST_MEDIAN, NAME, certainty, doubts, sure
from .original import english_only
from .outcome import CheckFailedError, Outcome, failed, first_few, pairs, passed, skipped
from .r5_audio import MEND_CLIPS, NO_CLIPS, NO_SPEECH
from .r5_loads import load_faster_whisper, load_transformers
from .registry import Body, Progress, Registry
from .settings import Settings
from .transformers_texts import batch_size, batches, generate

registry = Registry()

FASTER_WHISPER = ("faster_whisper",)
TRANSFORMERS = (
    "torch",
    "transformers",
    "transformers.models.whisper.modeling_whisper",
    "faster_whisper",
)
NOT_FOR_THIS_MODEL = "no clip's text was set for this model"
# Two decoders of one model may part at a punctuation mark or a rare word, not more.
AGREEMENT = 0.2
AGREEMENT_CLIPS = 6
# A batch of the batched pipeline, and what it is given of clips of unknown text.
BATCHED = 4
BATCHED_UNKNOWN = 3
LISTEN = (
    "listen to the clip and read both texts: a wrong tokenizer, damaged weights or a changed "
    "decoder changes every clip; a hard recording changes one, and then its limits are to be raised"
)


@dataclass(frozen=True)
class Heard:
    """What faster-whisper made of one recording."""

    text: str
    language: str
    seconds: float
    certainty: dict[str, float] = field(default_factory=dict)


def usable_clips(settings: Settings) -> Clips | Outcome:
    """The clips, or how a check ends that has none."""
    try:
        clips = load_clips(settings)
    except ClipsError as error:
        raise CheckFailedError(str(error), fix=MEND_CLIPS) from error
    if clips is None:
        return skipped(NO_CLIPS)
    return clips.in_english() if english_only(settings) else clips


def with_clips(body: Callable[[Settings, Progress, Clips], Outcome]) -> Body:
    """A check that gets the clips for its model, and whose outcome counts those left out."""

    @functools.wraps(body)
    def run(settings: Settings, progress: Progress) -> Outcome:
        clips = usable_clips(settings)
        if isinstance(clips, Outcome):
            return clips
        return clips.tell(body(settings, progress, clips))

    return run


def conclude(judged: Sequence[dict[str, Any]], seconds: float, audio_seconds: float) -> Outcome:
    """One outcome of all transcripts: failed when any is out of its limits."""
    evidence: dict[str, Any] = {
        "transcripts": list(judged),
        "audio_seconds": round(audio_seconds, 2),
    }
    if audio_seconds:
        evidence["real_time_factor"] = round(seconds / audio_seconds, 4)
    bad = [entry for entry in judged if not entry["good"]]
    if bad:
        return failed(
            f"{len(bad)} of {len(judged)} clips are wrong: "
            + first_few([_difference(entry) for entry in bad], 3),
            fix=advice(judged),
            **evidence,
        )
    return passed(as_wanted(judged), **evidence)


def _difference(entry: dict[str, Any]) -> str:
    sentence = difference(entry)
    if not sure(entry):
        sentence += f" with a mean log-probability of {entry[NAME]:.2f}"
    return sentence


def listen(model: Any, audio: Any, **options: Any) -> Heard:
    """What faster-whisper makes of one recording, a path or decoded samples."""
    found, info = model.transcribe(audio, **options)
    segments = list(found)
    text = "".join(segment.text for segment in segments)
    return Heard(text, info.language, info.duration, certainty(segments))


def conclude_unknown(
    judged: Sequence[dict[str, Any]], seconds: float, audio_seconds: float
) -> Outcome:
    """As conclude(), where nobody has set what is spoken: the decoder has to be sure as well."""
    outcome = conclude(judged, seconds, audio_seconds)
    reason = doubts(judged)
    if outcome.status != "passed" or not reason:
        return outcome
    return failed(reason, fix=LISTEN, **outcome.evidence)


def _judge_all(model: Any, clips: Sequence[Clip], progress: Progress, **options: Any) -> Outcome:
    judged: list[dict[str, Any]] = []
    audio_seconds = 0.0
    started = time.monotonic()
    for clip in clips:
        progress(f"transcribing {clip.path.name}")
        heard = listen(model, str(clip.path), **options)
        audio_seconds += heard.seconds
        judged.append({**clip.judge(heard.text, heard.language), **heard.certainty})
    return conclude(judged, time.monotonic() - started, audio_seconds)


@registry.check(
    "R5.5",
    "faster_whisper_texts",
    expected="faster-whisper gives each clip's text within its limits, and its language",
    fix=LISTEN,
    imports=FASTER_WHISPER,
    deadline=900,
    cuda=True,
)
@with_clips
def faster_whisper_texts(settings: Settings, progress: Progress, clips: Clips) -> Outcome:
    spoken = clips.known_of("speech", "long")
    if not spoken:
        return skipped(NOT_FOR_THIS_MODEL)
    return _judge_all(load_faster_whisper(settings), spoken, progress)


@registry.check(
    "R5.5",
    "faster_whisper_batched",
    expected="faster-whisper's batched pipeline gives each single clip's text within its limits, "
    "or where none is known some text of which it is sure, in the right language",
    fix=LISTEN,
    imports=FASTER_WHISPER,
    deadline=900,
    cuda=True,
)
@with_clips
def faster_whisper_batched(settings: Settings, progress: Progress, clips: Clips) -> Outcome:
    from faster_whisper import BatchedInferencePipeline

    spoken = clips.known_of("speech")
    unknown = [] if spoken else spread(clips.of("speech"), BATCHED_UNKNOWN)
    if not spoken and not unknown:
        return skipped(NO_SPEECH)
    pipeline = BatchedInferencePipeline(model=load_faster_whisper(settings))
    if spoken:
        return _judge_all(pipeline, spoken, progress, batch_size=BATCHED)
    judged: list[dict[str, Any]] = []
    audio_seconds = 0.0
    started = time.monotonic()
    for clip in unknown:
        progress(f"transcribing {clip.path.name}")
        heard = listen(pipeline, str(clip.path), batch_size=BATCHED)
        audio_seconds += heard.seconds
        judged.append(plausible(clip, heard))
    outcome = conclude_unknown(judged, time.monotonic() - started, audio_seconds)
    if outcome.status != "passed":
        return outcome
    return passed(f"{len(judged)} clips of unknown text gave some", **outcome.evidence)


@registry.check(
    "R5.5",
    "faster_whisper_silence",
    expected="recordings without speech give no text",
    fix=LISTEN,
    imports=FASTER_WHISPER,
    deadline=300,
    cuda=True,
)
@with_clips
def faster_whisper_silence(settings: Settings, progress: Progress, clips: Clips) -> Outcome:
    silent = clips.of("silence")
    if not silent:
        return skipped("there is no clip without speech")
    model = load_faster_whisper(settings)
    known = set(clips.known)
    judged: list[dict[str, Any]] = []
    seconds = 0.0
    started = time.monotonic()
    for clip in silent:
        progress(f"transcribing {clip.path.name}")
        # Large models invent words for silence; in service the voice detector stands before them.
        language, unknown = clip.language or "en", clip not in known
        heard = listen(model, str(clip.path), language=language, vad_filter=unknown)
        seconds += heard.seconds
        judged.append(clip.judge(heard.text))
    outcome = conclude(judged, time.monotonic() - started, seconds)
    if outcome.status != "passed":
        return outcome
    return passed(f"{len(judged)} recordings without speech gave no text", **outcome.evidence)


@registry.check(
    "R5.6",
    "transformers_texts",
    expected="transformers gives each clip's text within its limits, and none for silence",
    fix=LISTEN,
    imports=TRANSFORMERS,
    deadline=900,
    cuda=True,
)
@with_clips
def transformers_texts(settings: Settings, progress: Progress, clips: Clips) -> Outcome:
    if not clips.known:
        return skipped(NOT_FOR_THIS_MODEL)
    processor, model, _report = load_transformers(settings)
    judged: list[dict[str, Any]] = []
    seconds = 0.0
    started = time.monotonic()
    for batch in batches(clips.known, batch_size(settings, model.config)):
        progress("transcribing " + ", ".join(clip.path.name for clip in batch))
        texts, duration = generate(processor, model, batch)
        seconds += duration
        judged += [clip.judge(text) for clip, text in pairs(batch, texts)]
    return conclude(judged, time.monotonic() - started, seconds)


@registry.check(
    "R5.6",
    "decoders_agree",
    expected=lambda _settings: (
        f"faster-whisper and transformers agree on clips of unknown text, within {AGREEMENT:.0%} "
        "of the characters, with some text, the right language and a mean log-probability of "
        f"{LEAST_EACH:g} or more, on half of the clips {LEAST_MEDIAN:g}"
    ),
    fix=LISTEN,
    imports=TRANSFORMERS,
    deadline=1800,
    cuda=True,
)
@with_clips
def decoders_agree(settings: Settings, progress: Progress, clips: Clips) -> Outcome:
    known = set(clips.known)
    if not clips.spoken:
        return skipped(NO_SPEECH)
    short, long = ([clip for clip in clips.of(kind) if clip not in known] for kind in KINDS[:2])
    unknown = short or long
    if not unknown:
        return skipped("every clip's text is known for this model and judged as such")
    chosen = spread(unknown, AGREEMENT_CLIPS)
    started = time.monotonic()
    wanted, seconds = _transformers_texts(settings, chosen, progress)
    converted = load_faster_whisper(settings)
    judged: list[dict[str, Any]] = []
    for clip, reference in pairs(chosen, wanted):
        progress(f"transcribing {clip.path.name} with faster-whisper")
        heard = listen(converted, str(clip.path), beam_size=1, temperature=0.0)
        seconds += heard.seconds
        judged.append(agreement(clip, reference, heard))
    outcome = conclude_unknown(judged, time.monotonic() - started, seconds)
    if outcome.status != "passed":
        return outcome
    return passed(f"both decoders agree on {len(judged)} clips", **outcome.evidence)


def plausible(clip: Clip, heard: Heard) -> dict[str, Any]:
    """What can be said of a text where there is nothing to hold it against."""
    text = heard.text.strip()
    return {
        "clip": clip.path.name,
        "expected": "",
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


def _transformers_texts(
    settings: Settings, clips: Sequence[Clip], progress: Progress
) -> tuple[list[str], float]:
    """Texts and seconds of audio; the model is gone afterwards, to make room for the other."""
    processor, model, _report = load_transformers(settings)
    texts: list[str] = []
    seconds = 0.0
    for clip in clips:
        progress(f"transcribing {clip.path.name} with transformers")
        (text,), duration = generate(processor, model, [clip])
        texts.append(text)
        seconds += duration
    return texts, seconds


def spread(clips: Sequence[Clip], count: int) -> list[Clip]:
    """At most ``count`` clips, taken evenly, so that every language is likely among them."""
    if len(clips) <= count:
        return list(clips)
    return [clips[index * len(clips) // count] for index in range(count)]
