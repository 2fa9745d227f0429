# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that really happened stop the release at the right step; the release before stays."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.release.conftest import CHECKOUT, Lab, Run, hub_fault

OTHER_ROOT = "/opt/stt-fault"


@pytest.fixture(scope="module")
def sealed(lab: Lab) -> str:
    """A good release that every fault must leave alone: its id."""
    run = lab.play()
    assert run.rc == 0, run.output[-6000:]
    return lab.newest().name


@pytest.fixture(autouse=True)
def previous_release_is_intact(lab: Lab, sealed: str) -> Iterator[None]:
    manifest = lab.newest() / "manifest.json"
    before = (manifest.read_bytes(), lab.ssh(f"cat /opt/stt/releases/{sealed}/release.json"))
    yield
    assert lab.newest().name == sealed
    assert (
        manifest.read_bytes(),
        lab.ssh(f"cat /opt/stt/releases/{sealed}/release.json"),
    ) == before
    image = json.loads(before[1])["image_id"]
    tags = f"docker image inspect --format '{{{{.Id}}}}' stt-engine:{sealed}"
    assert lab.ssh(tags).strip() == image


def stopped_at(run: Run, task: str, *words: str) -> None:
    """The run failed in this task, and its message holds these words and a way out."""
    assert run.rc != 0
    failed = run.output.partition("[ERROR]")[2]
    assert task in run.output, run.output[-5000:]
    for word in (*words, "found", "needed", "fix"):
        assert word in failed, (word, run.output[-5000:])


def failed_report(lab: Lab) -> dict[str, Any]:
    newest = max((lab.releases / "failed").iterdir())
    document: dict[str, Any] = json.loads((newest / "report.json").read_bytes())
    return document


def test_a_tokenizer_that_the_hub_lacks_stops_at_r3(lab: Lab) -> None:
    try:
        with hub_fault({"action": "missing", "path": "stt-lab/whisper-tiny-en-ko/tokenizer.json"}):
            run = lab.play(variables={"stt_root": OTHER_ROOT, "release_lock_update": True})
    finally:
        lab.ssh(f"rm -rf {OTHER_ROOT}")
    stopped_at(run, "R3.1 | Fetch the model", "tokenizer.json")
    assert failed_report(lab)["verdict"] == "failed"


def test_a_package_that_the_service_needs_stops_at_r2(lab: Lab, tmp_path: Path) -> None:
    source = tmp_path / "docker"
    shutil.copytree(CHECKOUT / "docker", source)
    lock = source / "locks" / "full-cu128" / "packages.txt"
    lines = lock.read_text().splitlines(keepends=True)
    start = next(n for n, line in enumerate(lines) if line.startswith("python-multipart=="))
    end = start + 1
    while end < len(lines) and lines[end].startswith((" ", "\t")):
        end += 1
    lock.write_text("".join(lines[:start] + lines[end:]))
    run = lab.play(variables={"engine_source_directory": str(source), "release_lock_update": True})
    stopped_at(run, "R2.1 | Build the image", "python-multipart")
    assert failed_report(lab)["verdict"] == "failed"


def test_a_stopped_docker_daemon_stops_at_r1(lab: Lab) -> None:
    lab.ssh("service docker stop")
    try:
        run = lab.play()
    finally:
        lab.ssh("service docker start")
        for _unused in range(60):
            if "up" in lab.ssh("docker info >/dev/null 2>&1 && echo up || echo down"):
                break
            time.sleep(0.5)
    stopped_at(run, "R1.1 | Stop when the host cannot do it", "docker_engine", "Docker daemon")
