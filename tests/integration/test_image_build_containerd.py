# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_image_build on an engine that keeps its images in containerd, with other ids."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.bench.image_server import ThrowawayServer
from tests.integration.build_host import BASE

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def server() -> Iterator[ThrowawayServer]:
    with ThrowawayServer(containerd_store=True) as server:
        server.carry()
        said = server.ssh("docker info --format '{{json .DriverStatus}}'")
        assert "io.containerd.snapshotter.v1" in said
        yield server


def inspect(server: ThrowawayServer, reference: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(server.ssh(f"docker image inspect {reference}"))[0]
    return found


def test_identity(server: ThrowawayServer) -> None:
    server.put_dockerfile("COPY x /x", x="one")
    predicted = server.build(check=True)
    built = server.build()
    assert (built["changed"], built["status"]) == (True, "built"), built
    assert built["input_digest"] == predicted["input_digest"]
    assert server.images() == [built["input_digest"][:12]]
    assert built["image_id"] == inspect(server, built["tag"])["Id"]
    assert [layer["diff_id"] for layer in built["layers"]] == inspect(server, built["tag"])[
        "RootFS"
    ]["Layers"]
    again = server.build()
    assert (again["changed"], again["image_id"]) == (False, built["image_id"])
    server.put({"x": "two"})
    edited = server.build()
    assert edited["reason"] == "no image of these inputs: changed file x"
    server.put({"x": "one"})
    assert server.build()["image_id"] == built["image_id"]


def test_lost_tag(server: ThrowawayServer) -> None:
    server.put_dockerfile("ENV LOST=1")
    built = server.build()
    server.ssh(f"docker tag {built['tag']} {server.prefix}-kept && docker rmi {built['tag']}")
    back = server.build()
    assert (back["changed"], back["image_id"]) == (True, built["image_id"])
    assert back["reason"] == f"tag {built['tag']} is missing"


def test_base_from_an_archive(server: ThrowawayServer) -> None:
    name, archive = f"{server.prefix}-base:1", f"{server.directory}/base.tar"
    server.put({"Dockerfile": f"FROM {BASE}\nENV B=1\n"}, "base")
    server.ssh(
        f"docker build -q -t {name} {server.directory}/base && docker save -o {archive} {name}"
        f" && docker rmi {name}"
    )
    server.put_dockerfile("ENV FROM=archive")
    arguments: dict[str, Any] = {"base": name, "base_archive": archive}
    predicted = server.build(check=True, **arguments)
    assert server.ssh(f"docker images -q {name}") == ""
    built = server.build(**arguments)
    assert (built["status"], built["base_digest"]) == ("built", predicted["base_digest"]), built
    assert built["input_digest"] == predicted["input_digest"]
    assert server.build(**arguments)["changed"] is False
    # The digest that the lock holds is obeyed.
    pinned = {**arguments, "base_digest": built["base_digest"]}
    assert server.build(**pinned)["changed"] is False
    refused = server.build(**{**arguments, "base_digest": f"sha256:{'0' * 64}"})
    assert refused["needed"] == f"digest sha256:{'0' * 64}"
