# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The containers that serve an engine of ours on this host, and how each was started."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._verify_request import (
    CTRANSLATE2_IN_CONTAINER,
    MODELS_IN_CONTAINER,
)

PORT = "8003"
MODEL_SETTING = "STT_MODEL_PATH"
PORT_SETTING = "STT_PORT"
# What the service's own settings begin with.
OWN = "STT_"
TEMPORARY = "tmpfs"
# What of its host a container is given, by Docker's own names.
SURROUNDINGS = ("PidMode", "IpcMode", "UTSMode", "UsernsMode", "Devices", "DeviceCgroupRules")
EVERYWHERE = ("", "0.0.0.0", "::")
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Mount:
    """A directory of the host, or a volume, in a container."""

    place: str
    source: str
    writable: bool
    kind: str = "bind"


@dataclass(frozen=True)
class Service:
    """A running container of one of our images that something can reach."""

    name: str
    image_id: str
    started: str
    user: str
    read_only: bool
    privileged: bool
    security: tuple[str, ...]
    capabilities_dropped: tuple[str, ...]
    capabilities_added: tuple[str, ...]
    mounts: tuple[Mount, ...]
    temporary: tuple[str, ...]
    settings: Mapping[str, str]
    environment: Mapping[str, str]
    program: Mapping[str, Any]
    surroundings: Mapping[str, Any]
    address: str

    @property
    def model_place(self) -> str:
        """Where the service looks for its model."""
        default = f"{MODELS_IN_CONTAINER}/{CTRANSLATE2_IN_CONTAINER}"
        return posixpath.normpath(self.settings.get(MODEL_SETTING) or default)

    @property
    def model_mount(self) -> Mount | None:
        """What is mounted where it looks for its model, or above it."""
        there = [mount for mount in self.mounts if holds(mount.place, self.model_place)]
        return max(there, key=lambda mount: len(mount.place), default=None)

    @property
    def model(self) -> str:
        """The directory of the host that it serves; empty for one that no mount brings."""
        mount = self.model_mount
        if mount is None:
            return ""
        below = PurePosixPath(self.model_place).relative_to(mount.place)
        return os.path.realpath(PurePosixPath(mount.source, below))


def holds(directory: str, path: str) -> bool:
    """Whether a path is a directory, or lies in it."""
    return PurePosixPath(path).is_relative_to(directory)


def environment_of(config: Mapping[str, Any]) -> dict[str, str]:
    """The environment variables of a container's or an image's configuration."""
    return dict(line.partition("=")[::2] for line in config.get("Env") or [])


def program_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a container's or an image's configuration says is started, and where."""
    return {
        "entrypoint": list(config.get("Entrypoint") or []),
        "command": list(config.get("Cmd") or []),
        "working directory": str(config.get("WorkingDir") or "/"),
        "health check": list((config.get("Healthcheck") or {}).get("Test") or []),
    }


def services(docker: DockerCli) -> list[Service]:
    """Every running container of ours, but for those without a network: these are checks."""
    found = [
        container
        for container in docker.containers()
        if (container.get("State") or {}).get("Running")
        and container["HostConfig"].get("NetworkMode") != "none"
    ]
    return sorted((_service(container) for container in found), key=lambda one: one.name)


def _service(container: Mapping[str, Any]) -> Service:
    host, config = container["HostConfig"], container["Config"]
    environment = environment_of(config)
    settings = {name: text for name, text in environment.items() if name.startswith(OWN)}
    mounts = [_mount(mount) for mount in container.get("Mounts") or []]
    options = tuple(str(option) for option in host.get("SecurityOpt") or [])
    return Service(
        name=str(container["Name"]).removeprefix("/"),
        image_id=str(container["Image"]),
        started=str(container["State"].get("StartedAt", "")),
        user=str(config.get("User") or ""),
        read_only=bool(host.get("ReadonlyRootfs")),
        privileged=bool(host.get("Privileged")),
        security=options,
        capabilities_dropped=tuple(str(name).upper() for name in host.get("CapDrop") or []),
        capabilities_added=tuple(str(name).upper() for name in host.get("CapAdd") or []),
        mounts=tuple(mount for mount in mounts if mount.kind != TEMPORARY),
        temporary=(
            *(host.get("Tmpfs") or {}),
            *(mount.place for mount in mounts if mount.kind == TEMPORARY),
        ),
        settings=settings,
        environment={name: text for name, text in environment.items() if name not in settings},
        program=program_of(config),
        surroundings={name: host.get(name) for name in SURROUNDINGS},
        address=_address(container, settings.get(PORT_SETTING) or PORT),
    )


def _mount(mount: Mapping[str, Any]) -> Mount:
    return Mount(
        posixpath.normpath(str(mount["Destination"])),
        str(mount.get("Source") or ""),
        bool(mount.get("RW", True)),
        str(mount.get("Type") or "bind"),
    )


def _address(container: Mapping[str, Any], port: str) -> str:
    """Where this host reaches the service: a published port, or the container itself."""
    network = container.get("NetworkSettings") or {}
    for published in (network.get("Ports") or {}).get(f"{port}/tcp") or []:
        place = str(published.get("HostIp") or "")
        return f"{LOOPBACK if place in EVERYWHERE else place}:{published['HostPort']}"
    if container["HostConfig"].get("NetworkMode") == "host":
        return f"{LOOPBACK}:{port}"
    for joined in (network.get("Networks") or {}).values():
        if joined.get("IPAddress"):
            return f"{joined['IPAddress']}:{port}"
    return ""
