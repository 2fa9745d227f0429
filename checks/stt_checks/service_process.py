# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One running instance of the service on the loopback interface, and a client for it."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from .outcome import CheckFailedError
from .settings import Settings, cpu_count

HOST = "127.0.0.1"
REQUEST_TIMEOUT = 600.0
POLL = 0.1
LOG_LINES = 12
REFUSED = 0


@dataclass(frozen=True)
class Answer:
    """Status and JSON body of a response; status 0 when nobody listens."""

    status: int
    body: dict[str, Any]

    def sentence(self) -> str:
        if self.status == REFUSED:
            return "no answer"
        return f"status {self.status} with {json.dumps(self.body, ensure_ascii=False)[:300]}"


class ServiceProcess:
    """Starts the service as the image's own command does; a context manager that always ends it.

    Another engine listens where it always does; this collection's own at a free port.
    """

    def __init__(self, settings: Settings, model_path: Path) -> None:
        self.port = _known_port(settings) if settings.foreign else _free_port()
        self.log_descriptor, log_name = tempfile.mkstemp()
        # Nameless from here on: it goes when the last process that writes to it has gone.
        Path(log_name).unlink()
        command = settings.service_command or (sys.executable, "-m", "stt_engine")
        environment = {
            **os.environ,
            "STT_MODEL_PATH": str(model_path),
            "STT_DEVICE": settings.device,
            "STT_COMPUTE_TYPE": settings.compute_type,
            "STT_HOST": HOST,
            "STT_PORT": str(self.port),
            "STT_CPU_THREADS": str(cpu_count()),
        }
        if not settings.foreign:
            search = [str(settings.app), os.environ.get("PYTHONPATH", "")]
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, search))
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command,
            env=environment,
            cwd=settings.service_directory if settings.foreign else "/",
            stdin=subprocess.DEVNULL,
            stdout=self.log_descriptor,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> ServiceProcess:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        sys.stderr.write(self.output())
        os.close(self.log_descriptor)

    def get(self, path: str) -> Answer:
        return self._request("GET", path, b"", {})

    def transcribe(self, name: str, content: bytes, seconds: float = 0.0) -> Answer:
        """Post one recording as a form with the part ``file``; it may take ``seconds`` more."""
        boundary = secrets.token_hex(16)
        form = "Content-Disposition: form-data; name="
        disposition = f'{form}"file"; filename="{name}"'
        kind = "Content-Type: application/octet-stream"
        head = f"--{boundary}\r\n{disposition}\r\n{kind}\r\n\r\n".encode()
        body = head + content + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return self._request("POST", "/transcribe", body, headers, REQUEST_TIMEOUT + seconds)

    def watch(self, path: str, until: Callable[[Answer], bool], seconds: float) -> list[Answer]:
        """Ask again and again until an answer satisfies, the process ends or the time is over."""
        answers: list[Answer] = []
        while time.monotonic() - self.started < seconds:
            ended = self.process.poll() is not None
            answers.append(self.get(path))
            if until(answers[-1]) or ended:
                return answers
            time.sleep(POLL)
        return answers

    def until_healthy(self, seconds: float) -> list[Answer]:
        """All answers of /health up to the first 200; CheckFailedError when none comes."""
        answers = self.watch("/health", lambda answer: answer.status == 200, seconds)
        if answers and answers[-1].status == 200:
            return answers
        if self.process.poll() is not None:
            what = f"it ended with exit status {self.process.returncode}"
        else:
            what = f"its last answer is {answers[-1].sentence() if answers else 'none'}"
        raise CheckFailedError(
            f"the service does not become healthy within {seconds:g} s: {what}", log=self.tail()
        )

    def until_transcribed(self, name: str, content: bytes, seconds: float) -> list[Answer]:
        """Answers to one recording up to the first that is no refusal; nothing else is believed.

        Refused are a connection and status 503, as long as the process lives and the time lasts.
        """
        answers: list[Answer] = []
        while time.monotonic() - self.started < seconds:
            ended = self.process.poll() is not None
            answers.append(self.transcribe(name, content))
            if answers[-1].status not in (REFUSED, 503) or ended:
                break
            time.sleep(POLL)
        return answers

    def stop(self, seconds: float) -> int | None:
        """Send SIGTERM and return the exit status; None when it does not end in time."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def output(self) -> str:
        size = os.fstat(self.log_descriptor).st_size
        return os.pread(self.log_descriptor, size, 0).decode("utf-8", "replace")

    def tail(self) -> list[str]:
        return self.output().splitlines()[-LOG_LINES:]

    def _request(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: dict[str, str],
        timeout: float = REQUEST_TIMEOUT,
    ) -> Answer:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            raw = response.read()
        except (ConnectionError, http.client.HTTPException):
            return Answer(REFUSED, {})
        finally:
            connection.close()
        try:
            document = json.loads(raw)
        except ValueError:
            document = {"text": raw.decode("utf-8", "replace")[:500]}
        return Answer(response.status, document if isinstance(document, dict) else {"": document})


def _known_port(settings: Settings) -> int:
    """The port of another engine, which nobody else may be answering on."""
    port = settings.expected.port
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            raise CheckFailedError(
                f"something answers on port {port} before the service is started",
                fix="run the checks in a container of their own",
            )
    return port


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port
