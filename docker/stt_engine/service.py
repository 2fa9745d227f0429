# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service over one engine: it takes requests, lets threads do them, and watches the model."""

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
from fastapi.responses import JSONResponse, Response

from stt_engine import __version__, openai
from stt_engine.admission import Admission
from stt_engine.audio import Recording
from stt_engine.config import Settings
from stt_engine.engine import Engine, EngineError, Options, Transcript
from stt_engine.errors import RequestError
from stt_engine.logs import log
from stt_engine.metrics import Metrics
from stt_engine.upload import Upload, discard, read_options, read_upload, unused_fields
from stt_engine.workers import GivenUpError, Ticket, Workers

# Fields of a segment that only OpenAI's interface has.
NOT_IN_ANSWER = ("seek", "tokens", "words")


class Service:
    """Joins requests, worker threads and the engine; runs on one event loop.

    ``stop`` is called when the model cannot be served as asked.
    """

    def __init__(self, settings: Settings, engine: Engine, stop: Callable[[], None]) -> None:
        self.settings = settings
        self.engine = engine
        self.stop = stop
        self.admission = Admission(settings.concurrency + settings.queue)
        self.workers = Workers(settings.concurrency)
        self.prober = ThreadPoolExecutor(1, thread_name_prefix="probe")
        self.metrics = Metrics(
            inside=lambda: self.admission.inside,
            waiting=lambda: max(0, self.admission.inside - self.workers.working),
            loaded=lambda: float(self.engine.problem() is None),
        )

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
        self.workers.shutdown()
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
        facts = self.engine.describe()
        self.metrics.tell_model(facts)
        log(logging.INFO, "ready", **facts)

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

    def drain(self) -> None:
        """Finish what is inside and take nothing new; what happens on SIGTERM."""
        if not self.admission.draining:
            self.admission.drain(self.settings.drain_seconds)
            log(logging.INFO, "stopping", requests=self.admission.inside)

    def health(self) -> JSONResponse:
        """200 only when the model is loaded and has just answered; else 503 with the reason."""
        admission = self.admission
        problem = "the service is stopping" if admission.draining else self.engine.problem()
        body: dict[str, Any] = {
            "status": "ok" if problem is None else "unavailable",
            "version": __version__,
            "model": self.engine.describe(),
            "requests": {"inside": admission.inside, "places": admission.places},
        }
        if problem is None:
            body["seconds_since_answer"] = round(self.engine.seconds_since_answer, 1)
            return JSONResponse(body)
        body["reason"] = problem
        return JSONResponse(body, status_code=503, headers=self.retry_after())

    async def transcribe(self, request: Request) -> Response:
        """Answer in the service's own way."""

        def work(upload: Upload, ticket: Ticket) -> Response:
            options = read_options(upload.fields, self.engine.languages(), self.settings.beam_size)
            begin = time.monotonic()
            warnings = [f"field {name} is not used" for name in unused_fields(upload.fields)]
            transcript = self._transcript(upload, options, ticket, warnings)
            return _answer(transcript, round(time.monotonic() - begin, 3), warnings)

        return await self._accept(request, work)

    async def transcribe_openai(self, request: Request) -> Response:
        """Answer as OpenAI's interface does."""

        def work(upload: Upload, ticket: Ticket) -> Response:
            wanted = openai.read_wanted(upload, self.engine.languages(), self.settings.beam_size)
            warnings = [f"field {name} is not used" for name in openai.unused_fields(upload)]
            return openai.answer(self._transcript(upload, wanted.options, ticket, warnings), wanted)

        return await self._accept(request, work)

    async def _accept(
        self, request: Request, work: Callable[[Upload, Ticket], Response]
    ) -> Response:
        """Take one recording, or refuse it before its body is read."""
        problem = self.engine.problem()
        try:
            if problem is not None and not self.admission.draining:
                raise RequestError(503, "not_ready", problem)
            self.admission.enter()
        except RequestError:
            if self.admission.draining:
                await discard(request, self.settings.max_upload_bytes)
            raise
        try:
            settings = self.settings
            upload = await read_upload(request, settings.max_upload_bytes, settings.upload_seconds)
        except BaseException:
            self.admission.leave()
            raise
        accepted = time.monotonic()

        def ended() -> None:
            upload.file.close()
            self.admission.leave()

        def timed_work(ticket: Ticket) -> Response:
            self.metrics.queue_seconds.observe(time.monotonic() - accepted)
            return work(upload, ticket)

        return await self.workers.run(request, settings.deadline_seconds, timed_work, ended)

    def _transcript(
        self, upload: Upload, options: Options, ticket: Ticket, warnings: list[str]
    ) -> Transcript:
        """Decode and transcribe in a worker thread; adds to the warnings."""
        begin = time.monotonic()
        try:
            audio = Recording(upload.file, self.settings.max_audio_seconds, ticket.check)
            transcript = self.engine.transcribe(audio, options, ticket.check)
        except GivenUpError:
            log(logging.WARNING, "given up", bytes=upload.size, seconds=_since(begin))
            raise
        if audio.damaged_packets:
            warnings.append(f"{audio.damaged_packets} damaged packets of audio were left out")
        seconds = time.monotonic() - begin
        self.metrics.audio_seconds.inc(audio.seconds)
        self.metrics.processing_seconds.observe(seconds)
        self.metrics.real_time_factor.observe(seconds / audio.seconds)
        log(
            logging.INFO,
            "transcribed",
            bytes=upload.size,
            duration=round(audio.seconds, 3),
            language=transcript.language,
            segments=len(transcript.segments),
            seconds=round(seconds, 3),
            warnings=warnings,
        )
        return transcript

    def refuse(self, path: str, error: RequestError) -> JSONResponse:
        """Return a refusal, in OpenAI's shape below its path and in the service's own elsewhere."""
        status, message = error.status, str(error)
        body: dict[str, Any] = {"success": False, "error": error.code, "message": message}
        if path.startswith(openai.PREFIX):
            status = openai.status_of(status)
            body = openai.error_body(status, error.code, message, error.field)
        log(logging.WARNING, "refused", status=status, code=error.code, reason=message)
        self.metrics.refused.labels(error.code).inc()
        headers = self.retry_after() if status in (429, 503) else None
        return JSONResponse(body, status_code=status, headers=headers)

    def retry_after(self) -> dict[str, str]:
        """Return the header that says when to come again."""
        return {"Retry-After": str(self.settings.retry_after_seconds)}


def _answer(transcript: Transcript, seconds: float, warnings: list[str]) -> JSONResponse:
    body = asdict(transcript)
    for segment in body["segments"]:
        for name in NOT_IN_ANSWER:
            del segment[name]
    return JSONResponse(
        {"success": True, **body, "processing_seconds": seconds, "warnings": warnings}
    )


def _since(begin: float) -> float:
    return round(time.monotonic() - begin, 3)
