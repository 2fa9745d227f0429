# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what an image holds beside the files of its base: walked once, kept for every gate."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .elf import MAGIC, ElfError, read_elf
from .outcome import pairs
from .settings import cpu_count

KEPT = "added-files.json"
MOUNTS = Path("/proc/self/mountinfo")
OWNERS_RIGHTS = stat.S_ISUID | stat.S_ISGID
BLOCK = 1 << 20
SHARED_OBJECT = re.compile(r"\.so(\.\d+)*$")
# More parts and links than this have no end for the kernel either.
LONGEST_WAY = 400


@dataclass(frozen=True)
class AddedFile:
    """A regular file that the base has not, or has with other content."""

    path: str
    size: int
    mode: int
    changed: bool = False

    @property
    def executable(self) -> bool:
        return bool(self.mode & 0o111)

    @property
    def owners_rights(self) -> bool:
        return bool(self.mode & OWNERS_RIGHTS)


@dataclass(frozen=True)
class AddedLink:
    """A symbolic link that the base has not, or that leads elsewhere there."""

    path: str
    target: str
    dangling: bool


@dataclass(frozen=True)
class AddedElf:
    """What the loader reads of an added file; ``problem`` when that cannot be read."""

    path: str
    machine: int = 0
    machine_name: str = ""
    needs: tuple[tuple[str, str], ...] = ()
    problem: str = ""


@dataclass
class AddedFiles:
    """Everything an image adds to its base."""

    files: list[AddedFile] = field(default_factory=list)
    links: list[AddedLink] = field(default_factory=list)
    elf: list[AddedElf] = field(default_factory=list)
    # The base's own links that led somewhere there, and lead nowhere here.
    cut: list[AddedLink] = field(default_factory=list)
    # Libraries of the base, by their path, of whose name nothing is left in the image.
    gone: list[str] = field(default_factory=list)
    base_files: int = 0
    unreadable: list[str] = field(default_factory=list)

    def keep(self, scratch: Path) -> None:
        """Leave it for the checks that come after; it is there whole or not at all."""
        part = scratch / f"{KEPT}.part"
        part.write_text(json.dumps(asdict(self)), encoding="utf-8")
        part.rename(scratch / KEPT)


def kept_files(scratch: Path | None) -> AddedFiles | None:
    """What an earlier check of this run has left; None when it left nothing."""
    if scratch is None or not (scratch / KEPT).is_file():
        return None
    found: dict[str, Any] = json.loads((scratch / KEPT).read_bytes())
    return AddedFiles(
        files=[AddedFile(**one) for one in found["files"]],
        links=[AddedLink(**one) for one in found["links"]],
        elf=[
            AddedElf(**{**one, "needs": tuple((file, name) for file, name in one["needs"])})
            for one in found["elf"]
        ],
        cut=[AddedLink(**one) for one in found["cut"]],
        gone=found["gone"],
        base_files=found["base_files"],
        unreadable=found["unreadable"],
    )


def mount_points() -> frozenset[str]:
    """What is mounted over the image's own files, which is not the image's."""
    lines = MOUNTS.read_text(encoding="utf-8").splitlines()
    return frozenset(line.split()[4] for line in lines) - {"/"}


def added_files(
    root: Path, base: Mapping[str, str], mounted: frozenset[str] | None = None
) -> AddedFiles:
    """Walk an image's files, and keep what its base has not."""
    found = AddedFiles()
    same_size: list[tuple[str, os.stat_result]] = []
    libraries: set[str] = set()
    skipped = mount_points() if mounted is None else mounted
    for entry in _walk(root, skipped, found.unreadable):
        name = entry.path[len(str(root).rstrip("/")) :].lstrip("/")
        if SHARED_OBJECT.search(entry.name):
            libraries.add(entry.name)
        known = base.get(name, "")
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            _take_link(found, root, name, base)
        elif stat.S_ISREG(status.st_mode):
            if known.startswith(f"f:{status.st_size}:"):
                same_size.append((name, status))
            else:
                found.files.append(_file(name, status, changed=bool(known)))
    with ThreadPoolExecutor(cpu_count()) as pool:
        digests = pool.map(lambda one: _sha256(root / one[0]), same_size)
        for (name, status), digest in pairs(same_size, digests):
            rights = "s" if status.st_mode & OWNERS_RIGHTS else ""
            if base[name] == f"f:{status.st_size}:{digest}:{rights}":
                found.base_files += 1
            else:
                found.files.append(_file(name, status, changed=True))
    found.gone = sorted(
        path for path in base if SHARED_OBJECT.search(path) and Path(path).name not in libraries
    )
    _read_elf_files(root, found)
    return found


def _take_link(found: AddedFiles, root: Path, name: str, base: Mapping[str, str]) -> None:
    place = root / name
    target = str(place.readlink())
    dangling = not _leads_somewhere(root, str(place), target)
    if base.get(name, "") != f"l:{target}":
        found.links.append(AddedLink(name, target, dangling))
        return
    found.base_files += 1
    if dangling and led_somewhere(name, base):
        found.cut.append(AddedLink(name, target, dangling))


def led_somewhere(name: str, base: Mapping[str, str]) -> bool:
    """Whether a link of the base led to a file or directory there, by way of other links too."""
    parts = [*reversed(name.split("/"))]
    place: list[str] = []
    for _step in range(LONGEST_WAY):
        if not parts:
            folder = "/".join((*place, ""))
            return any(path.startswith(folder) for path in base)
        part = parts.pop()
        if part == "..":
            place = place[:-1]
        elif part not in ("", "."):
            known = base.get("/".join((*place, part)), "")
            if known.startswith("l:"):
                target = known[2:]
                place = [] if target.startswith("/") else place
                parts += reversed(target.split("/"))
            elif known:
                return not any(parts)
            else:
                place.append(part)
    return False


def _file(name: str, status: os.stat_result, *, changed: bool) -> AddedFile:
    return AddedFile(name, status.st_size, stat.S_IMODE(status.st_mode), changed)


def _walk(root: Path, skipped: frozenset[str], unreadable: list[str]) -> Iterator[Any]:
    """Every entry below root that is no directory; nothing that is mounted there."""
    folders = [str(root)]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            unreadable.append(f"{folder} ({error.strerror})")
            continue
        for entry in listed:
            if entry.path in skipped:
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            else:
                yield entry


def _leads_somewhere(root: Path, path: str, target: str) -> bool:
    # Not Path.exists(), which raises for some targets, such as a name that is too long.
    if target.startswith("/"):
        return os.path.exists(root / target.lstrip("/"))  # noqa: PTH110
    return os.path.exists(path)  # noqa: PTH110


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _read_elf_files(root: Path, found: AddedFiles) -> None:
    for file in found.files:
        if file.size < len(MAGIC):
            continue
        path = root / file.path
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if os.pread(descriptor, len(MAGIC), 0) != MAGIC:
                    continue
            finally:
                os.close(descriptor)
            facts = read_elf(path)
        except OSError as error:
            found.unreadable.append(f"{file.path} ({error.strerror})")
        except ElfError as error:
            found.elf.append(AddedElf(file.path, problem=str(error)))
        else:
            found.elf.append(AddedElf(file.path, facts.machine, facts.machine_name, facts.needs))
