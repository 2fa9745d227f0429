# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Worker threads: each piece of work ends once, whatever became of who waited for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from starlette.requests import Request
from starlette.types import Message

from stt_engine.errors import RequestError
from stt_engine.workers import GivenUpError, Ticket, Workers

PATIENCE_SECONDS = 30


def request_of(gone: asyncio.Event) -> Request:
    """A request whose body was read, from a client that goes away at the event."""

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


class Stand:
    """Workers on a loop, and how often work has ended."""

    def __init__(self, count: int = 1) -> None:
        self.workers = Workers(count)
        self.gone = asyncio.Event()
        self.ends = 0

    def begin(self, work: Callable[[Ticket], str], seconds: float) -> asyncio.Task[str]:
        """Start one piece of work."""
        request = request_of(self.gone)
        return asyncio.create_task(self.workers.run(request, seconds, work, self._ended))

    def _ended(self) -> None:
        self.ends += 1

    async def wait_for_ends(self, count: int) -> None:
        """Return when that many pieces of work have ended."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.ends < count:
                await asyncio.sleep(0)
        assert self.ends == count


async def refusal(task: asyncio.Task[str]) -> tuple[int, str]:
    """Return what a piece of work was refused with."""
    with pytest.raises(RequestError) as caught:
        await task
    return caught.value.status, caught.value.code


def test_a_result_and_an_error_reach_who_waits() -> None:
    async def scenario() -> None:
        stand = Stand()

        def bad(_ticket: Ticket) -> str:
            raise RequestError(422, "no_audio", "none")

        assert await stand.begin(lambda _ticket: "text", 30) == "text"
        assert await refusal(stand.begin(bad, 30)) == (422, "no_audio")
        await stand.wait_for_ends(2)
        assert stand.workers.working == 0

    asyncio.run(scenario())


def test_running_work_keeps_its_place_until_it_has_stopped() -> None:
    async def scenario() -> None:
        stand = Stand()
        step, stopped = threading.Event(), threading.Event()

        def work(ticket: Ticket) -> str:
            # Between two steps it does not look up, as in a call into the model.
            assert step.wait(PATIENCE_SECONDS)
            try:
                ticket.check()
            except GivenUpError:
                stopped.set()
                raise
            return "text"

        assert await refusal(stand.begin(work, 0.05)) == (504, "deadline_exceeded")
        assert (stand.ends, stand.workers.working) == (0, 1)
        step.set()
        await stand.wait_for_ends(1)
        assert stopped.is_set()
        assert stand.workers.working == 0

    asyncio.run(scenario())


def test_waiting_work_is_never_begun_after_its_deadline() -> None:
    async def scenario() -> None:
        stand = Stand()
        step, begun = threading.Event(), threading.Event()

        def first(_ticket: Ticket) -> str:
            assert step.wait(PATIENCE_SECONDS)
            return "first"

        def second(_ticket: Ticket) -> str:
            begun.set()
            return "second"

        running = stand.begin(first, 30)
        assert await refusal(stand.begin(second, 0.05)) == (504, "deadline_exceeded")
        # Its place is free at once, although the thread is not.
        await stand.wait_for_ends(1)
        step.set()
        assert await running == "first"
        await stand.wait_for_ends(2)
        assert not begun.is_set()

    asyncio.run(scenario())


def test_a_client_that_has_gone_gives_its_work_up() -> None:
    async def scenario() -> None:
        stand = Stand()
        begun = threading.Event()

        def work(ticket: Ticket) -> str:
            begun.set()
            while True:
                ticket.check()

        task = stand.begin(work, 30)
        await asyncio.to_thread(begun.wait, PATIENCE_SECONDS)
        stand.gone.set()

        assert await refusal(task) == (499, "client_gone")
        await stand.wait_for_ends(1)

    asyncio.run(scenario())


def test_a_cancelled_request_gives_its_work_up() -> None:
    async def scenario() -> None:
        stand = Stand()
        begun = threading.Event()

        def work(ticket: Ticket) -> str:
            begun.set()
            while True:
                ticket.check()

        task = stand.begin(work, 30)
        await asyncio.to_thread(begun.wait, PATIENCE_SECONDS)
        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task
        await stand.wait_for_ends(1)

    asyncio.run(scenario())
