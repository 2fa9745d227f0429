# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may come in: a bounded number of requests, none while the service stops."""

from __future__ import annotations

import time

from stt_engine.errors import RequestError


class Admission:
    """Counts the accepted requests; used on the event loop only.

    A request is inside until its work has ended, also when nobody waits for it any more.
    """

    def __init__(self, places: int) -> None:
        self.places = places
        self.inside = 0
        self.drain_ends: float | None = None

    @property
    def draining(self) -> bool:
        """Whether the service finishes what it accepted and takes nothing new."""
        return self.drain_ends is not None

    def enter(self) -> None:
        """Take a place; raise RequestError where there is none."""
        if self.draining:
            raise RequestError(503, "stopping", "the service is stopping")
        if self.inside >= self.places:
            raise RequestError(429, "busy", f"{self.inside} requests are in work or waiting")
        self.inside += 1

    def leave(self) -> None:
        """Give the place back."""
        self.inside -= 1

    def drain(self, seconds: float) -> None:
        """Take nothing new from now on, and let what is inside have that long."""
        if self.drain_ends is None:
            self.drain_ends = time.monotonic() + seconds

    @property
    def drain_seconds(self) -> float:
        """What is left of the time to drain."""
        return max(0.0, (self.drain_ends or 0.0) - time.monotonic())

    @property
    def drained(self) -> bool:
        """Whether there is nothing more to wait for, or no more time."""
        return self.draining and (not self.inside or not self.drain_seconds)
