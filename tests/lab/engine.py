# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker engine of this machine: find it, else install and start it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import IO, Any

from .layout import Places
from .shell import LabError, last_lines, run

CLIENTS = ("/usr/bin/docker", "/usr/local/bin/docker")
START_SECONDS = 60.0


class Engine:
    """A Docker engine that answers."""

    def __init__(self, client: str) -> None:
        self.client = client

    def docker(
        self,
        *arguments: str,
        stdin: IO[bytes] | None = None,
        timeout: float = 120.0,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a docker command."""
        command = (self.client, *arguments)
        return run(command, stdin=stdin, timeout=timeout, check=check)

    def inspect(self, kind: str, name: str) -> dict[str, Any] | None:
        """Return what the engine knows of a container, image, network or volume, or None."""
        done = self.docker(kind, "inspect", name, check=False)
        if done.returncode != 0:
            if "no such" in done.stderr.lower() or "not found" in done.stderr.lower():
                return None
            raise LabError(f"docker {kind} inspect {name}: {last_lines(done.stderr)}")
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found[0]

    def data_root(self) -> Path:
        """Return the directory of the engine's data."""
        return Path(self.docker("info", "--format", "{{.DockerRootDir}}").stdout.strip())

    def load(self, archive: Path, tag: str, image_id: str) -> bool:
        """Load an archive unless the engine has that very image under that tag."""
        known = self.inspect("image", tag)
        if known is not None and known["Id"] == image_id:
            return False
        self.docker("load", "--quiet", "--input", str(archive), timeout=600)
        known = self.inspect("image", tag)
        if known is None or known["Id"] != image_id:
            raise LabError(f"{archive}: loading it did not give {tag} with id {image_id}")
        return True


def find() -> Engine | None:
    """Return the engine that answers, through the first client that reaches it."""
    chosen = shutil.which("docker")
    for client in dict.fromkeys((*CLIENTS, *([chosen] if chosen else []))):
        if not Path(client).is_file():
            continue
        done = run((client, "info", "--format", "{{.ServerVersion}}"), check=False, timeout=30)
        if done.returncode == 0 and done.stdout.strip():
            return Engine(client)
    return None


def ensure(places: Places) -> Engine:
    """Return an engine that answers; install Docker and start it where there is none."""
    engine = find()
    if engine is not None:
        return engine
    if os.geteuid() != 0:
        raise LabError(
            "Docker: no engine answers this user; start Docker and add the user to the group "
            "docker, or run this as root so that the lab can install and start it"
        )
    if shutil.which("dockerd") is None:
        install("docker.io", "iptables")
    if Path("/run/systemd/system").is_dir():
        run(("systemctl", "start", "docker"))
    else:
        _start_detached(places)
    return _wait(places)


def can_install() -> bool:
    """Tell whether this user can install Debian packages here."""
    return shutil.which("apt-get") is not None and os.geteuid() == 0


def install(*packages: str) -> None:
    """Install Debian packages on this machine."""
    if not can_install():
        raise LabError(
            f"{', '.join(packages)}: not installed, and only root on Debian or Ubuntu can have "
            "the lab install it; install it by hand and try again"
        )
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    wait = ("-o", "DPkg::Lock::Timeout=300")
    deadline = time.monotonic() + 300
    # Another apt-get may hold the package lists, which has no waiting of its own.
    while run(
        ("apt-get", "-q", "update"), environment=environment, check=False, timeout=300
    ).returncode:
        if time.monotonic() > deadline:
            raise LabError("apt-get update: fails for 5 minutes; look at its output by hand")
        time.sleep(3)
    run(
        ("apt-get", "-q", "-y", *wait, "install", "--no-install-recommends", *packages),
        environment=environment,
        timeout=900,
    )


def stop_own(engine: Engine, places: Places) -> bool:
    """Stop the engine if the lab started it and no container is left running in it."""
    pid = own_pid(places)
    if pid is None or engine.docker("ps", "--quiet").stdout.strip():
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + START_SECONDS
    while own_pid(places) is not None:
        if time.monotonic() > deadline:
            raise LabError(f"dockerd: process {pid} does not end after {START_SECONDS:.0f} s")
        time.sleep(0.2)
    places.engine_pid.unlink(missing_ok=True)
    return True


def own_pid(places: Places) -> int | None:
    """Return the id of the engine's process if the lab started it and it lives."""
    try:
        pid = int(places.engine_pid.read_text())
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return pid if name == "dockerd" and state != "Z" else None


def _start_detached(places: Places) -> None:
    """Start dockerd in a session of its own, so that it outlives this command."""
    with places.engine_log.open("ab") as log:
        process = subprocess.Popen(
            ["dockerd"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    places.engine_pid.write_text(f"{process.pid}\n")


def _wait(places: Places) -> Engine:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        engine = find()
        if engine is not None:
            return engine
        time.sleep(0.3)
    said = last_lines(places.engine_log.read_text()) if places.engine_log.is_file() else ""
    raise LabError(f"dockerd: no answer after {START_SECONDS:.0f} s: {said}")
