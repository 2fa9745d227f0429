# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the lab's two images as archives that `docker load` takes.

An archive is written here, byte by byte, from a Debian tree: the image's id is the digest of a
configuration with fixed times, so an archive loads under the same id on every machine.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .layout import BASE_IMAGE, HOST_IMAGE, Places
from .shell import LabError, run

ROOTFS = Path(__file__).resolve().parent / "rootfs"
# 2025-01-01 00:00:00 UTC: no file in the images is newer.
EPOCH = 1735689600
CREATED = "2025-01-01T00:00:00Z"
LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*")
APP_PATH = "/opt/app-root/src/.local/bin:/opt/app-root/src/bin:/opt/app-root/bin"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Recipe:
    """What an image is made of; two equal recipes share one archive in the cache."""

    name: str
    tag: str
    suite: str
    packages: tuple[str, ...]
    hook: str
    files: tuple[str, ...]
    config: dict[str, Any] = field(default_factory=dict)
    # Bytes of the archive, rounded up: for the disk budget before there is one.
    size: int = 0

    def digest(self) -> str:
        """Return the sha256 of everything that decides the image, apart from Debian's updates."""
        total = hashlib.sha256()
        facts = [self.suite, *self.packages, json.dumps(self.config, sort_keys=True), str(EPOCH)]
        for fact in (*facts, *LEFT_OUT):
            total.update(fact.encode() + b"\0")
        for name in (self.hook, *self.files):
            total.update((ROOTFS / name).read_bytes() + b"\0")
        return total.hexdigest()


BASE = Recipe(
    name="python-311",
    tag=BASE_IMAGE,
    suite="bookworm",
    packages=("python3", "python3-venv", "ca-certificates", "libgomp1", "libstdc++6", "procps"),
    hook="base.sh",
    files=(),
    size=300_000_000,
    config={
        "User": "1001",
        "WorkingDir": "/opt/app-root/src",
        "Entrypoint": ["container-entrypoint"],
        "Cmd": ["/usr/libexec/s2i/usage"],
        "ExposedPorts": {"8080/tcp": {}},
        "Env": [
            f"PATH={APP_PATH}:{SYSTEM_PATH}",
            "APP_ROOT=/opt/app-root",
            "HOME=/opt/app-root/src",
            "STI_SCRIPTS_PATH=/usr/libexec/s2i",
            "BASH_ENV=/opt/app-root/bin/activate",
            "ENV=/opt/app-root/bin/activate",
            "PYTHON_VERSION=3.11",
            "PYTHONUNBUFFERED=1",
            "PYTHONIOENCODING=UTF-8",
            "LANG=C.UTF-8",
            "LC_ALL=C.UTF-8",
            "PIP_NO_CACHE_DIR=off",
        ],
        "Labels": {
            "name": "stt-lab/python-311",
            "version": "debian12",
            "summary": "Lab stand-in for UBI 8 python-311: Debian 12, Python 3.11, s2i layout",
            "stt.engine.lab.stand-in-for": "registry.access.redhat.com/ubi8/python-311",
        },
    },
)

HOST = Recipe(
    name="host",
    tag=HOST_IMAGE,
    suite="trixie",
    packages=(
        "ca-certificates",
        "docker-buildx",
        "docker-cli",
        "docker.io",
        "git",
        "iproute2",
        "iptables",
        "openssh-server",
        "openssl",
        "procps",
        "python3",
        "python3-venv",
        "rsync",
    ),
    hook="host.sh",
    files=("lab-host", "docker.init", "sshd_lab.conf"),
    size=800_000_000,
    config={
        "Cmd": ["/usr/local/sbin/lab-host"],
        "Env": [f"PATH={SYSTEM_PATH}", "LANG=C.UTF-8"],
        "ExposedPorts": {"22/tcp": {}},
        "Volumes": {"/var/lib/docker": {}},
        "Labels": {"summary": "Lab server: sshd and a Docker engine with buildx"},
    },
)
RECIPES: tuple[Recipe, ...] = (BASE, HOST)


