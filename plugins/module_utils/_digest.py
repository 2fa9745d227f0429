# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests: one canonical form for JSON, and the two hashes a model repository names files by."""

from __future__ import annotations

import hashlib
import json
from os import PathLike
from pathlib import Path
from typing import Any

# Large enough for hashlib to spend its time hashing, small against the memory limit.
_BLOCK_BYTES = 1 << 20


def canonical_json(value: Any) -> bytes:
    """The one byte form of a JSON value: keys sorted, no spaces, UTF-8; NaN is refused.

    A name of a file whose bytes are no UTF-8 has one too.
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8", "surrogatepass")


def sha256_hex(data: bytes) -> str:
    """The SHA-256 of bytes in memory, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: str | PathLike[str]) -> str:
    """The SHA-256 of a file's content, 64 hex digits, read in blocks."""
    digest = hashlib.sha256()
    _feed(digest, Path(path))
    return digest.hexdigest()


def git_blob_sha1_file(path: str | PathLike[str]) -> str:
    """The id git gives a file's content, 40 hex digits.

    SHA-1 is what git repositories name their blobs by; it is used for nothing else here.
    """
    file = Path(path)
    digest = hashlib.sha1(usedforsecurity=False)
    digest.update(b"blob %d\0" % file.stat().st_size)
    _feed(digest, file)
    return digest.hexdigest()


def _feed(digest: hashlib._Hash, path: Path) -> None:
    buffer = bytearray(_BLOCK_BYTES)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            digest.update(view[:count])
