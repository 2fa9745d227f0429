# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's servers: keys, settings, containers, and the wait until they answer."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .engine import Engine
from .images import Archive
from .layout import BASE_IMAGE, HOSTS, NETWORK, OWNER_LABEL, SPEC_LABEL, Host, Places
from .shell import LabError, last_lines, run

CA_BUNDLES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
    Path("/etc/ssl/cert.pem"),
)
RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
READY_SECONDS = 90.0
# An engine inside a container: --privileged asks for SYS_RESOURCE, which some machines lack.
NESTED = (
    "--cap-add=ALL",
    "--cap-drop=SYS_RESOURCE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--security-opt=systempaths=unconfined",
    "--cgroupns=host",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
)


def prepare(host: Host, places: Places) -> None:
    """Write what the server reads when it starts: keys, CA bundle, engine settings."""
    directory = places.host(host)
    directory.mkdir(parents=True, exist_ok=True)
    _make_key(places.key, "stt-lab")
    _make_key(directory / "ssh_host_ed25519_key", host.name)
    _write(directory / "authorized_keys", _public(places.key).read_bytes())
    _write(directory / "ca-certificates.crt", ca_bundle().read_bytes())
    settings = {"dns": nameservers(), "log-driver": "json-file", "log-opts": {"max-size": "20m"}}
    _write(directory / "daemon.json", json.dumps(settings, indent=2).encode() + b"\n")


def write_known_hosts(places: Places) -> None:
    """Pin the servers' host keys, so that nothing is trusted at first sight."""
    lines = []
    for host in HOSTS:
        key = _public(places.host(host) / "ssh_host_ed25519_key").read_text().split()[:2]
        for name in (f"[127.0.0.1]:{host.ssh_port}", host.address):
            lines.append(f"{name} {' '.join(key)}\n")
    _write(places.known_hosts, "".join(lines).encode())


def start(host: Host, engine: Engine, image: Archive, places: Places) -> bool:
    """Start the server unless it runs as described; its Docker data and /opt are kept."""
    arguments = [
        f"--hostname={host.name}",
        f"--publish=127.0.0.1:{host.ssh_port}:22",
        f"--publish=127.0.0.1:{host.service_port}:8003",
        f"--volume={host.volume}:/var/lib/docker",
        f"--volume={host.name}-opt:/opt",
        f"--volume={places.host(host)}:/lab:ro",
        *NESTED,
    ]
    read = hashlib.sha256()
    for path in sorted(places.host(host).iterdir()):
        read.update(path.read_bytes())
    for volume in (host.volume, f"{host.name}-opt"):
        if engine.inspect("volume", volume) is None:
            engine.docker("volume", "create", "--label", OWNER_LABEL, volume)
    return converge(engine, host.name, host.address, image, arguments, (), read.hexdigest())


def converge(
    engine: Engine,
    name: str,
    address: str,
    image: Archive,
    arguments: Sequence[str],
    command: Sequence[str],
    content: str,
) -> bool:
    """Make the container run as described; True when anything had to be done.

    content is the digest of what the container reads from outside: another one replaces it.
    """
    described = json.dumps([image.image_id, address, list(arguments), list(command), content])
    spec = hashlib.sha256(described.encode()).hexdigest()
    found = engine.inspect("container", name)
    if found is not None:
        labels = found["Config"]["Labels"] or {}
        own_key, _unused, own_value = OWNER_LABEL.partition("=")
        if labels.get(own_key) != own_value:
            raise LabError(f"{name}: a container of this name is not the lab's; rename it")
        if labels.get(SPEC_LABEL) == spec:
            if found["State"]["Running"]:
                return False
            engine.docker("start", name)
            return True
        engine.docker("rm", "--force", name)
    engine.docker(
        "run",
        "--detach",
        "--init",
        f"--name={name}",
        f"--network={NETWORK}",
        f"--ip={address}",
        "--restart=unless-stopped",
        f"--label={OWNER_LABEL}",
        f"--label={SPEC_LABEL}={spec}",
        *arguments,
        image.image_id,
        *command,
    )
    return True


