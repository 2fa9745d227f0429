# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In what a running service is not the release, or not run as the release was proven."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ansible_collections.stt.engine.plugins.module_utils._docker_cli import QUERY_TIMEOUT, DockerCli
from ansible_collections.stt.engine.plugins.module_utils._service import (
    OWN,
    Mount,
    Service,
    environment_of,
    holds,
    program_of,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_request import (
    CACHE_IN_CONTAINER,
    LOGS_IN_CONTAINER,
    MODELS_IN_CONTAINER,
)

USER = "2000"
WRITABLE = (CACHE_IN_CONTAINER, LOGS_IN_CONTAINER)
TEMPORARY = ("/tmp", *WRITABLE)
SHOWN_CHANGES = 5
# What a user or Docker itself may set beside the service's own settings: none leads to other code.
HARMLESS = re.compile(
    r"TZ|OMP_NUM_THREADS|CUDA_VISIBLE_DEVICES|NVIDIA_(VISIBLE_DEVICES|DRIVER_CAPABILITIES)"
    r"|(HTTP|HTTPS|FTP|ALL|NO)_PROXY|(http|https|ftp|all|no)_proxy"
)
GPU_DEVICE = re.compile(r"/dev/nvidia[0-9a-z-]*")
# A service that can write here can change the host.
HOST_ITSELF = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys"),
    *("/usr", "/var/run", "/var/spool", "/var/lib/docker/containers", "/var/lib/docker/overlay2"),
)
NO_HEALTH_CHECK = ["NONE"]
NO_NEW_PRIVILEGES = re.compile(r"no-new-privileges([:=]true)?")
NO_CONFINEMENT = re.compile(r"(.*[:=]unconfined|label[:=]disable)")
OWN_MODES = {
    "PidMode": ("",),
    "IpcMode": ("", "none", "private", "shareable"),
    "UTSMode": ("",),
    "UsernsMode": ("",),
}


def deviations(service: Service, docker: DockerCli, image_id: str, model: str) -> list[str]:
    """Everything in which a service is not the release, or not run as the release was proven."""
    found = [
        *_content(service, image_id, model),
        *_program(service, docker),
        *_mounts(service),
        *_freedom(service),
        *_surroundings(service),
    ]
    changed = _changed(service, docker)
    if changed:
        more = f" and {len(changed) - SHOWN_CHANGES} more" if len(changed) > SHOWN_CHANGES else ""
        found.append(f"files changed since its start: {', '.join(changed[:SHOWN_CHANGES])}{more}")
    return found


def _content(service: Service, image_id: str, model: str) -> Iterator[str]:
    """Another image or another model."""
    if service.image_id != image_id:
        yield f"image {service.image_id}"
    mount = service.model_mount
    if mount is None:
        yield f"no model mounted at {service.model_place}"
    elif service.model != os.path.realpath(model):
        yield f"model {service.model}"
    elif mount.writable:
        yield f"the model at {mount.place} mounted writable"


def _program(service: Service, docker: DockerCli) -> Iterator[str]:
    """What is started otherwise than the image says, or with another environment."""
    image = docker.image(service.image_id)
    if image is None:
        yield "an image that the engine no longer has"
        return
    config = image.get("Config") or {}
    for name, said in program_of(config).items():
        given = service.program[name]
        if given != said and not (name == "health check" and given == NO_HEALTH_CHECK):
            yield f"{name} {given} instead of {said}"
    own = environment_of(config)
    for name in sorted(own.keys() | service.environment.keys()):
        if name.startswith(OWN) or HARMLESS.fullmatch(name):
            continue
        # A value may be a password, and what is told is kept.
        if name not in own:
            yield f"the variable {name}, which the image does not set"
        elif service.environment.get(name) != own[name]:
            yield f"the variable {name} otherwise than the image sets it"


def _mounts(service: Service) -> Iterator[str]:
    """What is mounted beside the model, but for cache and logs."""
    model = service.model_mount
    for mount in service.mounts:
        source = mount.source or "a volume"
        among = holds(MODELS_IN_CONTAINER, mount.place)
        beside = among and not mount.writable and not holds(service.model_place, mount.place)
        if mount.place in WRITABLE:
            if _reaches_the_host(mount, service.model):
                yield f"{source} of the host mounted at {mount.place}"
        elif not beside and not (mount == model and among):
            yield f"{source} mounted over {mount.place}"
    for place in service.temporary:
        if place.rstrip("/") not in TEMPORARY:
            yield f"a temporary file system over {place}"


def _reaches_the_host(mount: Mount, model: str) -> bool:
    """Whether a directory for cache or logs is one that others live by."""
    if mount.kind != "bind":
        return False
    source = os.path.realpath(mount.source)
    near = any(holds(place, source) or holds(source, place) for place in HOST_ITSELF)
    return near or (bool(model) and (holds(source, model) or holds(model, source)))


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
    if not any(NO_NEW_PRIVILEGES.fullmatch(option) for option in service.security):
        yield "without no-new-privileges"
    for option in service.security:
        if NO_CONFINEMENT.fullmatch(option):
            yield f"security option {option}"


def _surroundings(service: Service) -> Iterator[str]:
    """Of its host it has a network and a GPU, and nothing else."""
    around = service.surroundings
    for name, right in OWN_MODES.items():
        if (around[name] or "") not in right:
            yield f"{name} {around[name]}"
    for device in around["Devices"] or []:
        path = str(device.get("PathOnHost") or "")
        if not GPU_DEVICE.fullmatch(path):
            yield f"the device {path}"
    for rule in around["DeviceCgroupRules"] or []:
        yield f"devices by the rule {rule}"


def _changed(service: Service, docker: DockerCli) -> list[str]:
    """Files of the image that were changed in the container; mounts leave their own traces."""
    listed = docker.run(["container", "diff", service.name], timeout=QUERY_TIMEOUT).text
    mounted = [mount.place for mount in service.mounts] + list(service.temporary)
    paths = [line.partition(" ")[2] for line in listed.splitlines()]
    own = ("/dev", "/proc", "/sys", "/etc/mtab")
    return [
        path
        for path in paths
        if not any(holds(path, place) or holds(place, path) for place in mounted)
        and not any(holds(place, path) for place in own)
    ]
