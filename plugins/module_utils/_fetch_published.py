# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model on disk: its directory, the manifest beside it, and what is wrong with either."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._digest import (
    git_blob_sha1_file,
    sha256_file,
)
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._fetch_select import Selection
from ansible_collections.stt.engine.plugins.module_utils._hub import (
    RemoteFile,
    is_plain_path,
    model_directory,
)
from ansible_collections.stt.engine.plugins.module_utils._store import (
    fsync_directory,
    publish_directory,
    remove_tree,
    write_atomically,
)

_FORMAT = 1
Stamp = tuple[int, int, int, int]


@dataclass(frozen=True)
class ModelFile:
    """A file of a published model."""

    path: str
    size: int
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        """The file as the module returns it."""
        return {"path": self.path, "size": self.size, "sha256": self.sha256}


class PublishedModel:
    """``models/<name>/<commit>`` with ``<commit>.manifest.json`` beside it.

    The manifest is beside, not inside, so that the directory is equal to the repository. It holds
    the hash of each file and the file's stamp (size, times of content and inode, inode number) at
    the moment when that hash was true. A file whose stamp has moved is hashed again: unlike the
    time of modification alone, a stamp cannot be set back by copying or touching.
    """

    def __init__(self, models: Path, selection: Selection) -> None:
        self._selection = selection
        self.directory = model_directory(models, selection.repository, selection.commit)
        self.manifest_path = self.directory.with_name(f"{selection.commit}.manifest.json")
        self._hashed: dict[tuple[str, Stamp], str] = {}
        # The stamps of the files whose content was judged: only these may be noted as true.
        self._judged: dict[str, Stamp] = {}

    def files(self) -> list[ModelFile]:
        """The files as the manifest lists them; empty without a manifest."""
        manifest = self._manifest() or {}
        return [ModelFile(f["path"], f["size"], f["sha256"]) for f in manifest.get("files", [])]

    def trust(self) -> str:
        """On whose word the hashes are: of a lock, a hub, or a manifest brought by hand."""
        if self._selection.expected is not None:
            return "lock"
        return str((self._manifest() or {}).get("trust", "hub"))

    def needs_fetch(self, full: bool) -> str | None:
        """Why the model must be fetched or repaired; None when it is as it should be.

        Asks no hub. With ``full`` every file is hashed, otherwise those whose stamp has moved.
        """
        if not self.directory.is_dir():
            return "it is not there yet"
        manifest = self._manifest()
        if manifest is None:
            return "its manifest is missing"
        if manifest["selection"] != list(self._selection.patterns):
            return "other files were chosen"
        files = self.files()
        expected = self._selection.expected
        if expected is not None and expected != {f.path: (f.size, f.sha256) for f in files}:
            return "its files are not those of expected_files"
        self._selection.check_required([file.path for file in files])
        stamps = {path: tuple(stamp) for path, stamp in manifest["stamps"].items()}
        wrong = [self._wrong(file, stamps.get(file.path), full) for file in files]
        wrong += [f"{path} does not belong to it" for path in self.unexpected(files)]
        return "; ".join(text for text in wrong if text) or None

    def refresh_stamps(self) -> None:
        """Note the stamps of files whose stamp had moved and that were found to be whole."""
        manifest = self._manifest()
        if manifest is None:
            return
        noted = {path: tuple(stamp) for path, stamp in manifest["stamps"].items()}
        known = {file.path: file.sha256 for file in self.files()}
        found = {
            path: stamp
            for (path, stamp), digest in self._hashed.items()
            if known.get(path) == digest and self._stamp(path) == stamp
        }
        if {**noted, **found} != noted:
            self._write({**manifest, "stamps": {**noted, **found}})

    def whole(self, wanted: Sequence[RemoteFile], full: bool) -> dict[str, str]:
        """Those of the wanted files that are there with the right content: path to SHA-256."""
        manifest = self._manifest() or {"files": [], "stamps": {}}
        known = {file["path"]: file for file in manifest["files"]}
        found = {}
        self._judged.clear()
        for remote in wanted:
            entry = known.get(remote.path, {})
            stamp = self._stamp(remote.path)
            if stamp is None or stamp[0] != remote.size:
                continue
            trusted = not full and stamp == tuple(manifest["stamps"].get(remote.path, ()))
            if trusted and remote.identity in (
                f"sha256:{entry.get('sha256')}",
                f"git:{entry.get('git_sha1')}",
            ):
                found[remote.path] = entry["sha256"]
            elif self._content(remote, stamp) == remote.identity:
                found[remote.path] = self._sha256(remote.path, stamp)
            else:
                continue
            self._judged[remote.path] = stamp
        return found

    def unexpected(self, files: Sequence[ModelFile | RemoteFile]) -> list[str]:
        """Paths in the directory that are not among these files, sorted."""
        return _others(self.directory, {file.path for file in files})

    def publish(
        self,
        staged: Path,
        wanted: Sequence[RemoteFile],
        sha256: Mapping[str, str],
        fresh: Collection[str],
        origin: Mapping[str, str],
    ) -> None:
        """Make a complete staged directory visible, or mend the published one file by file.

        ``fresh`` are the staged files that were judged; nothing else that lies there is taken.
        """
        try:
            for path in _others(staged, set(fresh)):
                _remove(staged / path, staged)
            _make_readable(staged)
            if self.directory.is_dir():
                self._mend(staged, wanted, fresh)
                self._record(self.directory, wanted, sha256, origin)
                return
            # The manifest first: a directory is never visible without one.
            self._record(staged, wanted, sha256, origin)
            publish_directory(staged, self.directory)
        except OSError as error:
            raise SttError(
                str(self.directory),
                found=f"{os.strerror(error.errno or 0)} ({error.filename or self.directory})",
                needed="a directory that can be published by renaming what is staged",
                fix="see that root is one file system with room, and that nothing lies in the "
                "way; then run again: what was fetched is kept",
            ) from error

    def _mend(self, staged: Path, wanted: Sequence[RemoteFile], fresh: Collection[str]) -> None:
        for path in self.unexpected(wanted):
            _remove(self.directory / path, self.directory)
        for path in sorted(fresh):
            target = self.directory / path
            if target.is_dir() and not target.is_symlink():
                remove_tree(target, below=self.directory)
            target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            with (staged / path).open("rb") as stream:
                os.fsync(stream.fileno())
            # Who reads the damaged file goes on reading it; who opens it next gets the right one.
            (staged / path).rename(target)
            self._judged[path] = _stamp(target)
            fsync_directory(target.parent)

    def _record(
        self,
        directory: Path,
        wanted: Sequence[RemoteFile],
        sha256: Mapping[str, str],
        origin: Mapping[str, str],
    ) -> None:
        self.manifest_path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._write(
            {
                "format": _FORMAT,
                "repository": self._selection.repository,
                "commit": self._selection.commit,
                **origin,
                "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
                "selection": list(self._selection.patterns),
                "files": [
                    {
                        "path": remote.path,
                        "size": remote.size,
                        "sha256": sha256[remote.path],
                        "git_sha1": None if remote.sha256 else remote.git_sha1,
                    }
                    for remote in wanted
                ],
                # A file that was there before keeps the stamp of the moment when it was judged.
                "stamps": {
                    remote.path: self._judged.get(remote.path) or _stamp(directory / remote.path)
                    for remote in wanted
                },
            }
        )

    def _write(self, manifest: dict[str, Any]) -> None:
        data = json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n"
        write_atomically(self.manifest_path, data)

    def _manifest(self) -> dict[str, Any] | None:
        """The manifest; None when it is missing, damaged or of another model."""
        try:
            manifest = json.loads(self.manifest_path.read_bytes())
        except (OSError, ValueError):
            return None
        fits = (
            isinstance(manifest, dict)
            and manifest.get("format") == _FORMAT
            and manifest.get("repository") == self._selection.repository
            and manifest.get("commit") == self._selection.commit
            and _has_shape(manifest)
        )
        return manifest if fits else None

    def _wrong(self, file: ModelFile, stamp: Stamp | tuple[int, ...] | None, full: bool) -> str:
        """What is wrong with a published file; empty when nothing is."""
        present = self._stamp(file.path)
        if present is None:
            return f"{file.path} is missing"
        if present[0] != file.size:
            return f"{file.path} has {present[0]} bytes instead of {file.size}"
        if (full or present != stamp) and self._sha256(file.path, present) != file.sha256:
            return f"the content of {file.path} is damaged"
        return ""

    def _stamp(self, path: str) -> Stamp | None:
        """The stamp of a regular file; None behind a link, which may lead anywhere."""
        target = self.directory / path
        behind = any(
            parent.is_symlink()
            for parent in target.parents
            if parent.is_relative_to(self.directory) and parent != self.directory
        )
        try:
            status = target.lstat()
        except OSError:
            return None
        return None if behind or not stat.S_ISREG(status.st_mode) else _stamp_of(status)

    def _content(self, remote: RemoteFile, stamp: Stamp) -> str:
        if remote.sha256 is None:
            return f"git:{git_blob_sha1_file(self.directory / remote.path)}"
        return f"sha256:{self._sha256(remote.path, stamp)}"

    def _sha256(self, path: str, stamp: Stamp) -> str:
        """The SHA-256 of a file, computed once for each stamp."""
        key = (path, stamp)
        if key not in self._hashed:
            self._hashed[key] = sha256_file(self.directory / path)
        return self._hashed[key]


