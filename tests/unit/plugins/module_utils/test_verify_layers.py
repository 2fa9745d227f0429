# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an image's layers lie: in directories of the engine, or in what it saves."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._verify_layers import (
    layer_directories,
    layers_of,
)

DRIVER = {
    "Name": "overlay2",
    "Data": {"UpperDir": "/o/c/diff", "LowerDir": "/o/b/diff:/o/a/diff", "WorkDir": "/o/c/work"},
}


def image(layers: int, driver: dict[str, Any] | None) -> dict[str, Any]:
    names = [f"sha256:{number}" for number in range(layers)]
    return {"Id": "sha256:abc", "GraphDriver": driver, "RootFS": {"Layers": names}}


def test_the_layers_above_the_bases_are_mounted_the_lowest_first() -> None:
    with layers_of(DockerCli(), image(3, DRIVER), 1) as layers:
        assert layers.mounts == {
            "/checks/layers/0": Path("/o/b/diff"),
            "/checks/layers/1": Path("/o/c/diff"),
        }
        assert layers.told == {"layers": ["/checks/layers/0", "/checks/layers/1"]}
        assert layers.of_engine


@pytest.mark.parametrize(
    "given",
    [
        image(2, DRIVER),
        image(3, None),
        image(3, {"Name": "overlayfs", "Data": None}),
        image(3, {**DRIVER, "Name": "btrfs"}),
    ],
)
def test_directories_that_are_not_the_layers_are_none(given: dict[str, Any]) -> None:
    assert layer_directories(given) is None


@pytest.fixture
def docker(tmp_path: Path) -> DockerCli:
    """A client that saves an image of two files, and then waits as if there were more."""
    archive = tmp_path / "image.tar"
    with tarfile.open(archive, "w") as saved:
        for name in ("one", "two"):
            saved.addfile(tarfile.TarInfo(name))
    client = tmp_path / "docker"
    client.write_text(f'#!/bin/sh\n[ "$*" = "image save sha256:abc" ] && cat {archive}\n')
    client.chmod(0o755)
    return DockerCli(str(client))


def test_elsewhere_the_image_is_saved_into_a_pipe(docker: DockerCli) -> None:
    with layers_of(docker, image(3, None), 1) as layers:
        assert layers.told == {"layer_archive": "/checks/image.tar"}
        assert not layers.of_engine
        pipe = layers.mounts["/checks/image.tar"]
        with tarfile.open(pipe, "r|") as saved:
            assert saved.getnames() == ["one", "two"]
    assert not pipe.parent.exists()


def test_nobody_need_read_the_pipe(docker: DockerCli) -> None:
    with layers_of(docker, image(3, None), 1) as layers:
        pipe = layers.mounts["/checks/image.tar"]
    assert not pipe.exists()
