# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ``python -m stt_engine`` as the image does, and talks to it over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

DOCKER = Path(__file__).resolve().parents[3] / "docker"
PATIENCE_SECONDS = 180


@dataclass
class ServiceProcess:
    """One running service."""

    process: subprocess.Popen[bytes]
    port: int
    log_path: Path

    @property
    def url(self) -> str:
        """Address of the service."""
        return f"http://127.0.0.1:{self.port}"

    def health(self) -> httpx.Response:
        """Ask /health once."""
        return httpx.get(f"{self.url}/health", timeout=PATIENCE_SECONDS)

    def wait_until_healthy(self) -> None:
        """Return when /health says 200; fail with the log when the process ends or time is up."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if self.health().status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"the service is not healthy:\n{self.log_path.read_text()}")

    def transcribe(
        self,
        path: Path | None = None,
        fields: Mapping[str, str] | None = None,
        *,
        data: bytes = b"",
    ) -> httpx.Response:
        """Send one recording, from a file or from memory."""
        content = path.read_bytes() if path is not None else data
        name = path.name if path is not None else "upload"
        return httpx.post(
            f"{self.url}/transcribe",
            files={"file": (name, content)},
            data=dict(fields or {}),
            timeout=PATIENCE_SECONDS,
        )

    @contextmanager
    def connection(self) -> Iterator[http.client.HTTPConnection]:
        """A connection whose request the test writes piece by piece."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        with closing(client):
            yield client

    def inside(self) -> int:
        """Return how many requests are accepted and not finished."""
        return int(self.health().json()["requests"]["inside"])

    def wait_until_inside(self, count: int) -> None:
        """Return when that many requests are accepted and not finished."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := self.inside()) != count:
            assert time.monotonic() < deadline, f"{found} requests inside"

    def wait_until_stopping(self) -> httpx.Response:
        """Return what /health says when it no longer says 200."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (health := self.health()).status_code == 200:
            assert time.monotonic() < deadline, "it takes no notice"
        return health

    def terminate(self) -> None:
        """Ask the process to stop, as docker stop does."""
        self.process.send_signal(signal.SIGTERM)

    def exit_status(self) -> int:
        """Wait for the end and return the exit status."""
        return self.process.wait(PATIENCE_SECONDS)

    def events(self) -> list[dict[str, Any]]:
        """Return the log; every line must be one JSON object."""
        return [json.loads(line) for line in self.log_path.read_text().splitlines()]

    def reasons(self) -> list[str]:
        """Return the reasons of all events that have one."""
        return [event["reason"] for event in self.events() if "reason" in event]


def environment(**settings: str) -> dict[str, str]:
    """This process's environment with the service's settings, and with none of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STT_")}
    defaults = {"STT_DEVICE": "cpu", "STT_HOST": "127.0.0.1", "STT_CPU_THREADS": "1"}
    return {**kept, "PYTHONPATH": str(DOCKER), **defaults, **settings}


def free_port() -> int:
    """Return a port of the loopback interface that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_service(log_path: Path, **settings: str) -> Iterator[ServiceProcess]:
    """Start a service and make sure that it is gone afterwards."""
    port = int(settings.get("STT_PORT") or free_port())
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "stt_engine"],
            env=environment(**{"STT_PORT": str(port), **settings}),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield ServiceProcess(process, port, log_path)
    finally:
        process.kill()
        process.wait()