def fetch_key(root: Path, selection: Selection) -> str:
    """The key of the job that fetches a commit to a place: one at a time."""
    # However the way to it is written: two jobs must not publish to one place.
    place = f"{os.path.realpath(root)}\0{selection.repository}\0{selection.commit}"
    return hashlib.sha256(place.encode()).hexdigest()


def _has_shape(manifest: dict[str, Any]) -> bool:
    """Whether all that is read from a manifest is there and of its kind."""
    selection, files, stamps = (manifest.get(name) for name in ("selection", "files", "stamps"))
    return (
        isinstance(selection, list)
        and all(isinstance(pattern, str) for pattern in selection)
        and isinstance(files, list)
        and all(_is_entry(entry) for entry in files)
        and len({entry["path"] for entry in files}) == len(files)
        and isinstance(stamps, dict)
        and all(
            isinstance(stamp, list) and len(stamp) == 4 and all(_is_number(n) for n in stamp)
            for stamp in stamps.values()
        )
    )


def _is_number(value: Any) -> bool:
    # JSON's true is an int for Python.
    return isinstance(value, int) and not isinstance(value, bool)


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("path"), str)
        and is_plain_path(entry["path"])
        and _is_number(entry.get("size"))
        and isinstance(entry.get("sha256"), str)
        and isinstance(entry.get("git_sha1"), str | None)
    )


def _stamp(path: Path) -> Stamp:
    return _stamp_of(path.lstat())


def _stamp_of(status: os.stat_result) -> Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _others(directory: Path, known: set[str]) -> list[str]:
    found = []
    for folder, folders, names in os.walk(directory):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in names + links:
            path = str(Path(folder, name).relative_to(directory))
            if path not in known:
                found.append(path)
    return sorted(found)


def _remove(path: Path, below: Path) -> None:
    """Remove a file, and the directories that it leaves empty."""
    path.unlink()
    for parent in path.parents:
        if parent == below or any(parent.iterdir()):
            return
        parent.rmdir()


def _make_readable(directory: Path) -> None:
    """Readable by every user, writable by none: the engine runs as a user of its own."""
    for folder, _folders, names in os.walk(directory):
        Path(folder).chmod(0o755)
        for name in names:
            Path(folder, name).chmod(0o444)
