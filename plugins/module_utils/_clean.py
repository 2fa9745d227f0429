# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of our own images, models, clips and staging directories nothing needs any more."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._build_image import JOB_KIND
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import INPUT_DIGEST_LABEL
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._model_manifest import read_manifest

RECORD = "release.json"
# What only our own modules name a directory: a commit, or a conversion of it.
_NAME = re.compile(r"[0-9a-f]{40}(-ct2-[a-z0-9_]+-[0-9a-f]{12})?")
_SET_OF_CLIPS = re.compile(r"[0-9a-f]{12}")
DAY = 86400.0


@dataclass(frozen=True)
class ReleaseRecord:
    """What a sealed release keeps on a host.

    ``reference_image_id`` is the image that an engine without torch was compared with, if any.
    """

    release: str
    sequence: int
    image_id: str
    models: frozenset[str]
    reference_image_id: str = ""

    @property
    def images(self) -> set[str]:
        """The images that the release needs."""
        return {self.image_id, self.reference_image_id} - {""}


@dataclass(frozen=True)
class Superseded:
    """One thing that can go, and why."""

    kind: str
    name: str
    bytes: int
    reason: str


def read_records(releases: Path) -> list[ReleaseRecord]:
    """Every release recorded below a directory, newest first."""
    records = []
    for path in sorted(releases.glob(f"*/{RECORD}")):
        try:
            document = json.loads(path.read_bytes())
            records.append(
                ReleaseRecord(
                    release=str(document["release"]),
                    sequence=int(document["sequence"]),
                    image_id=str(document["image_id"]),
                    models=frozenset(str(model) for model in document["models"]),
                    reference_image_id=str(document.get("reference_image_id", "")),
                )
            )
        except (ValueError, KeyError, TypeError) as exc:
            # Guessing here could remove what this release still needs.
            raise SttError(
                str(path),
                found=f"a record that cannot be read ({exc!r})",
                needed="release, sequence, image_id and models",
                fix=f"restore the file, or move {path.parent} away if the release is not needed",
            ) from exc
    return sorted(records, key=lambda record: (record.sequence, record.release), reverse=True)


def built_below(images: Iterable[Mapping[str, Any]], jobs: Path) -> list[Mapping[str, Any]]:
    """The images whose build was a job in this directory.

    An engine may serve several roots; the images of another one are not ours to judge.
    """
    found = []
    for image in images:
        digest = str((image["Config"].get("Labels") or {}).get(INPUT_DIGEST_LABEL, ""))
        tags = [str(tag).rpartition(":") for tag in image.get("RepoTags") or []]
        # An image made from ours inherits its labels, but not the tag that only the build gives.
        made_here = bool(digest) and digest[:12] in {name for _repository, _colon, name in tags}
        # Under a second repository's name somebody else has a use for it.
        shared = len({repository for repository, _colon, _name in tags}) > 1
        if made_here and not shared and (jobs / f"{JOB_KIND}-{digest[:12]}").is_dir():
            found.append(image)
    return found


def kept_records(
    records: Sequence[ReleaseRecord],
    keep_releases: int,
    containers: Iterable[Mapping[str, Any]] = (),
) -> list[ReleaseRecord]:
    """The newest releases, and those that a container has, running or not, however old they are.

    Releases may share an image: then the mounted model tells which one it is, if any does.
    """
    kept = list(records[:keep_releases])
    for container in containers:
        mine = [record for record in records if container["Image"] in record.images]
        mounted = mounted_sources([container])
        served = [one for one in mine if any(_in_use(model, mounted) for model in one.models)]
        kept += [record for record in served or mine if record not in kept]
    return kept


def mounted_sources(containers: Iterable[Mapping[str, Any]]) -> set[str]:
    """The directories of the host that containers have mounted."""
    mounts = [mount for one in containers for mount in one.get("Mounts") or []]
    return {os.path.realpath(str(mount["Source"])) for mount in mounts if mount.get("Source")}


def _in_use(directory: str, mounted: Iterable[str]) -> bool:
    """Whether a directory, or something in it, is mounted."""
    own = os.path.realpath(directory)
    return any(source == own or source.startswith(f"{own}/") for source in mounted)


