# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R5.7: the service itself runs, tells the truth about its health and transcribes over HTTP."""

from __future__ import annotations

import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from . import gpu_memory
from .baseline import sha256_of
from .clips import Clip, Clips, as_wanted
from .hearing_time import time_for
from .lacks import ANOTHER_ENGINE, lacking
from .log_probability import NAME, certainty_of
from .memory import gpu_bytes
from .outcome import CheckFailedError, Outcome, failed, first_few, passed, require, skipped
from .own_clips import own_clips
from .r5_loads import least_on_gpu, load_faster_whisper
from .r5_transcripts import FASTER_WHISPER, LISTEN, conclude, heard_before, no_speech, usable_clips
from .registry import Progress, Registry
from .service_process import REFUSED, Answer, ServiceProcess
from .settings import Settings
from .unknown_texts import Heard, Texts, choose, held

registry = Registry()

START_SECONDS = 600.0
STOP_SECONDS = 60.0
# How long an instance without a model is watched after the good one is ready, at least.
WATCH_SECONDS = 2.0
NOT_LOADED = (REFUSED, 503)
# Of a check's own deadline, what its service may take to start.
DEADLINE_SHARE = 0.8
# By a handler of its own, by none, and by a shell in between.
ENDED_BY_SIGTERM = (0, -signal.SIGTERM, 128 + signal.SIGTERM)
UNHELD = "unheld"
OWN_MODEL = "its model's place is its own, so none can be taken away; service_transcribes decides"
TAKE_FORMATS = (
    "have the service take wav, flac, mp3, m4a and ogg, mono and stereo, of any rate and length: "
    "the message names the recording and the answer"
)
COMMAND = "set CMD or ENTRYPOINT in its Dockerfile"
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
    if settings.foreign:
        return _foreign_health(settings, progress)
    progress("starting the service")
    before = gpu_bytes() if settings.gpu else None
    with ServiceProcess(settings, settings.ctranslate2_path) as service:
        answers = service.until_healthy(start_seconds(settings))
        seconds = time.monotonic() - service.started
        with_model = gpu_bytes() if settings.gpu else None
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
    evidence: dict[str, Any] = {}
    if settings.gpu:
        least = least_on_gpu(settings, settings.compute_type)
        evidence["gpu_memory_bytes"] = require_used_gpu(before, with_model, gpu_bytes(), least)
    statuses = sorted({answer.status for answer in answers})
    return passed(
        f"healthy after {seconds:.1f} s on {settings.device} in {settings.compute_type}, "
        "ended by SIGTERM with exit status 0",
        start_seconds=round(seconds, 2),
        statuses=statuses,
        model=loaded,
        **evidence,
    )


def require_used_gpu(before: int | None, during: int | None, after: int | None, least: int) -> int:
    """GPU memory that the service used; ends the check where its model cannot have been there.

    Its coming and its going both tell: another process would have to hide both.
    """
    came, went = (gpu_memory.missing(free, during, least) for free in (before, after))
    require(not came or not went, f"the service's model is not on the GPU: {came}")
    return max((during or 0) - free for free in (before, after) if free is not None)


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
    if settings.foreign:
        return skipped(f"{ANOTHER_ENGINE}: {OWN_MODEL}")
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
    expected="/transcribe gives each clip's text within its limits, or where none is known what "
    "was heard before, and 4xx for broken audio",
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
    if not clips.spoken:
        return clips.tell(no_speech())
    texts = _texts(settings, clips, progress)
    chosen = [*clips.known, *(clip for clip in clips.unknown if clip.path.name in texts)]
    progress("starting the service")
    with (
        gpu_memory.Peak(gpu_bytes if settings.gpu else lambda: None) as peak,
        ServiceProcess(settings, settings.ctranslate2_path) as service,
    ):
        _until_ready(service, settings, chosen[0])
        judged: list[dict[str, Any]] = []
        audio_seconds = 0.0
        started = time.monotonic()
        for clip in chosen:
            seconds = time_for([clip])
            progress(f"transcribing {clip.path.name}", seconds)
            answer = service.transcribe(clip.path.name, clip.path.read_bytes(), seconds)
            # A later proof may ask for this very recording again; a name can come to mean another.
            of = {"sha256": sha256_of(clip.path)}
            judged.append({**_judge(clip, answer, settings, texts.get(clip.path.name)), **of})
            audio_seconds += _seconds(answer)
        outcome = conclude(judged, time.monotonic() - started, audio_seconds)
        if outcome.status != "passed":
            return clips.tell(outcome)
        progress("sending broken audio")
        refusals = _refusals(service)
        with own_clips(settings, clips) as own:
            formats = _answers(service, settings, own, progress)
    also = f"; {len(formats)} of the check archive's own get an answer" if formats else ""
    unheld = [name for name, by in texts.items() if not by]
    return clips.tell(
        passed(
            f"{as_wanted(judged, len(clips.unknown))}; broken audio gets 4xx{also}",
            refusals=refusals,
            formats=formats,
            # Nothing here could hear them but the service itself.
            **({UNHELD: unheld} if unheld else {}),
            # With everything that a process needs there beside the model.
            gpu_peak_bytes=peak.bytes,
            **outcome.evidence,
        )
    )


