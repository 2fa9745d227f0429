# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_host_check over SSH on a real host, and with each thing broken that can be broken there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.build_host import BuildHost
from tests.lab.layout import HUB_ADDRESS, HUB_PORT


@pytest.fixture
def host() -> Iterator[BuildHost]:
    host = BuildHost()
    host.ssh(f"mkdir -p {host.directory}/mount")
    try:
        yield host
    finally:
        host.ssh(f"umount {host.directory}/mount 2>/dev/null; true")
        host.clean()


def shadow(host: BuildHost, script: str) -> str:
    """A docker that stands before the real one; returns its path."""
    host.put({"docker": f"#!/bin/sh\n{script}\n"}, "bin")
    path = f"{host.directory}/bin/docker"
    host.ssh(f"chmod 755 {path}")
    return path


def look(host: BuildHost, **options: Any) -> dict[str, dict[str, Any]]:
    arguments = {"root": f"{host.directory}/root", "recommended_free_bytes": 0, **options}
    result = host.module("stt_host_check", arguments)
    assert result["changed"] is False
    return {check["name"]: check for check in result["checks"]}


def failed(checks: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, check in checks.items() if check["status"] not in ("passed", "skipped")}


def test_the_lab_passes_and_nothing_is_touched(host: BuildHost) -> None:
    arguments = {
        "root": f"{host.directory}/root",
        "commands": ["openssl", "rsync", "git"],
        "endpoints": [{"url": f"http://{HUB_ADDRESS}:{HUB_PORT}/"}],
        "need_docker_bytes": 1_000_000_000,
        "need_root_bytes": 1_000_000_000,
        "minimum_memory_bytes": 1_000_000_000,
    }
    before = host.ssh(f"find {host.directory}; docker ps -aq")
    for check in (False, True):
        result = host.module("stt_host_check", arguments, check=check)
        checks = {entry["name"]: entry for entry in result["checks"]}
        assert failed(checks) == set()
        assert checks["gpu"]["found"] == "no GPU on this host"
        assert list(checks) == [
            "docker_engine",
            "buildx",
            "architecture",
            "disk_docker",
            "disk_root",
            "memory",
            "commands",
            "python",
            "root_writable",
            f"reachability_{HUB_ADDRESS.replace('.', '_')}_{HUB_PORT}",
            "gpu",
        ]
    assert host.ssh(f"find {host.directory}; docker ps -aq") == before
    facts = result["facts"]
    assert facts["docker_version"] == host.ssh("docker version -f '{{.Server.Version}}'").strip()
    assert facts["data_root"] == host.ssh("docker info -f '{{.DockerRootDir}}'").strip()
    assert facts["boot_id"] == host.ssh("cat /proc/sys/kernel/random/boot_id").strip()


def test_small_file_system_under_docker(host: BuildHost) -> None:
    """The root has room; Docker's data does not."""
    mount = f"{host.directory}/mount"
    host.ssh(f"mount -t tmpfs -o size=16m tmpfs {mount}")
    docker = shadow(
        host, f"""docker "$@" | sed 's#"DockerRootDir":"[^"]*"#"DockerRootDir":"{mount}"#'"""
    )
    checks = look(host, docker=docker, need_docker_bytes=20_000_000_000)
    assert failed(checks) == {"disk_docker"}
    assert checks["disk_docker"]["found"] == (
        f"0.0 GB free on the file system {mount} that holds Docker's data root {mount}"
    )
    assert checks["disk_docker"]["expected"] == "20.0 GB free"


def test_daemon_down(host: BuildHost) -> None:
    docker = shadow(host, f'DOCKER_HOST=unix://{host.directory}/none exec docker "$@"')
    checks = look(host, docker=docker)
    assert failed(checks) == {"docker_engine"}
    assert checks["docker_engine"]["found"] == (
        f"Cannot connect to the Docker daemon at unix://{host.directory}/none. "
        "Is the docker daemon running?"
    )
    assert checks["buildx"]["status"] == "passed"
    assert checks["disk_docker"]["evidence"]["path"] == "/var/lib/docker"


def test_socket_forbidden(host: BuildHost) -> None:
    docker = shadow(
        host, 'HOME=/ exec setpriv --reuid=65534 --regid=65534 --clear-groups docker "$@"'
    )
    checks = look(host, docker=docker)
    assert failed(checks) == {"docker_engine"}
    assert checks["docker_engine"]["found"].startswith("permission denied while trying to connect")
    assert checks["docker_engine"]["expected"] == "a user who may use the Docker socket"


def test_client_without_buildx(host: BuildHost) -> None:
    docker = shadow(host, """docker "$@" | sed 's#"Name":"buildx"#"Name":"other"#'""")
    checks = look(host, docker=docker)
    assert failed(checks) == {"buildx"}
    assert checks["buildx"]["found"] == "no buildx plugin"


@pytest.mark.parametrize(
    ("options", "words"),
    [("ro", "mounted read-only"), ("noexec", "mounted noexec")],
)
def test_root_that_cannot_be_used(host: BuildHost, options: str, words: str) -> None:
    mount = f"{host.directory}/mount"
    host.ssh(f"mount -t tmpfs -o {options} tmpfs {mount}")
    checks = look(host, root=f"{mount}/stt")
    assert failed(checks) == {"root_writable"}
    assert checks["root_writable"]["found"] == f"{mount} is on a file system {words}"
