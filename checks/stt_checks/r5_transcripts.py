# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R5.5 and R5.6: recordings are transcribed, by faster-whisper and by transformers."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .clips import (
    Clip,
    Clips,
    ClipsError,
    advice,
    as_wanted,
    difference,
    load_clips,
)
from .hearing_time import time_for
from .log_probability import LEAST_EACH, LEAST_MEDIAN, NAME, doubts, sure
from .original import english_only
from .outcome import CheckFailedError, Outcome, failed, first_few, pairs, passed, skipped
from .own_clips import own_clips
from .r5_audio import GIVE_SPEECH, MEND_CLIPS, NO_CLIPS, NO_SPEECH
from .r5_loads import load_faster_whisper, load_transformers
from .registry import Body, Progress, Registry
from .settings import Settings
from .transformers_texts import batch_size, batches, generate
from .unknown_texts import AGREEMENT, Texts, agreement, choose, held, keep, kept, listen
from .unknown_texts import FASTER_WHISPER as BY_FASTER_WHISPER
from .unknown_texts import TRANSFORMERS as BY_TRANSFORMERS

registry = Registry()

FASTER_WHISPER = ("faster_whisper",)
TRANSFORMERS = (
    "torch",
    "transformers",
    "transformers.models.whisper.modeling_whisper",
    "faster_whisper",
)
NOT_FOR_THIS_MODEL = "no clip's text was set for this model"
ONLY_LONG = "every clip of known text is a long one, and none is unknown"
# A batch of the batched pipeline.
BATCHED = 4
LISTEN = (
    "listen to the clip and read both texts: where the given one is not what is spoken, correct it "
    "in clips.json; a wrong tokenizer, damaged weights or a changed decoder changes every clip; a "
    "hard recording changes one, and then its limits are to be raised"
)


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


def no_speech() -> Outcome:
    """How a check ends that needs speech and has none that this model could know."""
    return failed(NO_SPEECH, fix=GIVE_SPEECH)


def conclude(
    judged: Sequence[dict[str, Any]],
    seconds: float,
    audio_seconds: float,
    unknown: int | None = None,
) -> Outcome:
    """One outcome of all transcripts: failed when any is out of its limits.

    ``unknown`` is how many clips of unknown text there are; some of them may have been heard. Of
    these the decoder has to be sure as well.
    """
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
    reason = doubts([entry for entry in judged if "unknown" in entry])
    if reason:
        return failed(reason, fix=LISTEN, **evidence)
    return passed(as_wanted(judged, unknown), **evidence)


def _difference(entry: dict[str, Any]) -> str:
    sentence = difference(entry)
    if not sure(entry):
        sentence += f" with a mean log-probability of {entry[NAME]:.2f}"
    return sentence


def _judge_all(
    model: Any,
    clips: Sequence[Clip],
    progress: Progress,
    texts: Mapping[str, Texts],
    **options: Any,
) -> tuple[list[dict[str, Any]], float]:
    """Transcripts, of unknown text those of ``texts`` by what was heard; and seconds of audio."""
    judged: list[dict[str, Any]] = []
    audio_seconds = 0.0
    for clip in clips:
        progress(f"transcribing {clip.path.name}", time_for([clip]))
        heard = listen(model, str(clip.path), **options)
        audio_seconds += heard.seconds
        if clip.path.name in texts:
            judged.append(held(clip, texts[clip.path.name], heard))
        else:
            judged.append({**clip.judge(heard.text, heard.language), **heard.certainty})
    return judged, audio_seconds


@registry.check(
    "R5.5",
    "faster_whisper_texts",
    expected="faster-whisper gives each clip's text within its limits, and its language; where no "
    "text is known some text of which it is sure",
    fix=LISTEN,
    imports=FASTER_WHISPER,
    deadline=1800,
    cuda=True,
)
@with_clips
def faster_whisper_texts(settings: Settings, progress: Progress, clips: Clips) -> Outcome:
    spoken, unknown = clips.known_of("speech", "long"), choose(clips)
    if not spoken and not unknown:
        return no_speech()
    nothing: dict[str, Texts] = {clip.path.name: {} for clip in unknown}
    model = load_faster_whisper(settings)
    started = time.monotonic()
    judged, seconds = _judge_all(model, [*spoken, *unknown], progress, nothing)
    keep(settings, BY_FASTER_WHISPER, texts_in(judged))
    return conclude(judged, time.monotonic() - started, seconds, len(clips.unknown))


