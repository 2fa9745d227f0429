# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest beside a published model directory, and whether the files still are what it says.

``models/<name>/<directory>`` has ``models/<name>/<directory>.manifest.json`` beside it, with the
hash of each file and a stamp (size, times of content and inode, inode number) of the moment when
that hash was true. A file whose stamp has moved is hashed again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._digest import (
    canonical_json,
    sha256_file,
    sha256_hex,
)
from ansible_collections.stt.engine.plugins.module_utils._store import write_atomically

FORMAT = 1
Document = dict[str, Any]


def manifest_path(directory: Path) -> Path:
    """Where the manifest of a model directory lies."""
    return directory.with_name(f"{directory.name}.manifest.json")


def read_manifest(directory: Path) -> Document | None:
    """The manifest of a model directory; None when it is missing, damaged or of another format."""
    try:
        document = json.loads(manifest_path(directory).read_bytes())
    except (OSError, ValueError):
        return None
    fits = (
        isinstance(document, dict)
        and document.get("format") == FORMAT
        and isinstance(document.get("files"), list)
        and isinstance(document.get("stamps"), dict)
        and all(
            isinstance(file, dict) and {"path", "size", "sha256"} <= file.keys()
            for file in document["files"]
        )
    )
    return document if fits else None


def write_manifest(directory: Path, published: Path, document: Document) -> None:
    """Write the manifest of ``published``; its files still lie in ``directory``, to be renamed.

    Renaming a directory moves no stamp of the files in it.
    """
    stamps = {file["path"]: stamp(directory / file["path"]) for file in document["files"]}
    full = {"format": FORMAT, **document, "stamps": stamps}
    data = json.dumps(full, indent=1, sort_keys=True).encode() + b"\n"
    write_atomically(manifest_path(published), data)


def list_files(directory: Path) -> list[str]:
    """Every file below a directory, links included, as sorted relative paths."""
    found = []
    for folder, folders, names in os.walk(directory):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        found += [str(Path(folder, name).relative_to(directory)) for name in (*names, *links)]
    return sorted(found)


def hash_files(directory: Path, paths: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """``{path, size, sha256}`` of files, by default of all; several are hashed at a time."""
    chosen = list_files(directory) if paths is None else sorted(paths)
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        digests = list(pool.map(lambda path: sha256_file(directory / path), chosen))
    return [
        {"path": path, "size": (directory / path).stat().st_size, "sha256": digest}
        for path, digest in zip(chosen, digests, strict=True)
    ]


def stamp(path: Path) -> list[int] | None:
    """What moves when a file is written, replaced, copied over or touched; None without one."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def damage(directory: Path, document: Document, *, full: bool = False) -> list[str]:
    """What is wrong with the files of a directory, as sentences; hashes only what has moved.

    With ``full`` every file is hashed.
    """
    wrong: list[str] = []
    doubtful: list[str] = []
    listed = {file["path"]: file for file in document["files"]}
    for path, file in sorted(listed.items()):
        found = stamp(directory / path)
        if found is None or (directory / path).is_symlink():
            wrong.append(f"{path} is missing")
        elif found[0] != file["size"]:
            wrong.append(f"{path} has {found[0]} bytes instead of {file['size']}")
        elif full or found != document["stamps"].get(path):
            doubtful.append(path)
    wrong += [
        f"the content of {file['path']} is damaged"
        for file in hash_files(directory, doubtful)
        if file["sha256"] != listed[file["path"]]["sha256"]
    ]
    wrong += [
        f"{path} does not belong to it" for path in list_files(directory) if path not in listed
    ]
    return wrong


def content_digest(files: Sequence[dict[str, Any]]) -> str:
    """One digest of a model's content: the paths, sizes and hashes of its files."""
    listed = sorted((file["path"], file["size"], file["sha256"]) for file in files)
    return sha256_hex(canonical_json([list(entry) for entry in listed]))


def stamps_digest(directory: Path) -> str:
    """One digest of how the files of a directory lie on disk; moves when one is touched."""
    present = {path: stamp(directory / path) for path in list_files(directory)}
    return sha256_hex(canonical_json(present))
