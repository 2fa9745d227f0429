# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetching a model: what is missing, whether there is room, and the work of the job."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._fetch_copy import Copy, tree_of_manifest
from ansible_collections.stt.engine.plugins.module_utils._fetch_download import Download, Outcome
from ansible_collections.stt.engine.plugins.module_utils._fetch_published import (
    PublishedModel,
    fetch_key,
)
from ansible_collections.stt.engine.plugins.module_utils._fetch_room import (
    ballast,
    check_places,
    check_space,
    disk_error,
)
from ansible_collections.stt.engine.plugins.module_utils._fetch_select import (
    Selection,
    tree_of_expected,
)
from ansible_collections.stt.engine.plugins.module_utils._fetch_source import HubSource, Source
from ansible_collections.stt.engine.plugins.module_utils._fetch_xet import XET, XetFetch, clear
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
    xet: bool


@dataclass(frozen=True)
class Plan:
    """What a fetch will do."""

    wanted: list[RemoteFile]
    missing: list[RemoteFile]
    whole: dict[str, str]
    bytes_planned: int
    trust: str
    why: str


class ModelFetch:
    """Brings one commit of a repository to ``root/models``."""

    def __init__(self, selection: Selection, settings: FetchSettings) -> None:
        self.selection = selection
        self.settings = settings
        self.published = PublishedModel(settings.root / "models", selection)
        self.key = fetch_key(settings.root, selection)
        self._staging = settings.root / STAGING / f"model-{self.key[:12]}"
        self._lock_path = self._staging.with_suffix(".lock")
        self._wanted: list[RemoteFile] = []
        self._trust = ""

    def needs_fetch(self) -> str | None:
        """Why there is something to do; None when the model is published and whole."""
        return self.published.needs_fetch(self.settings.full)

    def refresh_stamps(self) -> None:
        """Spare the next run the hashing; whoever publishes at this moment does it himself."""
        try:
            with file_lock(self._lock_path, timeout=0):
                self.published.refresh_stamps()
        except TimeoutError:
            return
        except OSError as error:
            raise disk_error(self.published.manifest_path, error) from error

    def plan(self) -> Plan:
        """Ask for the tree, see what is missing, and refuse what cannot succeed.

        Writes nothing.
        """
        tree, self._trust, why = self._tree()
        self._wanted = self.selection.choose(tree)
        whole = self.published.whole(self._wanted, self.settings.full)
        missing = [remote for remote in self._wanted if remote.path not in whole]
        check_places(self._staging, self.published.directory.parent)
        if missing:
            total = sum(remote.size for remote in missing)
            needed = max(0, total - self._staged_bytes(missing)) + _RESERVE_BYTES
            check_space(self.settings.root, needed, self.selection.name)
        planned = self._look(missing) if missing else 0
        return Plan(self._wanted, missing, whole, planned, self._trust, why)

    def work(self, context: JobContext) -> dict[str, Any]:
        """The job: bring what is missing, then publish; ``plan`` must have been called."""
        began = time.monotonic()

        def log(text: str) -> None:
            stamp = time.strftime("%H:%M:%S")
            context.log.write(f"{stamp} {text}\n".encode())

        with file_lock(self._lock_path):
            try:
                with ballast(self._staging.with_suffix(".room")):
                    outcome = self._work(context, log)
            except OSError as error:
                raise disk_error(error.filename or self.settings.root, error) from error
        seconds = time.monotonic() - began
        log(f"published {self.published.directory} in {seconds:.1f} s")
        return {
            "bytes_downloaded": outcome.bytes_downloaded,
            "bytes_resumed": outcome.bytes_resumed,
            "repeated": outcome.repeated,
            "seconds": round(seconds, 3),
        }

    def _work(self, context: JobContext, log: Callable[[str], None]) -> Outcome:
        # Another job root may have fetched meanwhile: look again under the lock.
        whole = self.published.whole(self._wanted, self.settings.full)
        missing = [remote for remote in self._wanted if remote.path not in whole]
        staging = staging_directory(self.settings.root, self._staging.name)
        clear(staging)
        log(f"{self.selection.name}: {len(missing)} of {len(self._wanted)} files to fetch")
        outcome = self._bring(missing, context.progress, log)
        staged = staging / "files"
        staged.mkdir(exist_ok=True)
        sha256 = {**whole, **outcome.sha256}
        places = {path: self.published.directory / path for path in whole}
        places |= {path: staged / path for path in outcome.sha256}
        self.selection.check_contents(places, sha256)
        context.progress(phase="publish")
        origin = {"endpoint": self._origin(), "trust": self._trust}
        self.published.publish(staged, self._wanted, sha256, outcome.sha256.keys(), origin)
        remove_tree(staging, below=self.settings.root)
        return outcome

    def _staged_bytes(self, missing: list[RemoteFile]) -> int:
        """Bytes on disk that an earlier fetch has taken and that this one uses or frees."""
        places = [self._staging / "files" / remote.path for remote in missing]
        places += (self._staging / XET).rglob("*")
        return sum(path.stat().st_blocks * 512 for path in places if path.is_file())

    def _tree(self) -> tuple[ModelTree, str, str]:
        """The list of files, on whose word, and what to say of that word."""
        source, expected = self.settings.source_path, self.selection.expected
        trust = "hub" if expected is None else "lock"
        if source is not None:
            if expected is not None:
                return tree_of_expected(self.selection.commit, expected), trust, ""
            tree, place = tree_of_manifest(source, self.selection)
            return tree, "manifest", f"its hashes are those of {place}"
        tree = list_model(
            self.settings.access,
            self.selection.repository,
            self.selection.commit,
            self._tools_python(),
            patience=self.settings.stall_seconds,
        )
        return tree, trust, ""

    def _tools_python(self) -> str:
        if not self.settings.tools_python:
            raise SttError(
                "tools_python",
                found="nothing",
                needed="the Python of the tools environment, to ask the hub with",
                fix="give tools_python, or source_path for a model that was brought by hand",
            )
        return self.settings.tools_python

    def _look(self, missing: list[RemoteFile]) -> int:
        """See whether the files can be brought; returns how many bytes that will move."""
        source = self.settings.source_path
        if source is not None:
            copy = Copy(source, missing, self._staging)
            copy.look()
            return copy.total - copy.resumed
        download = self._download(missing, _ignore, _ignore)
        if self.settings.xet and any(remote.sha256 for remote in missing):
            self._xet().probe()
        return download.total - download.resumed

    def _bring(
        self,
        missing: list[RemoteFile],
        progress: Callable[..., None],
        log: Callable[[str], None],
    ) -> Outcome:
        source, through_xet = self.settings.source_path, 0
        if source is not None and missing:
            return Copy(source, missing, self._staging).run(progress, log)
        if self.settings.xet and missing:
            chunk = self.settings.chunk_bytes
            through_xet = self._xet().run(missing, self._staging, chunk, progress, log)
        outcome = self._download(missing, progress, log).run()
        return replace(
            outcome,
            bytes_downloaded=outcome.bytes_downloaded + through_xet,
            bytes_resumed=outcome.bytes_resumed - through_xet,
        )

    def _xet(self) -> XetFetch:
        settings, selection = self.settings, self.selection
        return XetFetch(
            settings.access,
            selection.repository,
            selection.commit,
            self._tools_python(),
            settings.stall_seconds,
        )

    def _download(
        self,
        missing: list[RemoteFile],
        progress: Callable[..., None],
        log: Callable[[str], None],
    ) -> Download:
        settings, locations = self.settings, dict[str, str]()

        def make_source() -> Source:
            return HubSource(
                settings.access,
                self.selection.repository,
                self.selection.commit,
                settings.stall_seconds / 3,
                locations,
            )

        return Download(
            missing,
            self._staging,
            make_source,
            streams=settings.streams,
            chunk_bytes=settings.chunk_bytes,
            stall_seconds=settings.stall_seconds,
            progress=progress,
            log=log,
        )

    def _origin(self) -> str:
        source = self.settings.source_path
        return str(source) if source is not None else self.settings.access.endpoint


def _ignore(*_values: Any, **_fields: Any) -> None:
    """For a plan, which downloads nothing."""
