# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock that the collection does not bring: resolved on the build server, then held to.

Two indexes of small wheels stand for the default one and for PyTorch's own. Everything else is the
collection's: its Dockerfile, its scripts and the pip that it locks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from locks.lock_from_report import PARTS

from tests.integration.build_host import BASE, BuildHost
from tests.integration.package_server import (
    DOCKERFILE,
    PackageServer,
    add_locked_pip,
    package_server,
    put_context,
)

SERVICE = ("fastapi", "h11")
REQUIREMENTS = "torch==2.8.0\ntorchaudio==2.8.0\nfastapi\n"
LOCKED = re.compile(r"^(\S+)==(\S+) \\\n    --hash=sha256:([0-9a-f]{64})$", re.M)


@pytest.fixture
def host() -> Iterator[BuildHost]:
    host = BuildHost()
    try:
        yield host
    finally:
        host.clean()


@pytest.fixture
def server(host: BuildHost) -> Iterator[PackageServer]:
    """The default index knows torch for another CUDA; PyTorch's knows the one that is wanted."""
    with package_server(host) as server:
        wheels = server.wheels
        add_locked_pip(server)
        # Of this run alone, so that no step of the build comes from a cache.
        wheels.add("fastapi", f"0.{int(host.prefix[-8:], 16)}", "h11", tag="py3-none-any")
        wheels.add("h11", "0.2", tag="py3-none-any")
        wheels.add("torch", "2.8.0", "nvidia-cudnn-cu12==9.1")
        wheels.add("nvidia-cudnn-cu12", "9.1")
        wheels.add("nvidia-cudnn-cu12", "9.2")
        wheels.add("setuptools", "80.1", tag="py3-none-any")
        for name in ("torch", "torchaudio"):
            wheels.add(name, "2.8.0+cu129", "nvidia-cudnn-cu12==9.2", "triton", below="cu129")
            wheels.add(name, "2.8.0+cu126", below="cu129")
        wheels.add("triton", "3.4.0", "setuptools>=40.8.0", below="cu129")
        server.publish()
        server.start({})
        yield server


def resolve(host: BuildHost, server: PackageServer) -> str:
    """Run the build of the target as the role does; returns what it printed."""
    arguments = {
        "BASE_IMAGE": BASE,
        "CUDA": "cu129",
        "INDEX_URL": server.url(),
        "TORCH_INDEX_URL": server.url("cu129/"),
    }
    words = " ".join(f"--build-arg {name}={value}" for name, value in arguments.items())
    return host.ssh(
        "docker buildx build --progress=plain --provenance=false --target lock "
        f"--output type=local,dest={host.directory}/lock {words} "
        f"--file {host.directory}/context/{DOCKERFILE} {host.directory}/context 2>&1 || true"
    )


def install(host: BuildHost, server: PackageServer) -> dict[str, Any]:
    """Build the layers of the lock, up to the service."""
    return host.build(
        dockerfile=DOCKERFILE,
        target="packages",
        build_args={
            "CUDA": "cu129",
            "OS": "debian12",
            "INDEX_URL": server.url(),
            "TORCH_INDEX_URL": server.url("cu129/"),
        },
    )


def test_a_missing_lock_is_resolved_in_the_base_image(
    host: BuildHost, server: PackageServer
) -> None:
    context = put_context(host, REQUIREMENTS, {})

    printed = resolve(host, server)

    names = host.ssh(f"ls {host.directory}/lock").split()
    assert names == sorted(f"{part}.txt" for part, _pattern, _title in PARTS), printed
    found = {
        (name, version): digest
        for name, version, digest in LOCKED.findall(host.ssh(f"cat {host.directory}/lock/*.txt"))
    }
    pins = server.wheels.pins
    fastapi = next(version for name, version in pins if name == "fastapi")
    assert set(found) == {
        ("fastapi", fastapi),
        ("h11", "0.2"),
        ("nvidia-cudnn-cu12", "9.2"),
        ("torch", "2.8.0+cu129"),
        ("torchaudio", "2.8.0+cu129"),
        ("triton", "3.4.0"),
    }
    assert found == {key: pins[key] for key in found}
    # By the pip that is locked, not by the base's own.
    assert any("/simple/pip/pip-" in line for line in server.requests())
    assert server.url() not in host.ssh(f"cat {host.directory}/lock/*")

    host.ssh(f"cp -r {host.directory}/lock {context}/locks/full-cu129")
    built = install(host, server)
    assert built["status"] == "built", built
    site = "/opt/app-root/lib/python3.11/site-packages"
    listed = host.ssh(f"docker run --rm --entrypoint ls {built['tag']} {site}").split()
    assert {"torch-2.8.0+cu129.dist-info", "h11-0.2.dist-info"} <= set(listed)


def test_a_package_with_another_hash_than_the_locked_one_is_refused(
    host: BuildHost, server: PackageServer
) -> None:
    pins = server.wheels.pins
    put_context(host, REQUIREMENTS, {key: pins[key] for key in pins if key[0] in SERVICE})
    wheel = server.wheels.wheel("h11")
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    server.publish()

    failed = install(host, server)

    assert failed["failed"] is True
    assert failed["command"].endswith('"/run/stt/image/layer.py", "/run/stt/lock.txt"]')
    for words in (
        "THESE PACKAGES DO NOT MATCH THE HASHES",
        "h11==0.2 from ",
        f"Expected sha256 {pins['h11', '0.2']}",
        "Got ",
    ):
        assert words in failed["found"]
    said = host.ssh(f"cat {failed['log_path']}")
    assert "h11==0.2" in said
    assert f"Expected sha256 {pins['h11', '0.2']}" in said
    assert failed["fix"].startswith("renew the lock: a package is not the one that was locked")
    assert host.images() == []


def test_a_lock_is_not_made_of_what_the_index_does_not_stand_by(
    host: BuildHost, server: PackageServer
) -> None:
    put_context(host, REQUIREMENTS, {})
    wheel = server.wheels.wheel("h11")
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    server.publish()

    printed = resolve(host, server)

    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in printed
    assert host.ssh(f"ls {host.directory}").split() == ["context", "index"]


def test_a_version_that_no_index_has(host: BuildHost, server: PackageServer) -> None:
    put_context(host, "torch==2.6.0\n", {})

    printed = resolve(host, server)

    assert "ERROR: No matching distribution found for torch==2.6.0+cu129" in printed
    assert host.ssh(f"ls {host.directory}").split() == ["context", "index"]
