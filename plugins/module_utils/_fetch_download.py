# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Download of a set of files: several ranges at once, every file hashed while it arrives."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._fetch_source import (
    NoRangesError,
    PassingError,
    Source,
)
from ansible_collections.stt.engine.plugins.module_utils._fetch_staged import StagedFile
from ansible_collections.stt.engine.plugins.module_utils._hub import (
    LONGEST_WAIT_SECONDS,
    RemoteFile,
)

MOST_ATTEMPTS = 3
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 20.0
_HASH_STEP_BYTES = 16 << 20
_FLUSH_STEP_BYTES = 128 << 20
_TICK_SECONDS = 0.25


@dataclass
class _Task:
    """A part of a file for one worker; ``high`` is how far it ever came.

    ``barren`` counts tries in a row that did not come any further. A file that is taken whole has
    one task and no other writer: it begins when the last part in flight has ended.
    """

    file: StagedFile
    start: int
    end: int
    whole: bool = False
    position: int = -1
    high: int = -1
    marked: int = 0
    barren: int = 0

    def __post_init__(self) -> None:
        self.position = self.high = self.start


@dataclass(frozen=True)
class Outcome:
    """What a download did; bytes downloaded are those that came over the wire, repeats included."""

    bytes_downloaded: int
    bytes_resumed: int
    sha256: dict[str, str]
    repeated: list[str] = field(default_factory=list)


