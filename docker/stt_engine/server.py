# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP server, which drains before it stops."""

from __future__ import annotations

import math
import signal
from types import FrameType

import uvicorn

from stt_engine.application import create_app
from stt_engine.config import Settings
from stt_engine.service import Service

# Longer than a proxy in front keeps an idle connection: it must be the one to close it.
KEEP_ALIVE_SECONDS = 75


class Server(uvicorn.Server):
    """Goes on listening after a signal until everything accepted has been answered.

    So a new request is told by 503 to go elsewhere, where a closed port would say nothing.
    """

    def __init__(self, settings: Settings, service: Service) -> None:
        self.service = service
        # Accepted requests that were not done when it stopped.
        self.abandoned = 0
        super().__init__(
            uvicorn.Config(
                create_app(service),
                host=settings.host,
                port=settings.port,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
            )
        )

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        """Drain on the first signal; end at once on an interrupt after it."""
        if self.service.admission.draining and sig == signal.SIGINT:
            self.should_exit = self.force_exit = True
        self.service.drain()

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop now; uvicorn asks ten times a second."""
        admission = self.service.admission
        if admission.drained:
            self.should_exit = True
            # Answers that are on their way may use the rest of the time.
            self.config.timeout_graceful_shutdown = math.ceil(admission.drain_seconds)
        self.abandoned = admission.inside
        return await super().on_tick(counter)
