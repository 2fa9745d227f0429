# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetching a model: what is missing, whether there is room, and the work of the job."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._fetch_download import Download
from ansible_collections.stt.engine.plugins.module_utils._fetch_published import (
    PublishedModel,
    fetch_key,
)
from ansible_collections.stt.engine.plugins.module_utils._fetch_select import (
    Selection,
    tree_of_expected,
)
from ansible_collections.stt.engine.plugins.module_utils._fetch_source import (
    DirectorySource,
    HubSource,
    Source,
)
from ansible_collections.stt.engine.plugins.module_utils._hub import (
    ModelTree,
    RemoteFile,
    list_model,
)
from ansible_collections.stt.engine.plugins.module_utils._hub_access import HubAccess
from ansible_collections.stt.engine.plugins.module_utils._jobs import JobContext
from ansible_collections.stt.engine.plugins.module_utils._store import (
    STAGING,
    file_lock,
    free_bytes,
    remove_tree,
    staging_directory,
)

# Manifests, maps and the file system's own book-keeping.
_RESERVE_BYTES = 16 << 20


@dataclass(frozen=True)
class FetchSettings:
    """How to fetch: from where, with how many streams, and how patiently."""

    root: Path
    access: HubAccess
    tools_python: str | None
    source_path: Path | None
    streams: int
    chunk_bytes: int
    stall_seconds: float
    full: bool


@dataclass(frozen=True)
class Plan:
    """What a fetch will do."""

    wanted: list[RemoteFile]
    missing: list[RemoteFile]
    whole: dict[str, str]
    bytes_planned: int


class ModelFetch:
    """Brings one commit of a repository to ``root/models``."""

    def __init__(self, selection: Selection, settings: FetchSettings) -> None:
        self.selection = selection
        self.settings = settings
        self.published = PublishedModel(settings.root / "models", selection)
        self.key = fetch_key(settings.root, selection)
        self._staging_name = f"model-{self.key[:12]}"
        self._wanted: list[RemoteFile] = []

    def needs_fetch(self) -> str | None:
        """Why there is something to do; None when the model is published and whole."""
        return self.published.needs_fetch(self.settings.full)

    def plan(self) -> Plan:
        """Ask for the tree, see what is missing, and refuse what cannot succeed.

        Writes nothing.
        """
        self._wanted = self.selection.choose(self._tree())
        whole = self.published.whole(self._wanted, self.settings.full)
        missing = [remote for remote in self._wanted if remote.path not in whole]
        if missing:
            total = sum(remote.size for remote in missing)
            self.check_space(max(0, total - self._staged_bytes()) + _RESERVE_BYTES)
        download = self._download(missing, _ignore, _ignore)
        return Plan(self._wanted, missing, whole, download.total - download.resumed)

    def check_space(self, needed: int) -> None:
        """Refuse to begin what would fill the disk."""
        free = free_bytes(self.settings.root)
        if free < needed:
            raise SttError(
                f"file system of {self.settings.root}",
                found=f"{free} bytes free",
                needed=f"{needed} bytes for {self.selection.name}",
                fix="free space there, or put root on a larger file system",
            )

    def work(self, context: JobContext) -> dict[str, Any]:
        """The job: download what is missing, then publish; ``plan`` must have been called."""
        began = time.monotonic()

        def log(text: str) -> None:
            stamp = time.strftime("%H:%M:%S")
            context.log.write(f"{stamp} {text}\n".encode())

        with file_lock(self.settings.root / STAGING / f"{self._staging_name}.lock"):
            # Another job root may have fetched meanwhile: look again under the lock.
            whole = self.published.whole(self._wanted, self.settings.full)
            missing = [remote for remote in self._wanted if remote.path not in whole]
            staging = staging_directory(self.settings.root, self._staging_name)
            log(f"{self.selection.name}: {len(missing)} of {len(self._wanted)} files to fetch")
            download = self._download(missing, context.progress, log, staging)
            outcome = download.run()
            staged = staging / "files"
            staged.mkdir(exist_ok=True)
            sha256 = {**whole, **outcome.sha256}
            places = {path: self.published.directory / path for path in whole}
            places |= {path: staged / path for path in outcome.sha256}
            self.selection.check_contents(places, sha256)
            context.progress(phase="publish")
            self.published.publish(staged, self._wanted, sha256, self._origin())
            remove_tree(staging, below=self.settings.root)
        seconds = time.monotonic() - began
        log(f"published {self.published.directory} in {seconds:.1f} s")
        return {
            "bytes_downloaded": outcome.bytes_downloaded,
            "bytes_resumed": outcome.bytes_resumed,
            "repeated": outcome.repeated,
            "seconds": round(seconds, 3),
        }

    def _staged_bytes(self) -> int:
        """Bytes on disk that an earlier fetch has taken already."""
        staged = self.settings.root / STAGING / self._staging_name / "files"
        files = (path for path in staged.rglob("*") if path.is_file())
        return sum(path.stat().st_blocks * 512 for path in files)

    def _tree(self) -> ModelTree:
        if self.settings.source_path is not None:
            if self.selection.expected is None:
                raise SttError(
                    "source_path",
                    found="no expected_files",
                    needed="size and hash of every file, as there is no hub to ask",
                    fix="give expected_files from the lock",
                )
            return tree_of_expected(self.selection.commit, self.selection.expected)
        if not self.settings.tools_python:
            raise SttError(
                "tools_python",
                found="nothing",
                needed="the Python of the tools environment, to ask the hub with",
                fix="give tools_python, or source_path for a model that was brought by hand",
            )
        return list_model(
            self.settings.access,
            self.selection.repository,
            self.selection.commit,
            self.settings.tools_python,
            patience=self.settings.stall_seconds,
        )

    def _download(
        self,
        missing: list[RemoteFile],
        progress: Callable[..., None],
        log: Callable[[str], None],
        staging: Path | None = None,
    ) -> Download:
        settings = self.settings
        return Download(
            missing,
            staging or settings.root / STAGING / self._staging_name,
            self._source_maker(),
            streams=settings.streams,
            chunk_bytes=settings.chunk_bytes,
            stall_seconds=settings.stall_seconds,
            progress=progress,
            log=log,
        )

    def _source_maker(self) -> Callable[[], Source]:
        settings, locations = self.settings, dict[str, str]()
        source_path = settings.source_path
        if source_path is not None:
            return lambda: DirectorySource(source_path)
        return lambda: HubSource(
            settings.access,
            self.selection.repository,
            self.selection.commit,
            settings.stall_seconds / 3,
            locations,
        )

    def _origin(self) -> str:
        source = self.settings.source_path
        return str(source) if source is not None else self.settings.access.endpoint


def check_writable(path: Path) -> None:
    """Refuse a directory that this user could not make or write; makes nothing."""
    existing = path
    try:
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
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


def _ignore(*_values: Any, **_fields: Any) -> None:
    """For a plan, which downloads nothing."""
