# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the service counts, in Prometheus's text format."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST
PROCESSING_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
REAL_TIME_FACTORS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Metrics:
    """All metrics of one service in a registry of their own.

    Everything is kept in memory and written out without asking the model, so that a scrape never
    waits for a transcription.
    """

    def __init__(
        self,
        inside: Callable[[], float],
        waiting: Callable[[], float],
        loaded: Callable[[], float],
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        # Memory, processor time and open files of this process.
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "stt_requests",
            "Answered requests by route and HTTP status",
            ("route", "status"),
            registry=self.registry,
        )
        self.refused = Counter(
            "stt_refused_requests",
            "Refused requests by the reason in their answer",
            ("reason",),
            registry=self.registry,
        )
        self.audio_seconds = Counter(
            "stt_audio_seconds", "Seconds of audio transcribed", registry=self.registry
        )
        self.processing_seconds = Histogram(
            "stt_processing_seconds",
            "Seconds to decode and transcribe one recording, without waiting",
            buckets=PROCESSING_SECONDS,
            registry=self.registry,
        )
        self.queue_seconds = Histogram(
            "stt_queue_seconds",
            "Seconds that an accepted recording waited for a worker",
            buckets=PROCESSING_SECONDS,
            registry=self.registry,
        )
        self.real_time_factor = Histogram(
            "stt_real_time_factor",
            "Processing seconds for each second of audio, by recording",
            buckets=REAL_TIME_FACTORS,
            registry=self.registry,
        )
        self._gauge("stt_requests_in_flight", "Accepted and not yet finished", inside)
        self._gauge("stt_requests_waiting", "Accepted and not yet in a worker", waiting)
        self._gauge("stt_model_loaded", "1 when the model is loaded and answers, else 0", loaded)

    def tell_model(self, facts: Mapping[str, object]) -> None:
        """Say what is loaded; before that there is no such metric."""
        model = Info("stt_model", "The loaded model", registry=self.registry)
        model.info({name: str(value) for name, value in facts.items()})

    def text(self) -> bytes:
        """Return everything as one page."""
        return generate_latest(self.registry)

    def _gauge(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        Gauge(name, documentation, registry=self.registry).set_function(read)
