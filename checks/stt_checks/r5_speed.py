# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R5.5: how long a recording takes, and whether that is fast enough for production."""

from __future__ import annotations

import time
from typing import Any

from .clips import Clip, Clips
from .hearing_time import LONG_SECONDS, seconds_of, time_for
from .log_probability import NAME, sure
from .outcome import Outcome, failed, passed
from .r5_audio import RATE, decode
from .r5_loads import load_faster_whisper
from .r5_transcripts import FASTER_WHISPER, no_speech, with_clips
from .registry import Progress, Registry
from .settings import Settings, cpu_count
from .unknown_texts import Heard, listen, plausible, spread

registry = Registry()

# A GPU that is slower than speech is one that does something else, or no GPU.
LIMIT_ON_GPU = 1.0
MOST_CLIPS = 2
OPTION = "model_check_real_time_factor_limit"


def limit_of(settings: Settings) -> float | None:
    """The limit as told; by itself only a GPU has one: nobody releases for a CPU."""
    if settings.real_time_factor_limit > 0:
        return settings.real_time_factor_limit
    return LIMIT_ON_GPU if settings.gpu else None


def expectation(settings: Settings) -> str:
    """What is asked for, as a sentence."""
    limit = limit_of(settings)
    if limit is None:
        return f"long recordings give a text; on a CPU the time has no limit without {OPTION}"
    return f"long recordings take at most {limit:g} times as long to transcribe as to listen to"


@registry.check(
    "R5.5",
    "real_time_factor",
    expected=expectation,
    fix="see what else uses this GPU or processor, compare other quantizations "
    f"(whisper_model_quantizations), or set {OPTION} to what production needs",
    imports=FASTER_WHISPER,
    deadline=1800,
    cuda=True,
)
@with_clips
def real_time_factor(settings: Settings, progress: Progress, clips: Clips) -> Outcome:
    # A short one costs a whole window of 30 s, as much as a long one with that much speech.
    chosen = timed(clips)
    if not chosen:
        return no_speech()
    model = load_faster_whisper(settings)
    first = shortest(clips.spoken)
    progress("transcribing once before the clock starts", time_for([first]))
    listen(model, decode(first.path), task="transcribe")
    taken = audio_seconds = 0.0
    for clip in chosen:
        progress(f"transcribing {clip.path.name}", time_for([clip]))
        audio = decode(clip.path)
        started = time.monotonic()
        heard = listen(model, audio, task="transcribe")
        taken += time.monotonic() - started
        audio_seconds += len(audio) / RATE
        if not plausible(clip, heard)["good"]:
            return failed(f"{_doubtful(clip, heard)}, so its time means nothing")
    evidence = {
        "compute_type": model.model.compute_type,
        "clips": [clip.path.name for clip in chosen],
        "cpu_threads": cpu_count(),
    }
    return judge_speed(taken, audio_seconds, limit_of(settings), settings.device, evidence)


def _doubtful(clip: Clip, heard: Heard) -> str:
    if not heard.text.strip():
        return f"{clip.path.name} gave no text"
    sentence = f"{clip.path.name} gave {heard.text.strip()[:80]!r} in {heard.language}"
    if clip.language not in (None, heard.language):
        sentence += f" for {clip.language}"
    if not sure(heard.certainty):
        sentence += f" with a mean log-probability of {heard.certainty[NAME]:.2f}"
    return sentence


def timed(clips: Clips) -> list[Clip]:
    """The recordings that are timed: long ones, as none of hours is needed, or else short ones."""
    long = clips.of("long")
    chosen = [clip for clip in long if seconds_of(clip) <= LONG_SECONDS] or clips.of("speech")
    return spread(chosen, MOST_CLIPS) if chosen or not long else [shortest(long)]


def shortest(spoken: list[Clip]) -> Clip:
    """The recording with the smallest file: one is as good as another to warm up with."""
    return min(spoken, key=lambda clip: clip.path.stat().st_size)


def judge_speed(
    seconds: float, audio_seconds: float, limit: float | None, device: str, evidence: dict[str, Any]
) -> Outcome:
    """Hold the time of transcribing against that of the speech."""
    factor = seconds / audio_seconds
    figures = {
        "real_time_factor": round(factor, 5),
        "limit": limit,
        "seconds": round(seconds, 3),
        "audio_seconds": round(audio_seconds, 2),
        **evidence,
    }
    sentence = f"{factor:.4f} on {device}: {audio_seconds:.0f} s of speech in {seconds:.2f} s"
    if limit is None:
        return passed(f"{sentence}; no limit is set for a CPU", **figures)
    if factor > limit:
        return failed(f"{sentence}, above the limit of {limit:g}", **figures)
    return passed(f"{sentence}, within the limit of {limit:g}", **figures)
