# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Model repositories as directories, described the way a model hub describes them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LFS_THRESHOLD = 1_000_000
LFS_SUFFIXES = (".safetensors", ".bin", ".h5", ".msgpack", ".onnx")
COMMIT = re.compile(r"[0-9a-f]{40}")
BLOCK = 1 << 20


class HashCache:
    """Digests of files by path, size and modification time; kept in a file when one is given."""

    def __init__(self, store: Path | None = None) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        self._busy: dict[str, threading.Lock] = {}
        if store is not None and store.is_file():
            self._known = json.loads(store.read_text())

    def digest(self, path: Path, algorithm: str) -> str:
        """Return the sha256 of a file, or with algorithm `git` its git blob sha1."""
        status = path.stat()
        key = f"{algorithm}:{path}:{status.st_size}:{status.st_mtime_ns}"
        with self._lock:
            if key in self._known:
                return self._known[key]
            busy = self._busy.setdefault(key, threading.Lock())
        with busy:
            with self._lock:
                if key in self._known:
                    return self._known[key]
            value = _hash_file(path, algorithm, status.st_size)
            with self._lock:
                self._known[key] = value
                self._busy.pop(key, None)
                if self._store is not None:
                    draft = self._store.with_suffix(".part")
                    draft.write_text(json.dumps(self._known, sort_keys=True))
                    draft.replace(self._store)
            return value


@dataclass(frozen=True)
class HubFile:
    """One file of a repository: `oid` is its git blob id, `sha256` is set for LFS files only."""

    path: str
    source: Path
    size: int
    oid: str
    sha256: str | None

    @property
    def etag(self) -> str:
        """Content id that the hub puts in ETag: sha256 for LFS files, else the git blob id."""
        return self.sha256 or self.oid

    def entry(self, *, xet: bool = False) -> dict[str, Any]:
        """Return the file as the tree API lists it."""
        entry: dict[str, Any] = {
            "type": "file",
            "oid": self.oid,
            "size": self.size,
            "path": self.path,
        }
        if self.sha256 is not None:
            entry["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": 135}
            if xet:
                entry["xetHash"] = self.sha256
        return entry


@dataclass(frozen=True)
class Snapshot:
    """The files of a repository at one commit."""

    repository: str
    commit: str
    files: dict[str, HubFile]


class Repositories:
    """All repositories below one directory, as OWNER/NAME/files.

    A file OWNER/NAME.refs.json may map more revisions: `{"v1": "NAME-old", "stable": "<40 hex>"}`:
    a directory beside NAME with content of its own, or another commit id for NAME's own content.
    """

    def __init__(self, root: Path, hashes: HashCache | None = None) -> None:
        self.root = root
        self.hashes = hashes or HashCache()

    def names(self) -> list[str]:
        """Return the repositories as owner/name, sorted."""
        found = (path for path in self.root.glob("*/*") if path.is_dir())
        return sorted(f"{path.parent.name}/{path.name}" for path in found)

    def exists(self, repository: str) -> bool:
        """Tell whether there is such a repository."""
        return repository in self.names()

    def snapshot(self, repository: str) -> Snapshot:
        """Return the files of a repository as they are on disk; the commit follows from them."""
        directory = self.root / repository
        files = {file.path: file for file in self._walk(directory)}
        total = hashlib.sha1(usedforsecurity=False)
        for path in sorted(files):
            total.update(f"{path}\0{files[path].etag}\0{files[path].size}\n".encode())
        return Snapshot(repository=repository, commit=total.hexdigest(), files=files)

    def refs(self, repository: str) -> dict[str, Snapshot]:
        """Return every named revision of a repository with its files; `main` is always there."""
        own = self.snapshot(repository)
        named = {"main": own}
        notes = self.root / f"{repository}.refs.json"
        if notes.is_file():
            owner = repository.partition("/")[0]
            for name, target in json.loads(notes.read_text()).items():
                if COMMIT.fullmatch(target):
                    named[name] = Snapshot(repository, target, own.files)
                else:
                    other = self.snapshot(f"{owner}/{target}")
                    named[name] = Snapshot(repository, other.commit, other.files)
        return named

    def at(self, repository: str, revision: str, moved: str | None = None) -> Snapshot | None:
        """Return the snapshot that a branch, tag or commit names, or None.

        With moved, `main` names that commit instead; the commit it named before stays valid.
        """
        named = self.refs(repository)
        if moved is not None and revision in ("main", moved):
            return Snapshot(repository, moved, named["main"].files)
        if revision in named:
            return named[revision]
        return next((item for item in named.values() if item.commit == revision), None)

    def _walk(self, directory: Path) -> Iterator[HubFile]:
        for folder, folders, names in os.walk(directory):
            folders[:] = sorted(name for name in folders if name != ".git")
            for name in sorted(names):
                source = Path(folder) / name
                if source.is_file():
                    yield self._describe(source, source.relative_to(directory).as_posix())

    def _describe(self, source: Path, path: str) -> HubFile:
        size = source.stat().st_size
        if size <= LFS_THRESHOLD and not path.endswith(LFS_SUFFIXES):
            return HubFile(path, source, size, self.hashes.digest(source, "git"), None)
        sha256 = self.hashes.digest(source, "sha256")
        pointer = (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
        ).encode()
        oid = hashlib.sha1(b"blob %d\0" % len(pointer) + pointer, usedforsecurity=False)
        return HubFile(path, source, size, oid.hexdigest(), sha256)


def _hash_file(path: Path, algorithm: str, size: int) -> str:
    if algorithm == "git":
        total = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    else:
        total = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            total.update(block)
    return total.hexdigest()
