# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs each check in a process of its own, so that a crash or a hang is that check's result alone.

Heavy packages are imported once, by a helper process from which the checks are forked. The
supervisor itself imports nothing that could take it down: when the helper dies during an import,
the checks are forked from the supervisor and import for themselves, and the one that needs the
broken package fails by name.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import json
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, NoReturn

from .child import MORE, become_child, perform, write_all
from .outcome import STATUSES, Outcome
from .registry import Check
from .settings import Settings, readable_size

IMPORT_DEADLINE = 180.0
GRACE = 20.0
POLL = 0.1
# A crash says what it is first, an exception last.
OUTPUT_HEAD_LINES = 10
OUTPUT_TAIL_LINES = 15
OUTPUT_LIMIT = 1 << 20
MEMORY_EVENTS = Path("/sys/fs/cgroup/memory.events")

Result = dict[str, Any]
Emit = Callable[[Result], None]


@dataclass
class Ended:
    """What the parent saw of a finished check process."""

    outcome: Outcome | None
    status: int
    timed_out: bool
    doing: str
    peak_bytes: int
    out_of_memory: bool
    limit: float


class Supervisor:
    """Runs a list of checks in order and emits one result for each."""

    def __init__(
        self,
        settings: Settings,
        command: Sequence[str] | None = None,
        log: IO[str] | None = None,
        more: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        """``command`` starts this program anew with the same settings, for checks that use CUDA.

        ``more`` is told of every time by which a check's deadline is put off.
        """
        self.settings = settings
        self.command = command
        self.log = log or sys.stderr
        self.more = more
        self.peak_bytes = 0

    def run(self, checks: Sequence[Check], emit: Emit) -> None:
        """Run every check; each gets exactly one result, whatever happens to it."""
        prepared = [check for check in checks if check.imports and not self._fresh(check)]
        helper = _Helper(self, prepared) if prepared else None
        try:
            for check in checks:
                result = None
                if helper is not None and check in prepared:
                    result = helper.ask(check)
                if result is None:
                    result = self.execute(check)
                self.peak_bytes = max(self.peak_bytes, result["evidence"]["peak_memory_bytes"])
                emit(result)
        finally:
            if helper is not None:
                helper.close()

    def deadline_of(self, check: Check) -> float:
        return self.settings.deadline or check.deadline

    def execute(self, check: Check) -> Result:
        """Run one check in a child of this process and turn however it ended into a result."""
        started = time.monotonic()
        with tempfile.TemporaryFile() as output:
            ended = self._watch(check, output)
            text = _tail(output)
        outcome = self._judge(ended)
        evidence = {**outcome.evidence, "peak_memory_bytes": ended.peak_bytes}
        if outcome.status in ("failed", "error") and text:
            evidence["output"] = _excerpt(text)
        if text:
            self.log.write(f"--- {check.key}\n{text.rstrip()}\n")
            self.log.flush()
        seconds = time.monotonic() - started
        final = Outcome(outcome.status, outcome.found, outcome.fix, evidence)
        return check.result(final, self.settings, seconds)

    def _fresh(self, check: Check) -> bool:
        return check.cuda and self.settings.gpu and self.command is not None

    def _watch(self, check: Check, output: BinaryIO) -> Ended:
        reader, writer = os.pipe()
        kills = _memory_kills()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            become_child(output.fileno())
            if self._fresh(check) and self.command is not None:
                os.set_inheritable(writer, True)
                command = [*self.command, "--only", check.key, "--result-fd", str(writer)]
                os.execv(command[0], command)
            perform(check, self.settings, writer)
        os.close(writer)
        started, limit = time.monotonic(), self.deadline_of(check)

        def deadline() -> float:
            return started + limit

        def more(seconds: float) -> None:
            nonlocal limit
            # One that somebody set holds for every check as it is.
            if self.settings.deadline is None:
                limit += seconds
                self.more(seconds)

        try:
            messages, timed_out = _listen(reader, pid, deadline, more)
        finally:
            os.close(reader)
        if not timed_out:
            timed_out = not _ends_before(pid, min(deadline(), time.monotonic() + GRACE))
        # The group too: nothing that a check started may outlive it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        _pid, status, usage = os.wait4(pid, 0)
        outcome, doing = _read_messages(messages)
        peak, killed = usage.ru_maxrss * 1024, _memory_kills() > kills
        return Ended(outcome, status, timed_out, doing, peak, killed, limit)

    def _judge(self, ended: Ended) -> Outcome:
        while_doing = f" while {ended.doing}" if ended.doing else ""
        if ended.timed_out:
            return Outcome(
                "error",
                f"no end within the deadline of {ended.limit:g} s{while_doing}",
                "look at the check's output for what it waited for, or raise "
                "model_check_deadline_seconds",
            )
        if os.WIFSIGNALED(ended.status):
            number = os.WTERMSIG(ended.status)
            name = signal.Signals(number).name
            if number == signal.SIGKILL:
                limit = self.settings.memory_bytes
                of_limit = f" of {readable_size(limit)}" if limit else ""
                reason = (
                    f"the out-of-memory killer, at the container's limit{of_limit}"
                    if ended.out_of_memory
                    else "a kill from outside"
                )
                return Outcome(
                    "error",
                    f"the check's process was ended by {reason}{while_doing}",
                    "give the container more memory, or find what killed the process",
                )
            return Outcome(
                "error",
                f"the check's process crashed with {name}{while_doing}",
                "read in the check's output what the library said before it ended, and replace its "
                "package",
            )
        code = os.WEXITSTATUS(ended.status)
        if ended.outcome is None:
            return Outcome(
                "error",
                f"the process ended with exit status {code} and without a result{while_doing}",
                "look at the check's output in the log; a check that says nothing counts as broken",
            )
        if code != 0:
            return Outcome(
                "error",
                f"exit status {code} after the result: {ended.outcome.found}",
                "look at the check's output in the log",
            )
        return ended.outcome


class _Helper:
    """A process with the heavy packages imported, from which checks are forked."""

    def __init__(self, supervisor: Supervisor, checks: Sequence[Check]) -> None:
        self.supervisor = supervisor
        self.checks = list(checks)
        self.buffer = b""
        self.first = True
        request_read, self.requests = os.pipe()
        self.answers, answer_write = os.pipe()
        sys.stdout.flush()
        self.supervisor.log.flush()
        pid = os.fork()
        if pid == 0:
            os.close(self.requests)
            os.close(self.answers)
            self._serve(request_read, answer_write)
        self.pid: int | None = pid
        os.close(request_read)
        os.close(answer_write)

    def ask(self, check: Check) -> Result | None:
        """The result of one check, or None when the helper is gone and the caller must run it."""
        if self.pid is None:
            return None
        deadline = time.monotonic() + self.supervisor.deadline_of(check) + 2 * GRACE
        if self.first:
            deadline += IMPORT_DEADLINE
            self.first = False
        try:
            os.write(self.requests, f"{self.checks.index(check)}\n".encode())
        except BrokenPipeError:
            self.close()
            return None
        while (line := self._line(deadline)) is not None:
            told: Result = json.loads(line)
            if MORE not in told:
                return told
            deadline += told[MORE]
            self.supervisor.more(told[MORE])
        self.close()
        return None

    def close(self) -> None:
        """End the helper and whatever it still runs."""
        if self.pid is None:
            return
        os.close(self.requests)
        os.close(self.answers)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.pid = None

    def _line(self, deadline: float) -> bytes | None:
        while b"\n" not in self.buffer:
            ready, _w, _x = select.select(
                [self.answers], [], [], max(0.0, deadline - time.monotonic())
            )
            data = os.read(self.answers, 65536) if ready else b""
            if not data:
                return None
            self.buffer += data
        line, _newline, self.buffer = self.buffer.partition(b"\n")
        return line

    def _serve(self, requests: int, answers: int) -> NoReturn:
        status = 1

        def say(message: Result) -> None:
            write_all(answers, json.dumps(message).encode() + b"\n")

        self.supervisor.more = lambda seconds: say({MORE: seconds})
        try:
            os.dup2(2, 1)
            faulthandler.enable(2)
            names = dict.fromkeys(name for check in self.checks for name in check.imports)
            for name in names:
                # The check that needs a package which does not import says so under its own name.
                try:
                    importlib.import_module(name)
                except Exception:
                    self.supervisor.log.write(f"--- import {name}\n{traceback.format_exc()}")
                    self.supervisor.log.flush()
            # Libraries collect garbage often; what is imported by now need not be walked each time.
            gc.collect()
            gc.freeze()
            with os.fdopen(requests, "rb", buffering=0) as stream:
                for line in stream:
                    say(self.supervisor.execute(self.checks[int(line)]))
            status = 0
        finally:
            os._exit(status)


def _listen(
    reader: int, pid: int, deadline: Callable[[], float], more: Callable[[float], None]
) -> tuple[bytes, bool]:
    """Everything the child wrote, and whether the deadline came before its end.

    The child's end counts, not only that of its pipe: a process it left behind may hold that open.
    ``more`` is told by how much each message puts the deadline off.
    """
    data = line = b""
    while True:
        ended = _ended(pid)
        ready, _w, _x = select.select([reader], [], [], 0 if ended else POLL)
        chunk = os.read(reader, 65536) if ready else b""
        data += chunk
        *lines, line = (line + chunk).split(b"\n")
        for seconds in filter(None, map(_more, lines)):
            more(seconds)
        if ready and not chunk:
            return data, False
        if not chunk:
            if ended:
                return data, False
            if time.monotonic() >= deadline():
                return data, True


def _ends_before(pid: int, deadline: float) -> bool:
    """Wait for a child to end without reaping it; False when the deadline comes first."""
    while not _ended(pid):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
    return True


def _ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _more(line: bytes) -> float:
    """By how many seconds a message of a check puts its deadline off."""
    try:
        message = json.loads(line)
    except ValueError:
        # An end that came in the middle of one.
        return 0.0
    return float(message.get(MORE, 0.0))


def _read_messages(data: bytes) -> tuple[Outcome | None, str]:
    outcome: Outcome | None = None
    doing = ""
    for line in data.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if "doing" in message:
            doing = str(message["doing"])
        elif message.get("status") in STATUSES:
            outcome = Outcome(
                message["status"], message["found"], message["fix"], message["evidence"]
            )
    return outcome, doing


def _tail(output: BinaryIO) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - OUTPUT_LIMIT))
    return output.read().decode("utf-8", "replace")


def _excerpt(text: str) -> list[str]:
    lines = text.splitlines()
    if len(lines) <= OUTPUT_HEAD_LINES + OUTPUT_TAIL_LINES:
        return lines
    return [*lines[:OUTPUT_HEAD_LINES], "[...]", *lines[-OUTPUT_TAIL_LINES:]]


def _memory_kills() -> int:
    """How often the kernel's out-of-memory killer struck in this container."""
    try:
        lines = MEMORY_EVENTS.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    counts = dict(line.split() for line in lines)
    return int(counts.get("oom_kill", 0))
