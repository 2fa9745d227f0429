# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A staged file and the persistent map of its finished chunks."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from contextlib import suppress
from pathlib import Path

from ansible_collections.stt.engine.plugins.module_utils._fetch_room import disk_error
from ansible_collections.stt.engine.plugins.module_utils._hub import RemoteFile
from ansible_collections.stt.engine.plugins.module_utils._store import write_atomically

_HASH_BYTES = 1 << 20


class StagedFile:
    """A file under way: its content in place, one byte per finished chunk in its map.

    The map is written after the content, a byte at a time, so that a killed process loses at most
    the chunks under way. What a power loss may do to either is found by the hash at the end.
    Not safe for threads by itself, except ``write`` to different chunks.
    """

    def __init__(self, staging: Path, remote: RemoteFile, chunk_bytes: int) -> None:
        self.remote = remote
        self.path = staging / "files" / remote.path
        self.chunk_bytes = chunk_bytes
        self.chunks = -(-remote.size // chunk_bytes)
        self.attempts = 1
        self.whole = False
        self.verified: str | None = None
        self._sha256 = hashlib.sha256()
        self._git = hashlib.sha1(usedforsecurity=False)
        self._hashed = 0
        # The chunks that are there without a gap from the start, and their bytes.
        self._next = self._prefix = 0
        self._map = map_path(staging, remote.path)
        self.done = self._resume()
        self._header = self._make_header(self.chunk_bytes)
        self._file = -1
        self._marks = -1

    def _resume(self) -> bytearray:
        """The finished chunks of an earlier run; none when it staged something else.

        The chunks keep the length that the earlier run gave them.
        """
        with suppress(OSError, ValueError, TypeError):
            head, _newline, marks = self._map.read_bytes().partition(b"\n")
            chunk = json.loads(head)["chunk"]
            chunks = -(-self.remote.size // chunk)
            fits = head + b"\n" == self._make_header(chunk) and len(marks) == chunks
            status = self.path.lstat()
            if fits and stat.S_ISREG(status.st_mode) and status.st_size == self.remote.size:
                self.chunk_bytes, self.chunks = chunk, chunks
                return bytearray(marks)
        return bytearray(self.chunks)

    def _make_header(self, chunk_bytes: int) -> bytes:
        remote = self.remote
        header = {"path": remote.path, "hash": remote.identity, "size": remote.size}
        return json.dumps({**header, "chunk": chunk_bytes}, sort_keys=True).encode() + b"\n"

    @property
    def have(self) -> int:
        """Bytes in finished chunks."""
        return sum(self.span(index) for index, mark in enumerate(self.done) if mark)

    def span(self, index: int) -> int:
        """Length of a chunk; the last one may be shorter."""
        return min(self.chunk_bytes, self.remote.size - index * self.chunk_bytes)

    def open(self) -> None:
        """Reserve the file's space and open it."""
        try:
            self._open()
        except OSError as error:
            raise disk_error(self.path, error, self.remote.size) from error
        self._start_hash()
        self._advance()

    def _open(self) -> None:
        for path in (self.path, self._map):
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not any(self.done):
            # What lies there is of no use; a link in its place must not be followed.
            for path in (self.path, self._map):
                with suppress(FileNotFoundError):
                    path.unlink()
        else:
            # An earlier run may have been killed between the last chunk and the publication.
            self.path.chmod(0o644)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            os.ftruncate(self._file, self.remote.size)
            if self.remote.size:
                os.posix_fallocate(self._file, 0, self.remote.size)
        except OSError:
            if not any(self.done):
                # Give back what a full disk had left: the job needs room to say why it ends.
                os.ftruncate(self._file, 0)
            raise
        if not self._map.exists():
            write_atomically(self._map, self._header + bytes(self.chunks), durable=False)
        self._marks = os.open(self._map, os.O_WRONLY | os.O_NOFOLLOW)

    def close(self) -> None:
        """Close what ``open`` opened."""
        for descriptor in (self._file, self._marks):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._marks = -1

    def write(self, data: bytes, offset: int) -> None:
        """Put content in its place, except where a chunk is finished.

        What was hashed lies in finished chunks, so the hash is always that of the disk's content.
        """
        view = memoryview(data)
        try:
            while view:
                index, begun = divmod(offset, self.chunk_bytes)
                count = min(len(view), self.chunk_bytes - begun)
                if not self.done[index]:
                    count = os.pwrite(self._file, view[:count], offset)
                view, offset = view[count:], offset + count
        except OSError as error:
            raise disk_error(self.path, error, self.remote.size) from error

    def flush(self) -> None:
        """Bring to the disk what was written so far."""
        try:
            os.fdatasync(self._file)
        except OSError as error:
            raise disk_error(self.path, error, self.remote.size) from error

    def mark(self, index: int) -> None:
        """Note a chunk as finished."""
        self.done[index] = 1
        try:
            os.pwrite(self._marks, b"\1", len(self._header) + index)
        except OSError as error:
            raise disk_error(self._map, error, self.chunks) from error
        self._advance()

    def reset(self) -> None:
        """Forget all content: it was not what it should be."""
        self.done = bytearray(self.chunks)
        os.pwrite(self._marks, bytes(self.chunks), len(self._header))
        self._hashed = self._next = self._prefix = 0
        self._start_hash()

    def discard(self) -> None:
        """Remove the staged content and its map."""
        self.close()
        for path in (self.path, self._map):
            with suppress(FileNotFoundError):
                path.unlink()

    @property
    def hashable(self) -> bool:
        """Whether there is content in sequence that was not hashed yet, or nothing left to hash."""
        return self._hashed < self._prefix or self.complete

    @property
    def complete(self) -> bool:
        """Whether every chunk is there."""
        return self._prefix == self.remote.size

    def hash_some(self, limit: int) -> bool:
        """Hash up to ``limit`` bytes of what is there in sequence; True when all is hashed."""
        end = min(self._prefix, self._hashed + limit)
        while self._hashed < end:
            block = os.pread(self._file, min(_HASH_BYTES, end - self._hashed), self._hashed)
            if not block:
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(self.path))
            self._sha256.update(block)
            if self.remote.sha256 is None:
                self._git.update(block)
            self._hashed += len(block)
        return self._hashed == self.remote.size

    def sha256(self) -> str:
        """The SHA-256 of what was hashed."""
        return self._sha256.hexdigest()

    def identity(self) -> str:
        """The hash of the content in the kind that the repository names it by."""
        if self.remote.sha256 is None:
            return f"git:{self._git.hexdigest()}"
        return f"sha256:{self.sha256()}"

    def _start_hash(self) -> None:
        self._sha256 = hashlib.sha256()
        self._git = hashlib.sha1(usedforsecurity=False)
        self._git.update(b"blob %d\0" % self.remote.size)

    def _advance(self) -> None:
        while self._next < self.chunks and self.done[self._next]:
            self._prefix += self.span(self._next)
            self._next += 1


def map_path(staging: Path, path: str) -> Path:
    """Where the map of a staged file lies."""
    name = hashlib.sha256(path.encode()).hexdigest()[:24]
    return staging / "maps" / f"{name}.map"


def stage_whole(staging: Path, remote: RemoteFile, source: Path, chunk_bytes: int) -> None:
    """Take a file that came in another way: staged as if every chunk had been downloaded."""
    file = StagedFile(staging, remote, chunk_bytes)
    try:
        for path in (file.path, file._map):
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            file._map.unlink()
        source.rename(file.path)
        header = file._make_header(file.chunk_bytes)
        write_atomically(file._map, header + b"\1" * file.chunks, durable=False)
    except OSError as error:
        raise disk_error(file.path, error, remote.size) from error
