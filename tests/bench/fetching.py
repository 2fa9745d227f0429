# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runs of fetching: at loopback speed, with a limited rate, interrupted, and with no change."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import Result, Sample, rotated
from tests.bench.place import REPOSITORY, WEIGHTS, Model, clear
from tests.bench.processes import job_pid, kill_group
from tests.bench.tools import LIMIT, Curl, Fetched, Hf, Ours
from tests.integration.model_lab import HubProcess

# 400 Mbit/s for each connection, as a public hub gave it.
LIMITED_RATE = 50_000_000
# Slow enough to be hit at 60 %, fast enough not to take the whole afternoon.
KILL_RATE = 200_000_000
KILL_AT = 0.6
_POLL_SECONDS = 0.005


@dataclass(frozen=True)
class Stand:
    """What every part works with."""

    model: Model
    hub: HubProcess
    commit: str
    work: Path
    runs: int
    result: Result

    def ours(self) -> Ours:
        """Our module with a root that does not exist yet."""
        return Ours(self.hub, self.commit, self.work / "ours")

    def hf(self) -> Hf:
        """The peer, likewise."""
        return Hf(self.hub, self.commit, self.work / "hf")

    def curl(self) -> Curl:
        """The other peer, likewise."""
        return Curl(self.hub, self.commit, self.work / "curl")

    def clear(self) -> None:
        """Remove what the last run brought, and wait for the disk."""
        clear(*(self.work / name for name in ("ours", "hf", "hf-home", "curl")))

    def record(self, part: str, tool: str, turn: int, problem: str, **values: float) -> None:
        """Keep one run, and say it."""
        self.result.samples.append(Sample(part, tool, turn, values, problem))
        said = problem or ", ".join(f"{name} {_short(value)}" for name, value in values.items())
        print(f"    {part} {turn + 1}/{self.runs} {tool}: {said}", flush=True)


def measure_fetch(stand: Stand, part: str, rate: int | None = None) -> None:
    """Fetch with each tool in turn, the order rotating, into a fresh directory each time."""
    stand.hub.reset()
    if rate is not None:
        stand.hub.fault("rate", path=f"{REPOSITORY}/*", value=rate)
    tools: dict[str, Callable[[], Fetched]] = {
        "ours": lambda: stand.ours().fetch(),
        "hf": lambda: stand.hf().fetch(),
        "curl": lambda: stand.curl().fetch(),
    }
    stand.clear()
    for turn in range(stand.runs):
        for tool in rotated(list(tools), turn):
            fetched = tools[tool]()
            hashed = 0.0 if fetched.problem or tool != "curl" else hash_as_user(fetched.directory)
            durable = 0.0 if fetched.problem else settle(fetched.directory)
            names = (WEIGHTS,) if tool == "curl" else ()
            problem = fetched.problem or stand.model.wrong_with(fetched.directory, *names)
            values = {
                "seconds": fetched.run.seconds,
                "seconds_until_on_disk": fetched.run.seconds + durable,
                "processor_seconds": fetched.processor_seconds,
                "peak_memory_bytes": float(fetched.peak_memory_bytes),
            }
            if tool == "ours":
                values["job_peak_memory_bytes"] = float(fetched.result.get("job_bytes", 0))
            if tool == "curl":
                values["seconds_with_hash"] = fetched.run.seconds + hashed
            stand.record(part, tool, turn, problem, **values)
            stand.clear()
    stand.hub.reset()


def measure_kill(stand: Stand) -> None:
    """Kill at 60 % of the weights' bytes, run again, and count what the hub sent twice."""
    stand.clear()
    for turn in range(stand.runs):
        for tool in rotated(["ours", "hf"], turn):
            stand.hub.reset()
            stand.hub.fault("rate", path=f"{REPOSITORY}/{WEIGHTS}", value=KILL_RATE)
            problem = _kill_ours(stand) if tool == "ours" else _kill_hf(stand)
            first = stand.hub.sent(WEIGHTS)
            again = stand.ours().fetch() if tool == "ours" else stand.hf().fetch()
            problem = problem or again.problem or stand.model.wrong_with(again.directory)
            stand.record(
                "kill",
                tool,
                turn,
                problem,
                seconds=again.run.seconds,
                share_at_kill=first / stand.model.weight_bytes,
                bytes_twice=float(stand.hub.sent(WEIGHTS) - stand.model.weight_bytes),
            )
            stand.clear()
    stand.hub.reset()


