# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command on the build server and measures it; its source goes there on standard input.

One JSON object as argument: ``argv``, ``input``, ``environment``, ``source`` (a directory that the
container to be watched has mounted), ``settle`` (a directory whose files are brought to the disk
afterwards, and timed) and ``limit`` seconds. Prints one JSON object.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any


class ContainerPeak(threading.Thread):
    """Reads the most memory that a process of the container with a mount ever held.

    The kernel keeps each process's peak (VmHWM), the same for every tool, whatever it says itself.
    """

    def __init__(self, source: str) -> None:
        super().__init__()
        self._source = source
        self._ended = threading.Event()
        self.bytes = 0

    def run(self) -> None:
        """Wait for the container, then look at its processes until the end."""
        command = ["docker", "ps", "-q", "--no-trunc", "--filter", f"volume={self._source}"]
        containers: list[str] = []
        while not containers and not self._ended.wait(0.2):
            listed = subprocess.run(command, check=True, capture_output=True, text=True)
            containers = listed.stdout.split()
        while not self._ended.wait(0.05):
            for process in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    group = (process / "cgroup").read_text()
                    if any(container in group for container in containers):
                        self.bytes = max(self.bytes, _peak((process / "status").read_text()))

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()
        self.join()


def _peak(status: str) -> int:
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def settle(directory: Path) -> float:
    """Bring every file to the disk; returns the seconds that it took."""
    began = time.perf_counter()
    for path in directory.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
    return time.perf_counter() - began


def measure(order: dict[str, Any]) -> dict[str, Any]:
    """Run the command; returns what it said and took."""
    peak = ContainerPeak(order["source"])
    peak.start()
    began = time.perf_counter()
    try:
        done = subprocess.run(
            order["argv"],
            input=order["input"],
            env={**os.environ, **order["environment"]},
            capture_output=True,
            text=True,
            timeout=order["limit"],
            check=False,
        )
        seconds = time.perf_counter() - began
    finally:
        peak.end()
    return {
        "seconds": seconds,
        "settle_seconds": settle(Path(order["settle"])),
        "peak_memory_bytes": peak.bytes,
        "status": done.returncode,
        "output": done.stdout[-20_000:],
        "complaints": done.stderr[-2_000:],
    }


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
