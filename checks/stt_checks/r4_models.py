# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R4.2: both models are mounted, whole, readable and protected."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ._model_directory import links_that_leave
from .outcome import Outcome, failed, first_few, pairs, passed, require, skipped
from .registry import Progress, Registry
from .settings import Settings, cpu_count, readable_size

registry = Registry()

PROBE = ".stt-write-probe"
BLOCK = 1 << 20


def _directories(settings: Settings) -> list[tuple[str, Path]]:
    kinds = [("ctranslate2", settings.ctranslate2_path)]
    if settings.original:
        kinds.append(("transformers", settings.transformers_path))
    return kinds


def _files(directory: Path) -> Iterator[Path]:
    for folder, _folders, names in os.walk(directory):
        for name in names:
            yield Path(folder, name)


@registry.check(
    "R4.2",
    "models_present",
    expected="both model directories with files in them",
    fix="mount both directories below /app/models",
)
def models_present(settings: Settings, _progress: Progress) -> Outcome:
    sizes: dict[str, int] = {}
    for _kind, directory in _directories(settings):
        require(directory.is_dir(), f"there is no directory {directory}")
        files = list(_files(directory))
        require(bool(files), f"{directory} is empty")
        empty = [path.name for path in files if path.exists() and path.stat().st_size == 0]
        require(not empty, f"files of 0 bytes in {directory}: {first_few(sorted(empty))}")
        sizes[directory.name] = sum(path.stat().st_size for path in files if path.exists())
    sentence = ", ".join(f"{name} {readable_size(size)}" for name, size in sizes.items())
    return passed(sentence, bytes=sizes)


@registry.check(
    "R4.2",
    "models_readable",
    expected="every model file can be read by this user",
    fix="give the published model files mode 0444 and their directories mode 0755",
)
def models_readable(settings: Settings, _progress: Progress) -> Outcome:
    refused: list[str] = []
    count = 0
    for _kind, directory in _directories(settings):
        try:
            os.scandir(directory).close()
        except OSError as error:
            return failed(f"{directory} cannot be listed: {error.strerror}")
        for path in _files(directory):
            count += 1
            try:
                with path.open("rb") as stream:
                    stream.read(1)
            except OSError as error:
                refused.append(f"{path} ({error.strerror})")
    require(not refused, f"{len(refused)} files cannot be read: {first_few(sorted(refused))}")
    require(count > 0, "there are no files to read")
    return passed(f"{count} files can be read by uid {os.getuid()}")


@registry.check(
    "R4.2",
    "models_read_only",
    expected="writing into a model directory is refused",
    fix="mount the models read-only (:ro)",
)
def models_read_only(settings: Settings, _progress: Progress) -> Outcome:
    if not settings.container:
        return skipped("not run in a container")
    for _kind, directory in _directories(settings):
        flags = os.statvfs(directory).f_flag
        require(bool(flags & os.ST_RDONLY), f"{directory} is mounted writable")
        probe = directory / PROBE
        try:
            probe.touch(exist_ok=False)
        except OSError:
            continue
        with contextlib.suppress(OSError):
            probe.unlink()
        return failed(f"a file could be made in {directory}")
    return passed("both directories are mounted read-only and refuse a new file")


@registry.check(
    "R4.2",
    "models_self_contained",
    expected="no symbolic link that leaves its model directory or leads nowhere",
    fix="publish the model as plain files; a download cache is not a model directory",
)
def models_self_contained(settings: Settings, _progress: Progress) -> Outcome:
    for _kind, directory in _directories(settings):
        require(directory.is_dir(), f"there is no directory {directory}")
        leaving = links_that_leave(directory)
        require(not leaving, f"links in {directory} that leave it: {first_few(leaving)}")
    return passed("every file lies in its model directory")


@registry.check(
    "R4.2",
    "models_hashes",
    expected="every model file has the SHA-256 that its manifest names, none is missing or extra",
    fix="run the release again with whisper_model_verify=full, which repairs damaged files",
    deadline=900,
)
def models_hashes(settings: Settings, progress: Progress) -> Outcome:
    unknown = [kind for kind, _path in _directories(settings) if kind not in settings.manifests]
    if unknown:
        found = f"no list of files was given for {' and '.join(unknown)}"
        # Only whoever looks at a directory by hand may not know what belongs in it.
        return failed(found) if settings.container else skipped(found)
    wanted = [(path, settings.manifests[kind]) for kind, path in _directories(settings)]
    count, total = require_files(wanted, progress)
    return passed(f"{count} files, {readable_size(total)}, are what their manifests say")


def require_files(
    directories: Sequence[tuple[Path, Sequence[Mapping[str, Any]]]], progress: Progress
) -> tuple[int, int]:
    """Hold all files of directories against their manifests; how many they are, and their bytes."""
    wanted: dict[Path, tuple[int, str]] = {}
    wrong: list[str] = []
    for directory, manifest in directories:
        listed = {directory / entry["path"]: entry for entry in manifest}
        require(bool(listed), f"the manifest of {directory.name} lists no file")
        present = set(_files(directory))
        wrong += [f"{path} is missing" for path in sorted(listed.keys() - present)]
        wrong += [f"{path} is in no manifest" for path in sorted(present - listed.keys())]
        wanted.update(
            (path, (int(listed[path]["size"]), str(listed[path]["sha256"])))
            for path in listed.keys() & present
        )
    total = sum(size for size, _digest in wanted.values())
    progress(f"hashing {len(wanted)} files, {readable_size(total)}")
    with ThreadPoolExecutor(cpu_count()) as pool:
        for path, digest in pairs(wanted, pool.map(_sha256, wanted)):
            size = path.stat().st_size
            if size != wanted[path][0]:
                wrong.append(f"{path} has {size} bytes instead of {wanted[path][0]}")
            elif digest != wanted[path][1]:
                wrong.append(f"{path} has SHA-256 {digest} instead of {wanted[path][1]}")
    require(not wrong, f"{len(wrong)} files differ: {first_few(wrong)}", differences=wrong)
    return len(wanted), total


def _sha256(path: Path) -> str:
    with path.open("rb", buffering=0) as stream:
        digest = hashlib.sha256()
        while block := stream.read(BLOCK):
            digest.update(block)
        return digest.hexdigest()