@dataclass(frozen=True)
class Archive:
    """An image on disk, ready for `docker load`."""

    path: Path
    tag: str
    image_id: str


def find(recipe: Recipe, places: Places) -> Archive | None:
    """Return the recipe's archive from the cache, or None when it must be made."""
    path = _path(recipe, places)
    note = path.with_suffix(".json")
    if not path.is_file() or not note.is_file():
        return None
    known = json.loads(note.read_text())
    if path.stat().st_size != known["size"]:
        return None
    return Archive(path=path, tag=recipe.tag, image_id=known["image_id"])


def make(recipe: Recipe, places: Places, bootstrap: Callable[[Recipe, Path], None]) -> Archive:
    """Make the recipe's archive (one to three minutes) unless the cache has it.

    bootstrap writes the recipe's Debian tree as a tar to the path it is given.
    """
    ready = find(recipe, places)
    if ready is not None:
        return ready
    path = _path(recipe, places)
    with tempfile.TemporaryDirectory(prefix=f".{recipe.name}-", dir=places.images) as scratch:
        layer = Path(scratch) / "layer.tar"
        bootstrap(recipe, layer)
        partial = Path(scratch) / "image.tar"
        image_id = write_archive(partial, layer, recipe)
        size = partial.stat().st_size
        partial.replace(path)
    note = path.with_suffix(".json")
    # The note is written last and by rename: an archive without it is made again.
    draft = note.with_suffix(".part")
    draft.write_text(json.dumps({"image_id": image_id, "size": size, "tag": recipe.tag}) + "\n")
    draft.replace(note)
    for old in places.images.glob(f"{recipe.name}-*"):
        if old.stem != path.stem:
            old.unlink()
    return Archive(path=path, tag=recipe.tag, image_id=image_id)


def write_archive(target: Path, layer: Path, recipe: Recipe) -> str:
    """Write a one-layer image archive to target and return the image's id."""
    with layer.open("rb") as source:
        diff_id = "sha256:" + hashlib.file_digest(source, "sha256").hexdigest()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": CREATED,
        "config": recipe.config,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": CREATED, "created_by": f"{recipe.suite} {recipe.digest()}"}],
    }
    config_bytes = json.dumps(config, sort_keys=True, separators=(",", ":")).encode()
    config_digest = hashlib.sha256(config_bytes).hexdigest()
    layer_name = f"{diff_id.removeprefix('sha256:')}/layer.tar"
    manifest = [
        {"Config": f"{config_digest}.json", "RepoTags": [recipe.tag], "Layers": [layer_name]}
    ]
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as archive:
        _add_bytes(archive, f"{config_digest}.json", config_bytes)
        _add_bytes(archive, "manifest.json", json.dumps(manifest).encode())
        entry = tarfile.TarInfo(layer_name)
        entry.size = layer.stat().st_size
        entry.mtime = EPOCH
        with layer.open("rb") as source:
            archive.addfile(entry, source)
    return f"sha256:{config_digest}"


def bootstrap(recipe: Recipe, layer: Path) -> None:
    """Write the recipe's Debian tree with mmdebstrap as a tar with fixed time stamps."""
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--format=tar"]
    command += [f"--include={','.join(recipe.packages)}"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    command += [f"--customize-hook={ROOTFS / recipe.hook}", recipe.suite, str(layer)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH), "PYTHONDONTWRITEBYTECODE": "1"}
    # A registry's or index's settings of this user have no business in the image.
    environment = {k: v for k, v in environment.items() if not k.startswith("PIP_")}
    try:
        run(command, environment=environment, timeout=900)
    except LabError as error:
        raise LabError(
            f"{recipe.tag}: Debian {recipe.suite} could not be fetched with mmdebstrap ({error}); "
            "check that this machine's package mirror is reachable"
        ) from error


def _path(recipe: Recipe, places: Places) -> Path:
    return places.images / f"{recipe.name}-{recipe.digest()[:12]}.tar"


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    entry.mtime = EPOCH
    archive.addfile(entry, io.BytesIO(data))
