# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What killed builds left goes, and nothing of a build that runs."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._build_debris import sweep
from ansible_collections.stt.engine.plugins.module_utils._build_inputs import input_digest
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli

INPUTS = {"version": 2, "context": {"x": "file"}}


def make_job(root: Path, name: str) -> Path:
    job = root / f"image-build-{name}"
    (job / "work/context/read-only").mkdir(parents=True)
    (job / "work/context/read-only/x").touch()
    (job / "work/context/read-only").chmod(0o555)
    (job / "lock").touch()
    (job / "guard").touch()
    (job / "inputs.json").write_text(json.dumps(INPUTS))
    return job


def docker(directory: Path, images: list[dict[str, Any]]) -> DockerCli:
    """An engine with these images under every label; it notes what it is asked."""
    (directory / "images").write_text(json.dumps(images))
    script = directory / "docker"
    script.write_text(
        f'#!/bin/sh\necho "$@" >> {directory}/asked\ncase "$1 $2" in\n'
        f"'image ls') echo one;;\n'image inspect') cat {directory}/images;;\nesac\n"
    )
    script.chmod(0o755)
    return DockerCli(str(script))


def asked(directory: Path) -> list[str]:
    return (directory / "asked").read_text().splitlines()


def test_an_unnamed_image_of_a_killed_build_goes_with_its_workspace(tmp_path: Path) -> None:
    job = make_job(tmp_path, "a" * 12)
    sweep(docker(tmp_path, [{"Id": "sha256:1", "RepoTags": []}]), tmp_path, "image-build")
    assert not (job / "work").exists()
    assert (job / "inputs.json").exists()
    listed = asked(tmp_path)
    assert f"label=stt.engine.input-digest={input_digest(INPUTS)}" in listed[0]
    assert listed[-1] == "image rm sha256:1"


def test_a_named_image_stays(tmp_path: Path) -> None:
    job = make_job(tmp_path, "a" * 12)
    sweep(docker(tmp_path, [{"Id": "sha256:1", "RepoTags": ["x:1"]}]), tmp_path, "image-build")
    assert not (job / "work").exists()
    assert not [line for line in asked(tmp_path) if line.startswith("image rm")]


def test_a_running_build_is_not_touched(tmp_path: Path) -> None:
    job = make_job(tmp_path, "b" * 12)
    with (job / "lock").open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        sweep(docker(tmp_path, []), tmp_path, "image-build")
    assert (job / "work/context/read-only/x").exists()
    assert not (tmp_path / "asked").exists()


def test_a_cut_record_costs_only_the_images(tmp_path: Path) -> None:
    job = make_job(tmp_path, "c" * 12)
    (job / "inputs.json").write_text('{"version"')
    sweep(docker(tmp_path, []), tmp_path, "image-build")
    assert not (job / "work").exists()
    assert not (tmp_path / "asked").exists()


def test_nothing_to_do(tmp_path: Path) -> None:
    sweep(docker(tmp_path, []), tmp_path / "none", "image-build")
    assert not (tmp_path / "asked").exists()
