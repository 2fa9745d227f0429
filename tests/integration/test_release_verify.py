# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""verify.sh on a host with a real engine: containers that run and do not, and their image."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.engine import Engine, find
from tests.lab.layout import BASE_IMAGE, HOST_IMAGE, HUB_NAME
from tests.unit.plugins.sealed_release import VERIFY, Sealed, seal


@pytest.fixture(scope="module")
def engine() -> Engine:
    found = find()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def image(engine: Engine) -> dict[str, Any]:
    """The image of the lab's hub, which runs, as a release describes one."""
    container = engine.inspect("container", HUB_NAME)
    assert container is not None
    known = engine.inspect("image", container["Image"])
    assert known is not None
    layers = [{"diff_id": layer, "size": 1} for layer in known["RootFS"]["Layers"]]
    return {"image_id": known["Id"], "layers": layers}


@pytest.fixture(scope="module")
def sealed(image: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    return seal(tmp_path_factory.mktemp("sealed"), image)


@pytest.fixture
def stopped(engine: Engine, image: dict[str, Any]) -> Iterator[str]:
    """A container of the sealed image that was never started."""
    name = f"stt-test-verify-{uuid.uuid4().hex[:8]}"
    engine.docker("create", f"--name={name}", image["image_id"], "true")
    try:
        yield name
    finally:
        engine.docker("rm", "--force", name)


def verify(engine: Engine, sealed: Sealed, *options: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(engine.client).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", str(VERIFY), *options, str(sealed.key), str(sealed.release)],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_sealed_image_and_its_running_container_are_proven(
    engine: Engine, sealed: Sealed, image: dict[str, Any]
) -> None:
    done = verify(engine, sealed, "--image", image["image_id"], "--container", HUB_NAME)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    for line in (
        f"proven: the image {image['image_id']} has the sealed id {image['image_id']}",
        f"proven: the image of the container {HUB_NAME} has the sealed id {image['image_id']}",
        f"proven: the image {image['image_id']} consists of the {len(image['layers'])} sealed "
        "layers",
        f"proven: the container {HUB_NAME} runs",
    ):
        assert f"{line}\n" in done.stdout
    assert f"not proven: what was changed in the container {HUB_NAME} since" in done.stdout


def test_a_container_that_does_not_run_is_refuted(
    engine: Engine, sealed: Sealed, stopped: str
) -> None:
    done = verify(engine, sealed, "--container", stopped)
    assert done.returncode == 1
    assert f"refuted: the container {stopped}\n  found:  a container that does not run\n" in (
        done.stdout
    )


def test_another_image_is_refuted_by_its_id_and_its_layers(
    engine: Engine, sealed: Sealed, image: dict[str, Any]
) -> None:
    tags = {tag: engine.inspect("image", tag) for tag in (BASE_IMAGE, HOST_IMAGE)}
    other = next(tag for tag, known in tags.items() if known and known["Id"] != image["image_id"])
    done = verify(engine, sealed, "--image", other)
    assert done.returncode == 1
    assert f"refuted: the image {other}\n" in done.stdout
    assert f"refuted: the layers of the image {other}\n" in done.stdout


def test_what_the_engine_does_not_know_is_not_judged(engine: Engine, sealed: Sealed) -> None:
    done = verify(engine, sealed, "--image", "stt-test-none", "--container", "stt-test-none")
    assert done.returncode == 2
    assert "not judged: the image stt-test-none\n  found:  no answer: " in done.stdout
    assert "not judged: the container stt-test-none\n" in done.stdout
