# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the layers of an image lie, which hold also what a later layer has removed."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli

OVERLAY = "overlay2"
LAYERS_IN_CONTAINER = "/checks/layers"
ARCHIVE_IN_CONTAINER = "/checks/image.tar"


@dataclass(frozen=True)
class Layers:
    """What is mounted, by its place in the container, and how the checks are told of it."""

    mounts: Mapping[str, Path] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)
    # Whether it belongs to the engine: then its marks for SELinux must stay as they are.
    of_engine: bool = False


@contextmanager
def layers_of(docker: DockerCli, image: Mapping[str, Any], base: int) -> Iterator[Layers]:
    """The layers above the base's: as directories where the engine has them, else as an archive.

    The directories take no time. To save an image takes minutes and reads every byte of it, so it
    is only done where there is no other way.
    """
    directories = layer_directories(image)
    if directories is not None:
        mounts = {
            f"{LAYERS_IN_CONTAINER}/{number}": directory
            for number, directory in enumerate(directories[base:])
        }
        yield Layers(mounts, {"layers": list(mounts)}, of_engine=True)
        return
    with _saved(docker, str(image["Id"])) as pipe:
        yield Layers({ARCHIVE_IN_CONTAINER: pipe}, {"layer_archive": ARCHIVE_IN_CONTAINER})


def layer_directories(image: Mapping[str, Any]) -> list[Path] | None:
    """Each layer's own directory, the lowest first; None where the engine keeps none such."""
    driver: Mapping[str, Any] = image.get("GraphDriver") or {}
    data: Mapping[str, str] = driver.get("Data") or {}
    layers = (image.get("RootFS") or {}).get("Layers") or []
    if driver.get("Name") != OVERLAY or not data.get("UpperDir"):
        return None
    lower = [path for path in data.get("LowerDir", "").split(":") if path]
    found = [Path(path) for path in reversed([data["UpperDir"], *lower])]
    return found if len(found) == len(layers) else None


@contextmanager
def _saved(docker: DockerCli, image_id: str) -> Iterator[Path]:
    """A pipe that gives the saved image to whoever opens it, once."""
    with tempfile.TemporaryDirectory(prefix="stt-layers-") as folder:
        pipe = Path(folder) / "image.tar"
        os.mkfifo(pipe, 0o600)
        # Read and write: else opening would wait for a reader, who may never come.
        end = os.open(pipe, os.O_RDWR | os.O_CLOEXEC)
        try:
            process = subprocess.Popen(
                [docker.docker, "image", "save", image_id],
                stdin=subprocess.DEVNULL,
                stdout=end,
                stderr=subprocess.DEVNULL,
                env=docker.environment,
            )
        except OSError as error:
            raise docker.not_runnable(error) from error
        finally:
            os.close(end)
        with process:
            try:
                yield pipe
            finally:
                process.kill()
