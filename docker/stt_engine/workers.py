# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Worker threads with an end: a result, a deadline, or a client that has gone.

A call into the model cannot be interrupted, but a recording is many calls, one for each window of
30 seconds. Work that was given up stops before its next window (or, earlier, at the next packet of
audio); until then it keeps its thread and its place, so that no more is accepted than can be done.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from starlette.requests import Request

from stt_engine.errors import RequestError

T = TypeVar("T")


class GivenUpError(Exception):
    """Nobody waits for this work any more."""


class Ticket:
    """One piece of work, as seen by the thread that does it."""

    def __init__(self) -> None:
        self._given_up = threading.Event()

    def give_up(self) -> None:
        """Let the work end at its next check."""
        self._given_up.set()

    def check(self) -> None:
        """Raise GivenUpError when the work has become pointless."""
        if self._given_up.is_set():
            raise GivenUpError


class Workers:
    """A bounded number of threads; what they do not take at once waits."""

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="transcribe")
        self._lock = threading.Lock()
        self._working = 0

    @property
    def working(self) -> int:
        """Pieces of work in a thread now."""
        return self._working

    async def run(
        self,
        request: Request,
        seconds: float,
        work: Callable[[Ticket], T],
        ended: Callable[[], None],
    ) -> T:
        """Do the work in a thread; raise RequestError at the deadline or when the client has gone.

        ``ended`` is called on the event loop when the work has really ended.
        """
        ticket = Ticket()
        loop = asyncio.get_running_loop()
        job = self._pool.submit(self._count, work, ticket)

        def tell(_job: Future[T]) -> None:
            # After a drain that was cut short there is no loop, and nobody to tell.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(ended)

        job.add_done_callback(tell)
        result = asyncio.wrap_future(job)
        gone = asyncio.create_task(_gone(request))
        try:
            await asyncio.wait((result, gone), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if result.done():
                return result.result()
            if gone.done():
                raise RequestError(499, "client_gone", "the client has closed the connection")
            raise RequestError(
                504, "deadline_exceeded", f"there was no answer within {seconds:g} seconds"
            )
        finally:
            gone.cancel()
            if not result.done():
                ticket.give_up()
                # Takes back only what no thread has begun.
                result.cancel()

    def _count(self, work: Callable[[Ticket], T], ticket: Ticket) -> T:
        with self._lock:
            self._working += 1
        try:
            return work(ticket)
        finally:
            with self._lock:
                self._working -= 1

    def shutdown(self) -> None:
        """Take nothing more and forget what waits."""
        self._pool.shutdown(wait=False, cancel_futures=True)


async def _gone(request: Request) -> None:
    """Return when the client has closed its connection; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
