# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Negative controls of R5.7: services that lie, each about one thing only."""

from __future__ import annotations

import json
import sys
from typing import Any

from .control import Arrange, Controls, NotPlantableError, Plant, fails
from .control_files import (
    NEVER_SAID,
    entry,
    give_clips,
    hear_before,
    invented_in,
    other_than,
    two_spoken,
    unknown_clip,
)
from .lacks import lacking
from .log_probability import LEAST_EACH, LEAST_MEDIAN, NAME
from .r5_transcripts import FASTER_WHISPER
from .settings import NO_GPU

controls = Controls()

HEALTH, WITHOUT = "R5.7/service_health", "R5.7/service_without_model"
TRANSCRIBES = "R5.7/service_transcribes"
NOT_BELIEVED = "another engine's health is not believed"
# Says what it is told to: its last answer of health over and over, one answer to all recordings.
SERVICE = """
import http.server, json, os, signal, sys

told = json.loads(sys.argv[1])
health = told["health"]


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.answer(*(health.pop(0) if len(health) > 1 else health[0]))

    def do_POST(self):
        alone = told["alone"].encode()
        taken = alone in self.rfile.peek(4096) if alone else True
        self.answer(*(told["transcribe"] if taken else (422, {"success": False})))

    def log_message(self, *arguments):
        pass


signal.signal(signal.SIGTERM, lambda *arguments: os._exit(told["exit"]))
address = os.environ["STT_HOST"], told["port"] or int(os.environ["STT_PORT"])
http.server.ThreadingHTTPServer(address, Handler).serve_forever()
"""
LIE: dict[str, Any] = {"success": False, "text": "", "error": "planted"}


def serve(
    plant: Plant,
    *,
    health: tuple[tuple[int, dict[str, Any]], ...] = ((200, {"status": "planted"}),),
    transcribe: tuple[int, dict[str, Any]] = (200, LIE),
    status: int = 0,
    alone: str = "",
) -> None:
    """Plant a service that answers as told, or only to names of a kind, and ends with a status."""
    path = plant.place / "service.py"
    path.write_text(SERVICE, encoding="utf-8")
    told = {
        "health": health,
        "transcribe": transcribe,
        "exit": status,
        "alone": alone,
        "port": plant.settings.expected.port if plant.settings.foreign else 0,
    }
    plant.spec["service_command"] = [sys.executable, str(path), json.dumps(told)]


@controls.control(
    "lying_service",
    "a service that calls itself healthy at once, without a model",
    {
        HEALTH: fails("/health names no model|exit status 3"),
        WITHOUT: fails("/health without a model: status 200"),
        TRANSCRIBES: fails(
            r'status 200 with .*"success": false', "a service that answers 200, success: false"
        ),
    },
)
def lying_service(plant: Plant) -> None:
    serve(plant, status=3)


def _model(plant: Plant, **other: str) -> tuple[int, dict[str, Any]]:
    """What this collection's service says of its health, but for one word."""
    settings = plant.settings
    right = {"device": settings.device, "compute_type": settings.compute_type}
    return 200, {"status": "ok", "model": {**right, **other}}


def _health(name: str, planted: str, words: str, *early: int, **other: str) -> None:
    def arrange(plant: Plant) -> None:
        if plant.settings.foreign:
            raise NotPlantableError(NOT_BELIEVED)
        serve(plant, health=(*((status, {}) for status in early), _model(plant, **other)))

    controls.control(name, planted, {HEALTH: fails(words)})(arrange)


_health(
    "early_service",
    "a service that answers with status 500 before its model is loaded",
    "before the model was loaded: status 500",
    500,
)
_health(
    "service_elsewhere",
    "a service whose health names another device",
    "/health says device 'planted'",
    device="planted",
)
_health(
    "service_of_another_type",
    "a service whose health names another type of computation",
    "/health says compute_type 'planted'",
    compute_type="planted",
)


@controls.control(
    "badly_ending_service",
    "a service that SIGTERM ends with exit status 3",
    {HEALTH: fails("SIGTERM ends it with exit status 3")},
)
def badly_ending_service(plant: Plant) -> None:
    serve(plant, health=(_model(plant),), status=3)


@controls.control(
    "service_without_gpu",
    "a service whose health is right and that has nothing on the GPU",
    {HEALTH: fails("the service's model is not on the GPU")},
)
def service_without_gpu(plant: Plant) -> None:
    if not plant.settings.gpu:
        raise NotPlantableError(NO_GPU)
    if plant.settings.foreign:
        raise NotPlantableError(NOT_BELIEVED)
    serve(plant, health=(_model(plant),))


