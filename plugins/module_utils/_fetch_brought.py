# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model that was brought by hand: a directory, a tar or a zip archive, read once."""

from __future__ import annotations

import errno
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._hub import RemoteFile

MANIFEST_SUFFIX = ".manifest.json"
_LARGEST_MANIFEST = 16 << 20
_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".zip")
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    # Names in no known encoding, and numbers in headers that are none or too large.
    ValueError,
    OverflowError,
    struct.error,
    # What zipfile raises for a password and for a kind of compression that it does not know.
    RuntimeError,
    NotImplementedError,
)


@dataclass(frozen=True)
class Item:
    """A file there that may be a wanted one; without a stream it cannot be, and ``what`` it is."""

    path: str
    size: int
    stream: IO[bytes] | None
    what: str = ""


class Brought(Protocol):
    """What was brought by hand."""

    def items(self, wanted: Sequence[RemoteFile]) -> Iterator[Item]:
        """Candidates for the wanted files in the order in which they lie there."""

    def listed(self, wanted: Sequence[RemoteFile]) -> Iterator[Item] | None:
        """The same without content; None when that would mean to read everything."""

    def manifests(self) -> Iterator[tuple[str, bytes]]:
        """Manifests of our own store that lie in it where they can be found without copying."""


def open_brought(path: Path) -> Brought:
    """The directory or archive at a path; raises SttError when it is neither."""
    with reading(path):
        if path.is_dir():
            return BroughtDirectory(path)
        if not stat.S_ISREG(path.stat().st_mode):
            raise _no_model(path, "neither a file nor a directory")
        with path.open("rb") as stream:
            magic = stream.read(4)
    if magic in (b"PK\3\4", b"PK\5\6"):
        return BroughtZip(path)
    return BroughtTar(path, zstd=magic == b"\x28\xb5\x2f\xfd")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Tell every failure to read what was brought in one sentence."""
    try:
        yield
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno:
            raise SttError(
                str(error.filename or path),
                found=os.strerror(error.errno),
                needed="a readable directory or archive with the model",
                fix="bring the whole model, or correct source_path",
            ) from error
        raise _no_model(path, f"damaged content ({str(error) or type(error).__name__})") from error


def manifests_of(path: Path, brought: Brought, commit: str) -> Iterator[tuple[str, bytes]]:
    """Manifests beside what was brought, then those in it: where it lies, and its content."""
    name = path.name
    stems = [name, commit, *(name.removesuffix(end) for end in _ENDINGS if name.endswith(end))]
    with reading(path):
        for stem in dict.fromkeys(stems):
            beside = path.with_name(stem + MANIFEST_SUFFIX)
            if beside.is_file():
                with beside.open("rb") as stream:
                    yield str(beside), stream.read(_LARGEST_MANIFEST)
        yield from brought.manifests()


class BroughtDirectory:
    """A directory; links in it are followed for reading, as a hub's cache consists of them.

    A file counts wherever it lies, as in an archive. What cannot be read stops nothing unless a
    wanted file is missing: it may be in there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def items(self, wanted: Sequence[RemoteFile]) -> Iterator[Item]:
        """Candidates for the wanted files, opened."""
        for item, place in self._places(wanted):
            if item.what:
                yield item
                continue
            try:
                stream = place.open("rb", buffering=0)
            except OSError as error:
                yield replace(item, what=os.strerror(error.errno or 0))
                continue
            with stream:
                yield replace(item, stream=stream)

    def listed(self, wanted: Sequence[RemoteFile]) -> Iterator[Item] | None:
        """Candidates for the wanted files."""
        return (item for item, place in self._places(wanted))

    def manifests(self) -> Iterator[tuple[str, bytes]]:
        """Every manifest in the directory."""
        for place in self._walk([]):
            if place.name.endswith(MANIFEST_SUFFIX) and place.is_file():
                with place.open("rb") as stream:
                    yield str(place), stream.read(_LARGEST_MANIFEST)

    def _places(self, wanted: Sequence[RemoteFile]) -> Iterator[tuple[Item, Path]]:
        names, unreadable = {file.path for file in wanted}, list[OSError]()
        seen = set()
        for place in self._walk(unreadable):
            path = _ending(place.relative_to(self._path).parts, names)
            if path is not None:
                seen.add(path)
                yield _item(path, place), place
        if unreadable and seen != names:
            raise unreadable[0]

    def _walk(self, unreadable: list[OSError]) -> Iterator[Path]:
        """Every file, those on top first; a directory that several links lead to comes once."""
        # What lies on top must be readable.
        os.scandir(self._path).close()
        walked = set()
        for folder, folders, names in os.walk(
            self._path, onerror=unreadable.append, followlinks=True
        ):
            status = Path(folder).stat()
            place = status.st_dev, status.st_ino
            if place in walked:
                folders.clear()
                continue
            walked.add(place)
            folders.sort()
            for name in sorted(names):
                yield Path(folder, name)


