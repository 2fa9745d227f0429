# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold before the lab touches anything."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from . import images
from .engine import Engine
from .layout import HOSTS, HUB_LOCAL_PORT, HUB_NAME, Places
from .shell import LabError, run

DATA_ROOT = Path("/var/lib/docker")
GIGABYTE = 1_000_000_000
# What a release with the full CUDA image writes in the build server: the image, the layers while
# they are made, the packages' cache, models and their staging.
WORK_ROOM = 24 * GIGABYTE
# Below this a machine is in trouble whatever the lab needs.
RESERVE = 2 * GIGABYTE


def check_machine() -> None:
    """Refuse machines on which the lab's images do not run."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        found = f"{platform.system()} {platform.machine()}"
        raise LabError(f"machine: found {found}; the lab needs Linux on x86_64")


# Which container publishes each port.
PORTS = {port: host.name for host in HOSTS for port in (host.ssh_port, host.service_port)} | {
    HUB_LOCAL_PORT: HUB_NAME
}


def check_ports(engine: Engine | None, wanted: Mapping[int, str] = PORTS) -> None:
    """Refuse to start while another program listens on one of the lab's ports."""
    for port, name in wanted.items():
        container = None if engine is None else engine.inspect("container", name)
        if container is not None and container["State"]["Running"]:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise LabError(
                    f"127.0.0.1:{port}: {error.strerror}; {name} needs it, end the program there"
                ) from error


def check_disk(engine: Engine | None, places: Places, work_room: int) -> str:
    """Compare the lab's disk budget with the free space; return it as one sentence.

    Counted are only the parts that are still to be written, on the file systems they go to.
    """
    data_root = DATA_ROOT if engine is None else engine.data_root()
    # A remote engine's data root is not on this machine: then only the cache can be judged.
    needs: dict[Path, int] = defaultdict(int)
    missing = [recipe for recipe in images.RECIPES if images.find(recipe, places) is None]
    # An archive is written once as a tree and once as an image.
    needs[places.cache] += 2 * sum(recipe.size for recipe in missing)
    loaded = _loaded(engine)
    needs[data_root] += sum(r.size for r in images.RECIPES if r.tag not in loaded)
    needs[data_root] += max(0, work_room - _used(engine, data_root))
    by_device: dict[int, tuple[Path, int]] = {}
    for place, need in needs.items():
        there = _existing(place)
        device = there.stat().st_dev
        place, known = by_device.get(device, (there, 0))
        by_device[device] = (place, known + need)
    said = []
    for place, need in by_device.values():
        free = shutil.disk_usage(place).free
        if free < need + RESERVE:
            raise LabError(
                f"disk: {_gb(free)} free on the file system of {place}; the lab needs "
                f"{_gb(need + RESERVE)} there; free some, or set STT_CACHE to another file system"
            )
        said.append(f"{_gb(need)} to write at {place}, {_gb(free)} free")
    return "; ".join(said)


def _loaded(engine: Engine | None) -> set[str]:
    if engine is None:
        return set()
    return set(engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split())


def _used(engine: Engine | None, data_root: Path) -> int:
    """Return the bytes that the servers' volumes hold already."""
    volumes = data_root / "volumes"
    if engine is None or os.geteuid() != 0 or not volumes.is_dir():
        return 0
    own = [str(volumes / host.volume) for host in HOSTS if (volumes / host.volume).is_dir()]
    if not own:
        return 0
    done = run(("du", "--summarize", "--block-size=1", "--total", *own), check=False, timeout=120)
    return int(done.stdout.splitlines()[-1].split()[0])


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _gb(size: int) -> str:
    return f"{size / GIGABYTE:.1f} GB"
