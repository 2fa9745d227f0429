# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges what the layers of an image still hold although its file system shows it no more."""

from __future__ import annotations

import csv
import json
import os
import stat
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, cast

from .outcome import CheckFailedError, first_few, require
from .secret_files import LARGEST, secrets_in_content

RECORD = ".dist-info/RECORD"
WHITEOUT = ".wh."
LIST = "manifest.json"
BLOCK = 1 << 20
AGAIN = "run the checks again; look at the daemon's log (journalctl -u docker)"
# What a layer begins with whose compression Python's own library does not know.
ZSTANDARD = b"\x28\xb5\x2f\xfd"
Progress = Callable[[str], None]
# Whether a package brought a file, as installed ones and further records say.
Brought = Callable[[str, set[str]], bool]


@dataclass
class Hidden:
    """How many files are hidden, those too large to be a secret, and the secrets in the others."""

    count: int = 0
    found: list[str] = field(default_factory=list)
    large: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class GoneFile:
    """A file that a layer brought, and that a later one removed or replaced."""

    path: str
    size: int
    place: Path


def judge_directories(
    layers: Sequence[Path], root: Path, brought: Brought, progress: Progress
) -> Hidden:
    """Read what the layers' own directories, the lowest first, have and the image shows no more."""
    gone, recorded, unreadable = gone_files(layers, root)
    require(
        not unreadable,
        f"{len(unreadable)} places of the layers cannot be read: {', '.join(unreadable[:5])}",
    )
    hidden = Hidden()
    for file in gone:
        if brought(file.path, recorded):
            continue
        hidden.count += 1
        if file.size > LARGEST:
            hidden.large.append(file.path)
            continue
        progress(f"reading {file.path}, which a later layer removed")
        hidden.found += _sentences(file.path, file.place.read_bytes())
    return hidden


def gone_files(layers: Sequence[Path], root: Path) -> tuple[list[GoneFile], set[str], list[str]]:
    """Such files, what packages recorded in these layers, and the places that cannot be read.

    Whoever removes a file leaves an entry of its name in a later layer, or one in the place of a
    directory above it; then nothing of that name is in the image.
    """
    gone: list[GoneFile] = []
    recorded: set[str] = set()
    unreadable: list[str] = []
    above: set[str] = set()
    for layer in reversed(layers):
        names = set()
        for entry in _walk(layer, unreadable):
            name = entry.path[len(str(layer)) :].lstrip("/")
            names.add(name)
            status = entry.stat(follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode):
                continue
            place = Path(entry.path)
            if name.endswith(RECORD):
                recorded |= recorded_in(name, place.read_bytes())
            hidden = name in above or not os.path.lexists(root / name)
            if hidden and not _is_shown(root / name, status.st_size, place):
                gone.append(GoneFile(name, status.st_size, place))
        above |= names
    return gone, recorded, unreadable


def judge_archive(
    archive: Path, root: Path, base: int, brought: Brought, progress: Progress
) -> Hidden:
    """The same out of a saved image that is read once, from its beginning to its end.

    Which layers are the base's is only told by a list that may come last.
    """
    layers: dict[str, _Layer] = {}
    recorded: set[str] = set()
    order: list[str] = []
    try:
        with archive.open("rb", buffering=BLOCK) as stream:
            for name, data in _members(stream):
                if name == LIST:
                    order = json.loads(data.read())[0]["Layers"]
                    continue
                layer = _Layer(root, recorded, progress)
                if layer.read(name, data):
                    layers[name] = layer
    except (tarfile.TarError, EOFError) as error:
        raise CheckFailedError(f"the saved image is not whole: {error}", fix=AGAIN) from error
    missing = [name for name in order if name not in layers]
    require(bool(order), "the saved image is not whole: no list of its layers", fix=AGAIN)
    require(not missing, f"the saved image is not whole: no layer {first_few(missing)}", fix=AGAIN)
    hidden = Hidden()
    for name in order[base:]:
        hidden.large += layers[name].hidden.large
        hidden.count += layers[name].hidden.count
        for path, sentences in layers[name].found:
            hidden.found += [] if brought(path, recorded) else sentences
    return hidden