def wait(host: Host, engine: Engine, places: Places) -> None:
    """Wait until the server answers over SSH and its Docker engine builds."""
    checks = {
        "its Docker engine": ("exec", host.name, "docker", "info"),
        "docker buildx": ("exec", host.name, "docker", "buildx", "inspect"),
    }
    deadline = time.monotonic() + READY_SECONDS
    for what, arguments in checks.items():
        while True:
            done = engine.docker(*arguments, check=False, timeout=30)
            if done.returncode == 0 and "ERROR" not in done.stdout:
                break
            if time.monotonic() > deadline:
                log = engine.docker("logs", "--tail", "5", host.name, check=False)
                raise LabError(
                    f"{host.name}: {what} does not answer: {last_lines(done.stderr or done.stdout)}"
                    f" ({last_lines(log.stderr)})"
                )
            # The engine may have been stopped on purpose by a test.
            engine.docker("exec", host.name, "service", "docker", "start", check=False)
            time.sleep(0.3)
    while (done := run(ssh_command(host, places, "true"), check=False)).returncode != 0:
        if time.monotonic() > deadline:
            raise LabError(
                f"{host.name}: no SSH on port {host.ssh_port}: {last_lines(done.stderr)}"
            )
        time.sleep(0.3)


def load_base(host: Host, engine: Engine, base: Archive) -> bool:
    """Put the engine's base image into the server's Docker engine, unless it is there."""
    asked = ("exec", host.name, "docker", "image", "inspect", "--format={{.Id}}", BASE_IMAGE)
    if engine.docker(*asked, check=False).stdout.strip() == base.image_id:
        return False
    with base.path.open("rb") as archive:
        engine.docker(
            "exec", "--interactive", host.name, "docker", "load", stdin=archive, timeout=600
        )
    found = engine.docker(*asked).stdout.strip()
    if found != base.image_id:
        raise LabError(f"{host.name}: {BASE_IMAGE} is {found}; needed {base.image_id}")
    return True


def ssh_command(host: Host, places: Places, *command: str) -> tuple[str, ...]:
    """Return the command line that runs a command on the server."""
    return (
        "ssh",
        "-F/dev/null",
        f"-i{places.key}",
        f"-p{host.ssh_port}",
        "-oBatchMode=yes",
        "-oIdentitiesOnly=yes",
        "-oStrictHostKeyChecking=yes",
        f"-oUserKnownHostsFile={places.known_hosts}",
        "-oConnectTimeout=5",
        "root@127.0.0.1",
        *command,
    )


def ca_bundle() -> Path:
    """Return this machine's CA bundle."""
    for path in CA_BUNDLES:
        if path.is_file():
            return path
    raise LabError(f"CA bundle: none of {', '.join(map(str, CA_BUNDLES))} exists; install one")


def nameservers(files: Sequence[Path] = RESOLVERS) -> list[str]:
    """Return this machine's name servers that a container can reach.

    The engine inside a server needs them by name: the resolver that Docker gives the server
    listens on a loopback address, which containers of the inner engine do not see.
    """
    for path in files:
        if path.is_file():
            # The lab's networks are IPv4 only.
            found = [address for address in _nameservers(path) if address.version == 4]
            usable = [str(address) for address in found if not address.is_loopback]
            if usable:
                return usable[:3]
    raise LabError("DNS: no IPv4 name server other than a loopback address in /etc/resolv.conf")


def _nameservers(path: Path) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    for line in path.read_text().splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            yield ipaddress.ip_address(words[1].partition("%")[0])


def _public(key: Path) -> Path:
    return key.with_name(f"{key.name}.pub")


def _write(path: Path, data: bytes) -> None:
    """Write a file that others may be reading: whole or not at all, and only when it changes."""
    if path.is_file() and path.read_bytes() == data:
        return
    draft = path.with_name(f"{path.name}.part")
    draft.write_bytes(data)
    draft.replace(path)


def _make_key(path: Path, comment: str) -> None:
    if path.is_file() and _public(path).is_file():
        return
    path.unlink(missing_ok=True)
    run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)))