@controls.control(
    "service_that_transcribes_nothing",
    "a service that is never healthy and transcribes without a model",
    {WITHOUT: fails("/transcribe without a model: status 200")},
)
def service_that_transcribes_nothing(plant: Plant) -> None:
    serve(plant, health=((503, {}),))


@controls.control(
    "service_that_gives_up",
    "a service that ends with exit status 0 without a model",
    {WITHOUT: fails("it ends with exit status 0, as if all were well")},
)
def service_that_gives_up(plant: Plant) -> None:
    plant.spec["service_command"] = [sys.executable, "-c", ""]


def _answer(text: str, language: str, probability: float | None) -> tuple[int, dict[str, Any]]:
    """A transcription as this collection's service gives it."""
    piece = {"start": 0.0, "end": 2.0, "text": text, "no_speech_prob": 0.0}
    if probability is not None:
        piece[NAME] = probability
    body = {"success": True, "text": text, "language": language, "duration": 2.0}
    return 200, {**body, "segments": [piece]}


def _hears(
    plant: Plant,
    *,
    text: str = NEVER_SAID,
    another: bool = False,
    probability: float | None = -0.1,
    silence: bool = False,
    alone: str = "",
) -> None:
    """A clip in which others have heard NEVER_SAID, and a service that says it, or something else.

    No model is asked: what others heard is left as the checks before leave it.
    """
    told, path = unknown_clip(plant)
    # What is really spoken is nobody's question here.
    spoken_in = told["language"] or "en"
    entries = [({**told, "language": spoken_in}, path)]
    if silence:
        clip = two_spoken(plant)[0]
        entries.append((entry(plant, clip, 1, kind="silence", text=None), clip.path))
    give_clips(plant, entries)
    hear_before(plant, NEVER_SAID)
    language = other_than(spoken_in) if another else spoken_in
    answer = _answer(text, language, probability)
    serve(plant, health=(_model(plant),), transcribe=answer, alone=alone)


@controls.control(
    "inventing_service",
    "a service that gives a clip of unknown text a text which nobody else heard",
    {TRANSCRIBES: fails(rf"planted-0\S* gave '.+' for '{NEVER_SAID}' as heard by .+, CER .+above")},
)
def inventing_service(plant: Plant) -> None:
    lacks = lacking(plant.settings, *FASTER_WHISPER)
    if lacks is not None:
        # Nothing else hears anything there; the reference image holds what the service heard.
        raise NotPlantableError(lacks.found)
    told, _path = unknown_clip(plant)
    _hears(plant, text=invented_in(told["language"] or "en"))


def _hearing(name: str, planted: str, words: str, arrange: Arrange) -> None:
    controls.control(name, planted, {TRANSCRIBES: fails(words)})(arrange)


_hearing(
    "service_in_another_language",
    "a service that names another language for a clip of unknown text",
    r"planted-0\S* gave .+ in \w+ for \w+",
    lambda plant: _hears(plant, another=True),
)
_hearing(
    "unsure_service",
    f"a service whose log-probability of a text is below {LEAST_EACH:g}",
    r"planted-0\S* gave .+ with a mean log-probability of -",
    lambda plant: _hears(plant, probability=LEAST_EACH - 0.5),
)
_hearing(
    "doubting_service",
    f"a service whose log-probability is below {LEAST_MEDIAN:g} on every clip",
    "half of 1 texts have a mean log-probability of",
    lambda plant: _hears(plant, probability=LEAST_MEDIAN - 0.5),
)
_hearing(
    "speaking_service",
    "a service that hears words in a recording without speech",
    rf"planted-1\S* gave '{NEVER_SAID}' for ''",
    lambda plant: _hears(plant, silence=True),
)
_hearing(
    "obliging_service",
    "a service that transcribes what is no audio",
    r"no-audio\.wav gets status 200",
    _hears,
)
_hearing(
    "choosy_service",
    "a service that refuses every recording but the planted one",
    r"recordings of the check archive's own: \S+ gave 'status 422",
    lambda plant: _hears(plant, alone="planted-"),
)


@controls.control(
    "untold_certainty",
    "a service that does not say how sure it is of a text",
    {TRANSCRIBES: fails(r"planted-0\S* gave .+without a log-probability")},
)
def untold_certainty(plant: Plant) -> None:
    if plant.settings.foreign:
        raise NotPlantableError("another engine need not say how sure it is")
    _hears(plant, probability=None)
