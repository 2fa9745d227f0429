# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes with their time, memory and processor time, as the kernel counted them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Run:
    """A process that ended, with the peak of the largest of it and its children."""

    seconds: float
    status: int
    output: str
    complaints: str
    peak_memory_bytes: int
    processor_seconds: float

    @property
    def problem(self) -> str:
        """Why the process failed, in one line; empty when it did not."""
        if self.status == 0:
            return ""
        last = (self.complaints or self.output).strip().splitlines()[-1:]
        return f"ended with {self.status}: {''.join(last)[:300]}"


def run(
    command: Sequence[str],
    *,
    limit: float,
    data: str = "",
    environment: Mapping[str, str] | None = None,
) -> Run:
    """Run a command to its end; after ``limit`` seconds its process group is killed.

    Input and output are files, so that nobody waits for a reader.
    """
    with (
        tempfile.TemporaryFile("w+") as given,
        tempfile.TemporaryFile("w+") as said,
        tempfile.TemporaryFile("w+") as complained,
    ):
        given.write(data)
        given.seek(0)
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=given,
            stdout=said,
            stderr=complained,
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )
        with Watch(lambda: process.pid) as watch:
            try:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=limit)
            finally:
                # Also when the benchmark itself is interrupted: the process has its own session.
                if process.poll() is None:
                    kill_group(process.pid)
                    process.wait()
            seconds = time.perf_counter() - began
        said.seek(0)
        complained.seek(0)
        return Run(
            seconds=seconds,
            status=process.returncode,
            output=said.read(),
            complaints=complained.read(),
            peak_memory_bytes=watch.peak_bytes,
            processor_seconds=watch.processor_seconds,
        )


def kill_group(pid: int) -> None:
    """Kill a process and those that it started; it leads a process group."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


class Watch:
    """Reads, while a process runs, what the kernel counts of it and of its children.

    ``peak_bytes`` is the most memory that one of them ever held, ``processor_seconds`` what all
    have used. The kernel keeps both, so reading them late costs nothing; only what happens in the
    last moment before an end is not seen. What a wait tells is of no use: a process begins with
    the peak of the one that started it, and a job is nobody's child.
    """

    def __init__(self, find: Callable[[], int | None]) -> None:
        self._find = find
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._used: dict[int, float] = {}
        self.peak_bytes = 0

    @property
    def processor_seconds(self) -> float:
        """Seconds of processor time, of all processes together."""
        return sum(self._used.values())

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        pid: int | None = None
        while not self._ended.wait(_POLL_SECONDS):
            pid = pid or self._find()
            if pid is None:
                continue
            for one in (pid, *children(pid)):
                self.peak_bytes = max(self.peak_bytes, resident_peak(one))
                self._used[one] = max(self._used.get(one, 0.0), processor_seconds(one))


def children(pid: int) -> list[int]:
    """The processes that a process started and that still run."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def resident_peak(pid: int) -> int:
    """The peak of a process's resident set in bytes; 0 when it is gone."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def processor_seconds(pid: int) -> float:
    """What a process has used, in user and in kernel mode; 0 when it is gone."""
    with suppress(FileNotFoundError, ProcessLookupError):
        # The name before the last parenthesis may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def job_pid(jobs: Path) -> int | None:
    """The process of the one job below a directory; None as long as it has none."""
    for path in jobs.glob("*/state.json"):
        # It is replaced by renaming, so it is whole or not there.
        with suppress(FileNotFoundError):
            return json.loads(path.read_text()).get("pid") or None
    return None