class Download:
    """Bring files into a staging directory until each has the hash it must have.

    Failures that pass by themselves are tried again without end, as long as new bytes arrive
    within ``stall_seconds``: that deadline is the only limit. A connection that is silent for a
    third of it is replaced.
    """

    def __init__(
        self,
        files: Sequence[RemoteFile],
        staging: Path,
        make_source: Callable[[], Source],
        *,
        streams: int,
        chunk_bytes: int,
        stall_seconds: float,
        progress: Callable[..., None],
        log: Callable[[str], None],
    ) -> None:
        # Small files first: what is wrong with them shows before the large ones are there.
        ordered = sorted(files, key=lambda file: (file.size, file.path))
        self._files = [StagedFile(staging, remote, chunk_bytes) for remote in ordered]
        self._make_source = make_source
        self._streams = streams
        self._stall_seconds = stall_seconds
        self._progress = progress
        self._log = log
        self._changed = threading.Condition()
        self._queue: deque[_Task] = deque()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._busy = 0
        self._parts: Counter[StagedFile] = Counter()
        self._last_byte = 0.0
        self._waited = 0.0
        self._resume_at = 0.0
        self._last_failure = ""
        self._received = 0
        self._written: set[StagedFile] = set()
        self._repeated: list[str] = []
        self.total = sum(file.size for file in files)
        self.resumed = sum(file.have for file in self._files)
        self._have = self.resumed

    def run(self) -> Outcome:
        """Bring all files; raises SttError with what was there kept for the next run."""
        sources = [self._make_source() for _number in range(self._streams)]
        threads = [threading.Thread(target=self._hash, daemon=True)]
        threads += [threading.Thread(target=self._flush, daemon=True)]
        threads += [threading.Thread(target=self._work, args=[s], daemon=True) for s in sources]
        try:
            for file in self._files:
                file.open()
                self._enqueue(file)
            self._last_byte = time.monotonic()
            for thread in threads:
                thread.start()
            self._watch()
        finally:
            self._stop.set()
            with self._changed:
                self._changed.notify_all()
            for source in sources:
                source.abort()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            for file in self._files:
                file.close()
        return Outcome(
            self._received,
            self.resumed,
            {file.remote.path: file.verified for file in self._files if file.verified},
            self._repeated,
        )

    # --- the thread of the caller --------------------------------------------------------

    def _watch(self) -> None:
        window: deque[tuple[float, int]] = deque(maxlen=40)
        while True:
            with self._changed:
                self._changed.wait(_TICK_SECONDS)
                if self._error is not None:
                    raise self._error
                finished = all(file.verified for file in self._files)
                now, have = time.monotonic(), self._have
                # A wait that a server asked for is no silence.
                silent = now - max(self._last_byte, self._resume_at) if self._busy else 0.0
            window.append((now, have))
            span = now - window[0][0]
            rate = (have - window[0][1]) / span if span > 0 else 0.0
            phase = "verify" if have == self.total else "download"
            self._progress(phase=phase, bytes=have, total=self.total, rate=round(max(0.0, rate)))
            if finished:
                return
            if silent > self._stall_seconds:
                raise self._stalled()

    def _stalled(self) -> SttError:
        reason = f" ({self._last_failure})" if self._last_failure else ""
        return SttError(
            "download",
            found=f"no new byte for {self._stall_seconds:g} s at {self._have} of {self.total} "
            f"bytes{reason}",
            needed="data from the hub",
            fix="check the hub and the network, then run again: it goes on where it stopped; "
            "stall_seconds sets the patience",
        )

    # --- workers -------------------------------------------------------------------------

    def _enqueue(self, file: StagedFile) -> None:
        """Put what is missing of a file in the queue; the lock is held or not needed yet."""
        if file.whole:
            self._queue.append(_Task(file, 0, file.remote.size, whole=True))
            return
        for index, done in enumerate(file.done):
            if not done:
                start = index * file.chunk_bytes
                self._queue.append(_Task(file, start, start + file.span(index)))

    def _work(self, source: Source) -> None:
        try:
            while (task := self._take()) is not None:
                try:
                    self._fetch(source, task)
                finally:
                    self._end(task)
        except BaseException as error:
            self._fail(error)

    def _end(self, task: _Task) -> None:
        """Count a task as ended; the last part of a file makes room for the file as a whole."""
        file = task.file
        with self._changed:
            self._busy -= 1
            if task.whole:
                return
            self._parts[file] -= 1
            if file.whole and not self._parts[file]:
                self._enqueue(file)
                self._changed.notify_all()

    def _take(self) -> _Task | None:
        with self._changed:
            while not self._stop.is_set():
                if self._queue:
                    if not self._busy:
                        self._last_byte = time.monotonic()
                    self._busy += 1
                    task = self._queue.popleft()
                    self._parts[task.file] += not task.whole
                    return task
                self._changed.wait()
        return None

    def _fetch(self, source: Source, task: _Task) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while not self._stop.is_set():
            before = task.high
            self._await_turn()
            try:
                if self._is_void(task):
                    self._give_up_part(task)
                    return
                self._receive(source, task)
                return
            except NoRangesError:
                self._switch_to_whole(task)
                return
            except PassingError as failure:
                if task.high > before:
                    pause = _FIRST_PAUSE_SECONDS
                    task.barren = 0
                elif task.whole:
                    self._count_barren(task, failure)
                self._pause(failure, pause, task)
                pause = min(_LONGEST_PAUSE_SECONDS, pause * 2)
                if task.whole:
                    task.position = 0

    def _receive(self, source: Source, task: _Task) -> None:
        file = task.file
        for block in source.stream(file.remote, task.position, task.end):
            if self._stop.is_set():
                return
            if self._is_void(task):
                self._give_up_part(task)
                return
            file.write(block, task.position)
            task.position += len(block)
            with self._changed:
                self._received += len(block)
                if task.position > task.high or task.whole:
                    self._last_byte = time.monotonic()
                    self._waited = 0.0
                if task.position > task.high:
                    self._have += 0 if task.whole else task.position - task.high
                    task.high = task.position
                if task.whole and self._mark_whole(task):
                    # It may be judged and begun anew from here on: write nothing more.
                    return
        if not task.whole:
            with self._changed:
                self._written.add(file)
                file.mark(task.start // file.chunk_bytes)
                self._changed.notify_all()

    def _mark_whole(self, task: _Task) -> bool:
        """Mark the chunks that came up to here; True when the file is complete."""
        file = task.file
        index = task.marked
        while index < file.chunks and index * file.chunk_bytes + file.span(index) <= task.position:
            if not file.done[index]:
                self._written.add(file)
                self._have += file.span(index)
                file.mark(index)
                self._changed.notify_all()
            index += 1
        task.marked = index
        return file.complete

    def _is_void(self, task: _Task) -> bool:
        """Whether another worker found out that this server sends whole files only."""
        return task.file.whole and not task.whole

    def _switch_to_whole(self, task: _Task) -> None:
        """Ask for the file in one piece from now on; finished chunks stay as they are."""
        file = task.file
        self._give_up_part(task)
        with self._changed:
            if not file.whole:
                self._log(f"{file.remote.path}: the server ignores ranges, taking it whole")
                file.whole = True
                kept = [queued for queued in self._queue if queued.file is not file]
                self._queue.clear()
                self._queue.extend(kept)

    def _give_up_part(self, task: _Task) -> None:
        with self._changed:
            self._have -= task.high - task.start

    def _count_barren(self, task: _Task, failure: PassingError) -> None:
        """Without ranges every try begins anew, so bytes alone do not show that it gets on."""
        task.barren += 1
        if task.barren >= MOST_ATTEMPTS:
            raise SttError(
                task.file.remote.path,
                found=f"{task.barren} tries that ended at or before byte {task.high} of "
                f"{task.file.remote.size} ({failure}), from a server without ranges",
                needed="the whole file in one piece, or a server that answers ranges",
                fix="name a mirror in endpoint that supports range requests",
            )

    def _await_turn(self) -> None:
        """Send nothing before the time that a server named has come."""
        while (wait := self._resume_at - time.monotonic()) > 0:
            if self._stop.wait(min(wait, 1.0)):
                return

    def _pause(self, failure: PassingError, pause: float, task: _Task) -> None:
        """Wait before the next try; all streams wait when the server named a time."""
        self._log(f"{task.file.remote.path} at {task.position}: {failure}")
        now = time.monotonic()
        with self._changed:
            self._last_failure = str(failure)
            until = now + failure.wait
            more = until - max(now, self._resume_at)
            if more > 0 and self._waited + more <= LONGEST_WAIT_SECONDS:
                self._waited += more
                self._resume_at = max(self._resume_at, until)
        self._stop.wait(max(failure.wait, pause * random.uniform(0.7, 1.3)))

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            if self._error is None:
                self._error = error
            self._stop.set()
            self._changed.notify_all()

    # --- the flushing thread -------------------------------------------------------------

    def _flush(self) -> None:
        """Write to the disk while the rest arrives, so that publishing need not wait for it."""
        flushed = 0
        try:
            while True:
                with self._changed:
                    # Asked under the lock: a stop between the look and the wait would not be heard.
                    while not self._stop.is_set() and self._received - flushed < _FLUSH_STEP_BYTES:
                        self._changed.wait()
                    if self._stop.is_set():
                        return
                    flushed = self._received
                    files = list(self._written)
                    self._written.clear()
                for file in files:
                    file.flush()
        except BaseException as error:
            self._fail(error)

    # --- the hashing thread --------------------------------------------------------------

    def _hash(self) -> None:
        """Hash what arrives, file by file, and judge each file that is whole."""
        try:
            while True:
                with self._changed:
                    if self._stop.is_set():
                        return
                    ready = [f for f in self._files if f.verified is None and f.hashable]
                    if not ready:
                        if all(file.verified for file in self._files):
                            self._changed.notify_all()
                            return
                        self._changed.wait()
                        continue
                if ready[0].hash_some(_HASH_STEP_BYTES):
                    self._judge(ready[0])
        except BaseException as error:
            self._fail(error)

    def _judge(self, file: StagedFile) -> None:
        found, needed = file.identity(), file.remote.identity
        path = file.remote.path
        with self._changed:
            if found == needed:
                file.verified = file.sha256()
                self._changed.notify_all()
                return
            self._log(f"{path}: {found} after download {file.attempts}, needed {needed}")
            if file.attempts < MOST_ATTEMPTS:
                file.attempts += 1
                self._repeated.append(path)
                self._have -= file.remote.size
                file.reset()
                self._enqueue(file)
                self._changed.notify_all()
                return
        file.discard()
        raise SttError(
            path,
            found=f"{found} after {file.attempts} downloads",
            needed=needed,
            fix="something on the way changes the content: check proxy and mirror, or name "
            "another endpoint; then run again",
        )
