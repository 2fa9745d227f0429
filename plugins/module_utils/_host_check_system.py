# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operating system says of itself: file systems, memory, GPU, its name."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

DEFAULT_DATA_ROOT = "/var/lib/docker"
_SMI_TIMEOUT = 20.0


def existing(path: Path) -> Path:
    """The path itself or the nearest directory above it that exists."""
    path = path.absolute()
    while not os.path.lexists(path):
        path = path.parent
    return path


def free(path: Path) -> tuple[int, int | None]:
    """Bytes and files that an ordinary user may still write; None where files are not counted."""
    usage = os.statvfs(existing(path))
    return usage.f_bavail * usage.f_frsize, usage.f_favail if usage.f_files else None


def device(path: Path) -> int:
    """The number of the file system that holds, or will hold, a path."""
    return existing(path).stat().st_dev


def mount_point(path: Path) -> Path:
    """Where the file system that holds, or will hold, a path is mounted."""
    path = existing(path).resolve()
    while not path.is_mount():
        path = path.parent
    return path


def configured_data_root(etc: Path) -> Path:
    """Docker's data root as configured, for when the daemon cannot be asked."""
    try:
        settings = json.loads((etc / "docker/daemon.json").read_text())
    except (OSError, ValueError):
        settings = {}
    return Path(settings.get("data-root") or DEFAULT_DATA_ROOT)


def meminfo(proc: Path) -> dict[str, int]:
    """Memory by the kernel's names, in bytes."""
    entries = {}
    for line in (proc / "meminfo").read_text().splitlines():
        name, _colon, rest = line.partition(":")
        words = rest.split()
        if len(words) == 2 and words[1] == "kB":
            entries[name] = int(words[0]) * 1024
    return entries


def os_name(etc: Path) -> str:
    """The distribution's own name for itself."""
    for line in (etc / "os-release").read_text().splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip("\"'")
    return ""


def find_gpu(dev: Path, runtimes: tuple[str, ...]) -> dict[str, Any]:
    """The first NVIDIA GPU as its device, its driver's tool and Docker's runtimes show it."""
    gpu: dict[str, Any] = {
        "present": False,
        "name": "",
        "driver": "",
        "device": (dev / "nvidia0").exists(),
        "runtime": "nvidia" in runtimes,
    }
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            query, capture_output=True, text=True, timeout=_SMI_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return {**gpu, "smi_error": str(exc)}
    first = done.stdout.strip().splitlines()[:1]
    if done.returncode != 0 or not first or "," not in first[0]:
        return {**gpu, "smi_error": (done.stdout + done.stderr).strip()[:300]}
    gpu["name"], gpu["driver"] = (part.strip() for part in first[0].split(",", 1))
    gpu["present"] = gpu["device"]
    return gpu
