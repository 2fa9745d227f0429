# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copying a model that was brought by hand: once through, hashed while it is copied."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from re import fullmatch
from typing import IO, Any

from ansible_collections.stt.engine.plugins.module_utils._digest import sha256_file
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._fetch_brought import (
    MANIFEST_SUFFIX,
    Brought,
    Item,
    manifests_of,
    open_brought,
    reading,
)
from ansible_collections.stt.engine.plugins.module_utils._fetch_download import Outcome
from ansible_collections.stt.engine.plugins.module_utils._fetch_room import disk_error
from ansible_collections.stt.engine.plugins.module_utils._fetch_select import Selection
from ansible_collections.stt.engine.plugins.module_utils._fetch_staged import map_path
from ansible_collections.stt.engine.plugins.module_utils._hub import (
    ModelTree,
    RemoteFile,
    is_plain_path,
)

_BLOCK_BYTES = 1 << 20


class Copy:
    """Bring files from a directory or archive into a staging directory.

    The files are taken in the order in which they lie there, so that an archive is unpacked once
    and nothing of it that is not wanted. A file counts when its size and hash are those that were
    expected, wherever it lies. What an earlier run has copied whole is used.
    """

    def __init__(self, source: Path, files: Sequence[RemoteFile], staging: Path) -> None:
        self._source = source
        self._files = {file.path: file for file in files}
        self._staging = staging
        self._brought: Brought = open_brought(source)
        self.total = sum(file.size for file in files)
        self.resumed = sum(file.size for file in files if self._is_staged(file))
        self._have = 0
        self._wrong: dict[str, str] = {}

    def look(self) -> None:
        """Refuse what cannot succeed, as far as that shows without reading content."""
        with reading(self._source):
            listed = self._brought.listed(list(self._files.values()))
            if listed is None:
                return
            found = {item.path for item in listed if self._may_be(item, self._files[item.path])}
        if found != self._files.keys():
            raise self._incomplete(found)

    def run(self, progress: Callable[..., None], log: Callable[[str], None]) -> Outcome:
        """Copy; raises SttError that names all that is missing or wrong."""
        sha256: dict[str, str] = {}
        copied = 0
        for path, file in self._files.items():
            if self._is_staged(file) and self._staged_sha256(file) == file.sha256:
                sha256[path] = str(file.sha256)
                self._have += file.size
        resumed = self._have
        with closing(self._items()) as items:
            while len(sha256) < len(self._files):
                item = next(items, None)
                if item is None:
                    raise self._incomplete(set(sha256))
                file = self._files[item.path]
                if item.path in sha256 or not self._may_be(item, file) or item.stream is None:
                    continue
                log(f"{item.path}: copying {file.size} bytes")
                digest = self._copy(file, item.stream, progress)
                copied += file.size
                if digest == file.sha256:
                    sha256[item.path] = digest
                    continue
                self._have -= file.size
                self._place(file).unlink()
                self._wrong[item.path] = f"sha256 {digest} instead of {file.sha256}"
                log(f"{item.path}: {self._wrong[item.path]}")
        return Outcome(copied, resumed, sha256)

    def _items(self) -> Generator[Item, None, None]:
        with reading(self._source):
            yield from self._brought.items(list(self._files.values()))

    def _may_be(self, item: Item, file: RemoteFile) -> bool:
        if not item.what and item.size == file.size:
            return True
        self._wrong.setdefault(item.path, item.what or f"{item.size} bytes instead of {file.size}")
        return False

    def _place(self, file: RemoteFile) -> Path:
        return self._staging / "files" / file.path

    def _is_staged(self, file: RemoteFile) -> bool:
        """Whether an earlier run has copied the file to its end; a download leaves a map."""
        place = self._place(file)
        return (
            place.is_file()
            and not place.is_symlink()
            and place.stat().st_size == file.size
            and not map_path(self._staging, file.path).exists()
        )

    def _staged_sha256(self, file: RemoteFile) -> str:
        try:
            return sha256_file(self._place(file))
        except OSError as error:
            raise disk_error(self._place(file), error, file.size) from error

    def _copy(self, file: RemoteFile, stream: IO[bytes], progress: Callable[..., None]) -> str:
        """Copy and hash one file; a short one is an error of the source."""
        digest = hashlib.sha256()
        place = self._place(file)
        output = self._create(place, file)
        try:
            left = file.size
            while left:
                with reading(self._source):
                    block = stream.read(min(_BLOCK_BYTES, left))
                    if not block:
                        raise EOFError(f"{file.path} ends {left} bytes early")
                digest.update(block)
                _write(output, block, place, file.size)
                left -= len(block)
                self._have += len(block)
                progress(phase="copy", bytes=self._have, total=self.total)
        finally:
            os.close(output)
        return digest.hexdigest()

    def _create(self, place: Path, file: RemoteFile) -> int:
        try:
            place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            for path in (map_path(self._staging, file.path), place):
                with suppress(FileNotFoundError):
                    path.unlink()
            return os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except OSError as error:
            raise disk_error(place, error, file.size) from error

    def _incomplete(self, found: set[str]) -> SttError:
        differences = [
            f"{path}: {self._wrong[path]}" if path in self._wrong else f"{path} is missing"
            for path in sorted(self._files.keys() - found)
        ]
        return SttError(
            str(self._source),
            found="; ".join(differences),
            needed="every file of the model with its size and hash",
            fix="bring the whole model at this very commit again, or correct source_path",
            differences=differences,
        )