def _kill_ours(stand: Stand) -> str:
    """Start the job, kill its process at 60 %; says what went wrong."""
    ours = stand.ours()
    started = ours.fetch(wait=False)
    if started.problem:
        return started.problem
    problem = _await_share(stand)
    pid = job_pid(ours.jobs)
    if pid is None:
        return "the job has no process"
    kill_group(pid)
    return problem or _await_quiet(stand.hub)


def _kill_hf(stand: Stand) -> str:
    """Start the command, kill it at 60 %; says what went wrong."""
    hf = stand.hf()
    process = subprocess.Popen(
        hf.command,
        env=hf.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        problem = _await_share(stand)
    finally:
        kill_group(process.pid)
        process.wait()
    return problem or _await_quiet(stand.hub)


def _await_share(stand: Stand) -> str:
    """Wait until the hub has sent 60 % of the weights."""
    deadline = time.monotonic() + LIMIT
    while stand.hub.sent(WEIGHTS) < KILL_AT * stand.model.weight_bytes:
        if time.monotonic() > deadline:
            return f"60 % were not sent within {LIMIT:.0f} s"
        time.sleep(_POLL_SECONDS)
    if stand.hub.sent(WEIGHTS) >= stand.model.weight_bytes:
        return "all was sent before the kill"
    return ""


def _await_quiet(hub: HubProcess) -> str:
    """Wait until the hub has noticed that the killed client is gone; its counts are final then."""
    deadline = time.monotonic() + 60
    while hub.stats()["open"]:
        if time.monotonic() > deadline:
            return "the hub still sends to the killed client"
        time.sleep(_POLL_SECONDS)
    return ""


def measure_no_change(stand: Stand) -> None:
    """Run again over a published model; ours must say that nothing changed."""
    stand.hub.reset()
    stand.clear()
    tools: dict[str, Callable[[], Fetched]] = {
        "ours": lambda: stand.ours().fetch(),
        "hf": lambda: stand.hf().fetch(),
    }
    first = {tool: fetch() for tool, fetch in tools.items()}
    os.sync()
    for turn in range(stand.runs):
        for tool in rotated(list(tools), turn):
            stand.hub.reset()
            fetched = tools[tool]()
            problem = first[tool].problem or fetched.problem
            values = {"seconds": fetched.run.seconds}
            if tool == "ours":
                values["module_seconds"] = float(fetched.result.get("seconds", 0.0))
                if fetched.result.get("changed") is not False:
                    problem = problem or "the module says that something changed"
            values["requests"] = float(stand.hub.stats()["requests"])
            stand.record("nochange", tool, turn, problem, **values)
    for tool, fetched in first.items():
        wrong = fetched.problem or stand.model.wrong_with(fetched.directory)
        if wrong:
            stand.record("nochange", tool, stand.runs, wrong)
    stand.clear()


def hash_as_user(directory: Path) -> float:
    """Seconds of the weights' SHA-256 by openssl, as a careful user of curl computes it."""
    began = time.perf_counter()
    subprocess.run(
        ["openssl", "dgst", "-sha256", str(directory / WEIGHTS)], check=True, capture_output=True
    )
    return time.perf_counter() - began


def settle(directory: Path) -> float:
    """Bring every file of a directory to the disk; returns the seconds that it took."""
    began = time.perf_counter()
    for path in directory.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    return time.perf_counter() - began


def _short(value: float) -> str:
    return f"{value / 1e6:.1f}M" if value >= 1e6 else f"{value:.3g}"