def _answers(
    service: ServiceProcess, settings: Settings, own: Clips, progress: Progress
) -> list[dict[str, Any]]:
    """What it makes of the archive's own recordings; CheckFailedError where it takes one not.

    Only the model that their texts are known for is held to them.
    """
    known = set(own.known)
    answered: list[dict[str, Any]] = []
    for clip in own.clips:
        seconds = time_for([clip])
        progress(f"transcribing {clip.path.name}", seconds)
        answer = service.transcribe(clip.path.name, clip.path.read_bytes(), seconds)
        if clip in known:
            answered.append(_judge(clip, answer, settings, None))
            continue
        good = _is_success(answer, settings)
        text = str(answer.body.get("text") or "") if good else answer.sentence()
        answered.append({"clip": clip.path.name, "text": text, "good": good})
    bad = [one for one in answered if not one["good"]]
    first = first_few([f"{one['clip']} gave {one['text']!r}" for one in bad], 3)
    require(
        not bad,
        f"{len(bad)} of {len(answered)} recordings of the check archive's own: {first}",
        fix=TAKE_FORMATS,
        formats=answered,
    )
    return answered


def _is_success(answer: Answer, settings: Settings) -> bool:
    return answer.status == 200 and answer.body.get("success", settings.foreign) is True


def start_seconds(settings: Settings) -> float:
    """How long a service may take to be ready: less than the check itself, which has to say so."""
    return min(
        START_SECONDS, DEADLINE_SHARE * (settings.deadline or START_SECONDS / DEADLINE_SHARE)
    )


def _until_ready(service: ServiceProcess, settings: Settings, clip: Clip) -> None:
    """Wait until recordings can be sent; CheckFailedError when that time never comes.

    The health of another engine proves nothing: it is ready when it transcribes.
    """
    limit = start_seconds(settings)
    if not settings.foreign:
        service.until_healthy(limit)
        return
    answers = service.until_transcribed(clip.path.name, clip.path.read_bytes(), limit)
    last = answers[-1] if answers else Answer(REFUSED, {})
    if last.status not in NOT_LOADED:
        return
    if service.process.poll() is not None:
        what = f"it ended with exit status {service.process.returncode}"
    else:
        health = service.get("/health")
        what = f"its last answer to {clip.path.name} is {last.sentence()}"
        if _is_healthy(health):
            what += ", although /health answers 200"
    raise CheckFailedError(
        f"the service does not transcribe within {limit:g} s: {what}", log=service.tail()
    )


def _foreign_health(settings: Settings, progress: Progress) -> Outcome:
    """Another engine's health may say what it likes; it starts, answers and ends as told."""
    progress("starting the service")
    with ServiceProcess(settings, settings.ctranslate2_path) as service:
        answers = service.until_healthy(start_seconds(settings))
        seconds = time.monotonic() - service.started
        progress("stopping the service")
        status = service.stop(STOP_SECONDS)
        require(status is not None, f"SIGTERM does not end it within {STOP_SECONDS:g} s")
        require(
            status in ENDED_BY_SIGTERM,
            f"SIGTERM ends it with exit status {status}",
            log=service.tail(),
        )
    return passed(
        f"/health answers 200 after {seconds:.1f} s and is not believed: service_transcribes "
        f"decides; SIGTERM ended it with {status}",
        start_seconds=round(seconds, 2),
        statuses=sorted({answer.status for answer in answers}),
        health=answers[-1].body,
    )


def _refusals(service: ServiceProcess) -> dict[str, int]:
    """The statuses that broken audio gets; CheckFailedError for one that is no refusal."""
    refusals: dict[str, int] = {}
    for name, content in BROKEN_AUDIO.items():
        answer = service.transcribe(name, content)
        refusals[name] = answer.status
        require(400 <= answer.status < 500, f"{name} gets {answer.sentence()}")
    after = service.get("/health")
    require(after.status == 200, f"after broken audio /health gives {after.sentence()}")
    return refusals


def _texts(settings: Settings, clips: Clips, progress: Progress) -> dict[str, Texts]:
    """What others hear in the clips of unknown text that are sent; nothing without any other."""
    if not clips.unknown:
        return {}
    if lacking(settings, *FASTER_WHISPER) is not None:
        return {clip.path.name: {} for clip in choose(clips)}
    return heard_before(settings, clips, progress, lambda: load_faster_whisper(settings))


def _judge(clip: Clip, answer: Answer, settings: Settings, texts: Texts | None) -> dict[str, Any]:
    """Hold an answer against what is spoken, or against ``texts`` where nobody has set that."""
    text = str(answer.body.get("text") or "")
    # Another engine may leave out what it has not found out.
    told = "language" in answer.body or not settings.foreign
    language = str(answer.body.get("language", ""))
    pieces = answer.body.get("segments")
    listed = pieces if isinstance(pieces, list) else []
    certain = certainty_of([piece for piece in listed if isinstance(piece, dict)])
    if texts is None:
        judged = {**clip.judge(text, language if told and not clip.silent else None), **certain}
    else:
        spoken_in = language if told else clip.language or ""
        judged = held(clip, texts, Heard(text, spoken_in, _seconds(answer), certain))
        if NAME not in certain and not settings.foreign:
            judged.update(good=False, text=f"{text} (without a log-probability)")
    if not _is_success(answer, settings):
        judged.update(good=False, text=answer.sentence())
        # It says nothing of a language either.
        judged.pop("language_expected", None)
    return judged


def _seconds(answer: Answer) -> float:
    duration = answer.body.get("duration")
    return float(duration) if isinstance(duration, (int, float)) else 0.0


def _has_service(settings: Settings) -> bool:
    if settings.foreign:
        return bool(settings.service_command)
    return (settings.app / "stt_engine").is_dir()


def _without_service(settings: Settings) -> Outcome:
    if settings.foreign:
        return failed("the image has no command that could start a service", fix=COMMAND)
    if settings.container:
        return failed(f"there is no {settings.app}/stt_engine in this image")
    return skipped(f"no {settings.app}/stt_engine here")


def _is_healthy(answer: Answer) -> bool:
    return answer.status == 200
