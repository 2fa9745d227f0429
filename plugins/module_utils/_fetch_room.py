# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether there is a place for a model, and what is said when a disk refuses to take it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._store import STAGING, free_bytes

# What the job's state and log need to tell that the disk is full.
_BALLAST_BYTES = 256 << 10
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_writable(path: Path) -> None:
    """Refuse a directory that this user could not make or write; makes nothing."""
    existing = path
    try:
        existing = _existing(path)
        usable = os.access(existing, os.W_OK | os.X_OK)
    except PermissionError:
        usable = False
    if not usable:
        found = f"no permission to write in {existing}"
    elif not existing.is_dir():
        found = f"{existing}, which is no directory"
    else:
        return
    raise SttError(
        str(path),
        found=found,
        needed="a directory that this user can write",
        fix="run with become, or choose another place",
    )


def check_places(staging: Path, models: Path) -> None:
    """Staging and models must be one file system, and staging no link to elsewhere."""
    for path in (staging.parent, staging, staging / "files", staging / "maps"):
        if path.is_symlink():
            raise SttError(
                str(path),
                found="a symbolic link",
                needed="a directory of its own below root",
                fix="remove the link",
            )
    if _existing(staging).stat().st_dev != _existing(models).stat().st_dev:
        raise SttError(
            str(models),
            found=f"staging directory {staging} on another file system",
            needed="staging and models on one file system, so that one rename publishes",
            fix="mount the whole of root as one file system",
        )


def check_space(root: Path, needed: int, name: str) -> None:
    """Refuse to begin what would fill the disk."""
    free = free_bytes(root / STAGING)
    if free < needed:
        raise SttError(
            f"file system of {root}",
            found=f"{free} bytes free",
            needed=f"{needed} bytes for {name}",
            fix="free space there, or put root on a larger file system",
        )


def refusal(path: Path) -> OSError | None:
    """Why not even a job's state could be written there; None when it could."""
    if not os.access(path, os.W_OK):
        return OSError(errno.EROFS, os.strerror(errno.EROFS))
    if free_bytes(path) < _BALLAST_BYTES:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return None


@contextmanager
def ballast(path: Path) -> Iterator[None]:
    """Hold a little space and give it back at the end.

    When something else fills the disk meanwhile, the job still has room to say so.
    """
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, _BALLAST_BYTES)
        yield
    finally:
        os.close(descriptor)
        with suppress(FileNotFoundError):
            path.unlink()


def disk_error(path: str | Path, error: OSError, size: int | None = None) -> SttError:
    """What is said when a file cannot be written; a full disk and a quota are told as such."""
    full = error.errno in _FULL
    what = "it" if size is None else f"its {size} bytes"
    return SttError(
        str(path),
        found=os.strerror(error.errno or 0),
        needed=f"room for {what}" if full else f"a place to write {what}",
        fix="free space on the file system of root and run again: what is there is kept"
        if full
        else "see what the file system of root refuses, then run again: what is there is kept",
    )


def _existing(path: Path) -> Path:
    """The path, or the nearest directory above it that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
