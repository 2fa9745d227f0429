# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn a report of ``pip install --report`` into the lock files that the image's layers install.

    python3 lock_from_report.py --report report.json --dest full-cu128

Writes one requirements file for each layer, sorted, every line pinned with the sha256 of the very
wheel that pip chose. A report that would leave something unpinned is refused. Standard library
only, so that it also runs on a build server.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LICENCE = "# Copyright (c) stt.engine contributors\n# SPDX-License-Identifier: GPL-3.0-or-later\n"

# One file for each layer of the image, lowest first; a distribution belongs to the first match.
# The order is by how seldom a part changes, the grouping keeps each layer below 2 GB.
PARTS: tuple[tuple[str, str, str], ...] = (
    ("cuda-cudnn", r"nvidia-cudnn-.*", "cuDNN"),
    ("cuda-math", r"nvidia-(cublas|cusolver|cusparse)-.*", "cuBLAS, cuSOLVER and cuSPARSE"),
    ("cuda-rest", r"nvidia-.*", "the other CUDA libraries"),
    ("triton", r"(pytorch-)?triton", "Triton"),
    ("torch", r"torch|torchaudio", "PyTorch"),
    ("packages", r".*", "the packages of the service and of the model tools"),
)

LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+) \\$", re.M)

# Triton wants setuptools, any since 40.8, and every base brings one in its environment. To replace
# it would leave marks of removal in the layer, whose times no build can fix.
FROM_BASE = ("setuptools",)


class LockError(Exception):
    """A report that cannot become a lock; the message says why and what to do."""


@dataclass(frozen=True, order=True)
class Pin:
    """One distribution at one version, as one file with one digest."""

    name: str
    version: str
    sha256: str

    def line(self) -> str:
        """The requirement as pip reads it."""
        return f"{self.name}=={self.version} \\\n    --hash=sha256:{self.sha256}\n"


def normalized(name: str) -> str:
    """Return the name of a distribution as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins_of(report: dict[str, Any]) -> list[Pin]:
    """Return every distribution of a report, sorted; raise LockError for one without a digest."""
    if report.get("version") != "1" or not isinstance(report.get("install"), list):
        raise LockError("not a report of `pip install --report` in its version 1 format")
    pins: dict[str, Pin] = {}
    for item in report["install"]:
        metadata = item.get("metadata", {})
        if not metadata.get("name") or not metadata.get("version"):
            raise LockError(f"an entry without name and version: {sorted(item)}")
        pin = Pin(normalized(metadata["name"]), metadata["version"], sha256_of(item))
        if pin.name in FROM_BASE:
            continue
        if pin.name in pins:
            raise LockError(f"{pin.name} is in the report twice")
        pins[pin.name] = pin
    if not pins:
        raise LockError(
            "an empty report: pip found everything installed; resolve with --ignore-installed"
        )
    return sorted(pins.values())


def sha256_of(item: dict[str, Any]) -> str:
    """Return the digest of the wheel that an entry of a report chose."""
    name = item["metadata"]["name"]
    download = item.get("download_info", {})
    archive = download.get("archive_info")
    if archive is None or not str(download.get("url", "")).split("#", maxsplit=1)[0].endswith(
        ".whl"
    ):
        raise LockError(f"{name} did not resolve to a wheel; resolve with --only-binary=:all:")
    digest = archive.get("hashes", {}).get("sha256")
    if digest is None:
        # pip before 23.0 knows only this spelling.
        algorithm, _unused, value = str(archive.get("hash", "")).partition("=")
        digest = value if algorithm == "sha256" else None
    if digest is None or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise LockError(f"the index states no sha256 for {name}; lock.py hashes the wheel itself")
    return str(digest)


def heading(title: str) -> str:
    """Return the comment that opens a lock file."""
    return f"{LICENCE}#\n# {title[0].upper()}{title[1:]}. Made by lock.py.\n"


def part_of(name: str) -> str:
    """Return the lock file that a distribution belongs to."""
    return next(part for part, pattern, _unused in PARTS if re.fullmatch(pattern, name))


def lock_files(pins: Iterable[Pin]) -> dict[str, str]:
    """Return the text of every lock file by its name; a part without packages is there, empty."""
    chosen = sorted(pins)
    files = {}
    for part, _unused, title in PARTS:
        lines = "".join(pin.line() for pin in chosen if part_of(pin.name) == part)
        files[f"{part}.txt"] = f"{heading(title)}{lines}"
    return files


def locked_versions(lock: Path) -> dict[str, str]:
    """Return the versions that a lock holds, a directory or one file; none where there is none."""
    files = sorted(lock.glob("*.txt")) if lock.is_dir() else [lock]
    texts = [path.read_text() for path in files if path.is_file()]
    return {normalized(match[1]): match[2] for text in texts for match in LOCKED.finditer(text)}


def write_lock(report: dict[str, Any], destination: Path) -> list[Pin]:
    """Write the lock files of a report below a directory and return what they pin."""
    pins = pins_of(report)
    files = lock_files(pins)
    destination.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_file(destination / name, text)
    return pins


def write_file(path: Path, text: str) -> None:
    """Replace a file in one step."""
    draft = path.with_name(f".{path.name}.part")
    draft.write_text(text)
    draft.replace(path)


def main(arguments: list[str] | None = None) -> int:
    """Read a report, write its lock and say what it holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", required=True, help="file written by pip, or - for stdin")
    parser.add_argument("--dest", required=True, type=Path, help="directory of the lock files")
    options = parser.parse_args(arguments)
    try:
        text = sys.stdin.read() if options.report == "-" else Path(options.report).read_text()
        pins = write_lock(json.loads(text), options.dest)
    except (LockError, OSError, json.JSONDecodeError) as error:
        print(f"{options.report}: {error}", file=sys.stderr)
        return 1
    print(f"{options.dest}: {len(pins)} packages in {len(PARTS)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
