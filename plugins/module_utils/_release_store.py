# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sealed releases in a directory of the controller: which there are, and which one is meant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._release_manifest import FILE_NAME

LATEST = "latest"


@dataclass(frozen=True)
class SealedRelease:
    """A release's directory, and what its manifest states; who reads it proves it first."""

    directory: Path
    predicate: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The release's id, which is its directory's name too."""
        return self.directory.name

    @property
    def sequence(self) -> int:
        """The seconds since 1970 at which it was sealed."""
        return int(self.predicate["release"].get("sequence") or 0)

    @property
    def image_id(self) -> str:
        """The id of its image."""
        return str(self.predicate["image"]["id"])

    @property
    def served(self) -> str:
        """The directory of the model that is served, below the place of everything of ours."""
        return str(self.predicate["models"][1]["directory"])


def sealed_releases(root: Path) -> list[SealedRelease]:
    """Every release below a directory, the one sealed last first; anything else is left out."""
    found = [
        release
        for path in sorted(_below(root))
        if not path.is_symlink() and (release := _read(path)) is not None
    ]
    return sorted(found, key=lambda release: (release.sequence, release.id), reverse=True)


def choose(root: Path, name: str, releases: list[SealedRelease]) -> SealedRelease:
    """The release of a name; ``latest`` is what the link of that name points at."""
    link = root / LATEST
    linked = name == LATEST and link.is_symlink()
    wanted = link.readlink().name if linked else name
    for release in releases:
        if release.id == wanted:
            return release
    if name == LATEST and releases and not linked:
        return releases[0]
    known = ", ".join(release.id for release in releases) or "none"
    there = bool(wanted) and (root / wanted / FILE_NAME).exists()
    if there:
        raise _unreadable(root / wanted)
    raise SttError(
        f"release {wanted}",
        found=f"no sealed release of that name in {root}",
        needed=f"one of the sealed releases there: {known}",
        fix="name one of them, or the directory they are in with -e release_seal_directory=DIR",
    )


def refuse_unreadable(root: Path, releases: list[SealedRelease]) -> None:
    """Pass over none, where the newest one is looked for: it may be the damaged one."""
    known = {release.directory for release in releases}
    for path in sorted(_below(root)):
        if not path.is_symlink() and path not in known and (path / FILE_NAME).exists():
            raise _unreadable(path)


def _unreadable(directory: Path) -> SttError:
    return SttError(
        f"release {directory.name}",
        found=f"no {FILE_NAME} in {directory} that can be read as this release's",
        needed="the release as it was sealed",
        fix="bring it back as it was sealed, or move its directory away",
    )


def _below(root: Path) -> list[Path]:
    try:
        return list(root.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise SttError(
            f"releases {root}",
            found=f"a directory that cannot be read ({error.strerror})",
            needed="a directory that the user who asks may read",
            fix="correct its permissions, or name another with -e release_seal_directory=DIR",
        ) from error


def _read(directory: Path) -> SealedRelease | None:
    """What a manifest of ours in a directory says; None for anything else."""
    try:
        predicate = json.loads((directory / FILE_NAME).read_bytes())["predicate"]
        release = SealedRelease(directory, predicate)
        complete = predicate["release"]["id"] == release.id and release.sequence >= 0
        return release if complete and release.image_id and release.served else None
    except (OSError, ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError):
        return None
