# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP service: POST /transcribe and GET /health over one engine."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from stt_engine import __version__
from stt_engine.audio import AudioError, decode
from stt_engine.config import Settings
from stt_engine.engine import Engine, EngineError, Transcript
from stt_engine.logs import log
from stt_engine.upload import RequestError, Upload, read_options, read_upload, unused_fields


class Gate:
    """Counts the requests inside; more than may work and wait are refused at once."""

    def __init__(self, places: int) -> None:
        self.places = places
        self.inside = 0

    def __enter__(self) -> Gate:
        if self.inside >= self.places:
            raise RequestError(503, "busy", f"{self.inside} requests are in work or waiting")
        self.inside += 1
        return self

    def __exit__(self, *exception: object) -> None:
        self.inside -= 1


class Service:
    """Joins requests, worker threads and the engine; runs on one event loop.

    ``stop`` is called when the model cannot be served as asked.
    """

    def __init__(self, settings: Settings, engine: Engine, stop: Callable[[], None]) -> None:
        self.settings = settings
        self.engine = engine
        self.stop = stop
        self.gate = Gate(settings.concurrency + settings.queue)
        self.workers = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="transcribe")
        self.prober = ThreadPoolExecutor(1, thread_name_prefix="probe")
        self.counter = threading.Lock()
        # Recordings in a worker now; more than none after the drain means that it was cut short.
        self.working = 0

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """Load beside the running server, so that /health can say what is going on."""
        # A daemon: a stop during the load does not wait for it.
        threading.Thread(target=self._load, name="load", daemon=True).start()
        watch = asyncio.create_task(self._keep_probing())
        yield
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
        self.workers.shutdown(wait=False, cancel_futures=True)
        self.prober.shutdown(wait=False, cancel_futures=True)

    def _load(self) -> None:
        try:
            self.engine.load()
        except Exception as error:
            expected = isinstance(error, EngineError)
            reason = str(error) if expected else f"{type(error).__name__}: {error}"
            self.engine.failure = reason
            log(logging.ERROR, "start failed", reason=reason, exc_info=not expected)
            self.stop()
            return
        log(logging.INFO, "ready", **self.engine.describe())

    async def _keep_probing(self) -> None:
        """Ask the model for an answer whenever no transcription has just given one."""
        period = self.settings.probe_seconds
        while True:
            await asyncio.sleep(period / 4)
            if self.engine.facts is None or self.engine.seconds_since_answer < period:
                continue
            await asyncio.get_running_loop().run_in_executor(self.prober, self.engine.probe)
            problem = self.engine.problem()
            if problem is not None:
                log(logging.ERROR, "probe failed", reason=problem)

    def health(self) -> JSONResponse:
        """200 only when the model is loaded and has just answered; else 503 with the reason."""
        problem = self.engine.problem()
        body: dict[str, Any] = {
            "status": "ok" if problem is None else "unavailable",
            "version": __version__,
            "model": self.engine.describe(),
            "requests": {"inside": self.gate.inside, "places": self.gate.places},
        }
        if problem is None:
            body["seconds_since_answer"] = round(self.engine.seconds_since_answer, 1)
            return JSONResponse(body)
        body["reason"] = problem
        return JSONResponse(body, status_code=503, headers=self._retry_after())

    async def transcribe(self, request: Request) -> JSONResponse:
        """Take one recording, or refuse it before its body is read."""
        problem = self.engine.problem()
        if problem is not None:
            raise RequestError(503, "not_ready", problem)
        with self.gate:
            upload = await read_upload(request, self.settings.max_upload_bytes)
            with upload.file:
                work = asyncio.get_running_loop().run_in_executor(
                    self.workers, self._counted_work, upload
                )
                return JSONResponse(await work)

    def _counted_work(self, upload: Upload) -> dict[str, Any]:
        with self.counter:
            self.working += 1
        try:
            return self._work(upload)
        finally:
            with self.counter:
                self.working -= 1

    def _work(self, upload: Upload) -> dict[str, Any]:
        """Decode and transcribe in a worker thread."""
        begin = time.monotonic()
        options = read_options(upload.fields, self.engine.languages(), self.settings.beam_size)
        audio = decode(upload.file, self.settings.max_audio_seconds)
        transcript = self.engine.transcribe(audio.samples, options)
        warnings = [f"field {name} is not used" for name in unused_fields(upload.fields)]
        if audio.damaged_frames:
            warnings.append(f"{audio.damaged_frames} damaged packets of audio were left out")
        seconds = round(time.monotonic() - begin, 3)
        log(
            logging.INFO,
            "transcribed",
            bytes=upload.size,
            duration=round(audio.seconds, 3),
            language=transcript.language,
            segments=len(transcript.segments),
            seconds=seconds,
            warnings=warnings,
        )
        return _answer(transcript, seconds, warnings)

    def refuse(self, status: int, code: str, message: str) -> JSONResponse:
        """Return the one shape of every refusal."""
        log(logging.WARNING, "refused", status=status, code=code, reason=message)
        headers = self._retry_after() if status == 503 else None
        body = {"success": False, "error": code, "message": message}
        return JSONResponse(body, status_code=status, headers=headers)

    def _retry_after(self) -> dict[str, str]:
        return {"Retry-After": str(self.settings.retry_after_seconds)}


def _answer(transcript: Transcript, seconds: float, warnings: list[str]) -> dict[str, Any]:
    return {
        "success": True,
        **asdict(transcript),
        "processing_seconds": seconds,
        "warnings": warnings,
    }


def create_app(service: Service) -> FastAPI:
    """Return the application around one service."""
    app = FastAPI(
        title="stt-engine",
        version=__version__,
        lifespan=service.lifespan,
        # Their pages would load scripts from the internet.
        docs_url=None,
        redoc_url=None,
    )

    @app.get("/health")
    async def health() -> JSONResponse:
        return service.health()

    @app.post("/transcribe")
    async def transcribe(request: Request) -> JSONResponse:
        return await service.transcribe(request)

    @app.exception_handler(RequestError)
    async def refused(_request: Request, error: RequestError) -> JSONResponse:
        return service.refuse(error.status, error.code, str(error))

    @app.exception_handler(AudioError)
    async def unreadable(_request: Request, error: AudioError) -> JSONResponse:
        return service.refuse(error.status, error.code, str(error))

    @app.exception_handler(ClientDisconnect)
    async def gone(_request: Request, _error: ClientDisconnect) -> JSONResponse:
        return service.refuse(400, "client_gone", "the client closed the connection while sending")

    @app.exception_handler(HTTPException)
    async def not_served(_request: Request, error: HTTPException) -> JSONResponse:
        return service.refuse(error.status_code, "not_served", str(error.detail))

    @app.exception_handler(Exception)
    async def failed(_request: Request, error: Exception) -> JSONResponse:
        return service.refuse(500, "failed", f"{type(error).__name__}: {error}")

    return app
