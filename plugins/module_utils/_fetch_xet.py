# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""transport=xet: large files through huggingface_hub in a process that can be ended.

Not tried against a real Xet service, as none could be reached. What arrives is staged and judged
by its hash like everything else.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils import _hub_xet_child
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._fetch_room import disk_error
from ansible_collections.stt.engine.plugins.module_utils._fetch_staged import (
    StagedFile,
    stage_whole,
)
from ansible_collections.stt.engine.plugins.module_utils._hub import RemoteFile
from ansible_collections.stt.engine.plugins.module_utils._hub_access import HubAccess
from ansible_collections.stt.engine.plugins.module_utils._hub_process import HubProcess
from ansible_collections.stt.engine.plugins.module_utils._store import remove_tree

XET = "xet"
_PROBE_SECONDS = 60.0
_LOOK_SECONDS = 0.5
_USE_HTTP = "set transport to http, which needs no Xet service"


class XetFetch:
    """Brings the files that a repository keeps in large file storage."""

    def __init__(
        self, access: HubAccess, repository: str, commit: str, tools_python: str, stall: float
    ) -> None:
        self._access = access
        self._repository = repository
        self._commit = commit
        self._tools_python = tools_python
        self._stall_seconds = stall

    def probe(self) -> str:
        """The version of the Xet client; raises SttError when there is none."""
        with tempfile.TemporaryDirectory(prefix="stt-xet-") as home:
            process = HubProcess(
                self._tools_python, _hub_xet_child, Path(home), self._access.endpoint
            )
            try:
                answer = process.communicate({}, _PROBE_SECONDS)
            except TimeoutError as error:
                raise process.error(f"no answer in {_PROBE_SECONDS:g} s") from error
            finally:
                process.end()
        if "error" in answer:
            raise SttError(
                f"tools environment {self._tools_python}",
                found=f"no Xet client ({answer['error']['text']})",
                needed="hf-xet beside huggingface_hub for transport xet",
                fix="make the tools environment from requirements/tools-xet.txt, or " + _USE_HTTP,
            )
        return str(answer["version"])

    def run(
        self,
        files: Sequence[RemoteFile],
        staging: Path,
        chunk_bytes: int,
        progress: Callable[..., None],
        log: Callable[[str], None],
    ) -> int:
        """Stage the large files that are not staged yet; returns their bytes."""
        large = [file for file in files if file.sha256 is not None and file.size]
        large = [f for f in large if StagedFile(staging, f, chunk_bytes).have < f.size]
        if not large:
            return 0
        log(f"hf-xet {self.probe()}: {', '.join(file.path for file in large)}")
        place = staging / XET
        clear(staging)
        try:
            self._download(large, place, progress)
            for file in large:
                arrived = place / "files" / file.path
                size = arrived.stat().st_size if arrived.is_file() else None
                if size != file.size:
                    raise self._error(
                        f"{file.path} {'missing' if size is None else f'of {size} bytes'} after a "
                        "download that ended without an error",
                        f"{file.size} bytes",
                    )
                stage_whole(staging, file, arrived, chunk_bytes)
        finally:
            clear(staging)
        return sum(file.size for file in large)

    def _download(
        self, files: Sequence[RemoteFile], place: Path, progress: Callable[..., None]
    ) -> None:
        home = place / "home"
        try:
            home.mkdir(parents=True)
        except OSError as error:
            raise disk_error(home, error) from error
        endpoint = self._access.endpoint
        parameters: dict[str, Any] | None = {
            "endpoint": endpoint,
            "repository": self._repository,
            "commit": self._commit,
            "token": self._access.token,
            "ca_bundle": self._access.ca_bundle,
            "proxy": self._access.proxy_for(endpoint),
            "inactivity": max(1.0, self._stall_seconds / 3),
            "directory": str(place / "files"),
            "paths": [file.path for file in files],
        }
        total = sum(file.size for file in files)
        process = HubProcess(self._tools_python, _hub_xet_child, home, endpoint)
        most, moved = 0, time.monotonic()
        try:
            while True:
                try:
                    answer = process.communicate(parameters, _LOOK_SECONDS)
                    break
                except TimeoutError:
                    parameters = None
                now, present = time.monotonic(), _bytes_below(place / "files")
                if present > most:
                    most, moved = present, now
                progress(phase="download", bytes=min(most, total), total=total)
                if now - moved > self._stall_seconds:
                    raise self._error(
                        f"no new byte for {self._stall_seconds:g} s at {most} of {total} bytes",
                        "data from the hub's Xet service",
                    )
        finally:
            process.end()
        if "error" in answer:
            failure = answer["error"]
            text = " ".join(str(failure["text"]).split())[:200]
            if "url" in failure:
                text = f"HTTP {failure['status']} from {failure['url']}"
            raise self._error(
                f"{text} ({failure['class']})", "a hub with the Xet service that it names"
            )

    def _error(self, found: str, needed: str) -> SttError:
        return SttError(
            f"{self._repository}@{self._commit[:12]} through Xet",
            found=found,
            needed=needed,
            fix=f"{_USE_HTTP}: mirrors often pass Xet hashes on without the service behind them",
        )


def _bytes_below(directory: Path) -> int:
    """Bytes on disk below a directory that another process writes to."""
    total = 0
    for folder, _folders, names in os.walk(directory):
        for name in names:
            try:
                total += Path(folder, name).lstat().st_blocks * 512
            except FileNotFoundError:
                # Renamed between the listing and the look: counted the next time.
                continue
    return total


def clear(staging: Path) -> None:
    """Remove what a download through the library left: it would begin anew."""
    place = staging / XET
    if place.exists():
        remove_tree(place, below=staging)
