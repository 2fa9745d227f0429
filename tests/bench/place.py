# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The models that are measured, the place where it is done, and the machine."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.lab.layout import Places, cache_root

CHECKOUT = Path(__file__).resolve().parents[2]
FIXTURES = CHECKOUT / "tests" / "fixtures"
WEIGHTS = "model.safetensors"
REPOSITORY = "lab/whisper"
# What both tools fetch: the module's default, as `hf download --include` takes it.
PATTERNS = ("*.json", "*.txt", "*.model", WEIGHTS, "model-*.safetensors")
# The model, a copy under way, and one on the build server with its conversion.
ROOM_BYTES = 8_000_000_000


@dataclass(frozen=True)
class Model:
    """A model to measure with: its directory, as the hub serves it."""

    size: str
    directory: Path

    @cached_property
    def weight_bytes(self) -> int:
        """Size of its one large file."""
        return (self.directory / WEIGHTS).stat().st_size

    @cached_property
    def sha256(self) -> dict[str, str]:
        """Hash of every file that is fetched; reading them also puts them into the page cache."""
        return {path.name: sha256(path) for path in sorted(self._fetched())}

    def wrong_with(self, directory: Path, *names: str) -> str:
        """What a fetched copy lacks or has wrong; empty when every byte is right.

        With names, only these files are looked at.
        """
        wrong = [
            name
            for name in names or self.sha256
            if not (directory / name).is_file() or sha256(directory / name) != self.sha256[name]
        ]
        return f"not as in the repository: {', '.join(wrong)}" if wrong else ""

    def _fetched(self) -> Iterator[Path]:
        for pattern in PATTERNS:
            yield from self.directory.glob(pattern)


def make_model(size: str) -> Model:
    """The random large-v3-turbo of 1.6 GB, or one of 76 MB to try the benchmark with."""
    fixtures = Places(cache_root()).fixtures
    if size == "full":
        directory = fixtures / "whisper-random-turbo"
        if not (directory / WEIGHTS).is_file():
            script = FIXTURES / "make_random_turbo.py"
            print(f"    making {directory} (1.6 GB, once)", flush=True)
            subprocess.run(
                [sys.executable, str(script), "--out", str(directory)],
                check=True,
                stdout=subprocess.DEVNULL,
            )
        return Model(size, directory)
    directory = fixtures / "whisper-random-small"
    _make_small(directory)
    return Model(size, directory)


def _make_small(directory: Path) -> None:
    """The same sort of repository with the layers of whisper-tiny."""
    if str(FIXTURES) not in sys.path:
        sys.path.insert(0, str(FIXTURES))
    from make_random_turbo import README, weights, write_weights
    from make_tiny_whisper import read_vocabulary, write_repository
    from whisper_fixture.repository import Architecture, text_files

    small = Architecture(d_model=384, encoder_layers=4, decoder_layers=4, heads=6, ffn=1536)
    write_repository(text_files(small, read_vocabulary(), README), directory)
    path = directory / WEIGHTS
    if not path.is_file():
        write_weights(path, weights(small, 1))


@contextmanager
def workshop(model: Model) -> Iterator[Path]:
    """An empty directory on the file system of the cache, removed at the end."""
    root = cache_root()
    free = shutil.disk_usage(root).free
    if free < ROOM_BYTES:
        raise SystemExit(
            f"disk: found {free / 1e9:.1f} GB free at {root}; needed {ROOM_BYTES / 1e9:.0f} GB; "
            "fix: free some, or set STT_CACHE to another file system"
        )
    with tempfile.TemporaryDirectory(prefix="bench-", dir=root) as name:
        directory = Path(name)
        served = directory / "repositories" / REPOSITORY
        served.parent.mkdir(parents=True)
        served.symlink_to(model.directory)
        yield directory


def clear(*directories: Path) -> None:
    """Remove what a run made and let the disk come to rest, so that the next one starts alike."""
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)
    os.sync()


def sha256(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def machine() -> dict[str, Any]:
    """What the figures depend on, without names of hosts."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "sha_instructions": " sha_ni " in Path("/proc/cpuinfo").read_text(encoding="utf-8"),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "disk": _disk(cache_root()),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _disk(path: Path) -> str:
    """File system and kind of the disk below a path."""
    device = path.stat().st_dev
    kind = "unknown kind"
    queue = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/queue/rotational")
    for place in (queue, queue.parents[1].resolve().parent / "queue" / "rotational"):
        if place.is_file():
            kind = "reports itself as " + (
                "rotating" if place.read_text().strip() == "1" else "not rotating"
            )
            break
    virtual = ", virtual" if "virtio" in str(queue.parents[1].resolve()) else ""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    inside = [words for words in mounts if path.is_relative_to(words[1])]
    system = max(inside, key=lambda words: len(words[1]))[2] if inside else "unknown file system"
    return f"{system}{virtual}, {kind}"
