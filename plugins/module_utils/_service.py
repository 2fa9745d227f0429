# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The containers that serve an engine of ours on this host, and how each was started."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._docker_cli import QUERY_TIMEOUT, DockerCli
from ansible_collections.stt.engine.plugins.module_utils._verify_request import (
    CACHE_IN_CONTAINER,
    CTRANSLATE2_IN_CONTAINER,
    LOGS_IN_CONTAINER,
    MODELS_IN_CONTAINER,
)

USER = "2000"
PORT = "8003"
MODEL_SETTING = "STT_MODEL_PATH"
PORT_SETTING = "STT_PORT"
EVERYWHERE = ("", "0.0.0.0", "::")
LOOPBACK = "127.0.0.1"
# Where the image's own programs lie: what is mounted there is not what was judged.
PROGRAMS = ("/app", "/opt/app-root", "/usr", "/bin", "/sbin", "/lib", "/lib64")
WRITABLE = (CACHE_IN_CONTAINER, LOGS_IN_CONTAINER)
SHOWN_CHANGES = 5


@dataclass(frozen=True)
class Mount:
    """A directory of the host, or a volume, in a container."""

    place: str
    source: str
    writable: bool


@dataclass(frozen=True)
class Service:
    """A running container of one of our images that something can reach."""

    name: str
    image_id: str
    started: str
    user: str
    read_only: bool
    privileged: bool
    no_new_privileges: bool
    capabilities_dropped: tuple[str, ...]
    capabilities_added: tuple[str, ...]
    mounts: tuple[Mount, ...]
    temporary: tuple[str, ...]
    settings: Mapping[str, str]
    address: str

    @property
    def model_place(self) -> str:
        """Where the service looks for its model."""
        default = f"{MODELS_IN_CONTAINER}/{CTRANSLATE2_IN_CONTAINER}"
        return self.settings.get(MODEL_SETTING) or default

    @property
    def model_mount(self) -> Mount | None:
        """What is mounted where it looks for its model, or above it."""
        there = [mount for mount in self.mounts if _holds(mount.place, self.model_place)]
        return max(there, key=lambda mount: len(mount.place), default=None)

    @property
    def model(self) -> str:
        """The directory of the host that it serves; empty for one that no mount brings."""
        mount = self.model_mount
        if mount is None:
            return ""
        below = PurePosixPath(self.model_place).relative_to(mount.place)
        return os.path.realpath(PurePosixPath(mount.source, below))


def _holds(directory: str, path: str) -> bool:
    return PurePosixPath(path).is_relative_to(directory)


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
    settings = dict(line.partition("=")[::2] for line in config.get("Env") or [])
    options = [str(option) for option in host.get("SecurityOpt") or []]
    return Service(
        name=str(container["Name"]).removeprefix("/"),
        image_id=str(container["Image"]),
        started=str(container["State"].get("StartedAt", "")),
        user=str(config.get("User") or ""),
        read_only=bool(host.get("ReadonlyRootfs")),
        privileged=bool(host.get("Privileged")),
        no_new_privileges=any(
            option in ("no-new-privileges", "no-new-privileges:true", "no-new-privileges=true")
            for option in options
        ),
        capabilities_dropped=tuple(str(name).upper() for name in host.get("CapDrop") or []),
        capabilities_added=tuple(str(name).upper() for name in host.get("CapAdd") or []),
        mounts=tuple(_mount(mount) for mount in container.get("Mounts") or []),
        temporary=tuple(host.get("Tmpfs") or {}),
        settings={name: value for name, value in settings.items() if name.startswith("STT_")},
        address=_address(container, settings.get(PORT_SETTING) or PORT),
    )


def _mount(mount: Mapping[str, Any]) -> Mount:
    return Mount(
        str(mount["Destination"]), str(mount.get("Source") or ""), bool(mount.get("RW", True))
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


def deviations(service: Service, docker: DockerCli, image_id: str, model: str) -> list[str]:
    """Everything in which a service is not the release, or not run as the release was proven."""
    found = [*_content(service, image_id, model), *_freedom(service)]
    changed = _changed(service, docker)
    if changed:
        more = f" and {len(changed) - SHOWN_CHANGES} more" if len(changed) > SHOWN_CHANGES else ""
        found.append(f"files changed since its start: {', '.join(changed[:SHOWN_CHANGES])}{more}")
    return found


def _content(service: Service, image_id: str, model: str) -> Iterator[str]:
    """Another image, another model, or something that lies over the image's own programs."""
    if service.image_id != image_id:
        yield f"image {service.image_id}"
    mount = service.model_mount
    if mount is None:
        yield f"no model mounted at {service.model_place}"
    elif service.model != os.path.realpath(model):
        yield f"model {service.model}"
    elif mount.writable:
        yield f"the model at {mount.place} mounted writable"
    for other in service.mounts:
        models = _holds(MODELS_IN_CONTAINER, other.place) and not other.writable
        if other == mount or models or other.place in WRITABLE:
            continue
        if any(_holds(place, other.place) for place in PROGRAMS):
            yield f"{other.source or 'a volume'} mounted over {other.place}"


def _freedom(service: Service) -> Iterator[str]:
    """What it may do that no check was allowed to do."""
    if service.user.partition(":")[0] != USER:
        yield f"user {service.user or 'root'}"
    if not service.read_only:
        yield "a root file system that can be written"
    if service.privileged:
        yield "privileged"
    if "ALL" not in service.capabilities_dropped or service.capabilities_added:
        added = ", ".join(service.capabilities_added)
        yield f"capabilities{f' ({added})' if added else ' of the engine by default'}"
    if not service.no_new_privileges:
        yield "without no-new-privileges"


def _changed(service: Service, docker: DockerCli) -> list[str]:
    """Files of the image that were changed in the container; mounts leave their own traces."""
    listed = docker.run(["container", "diff", service.name], timeout=QUERY_TIMEOUT).text
    mounted = [mount.place for mount in service.mounts] + list(service.temporary)
    paths = [line.partition(" ")[2] for line in listed.splitlines()]
    own = ("/dev", "/proc", "/sys", "/etc/mtab")
    return [
        path
        for path in paths
        if not any(_holds(path, place) or _holds(place, path) for place in mounted)
        and not any(_holds(place, path) for place in own)
    ]
