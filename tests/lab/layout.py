# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, addresses and places of the lab: each is stated here once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

OWNER_LABEL = "stt.engine.lab=1"
SPEC_LABEL = "stt.engine.lab.spec"
NETWORK = "stt-lab"
SUBNET = "172.30.89.0/24"
GATEWAY = "172.30.89.1"

BASE_IMAGE = "stt-lab/python-311:debian12"
HOST_IMAGE = "stt-lab/host:debian13"

HUB_NAME = "stt-lab-hub"
HUB_ADDRESS = "172.30.89.2"
HUB_PORT = 8080
HUB_LOCAL_PORT = 8289

MODEL_OWNER = "stt-lab"


@dataclass(frozen=True)
class Host:
    """One lab server: a container with its own sshd and its own Docker engine."""

    name: str
    address: str
    ssh_port: int
    service_port: int

    @property
    def volume(self) -> str:
        """Name of the volume that holds the server's Docker data."""
        return f"{self.name}-docker"


BUILD_HOST = Host(name="stt-lab-build", address="172.30.89.10", ssh_port=2289, service_port=8389)
HOSTS: tuple[Host, ...] = (BUILD_HOST,)


def cache_root() -> Path:
    """Return the cache outside the checkout: STT_CACHE, else stt-engine in the user's cache."""
    chosen = os.environ.get("STT_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    user_cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(user_cache).expanduser().absolute() / "stt-engine"


@dataclass(frozen=True)
class Places:
    """Directories of the lab below the cache."""

    cache: Path

    @property
    def lab(self) -> Path:
        """Everything that belongs to the lab alone."""
        return self.cache / "lab"

    @property
    def images(self) -> Path:
        """Archives of the two images, kept so that the next start is fast."""
        return self.lab / "images"

    @property
    def key(self) -> Path:
        """Private key that logs in to every lab server."""
        return self.lab / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """Pinned host keys of the lab servers."""
        return self.lab / "known_hosts"

    @property
    def repositories(self) -> Path:
        """Model repositories of the hub: OWNER/NAME/files."""
        return self.lab / "repos"

    @property
    def fixtures(self) -> Path:
        """Fixture models; the hub serves each directory here as stt-lab/DIRECTORY."""
        return self.cache / "fixtures"

    @property
    def wheels(self) -> Path:
        """Python wheels that the hub serves below /wheels/."""
        return self.cache / "wheels"

    @property
    def engine_log(self) -> Path:
        """Output of a Docker engine that the lab started."""
        return self.lab / "dockerd.log"

    @property
    def engine_pid(self) -> Path:
        """Process id of a Docker engine that the lab started."""
        return self.lab / "dockerd.pid"

    def host(self, host: Host) -> Path:
        """Files that one server reads when it starts."""
        return self.lab / "hosts" / host.name

    def create(self) -> None:
        """Make the directories; mode 0700 for the lab, which holds private keys."""
        self.lab.mkdir(parents=True, exist_ok=True)
        self.lab.chmod(0o700)
        shared = (self.images, self.repositories / MODEL_OWNER, self.fixtures, self.wheels)
        for directory in shared:
            directory.mkdir(parents=True, exist_ok=True)