class BroughtTar:
    """A tar archive, plain or compressed; read from front to back once."""

    def __init__(self, path: Path, *, zstd: bool) -> None:
        self._path = path
        try:
            with reading(path), tarfile.open(path) as archive:
                # Only a plain one can be listed without being decompressed.
                self._plain = isinstance(archive.fileobj, io.BufferedReader)
        except SttError as error:
            if isinstance(error.__cause__, OSError):
                raise
            if zstd:
                raise _no_model(
                    path, "an archive compressed with zstd, which this Python cannot read"
                ) from error
            raise _no_model(path, "no archive that can be read, or a damaged one") from error

    def items(self, wanted: Sequence[RemoteFile]) -> Iterator[Item]:
        """Candidates with their content, as they come."""
        names = {file.path for file in wanted}
        with tarfile.open(self._path) as archive:
            for member in archive:
                path = _candidate(self._path, member.name, names)
                if path is None or member.isdir():
                    continue
                stream = archive.extractfile(member) if member.isreg() else None
                yield Item(path, member.size, stream, "" if stream else _kind(member))

    def listed(self, wanted: Sequence[RemoteFile]) -> Iterator[Item] | None:
        """Candidates by the headers of a plain archive."""
        if not self._plain:
            return None
        return (Item(item.path, item.size, None, item.what) for item in self.items(wanted))

    def manifests(self) -> Iterator[tuple[str, bytes]]:
        """Every manifest of a plain archive, the leading one of a compressed archive."""
        with tarfile.open(self._path) as archive:
            for member in archive:
                if member.isreg() and member.name.endswith(MANIFEST_SUFFIX):
                    stream = archive.extractfile(member)
                    if stream is not None:
                        yield f"{self._path}:{member.name}", stream.read(_LARGEST_MANIFEST)
                elif not self._plain and not member.isdir():
                    return


class BroughtZip:
    """A zip archive."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with reading(path), zipfile.ZipFile(path):
            # Its directory can be read.
            pass

    def items(self, wanted: Sequence[RemoteFile]) -> Iterator[Item]:
        """Candidates with their content."""
        with zipfile.ZipFile(self._path) as archive:
            for path, entry in self._entries(archive, wanted):
                if what := _zip_kind(entry):
                    yield Item(path, entry.file_size, None, what)
                    continue
                with archive.open(entry) as stream:
                    yield Item(path, entry.file_size, stream)

    def listed(self, wanted: Sequence[RemoteFile]) -> Iterator[Item] | None:
        """Candidates by the archive's directory."""
        with zipfile.ZipFile(self._path) as archive:
            return iter(
                [
                    Item(path, entry.file_size, None, _zip_kind(entry))
                    for path, entry in self._entries(archive, wanted)
                ]
            )

    def manifests(self) -> Iterator[tuple[str, bytes]]:
        """Every manifest in the archive."""
        with zipfile.ZipFile(self._path) as archive:
            for entry in archive.infolist():
                if entry.filename.endswith(MANIFEST_SUFFIX) and not _zip_kind(entry):
                    with archive.open(entry) as stream:
                        yield f"{self._path}:{entry.filename}", stream.read(_LARGEST_MANIFEST)

    def _entries(
        self, archive: zipfile.ZipFile, wanted: Sequence[RemoteFile]
    ) -> Iterator[tuple[str, zipfile.ZipInfo]]:
        names = {file.path for file in wanted}
        for entry in archive.infolist():
            path = _candidate(self._path, entry.filename, names)
            if path is not None and not entry.is_dir():
                yield path, entry


def _candidate(archive: Path, name: str, wanted: set[str]) -> str | None:
    """The wanted file that a member may be: its name, or what is left of it below directories."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts:
        raise SttError(
            str(archive),
            found=f"the entry {name!r}, which leads out of the archive",
            needed="entries inside it",
            fix="pack the model's directory anew",
        )
    return _ending(pure.parts, wanted)


def _ending(parts: Sequence[str], wanted: set[str]) -> str | None:
    ends = ("/".join(parts[index:]) for index in range(len(parts)))
    return next((end for end in ends if end in wanted), None)


def _item(path: str, place: Path) -> Item:
    """A file in a directory, not opened yet."""
    try:
        status = place.stat()
    except OSError as error:
        dangling = place.is_symlink() and error.errno in (errno.ENOENT, errno.ELOOP)
        what = "a link that leads nowhere" if dangling else os.strerror(error.errno or 0)
        return Item(path, 0, None, what)
    what = "" if stat.S_ISREG(status.st_mode) else "not a regular file"
    return Item(path, status.st_size, None, what)


def _kind(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return "a link in the archive (tar --dereference --hard-dereference packs the files)"
    return "not a regular file"


def _zip_kind(entry: zipfile.ZipInfo) -> str:
    """What an entry is, when it is no regular file; archives made elsewhere do not tell."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    return "" if kind in (0, stat.S_IFREG) else "a link or another special file in the archive"


def _no_model(path: Path, found: str) -> SttError:
    return SttError(
        str(path),
        found=found,
        needed="a directory, a tar archive (plain, gzip, bzip2 or xz) or a zip archive",
        fix="bring it again and compare its checksum with the original's, or pack it anew",
    )