def tree_of_manifest(source: Path, selection: Selection) -> tuple[ModelTree, str]:
    """The list of files that our own store wrote for this commit, and where it lies."""
    others = []
    for place, content in manifests_of(source, open_brought(source), selection.commit):
        document = _document(content)
        if document is None:
            others.append(f"{place} (damaged)")
        elif (document.get("repository"), document.get("commit")) != (
            selection.repository,
            selection.commit,
        ):
            others.append(f"{place} of {document.get('repository')}@{document.get('commit')}")
        elif document.get("selection") != list(selection.patterns):
            others.append(f"{place}, for which other files were chosen")
        else:
            return _tree(place, selection.commit, document), place
    raise SttError(
        "source_path",
        found=f"no expected_files, and {'only ' + ', '.join(others) if others else 'no manifest'}",
        needed=f"size and hash of every file of {selection.repository}@{selection.commit}",
        fix="give expected_files from a lock, or bring models/NAME/COMMIT"
        f"{MANIFEST_SUFFIX} of a server that has the model along, beside the directory or "
        "archive; in a compressed archive it must come first",
    )


def _document(content: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(content)
    except ValueError:
        return None
    if not isinstance(document, dict) or not isinstance(document.get("files"), list):
        return None
    return document


def _tree(place: str, commit: str, document: dict[str, Any]) -> ModelTree:
    files: dict[str, RemoteFile] = {}
    for entry in document["files"]:
        file = _file(entry)
        if file is None or file.path in files:
            raise SttError(
                place,
                found=f"the entry {entry!r}",
                needed="paths inside the model, each once, with size and sha256",
                fix="bring the manifest again as the other server's store holds it",
            )
        files[file.path] = file
    return ModelTree(commit, tuple(files[path] for path in sorted(files)))


def _file(entry: Any) -> RemoteFile | None:
    if not isinstance(entry, dict):
        return None
    path, size, digest = (entry.get(name) for name in ("path", "size", "sha256"))
    if not (isinstance(path, str) and is_plain_path(path)):
        return None
    if not (isinstance(size, int) and size >= 0):
        return None
    if not (isinstance(digest, str) and fullmatch(r"[0-9a-f]{64}", digest)):
        return None
    return RemoteFile(path, size, "", digest)


def _write(output: int, block: bytes, place: Path, size: int) -> None:
    view = memoryview(block)
    try:
        while view:
            view = view[os.write(output, view) :]
    except OSError as error:
        raise disk_error(place, error, size) from error
