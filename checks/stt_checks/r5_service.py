# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R5.7: the service itself runs, tells the truth about its health and transcribes over HTTP."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from .clips import Clip
from .outcome import Outcome, failed, passed, require, skipped
from .r5_transcripts import LISTEN, conclude, usable_clips
from .registry import Progress, Registry
from .service_process import REFUSED, Answer, ServiceProcess
from .settings import Settings

registry = Registry()

START_SECONDS = 600.0
STOP_SECONDS = 60.0
# How long an instance without a model is watched after the good one is ready, at least.
WATCH_SECONDS = 2.0
UNKNOWN_CLIPS = 3
NOT_LOADED = (REFUSED, 503)
BROKEN_AUDIO = {
    "no-audio.wav": b"<!DOCTYPE html><html><body>this is no audio</body></html>",
    "empty.wav": b"",
    "cut.flac": b"fLaC\x00\x00\x00\x22",
}


@registry.check(
    "R5.7",
    "service_health",
    expected="/health answers 200 only once the model is loaded, names device and type; SIGTERM "
    "ends the service with exit status 0",
    fix="look at the service's log in the evidence; the service must not claim what is not loaded",
    deadline=900,
    cuda=True,
)
def service_health(settings: Settings, progress: Progress) -> Outcome:
    if not _has_service(settings):
        return _without_service(settings)
    progress("starting the service")
    with ServiceProcess(settings, settings.ctranslate2_path) as service:
        answers = service.until_healthy(START_SECONDS)
        seconds = time.monotonic() - service.started
        early = [answer for answer in answers[:-1] if answer.status not in NOT_LOADED]
        require(not early, f"before the model was loaded: {early[0].sentence() if early else ''}")
        loaded: Any = answers[-1].body.get("model")
        require(isinstance(loaded, dict), f"/health names no model: {answers[-1].sentence()}")
        for key, wanted in (("device", settings.device), ("compute_type", settings.compute_type)):
            found = loaded.get(key)
            require(found == wanted, f"/health says {key} {found!r} where {wanted!r} was asked for")
        progress("stopping the service")
        status = service.stop(STOP_SECONDS)
        require(status is not None, f"SIGTERM does not end it within {STOP_SECONDS:g} s")
        require(status == 0, f"SIGTERM ends it with exit status {status}", log=service.tail())
    statuses = sorted({answer.status for answer in answers})
    return passed(
        f"healthy after {seconds:.1f} s on {settings.device} in {settings.compute_type}, "
        "ended by SIGTERM with exit status 0",
        start_seconds=round(seconds, 2),
        statuses=statuses,
        model=loaded,
    )


@registry.check(
    "R5.7",
    "service_without_model",
    expected="with an empty model directory /health never answers 200",
    fix="the service must load the model before it calls itself healthy",
    deadline=300,
    cuda=True,
)
def service_without_model(settings: Settings, progress: Progress) -> Outcome:
    if not _has_service(settings):
        return _without_service(settings)
    with tempfile.TemporaryDirectory() as empty:
        progress("starting the service without a model")
        with ServiceProcess(settings, Path(empty)) as service:
            # Once it listens, or has given up, it gets a while to change its mind.
            first = service.watch("/health", lambda answer: answer.status != REFUSED, 60.0)
            until = time.monotonic() - service.started + WATCH_SECONDS
            answers = first + service.watch("/health", _is_healthy, until)
            healthy = [answer for answer in answers if _is_healthy(answer)]
            if healthy:
                return failed(f"/health without a model: {healthy[0].sentence()}")
            ended = service.process.poll()
            wav = service.transcribe("silence.wav", b"RIFF") if ended is None else None
            require(
                wav is None or wav.status != 200,
                f"/transcribe without a model: {wav.sentence() if wav else ''}",
            )
    statuses = sorted({answer.status for answer in answers} - {REFUSED})
    said = f"answers {', '.join(map(str, statuses))}" if statuses else "does not listen"
    end = "goes on" if ended is None else f"ends with exit status {ended}"
    require(ended != 0, "it ends with exit status 0, as if all were well")
    return passed(f"without a model it {said} and {end}", statuses=statuses, exit_status=ended)


@registry.check(
    "R5.7",
    "service_transcribes",
    expected="/transcribe gives each clip's text within its limits, and 4xx for broken audio",
    fix=LISTEN,
    deadline=1800,
    cuda=True,
)
def service_transcribes(settings: Settings, progress: Progress) -> Outcome:
    if not _has_service(settings):
        return _without_service(settings)
    clips = usable_clips(settings)
    if isinstance(clips, Outcome):
        return clips
    known = clips.known
    chosen = known or clips.spoken[:UNKNOWN_CLIPS]
    if not chosen:
        return clips.tell(skipped("there is no clip to send"))
    progress("starting the service")
    with ServiceProcess(settings, settings.ctranslate2_path) as service:
        service.until_healthy(START_SECONDS)
        judged: list[dict[str, Any]] = []
        audio_seconds = 0.0
        started = time.monotonic()
        for clip in chosen:
            progress(f"transcribing {clip.path.name}")
            answer = service.transcribe(clip.path.name, clip.path.read_bytes())
            judged.append(_judge(clip, answer, known=bool(known)))
            audio_seconds += float(answer.body.get("duration") or 0.0)
        outcome = conclude(judged, time.monotonic() - started, audio_seconds)
        if outcome.status != "passed":
            return clips.tell(outcome)
        progress("sending broken audio")
        refusals: dict[str, int] = {}
        for name, content in BROKEN_AUDIO.items():
            answer = service.transcribe(name, content)
            refusals[name] = answer.status
            require(400 <= answer.status < 500, f"{name} gets {answer.sentence()}")
        after = service.get("/health")
        require(after.status == 200, f"after broken audio /health gives {after.sentence()}")
    text = "transcribed as spoken" if known else "transcribed to some text in the right language"
    return clips.tell(
        passed(
            f"{len(judged)} clips are {text}; broken audio gets 4xx",
            refusals=refusals,
            **outcome.evidence,
        )
    )


def _judge(clip: Clip, answer: Answer, *, known: bool) -> dict[str, Any]:
    text = str(answer.body.get("text", ""))
    language = str(answer.body.get("language", ""))
    judged = clip.judge(text, language if clip.text is not None else None)
    if not known:
        judged["good"] = bool(text.strip()) and clip.language in (None, language)
    if answer.status != 200 or answer.body.get("success") is not True:
        judged.update(good=False, text=answer.sentence())
    return judged


def _has_service(settings: Settings) -> bool:
    return (settings.app / "stt_engine").is_dir()


def _without_service(settings: Settings) -> Outcome:
    if settings.container:
        return failed(f"there is no {settings.app}/stt_engine in this image")
    return skipped(f"no {settings.app}/stt_engine here")


def _is_healthy(answer: Answer) -> bool:
    return answer.status == 200