def texts_in(judged: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What was heard in clips of unknown text."""
    return {entry["clip"]: entry["text"] for entry in judged if "unknown" in entry}


def heard_before(
    settings: Settings, clips: Clips, progress: Progress, load: Callable[[], Any]
) -> dict[str, Texts]:
    """What earlier checks heard in the clips of unknown text, or what faster-whisper hears now.

    The model that ``load`` gives is let go of: what comes next may need the room.
    """
    before = kept(settings)
    wanted = [clip for clip in clips.unknown if clip.path.name in before] or choose(clips)
    found = {clip.path.name: before.get(clip.path.name, {}) for clip in wanted}
    if all(found.values()):
        return found
    model = load()
    for clip in wanted:
        progress(f"transcribing {clip.path.name} to compare with", time_for([clip]))
        found[clip.path.name] = {BY_FASTER_WHISPER: listen(model, str(clip.path)).text}
    return found


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
    with own_clips(settings, clips) as own:
        silent = [*clips.of("silence"), *own.of("silence")]
        return _stay_silent(settings, progress, silent, {*clips.known, *own.known})


def _stay_silent(
    settings: Settings, progress: Progress, silent: Sequence[Clip], known: Collection[Clip]
) -> Outcome:
    if not silent:
        return skipped("there is no clip without speech")
    model = load_faster_whisper(settings)
    judged: list[dict[str, Any]] = []
    seconds = 0.0
    started = time.monotonic()
    for clip in silent:
        progress(f"transcribing {clip.path.name}", time_for([clip]))
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
        progress("transcribing " + ", ".join(clip.path.name for clip in batch), time_for(batch))
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
    if not clips.spoken:
        return no_speech()
    if not clips.unknown:
        return skipped("every clip's text is known for this model and judged as such")
    chosen = choose(clips)
    names = {clip.path.name for clip in chosen}
    chosen += [
        clip
        for clip in clips.unknown
        if clip.path.name in settings.heard and clip.path.name not in names
    ]
    before = kept(settings)
    started = time.monotonic()
    wanted, seconds = _transformers_texts(settings, chosen, progress)
    keep(settings, BY_TRANSFORMERS, {clip.path.name: text for clip, text in pairs(chosen, wanted)})
    converted = load_faster_whisper(settings)
    judged: list[dict[str, Any]] = []
    for clip, reference in pairs(chosen, wanted):
        progress(f"transcribing {clip.path.name} with faster-whisper", time_for([clip]))
        heard = listen(converted, str(clip.path), beam_size=1, temperature=0.0)
        seconds += heard.seconds
        judged.append(agreement(clip, reference, heard))
        texts = {BY_TRANSFORMERS: reference, BY_FASTER_WHISPER: heard.text}
        name = clip.path.name
        for program, text in {**before.get(name, {}), **settings.heard.get(name, {})}.items():
            # Its language and its doubts were judged where it was heard.
            other = replace(heard, text=text)
            judged.append({**held(clip, texts, other), "heard_by": program})
    outcome = conclude(judged, time.monotonic() - started, seconds)
    if outcome.status != "passed":
        return outcome
    return passed(
        f"both decoders agree on {len(chosen)} of {len(clips.unknown)} clips of unknown text",
        **outcome.evidence,
    )


@registry.check(
    "R5.5",
    "faster_whisper_batched",
    expected="faster-whisper's batched pipeline gives each single clip's text within its limits; "
    f"where none is known what was heard before, within {AGREEMENT:.0%} of the characters, in the "
    "right language",
    fix=LISTEN,
    imports=FASTER_WHISPER,
    deadline=1800,
    cuda=True,
)
@with_clips
def faster_whisper_batched(settings: Settings, progress: Progress, clips: Clips) -> Outcome:
    from faster_whisper import BatchedInferencePipeline

    spoken, unknown = clips.known_of("speech"), bool(clips.unknown)
    if not spoken and not unknown:
        return skipped(ONLY_LONG) if clips.spoken else no_speech()
    model = load_faster_whisper(settings)
    texts = heard_before(settings, clips, progress, lambda: model)
    pipeline = BatchedInferencePipeline(model=model)
    started = time.monotonic()
    heard = [clip for clip in clips.unknown if clip.path.name in texts]
    judged, seconds = _judge_all(pipeline, [*spoken, *heard], progress, texts, batch_size=BATCHED)
    return conclude(judged, time.monotonic() - started, seconds, len(clips.unknown))


def _transformers_texts(
    settings: Settings, clips: Sequence[Clip], progress: Progress
) -> tuple[list[str], float]:
    """Texts and seconds of audio; the model is gone afterwards, to make room for the other."""
    processor, model, _report = load_transformers(settings)
    texts: list[str] = []
    seconds = 0.0
    for clip in clips:
        progress(f"transcribing {clip.path.name} with transformers", time_for([clip]))
        (text,), duration = generate(processor, model, [clip])
        texts.append(text)
        seconds += duration
    return texts, seconds