def _members(stream: IO[bytes]) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(fileobj=stream, mode="r|", bufsize=BLOCK) as saved:
        for member in saved:
            data = saved.extractfile(member) if member.isreg() else None
            if data is not None:
                yield member.name, data


class _Layer:
    """One layer of a saved image while it passes by."""

    def __init__(self, root: Path, recorded: set[str], progress: Progress) -> None:
        self.root = root
        self.recorded = recorded
        self.progress = progress
        self.hidden = Hidden()
        self.found: list[tuple[str, list[str]]] = []

    def read(self, name: str, data: IO[bytes]) -> bool:
        """Judge what is in it; False for a document that is no layer."""
        peeked = _Peeked(data)
        require(
            not peeked.beginning.startswith(ZSTANDARD),
            f"layer {name} is compressed with Zstandard, which cannot be read here",
            fix="build the image without compression=zstd, or on an engine with overlay2",
        )
        if peeked.beginning.lstrip()[:1] in (b"{", b"["):
            return False
        # All that a stream is asked for is read().
        stream = cast("IO[bytes]", peeked)
        with tarfile.open(fileobj=stream, mode="r|*", bufsize=BLOCK) as members:
            for member in members:
                content = members.extractfile(member) if member.isreg() else None
                if content is not None:
                    self._take(member, content)
        return True

    def _take(self, member: tarfile.TarInfo, content: IO[bytes]) -> None:
        path = os.path.normpath(member.name).lstrip("/")
        if PurePosixPath(path).name.startswith(WHITEOUT):
            return
        if member.size > LARGEST:
            if not os.path.lexists(self.root / path):
                self.hidden.count += 1
                self.hidden.large.append(path)
            return
        data = content.read()
        if path.endswith(RECORD):
            self.recorded |= recorded_in(path, data)
        if _shows(self.root / path, data):
            return
        self.progress(f"reading {path}, which a later layer removed")
        self.hidden.count += 1
        sentences = _sentences(path, data)
        if sentences:
            self.found.append((path, sentences))


class _Peeked:
    """A stream whose beginning has been looked at."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.beginning = stream.read(512)
        self._rest = self.beginning
        self._stream = stream

    def read(self, size: int) -> bytes:
        if self._rest:
            data, self._rest = self._rest[:size], self._rest[size:]
            return data
        return self._stream.read(size)


def recorded_in(name: str, record: bytes) -> set[str]:
    """The files that a package's record names, from the record's own place."""
    folder = PurePosixPath(name).parent.parent
    rows = csv.reader(record.decode("utf-8", "replace").splitlines())
    return {os.path.normpath(str(folder / row[0])).lstrip("/") for row in rows if row}


def _sentences(path: str, data: bytes) -> list[str]:
    where = "which a later layer removed or replaced"
    return [f"{kind} in {path}, {where}" for kind in secrets_in_content(path, data)]


def _is_shown(shown: Path, size: int, hidden: Path) -> bool:
    """Whether the image shows the same bytes under this name, where they are judged."""
    if _size(shown) != size:
        return False
    with shown.open("rb") as one, hidden.open("rb") as other:
        while block := one.read(BLOCK):
            if block != other.read(BLOCK):
                return False
    return True


def _shows(shown: Path, data: bytes) -> bool:
    return _size(shown) == len(data) and shown.read_bytes() == data


def _size(path: Path) -> int:
    """A regular file's size, -1 where there is none."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return -1
    return status.st_size if stat.S_ISREG(status.st_mode) else -1


def _walk(layer: Path, unreadable: list[str]) -> Iterator[os.DirEntry[str]]:
    folders = [str(layer)]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                listed = list(entries)
        except OSError as error:
            unreadable.append(f"{folder} ({error.strerror})")
            continue
        for entry in listed:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            else:
                yield entry
