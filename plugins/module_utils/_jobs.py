# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work on a server as a detached job that any later call can attach to.

A job is a directory ``<kind>-<first 12 of its key>`` with its lock, state, inputs and log.
It lives exactly as long as a flock on its ``lock`` file is held: the kernel drops the lock
however the process ends, and no other process can be mistaken for it as with a process id.
"""

from __future__ import annotations

import fcntl
import gc
import gzip
import json
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._store import (
    file_lock,
    write_atomically,
)

Status = Literal["absent", "running", "succeeded", "failed", "lost"]
Work = Callable[["JobContext"], dict[str, Any]]

_PROGRESS_SECONDS = 0.5
_TAIL_BYTES = 64 * 1024
_KEY_LENGTH = 12


@dataclass(frozen=True)
class JobState:
    """What a job is doing, or how it ended; times are seconds since the epoch."""

    status: Status
    started: float | None
    finished: float | None
    progress: dict[str, Any]
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    log_path: str
    pid: int | None


class JobContext:
    """What the work of a job may use: its directory, its log and a place for progress."""

    def __init__(self, directory: Path, log: BinaryIO, record: dict[str, Any]) -> None:
        self.directory = directory
        self.log = log
        self._record = record
        self._lock = threading.Lock()
        self._written = 0.0

    def progress(self, **fields: Any) -> None:
        """Note how far the work is; written to disk at most twice a second, from any thread."""
        with self._lock:
            self._record["progress"].update(fields)
            now = time.monotonic()
            if now - self._written >= _PROGRESS_SECONDS:
                self._written = now
                _write_record(self.directory, self._record, durable=False)

    def close(self) -> None:
        """Let no thread that the work left behind write any more."""
        self._lock.acquire()


class Job:
    """A piece of work known by its kind and the digest of its inputs.

    ``inputs`` are written to disk for the reader of the directory: no secrets in them.
    """

    def __init__(
        self, jobs_root: Path, kind: str, key: str, inputs: dict[str, Any] | None = None
    ) -> None:
        if not kind or "/" in kind or len(key) < _KEY_LENGTH or "/" in key:
            raise ValueError(f"not a job's kind and key: {kind!r}, {key!r}")
        self.name = f"{kind}-{key[:_KEY_LENGTH]}"
        self.directory = jobs_root / self.name
        self._inputs = inputs
        self._log = self.directory / "job.log"
        self._packed_log = self.directory / "job.log.gz"

    def state(self) -> JobState:
        """How the job stands now; writes nothing."""
        try:
            with self._guard(create=False):
                alive = self._alive()
                record = _read_record(self.directory)
        except FileNotFoundError:
            return self._make_state("absent", {})
        if alive:
            return self._make_state("running", record)
        status = record.get("status")
        if status in ("succeeded", "failed"):
            return self._make_state(status, record)
        return self._make_state("lost", {**record, "error": self._lost_error()})

    def start(self, work: Work) -> JobState:
        """Start the work in a detached process, unless the job is running already.

        A job that ended, well or not, is started anew. The process is a fork of this one:
        everything that the work needs must be imported before.
        """
        self.directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        with self._guard(create=True):
            life = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o640)
            try:
                fcntl.flock(life, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(life)
            else:
                try:
                    self._launch(work, life)
                finally:
                    # Only this copy: the lock stays with the job's own copy.
                    os.close(life)
        return self.state()

    def wait(self, timeout: float | None = None, poll: float = 0.2) -> JobState:
        """Wait until the job no longer runs, or ``timeout`` seconds are over."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            state = self.state()
            if state.status != "running":
                return state
            if deadline is not None and time.monotonic() >= deadline:
                return state
            time.sleep(poll)

    def run(self, work: Work, *, wait: bool, timeout: float | None = None) -> JobState:
        """Attach to the job or start it; then, if asked, wait for its end."""
        state = self.start(work)
        return self.wait(timeout) if wait else state

    def log_tail(self, lines: int = 20) -> list[str]:
        """The last lines of the job's log, packed or not; empty when there is none."""
        data = b""
        with suppress(FileNotFoundError), self._log.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - _TAIL_BYTES))
            data = stream.read()
        if not data:
            with suppress(FileNotFoundError), gzip.open(self._packed_log, "rb") as packed:
                return [_line(raw) for raw in deque(packed, maxlen=lines)]
        return [_line(raw) for raw in data.splitlines()[-lines:]]

    def kept_log(self) -> str:
        """The log of the job's last run, packed or not; empty when there is none."""
        return next((str(log) for log in (self._packed_log, self._log) if log.exists()), "")

    def failure(self, state: JobState) -> SttError | None:
        """The error of a failed or lost job, as it was raised in the work; None otherwise."""
        if state.status not in ("failed", "lost") or state.error is None:
            return None
        known = ("msg", "object", "found", "needed", "fix")
        details = {name: value for name, value in state.error.items() if name not in known}
        details.setdefault("log_path", state.log_path)
        return SttError(
            str(state.error["object"]),
            found=str(state.error["found"]),
            needed=str(state.error["needed"]),
            fix=str(state.error["fix"]),
            **details,
        )

    @contextmanager
    def _guard(self, *, create: bool) -> Iterator[None]:
        """Hold for the moment of looking or starting, so that a look never delays a start."""
        path = self.directory / "guard"
        if create:
            with file_lock(path):
                yield
            return
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _alive(self) -> bool:
        descriptor = os.open(self.directory / "lock", os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _make_state(self, status: Status, record: dict[str, Any]) -> JobState:
        log = self._packed_log if self._packed_log.exists() else self._log
        return JobState(
            status=status,
            started=record.get("started"),
            finished=record.get("finished"),
            progress=record.get("progress", {}),
            result=record.get("result") if status == "succeeded" else None,
            error=record.get("error") if status in ("failed", "lost") else None,
            log_path=str(log),
            pid=record.get("pid") if status == "running" else None,
        )

    def _lost_error(self) -> dict[str, Any]:
        return SttError(
            f"job {self.name}",
            found="its process gone without a result",
            needed="the process to run to its end",
            fix="run the same command again: the job continues; if it is lost again, look in "
            "the kernel's log for an out-of-memory kill, and at the end of the job's log",
            log_path=str(self._log),
            log_tail=self.log_tail(),
        ).result()

    def _launch(self, work: Work, life: int) -> None:
        for stale in (self._packed_log, self._log):
            with suppress(FileNotFoundError):
                stale.unlink()
        if self._inputs is not None:
            inputs = json.dumps(self._inputs, indent=2, sort_keys=True).encode()
            write_atomically(self.directory / "inputs.json", inputs + b"\n", mode=0o640)
        record: dict[str, Any] = {
            "status": "running",
            "started": time.time(),
            "finished": None,
            "progress": {},
            "result": None,
            "error": None,
            "pid": None,
        }
        _write_record(self.directory, record)
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            # Twice, so that the job is nobody's child here and leaves no zombie behind.
            try:
                if os.fork() == 0:
                    self._live(work, life, record)
            finally:
                os._exit(0)
        os.waitpid(child, 0)

    def _live(self, work: Work, life: int, record: dict[str, Any]) -> None:
        """The whole life of the job's process; never returns."""
        status = 1
        try:
            os.setsid()
            os.chdir("/")
            os.umask(0o022)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            # Objects of the caller must never close a descriptor number that is ours by now.
            gc.freeze()
            _leave_descriptors(self._log, keep=life)
            with self._log.open("ab", buffering=0) as log:
                record["pid"] = os.getpid()
                _write_record(self.directory, record)
                context = JobContext(self.directory, log, record)
                self._work(work, context, record)
            if record["status"] == "succeeded":
                self._pack_log()
            context.close()
            _write_record(self.directory, record)
            status = 0
        except BaseException:
            # The log is the only place left; the state stays "running" and reads as lost.
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(status)

    def _work(self, work: Work, context: JobContext, record: dict[str, Any]) -> None:
        try:
            result = work(context)
            json.dumps(result)
            record.update(status="succeeded", result=result)
        except SttError as error:
            record.update(status="failed", error=error.result())
            context.log.write(f"{error}\n".encode())
        except Exception as error:
            text = traceback.format_exc()
            context.log.write(text.encode())
            unexpected = SttError(
                f"job {self.name}",
                found=f"{type(error).__name__}: {error}",
                needed="the work to end without an unexpected error",
                fix="read the end of the job's log; if the cause is not in the surroundings "
                "(disk, memory, network), report it with that log",
                log_path=str(self._log),
                exception=text,
            )
            record.update(status="failed", error=unexpected.result())
        record["finished"] = time.time()

    def _pack_log(self) -> None:
        temporary = self._packed_log.with_name(".job.log.gz")
        with self._log.open("rb") as plain, gzip.open(temporary, "wb", compresslevel=6) as packed:
            shutil.copyfileobj(plain, packed, 1 << 20)
        temporary.rename(self._packed_log)
        self._log.unlink()


def _leave_descriptors(log: Path, *, keep: int) -> None:
    """Let go of every inherited file, so that pipes to the caller's side end at once.

    The numbers stay taken by /dev/null: an object of the caller that closes "its" number
    later can then not close a file of the job.
    """
    null = os.open(os.devnull, os.O_RDWR)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for number in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if number > 2 and number not in (keep, null, output):
            # The descriptor of the listing itself is closed by now: that is no error.
            with suppress(OSError):
                os.fstat(number)
                os.dup2(null, number, inheritable=False)
    os.close(null)
    os.close(output)


def _line(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").rstrip("\r\n")


def _read_record(directory: Path) -> dict[str, Any]:
    """The state as last written; a file damaged by a crash counts as no news of the job."""
    try:
        record = json.loads((directory / "state.json").read_bytes())
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _write_record(directory: Path, record: dict[str, Any], durable: bool = True) -> None:
    data = json.dumps(record, sort_keys=True, default=str).encode()
    write_atomically(directory / "state.json", data, mode=0o640, durable=durable)
