# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and directories that are either whole or not there: atomic writes, staging, locks."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError

STAGING = "staging"
_LOCK_POLL_SECONDS = 0.05


def write_atomically(path: Path, data: bytes, mode: int = 0o644, durable: bool = True) -> None:
    """Replace a file in one step: readers see the old content or the new, never a part.

    ``durable=False`` leaves out the fsync, for state that a crash may lose.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as stream:
            view = memoryview(data)
            while view:
                view = view[stream.write(view) :]
            os.fchmod(stream.fileno(), mode)
            if durable:
                os.fsync(stream.fileno())
        temporary.rename(path)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
    if durable:
        fsync_directory(path.parent)


def fsync_directory(path: Path) -> None:
    """Make the names in a directory survive a power loss."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def staging_directory(root: Path, name: str) -> Path:
    """The directory ``root/staging/name``, made if missing and kept between runs."""
    if not name or "/" in name or name in (".", ".."):
        raise ValueError(f"not a plain directory name: {name!r}")
    path = root / STAGING / name
    path.mkdir(mode=0o755, parents=True, exist_ok=True)
    return path


def publish_directory(staging: Path, destination: Path) -> None:
    """Make a finished staging directory visible by one rename; the destination must not exist.

    Everything is on disk before the rename, so a published directory is whole after a crash too.
    """
    if os.path.lexists(destination):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(destination))
    for folder, _folders, files in os.walk(staging):
        for name in files:
            _fsync_file(Path(folder, name))
        fsync_directory(Path(folder))
    destination.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        staging.rename(destination)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        raise SttError(
            str(destination),
            found=f"staging directory {staging} on another file system",
            needed="staging and destination on one file system, so that one rename publishes",
            fix="mount the whole of stt_root as one file system",
        ) from error
    fsync_directory(destination.parent)
    if staging.parent != destination.parent:
        fsync_directory(staging.parent)


def _fsync_file(path: Path) -> None:
    if path.is_symlink():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_bytes(path: Path) -> int:
    """Bytes an ordinary write may still use on the file system that holds (or will hold) a path."""
    existing = path.absolute()
    while not existing.exists():
        existing = existing.parent
    usage = os.statvfs(existing)
    return usage.f_bavail * usage.f_frsize


@contextmanager
def file_lock(path: Path, *, shared: bool = False, timeout: float | None = None) -> Iterator[int]:
    """Hold a flock on a file, made if missing; yields its descriptor.

    Waits for ever by default; with ``timeout`` (seconds) raises TimeoutError.
    The file stays: removing a lock file would let two holders in.
    """
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, timeout, path)
        try:
            yield descriptor
        finally:
            # Explicit, because a forked child may still hold a copy of the descriptor.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _flock(descriptor: int, operation: int, timeout: float | None, path: Path) -> None:
    if timeout is None:
        fcntl.flock(descriptor, operation)
        return
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TimeoutError(f"{path} is locked by another process") from None
        time.sleep(_LOCK_POLL_SECONDS)


def remove_tree(path: Path, below: Path) -> None:
    """Remove a directory that lies strictly below another; anything else is refused."""
    if path.is_symlink():
        raise ValueError(f"{path} is a symbolic link")
    resolved = path.resolve()
    limit = below.resolve()
    if resolved == limit or not resolved.is_relative_to(limit):
        raise ValueError(f"{path} is not below {below}")
    shutil.rmtree(resolved)