def superseded_images(
    images: Iterable[Mapping[str, Any]],
    containers: Iterable[Mapping[str, Any]],
    records: Sequence[ReleaseRecord],
    keep_releases: int,
    keep_images: int,
) -> list[Superseded]:
    """Images that no kept release and no container uses, except the newest unsealed one.

    Several releases may share an image: beside the newest release's, the ``keep_images`` released
    before it stay as well.
    """
    released = list(dict.fromkeys(record.image_id for record in records))
    kept = set(released[: keep_images + 1])
    used = list(containers)
    kept |= {image for one in kept_records(records, keep_releases, used) for image in one.images}
    kept |= {str(container["Image"]) for container in used}
    sealed = {image for record in records for image in record.images}
    by_age = sorted(images, key=lambda image: str(image["Created"]), reverse=True)
    unsealed = [image for image in by_age if image["Id"] not in sealed]
    kept |= {str(image["Id"]) for image in unsealed[:1]}
    return [
        Superseded(
            kind="image",
            name=str(image["Id"]),
            bytes=int(image["Size"]),
            reason="of an older release" if image["Id"] in sealed else "built but never sealed",
        )
        for image in by_age
        if image["Id"] not in kept
    ]


def superseded_models(
    models: Path,
    records: Sequence[ReleaseRecord],
    keep_releases: int,
    containers: Sequence[Mapping[str, Any]] = (),
) -> tuple[list[Superseded], list[str]]:
    """Models that no kept release and no container uses, and directories without a manifest.

    Only what has our manifest may go; another's directory never does. The newest of each model
    and quantization that was made but never sealed stays.
    """
    releases = kept_records(records, keep_releases, containers)
    kept = {model for record in releases for model in record.models}
    mounted = mounted_sources(containers)
    sealed = {model for record in records for model in record.models}
    directories = sorted(
        (path for path in models.glob("*/*") if path.is_dir() and not path.is_symlink()),
        key=lambda path: (path.stat().st_mtime, path.name),
        reverse=True,
    )
    seen: set[tuple[str, str]] = set()
    found, left = [], []
    for path in directories:
        if str(path) in kept or _in_use(str(path), mounted):
            continue
        manifest = read_manifest(path)
        if manifest is None:
            if str(path) in sealed or _NAME.fullmatch(path.name):
                left.append(str(path))
            continue
        if str(path) not in sealed:
            sort = (path.parent.name, str(manifest.get("quantization", "")))
            if sort not in seen:
                seen.add(sort)
                continue
        reason = "of an older release" if str(path) in sealed else "made but never sealed"
        found.append(Superseded("model", str(path), tree_bytes(path), reason))
    return found, sorted(left)


def superseded_clips(clips: Path, containers: Iterable[Mapping[str, Any]] = ()) -> list[Superseded]:
    """Sets of clips that no run used for a day and no container has; the newest stays.

    A run marks its set as it begins, so that another one at the same time leaves it alone.
    """
    mounted = mounted_sources(containers)
    sets = sorted(
        (
            (path.stat().st_mtime, path)
            for path in clips.glob("*")
            if _SET_OF_CLIPS.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
        ),
        reverse=True,
    )
    return [
        Superseded("clips", str(path), tree_bytes(path), "of an earlier run")
        for used, path in sets[1:]
        if used < time.time() - DAY and not _in_use(str(path), mounted)
    ]


def abandoned_staging(staging: Path, days: float) -> list[Superseded]:
    """Staging directories in which nothing was written for some days."""
    limit = time.time() - days * DAY
    found = []
    for path in sorted(staging.glob("*")):
        if path.is_symlink() or not path.is_dir():
            continue
        newest = max((status.st_mtime for status in _below(path)), default=limit)
        if newest < limit:
            found.append(
                Superseded("staging", str(path), tree_bytes(path), f"untouched for {days:g} days")
            )
    return found


def tree_bytes(path: Path) -> int:
    """The size of all files below a directory."""
    return sum(status.st_size for status in _below(path) if stat.S_ISREG(status.st_mode))


def _below(path: Path) -> Iterator[os.stat_result]:
    """A directory and all below it; what a job removes meanwhile is no error."""
    with suppress(FileNotFoundError):
        yield path.lstat()
    for folder, folders, names in os.walk(path, onerror=_unless_vanished):
        for name in (*folders, *names):
            with suppress(FileNotFoundError):
                yield Path(folder, name).lstat()


def _unless_vanished(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
