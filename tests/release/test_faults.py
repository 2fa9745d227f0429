# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that really happened stop the release at the right step; the release before stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.bench import caught
from tests.release.conftest import CHECKOUT, Lab, Run, hub_fault
from tests.release.fault_hosts import own_daemon

OTHER_ROOT = "/opt/stt-fault"

pytestmark = pytest.mark.usefixtures("intact")


def stopped_at(run: Run, task: str, *words: str) -> None:
    """The run failed in this task, and its message holds these words and a way out."""
    assert run.rc != 0
    failed = run.output.partition("[ERROR]")[2]
    assert task in run.output, run.output[-5000:]
    for word in (*words, "found", "needed", "fix"):
        assert word in failed, (word, run.output[-5000:])


@pytest.mark.fault("tokenizer missing in a release")
def test_a_tokenizer_that_the_hub_lacks_stops_at_r3(
    lab: Lab, record_property: caught.Record
) -> None:
    try:
        with hub_fault({"action": "missing", "path": "stt-lab/whisper-tiny-en-ko/tokenizer.json"}):
            run = lab.play(variables={"stt_root": OTHER_ROOT, "release_lock_update": True})
    finally:
        lab.ssh(f"rm -rf {OTHER_ROOT}")
    stopped_at(run, "R3.1 | Fetch the model", "tokenizer.json")
    report = lab.failed_report()
    assert report["verdict"] == "failed"
    caught.by_run(record_property, report)


@pytest.mark.fault("python-multipart not in the lock")
def test_a_package_that_the_service_needs_stops_at_r2(
    lab: Lab, tmp_path: Path, record_property: caught.Record
) -> None:
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
    report = lab.failed_report()
    assert report["verdict"] == "failed"
    caught.by_run(record_property, report)


@pytest.mark.fault("Docker daemon stopped")
def test_a_stopped_docker_daemon_stops_at_r1(lab: Lab, record_property: caught.Record) -> None:
    with own_daemon(lab) as daemon:
        assert "Server Version" in lab.ssh(f"{daemon.docker} info")
        daemon.stop()
        run = lab.play(variables={"docker_host_docker": daemon.docker})
    stopped_at(run, "R1.1 | Stop when the host cannot do it", "docker_engine", "Docker daemon")
    caught.by_run(record_property, lab.failed_report())
