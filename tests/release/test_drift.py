# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What moved since the lock was written is shown as a diff and changes nothing until accepted."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bench import caught
from tests.release.conftest import CHECKOUT, Lab, Run, hub_fault

LOCK = CHECKOUT / "inventory" / "lab.lock.yml"
REPOSITORY = "stt-lab/whisper-tiny-en-ko"
BASE = "stt-lab/python-311:debian12"
OTHER_BASE = "stt-lab/python-311:drift"
MOVED = "e" * 40


@pytest.fixture(scope="module")
def sealed(lab: Lab) -> str:
    """A release whose lock is obeyed: its id."""
    run = lab.play()
    assert run.rc == 0, run.output[-6000:]
    return lab.newest().name


@contextmanager
def nothing_changes(lab: Lab) -> Iterator[None]:
    """The lock, the releases and what the server holds stay as they are."""

    def state() -> tuple[Any, ...]:
        releases = sorted(str(path) for path in lab.releases.glob("[!f]*/manifest.json"))
        return (
            hashlib.sha256(LOCK.read_bytes()).hexdigest(),
            releases,
            lab.ssh("find /opt/stt/models /opt/stt/releases -type f -printf '%p %T@ %s\\n' | sort"),
            lab.ssh("docker images --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort"),
        )

    before = state()
    yield
    assert state() == before


def shows(run: Run, *lines: str) -> None:
    """The run's output has these lines of a diff."""
    for line in lines:
        assert re.search(rf"^{re.escape(line)}", run.output, re.MULTILINE), (line, run.output)


@pytest.mark.fault("moved branch")
def test_a_moved_branch_is_shown_and_the_lock_is_obeyed(
    lab: Lab, sealed: str, record_property: caught.Record
) -> None:
    locked = re.search(r"^    commit: (\w{40})$", LOCK.read_text(), re.MULTILINE)
    assert locked
    with hub_fault({"action": "branch", "path": REPOSITORY, "value": MOVED}):
        with nothing_changes(lab):
            dry = lab.play("--check", "--diff")
        obeyed = lab.play()
    assert dry.rc == 0, dry.output[-6000:]
    shows(dry, f"-    commit: {locked[1]}", f"+    commit: {MOVED}")
    assert dry.recap["changed"] == 1, dry.output
    assert obeyed.rc == 0, obeyed.output[-6000:]
    assert obeyed.recap["changed"] == 0, obeyed.output
    assert lab.newest().name == sealed
    moved = f"main moved from commit {locked[1]} to {MOVED}; the lock is obeyed"
    caught.recovered(record_property, "stt_release_lock", moved, task="Show what moved")
    record_property("intact", True)


def edit(lock: Path) -> None:
    text, edits = re.subn(r"(?m)^fastapi==\S+", "fastapi==0.1.2", lock.read_text())
    assert edits == 1
    lock.write_text(text)


@pytest.mark.long
@pytest.mark.parametrize("place", ["in the source", "beside the inventory"])
def test_an_edited_package_lock_is_shown_and_stops_the_release(
    lab: Lab, sealed: str, tmp_path: Path, place: str
) -> None:
    source, kept = tmp_path / "docker", tmp_path / "packages" / "full-cu128"
    shutil.copytree(CHECKOUT / "docker", source)
    lock = source / "locks" / "full-cu128"
    given = {"engine_source_directory": str(source), "engine_image_packages": str(kept.parent)}
    with nothing_changes(lab):
        if place == "beside the inventory":
            # As for a CUDA variant that the source has no lock for: what was resolved is kept here.
            kept.parent.mkdir()
            lock = lock.rename(kept)
            same = lab.play("--check", "--diff", variables=given)
            assert "inputs.image" not in same.output, same.output[-6000:]
        edit(lock / "packages.txt")
        dry = lab.play("--check", "--diff", variables=given)
        real = lab.play(variables=given)
    shows(dry, "-      fastapi: ", "+      fastapi: 0.1.2")
    for run in (dry, real):
        assert run.rc != 0
        assert "inputs.image.packages.fastapi moved from" in run.output
        assert "-e release_lock_update=true" in run.output
    assert lab.newest().name == sealed


@pytest.mark.long
def test_another_base_image_is_shown_and_stops_the_release(lab: Lab, sealed: str) -> None:
    lab.ssh(f"printf 'FROM {BASE}\\nLABEL drift=yes\\n' | docker build -q -t {OTHER_BASE} -")
    try:
        with nothing_changes(lab):
            named = lab.play("--check", "--diff", variables={"engine_image_base": OTHER_BASE})
            lab.ssh(f"docker tag {BASE} stt-lab/python-311:kept && docker tag {OTHER_BASE} {BASE}")
            try:
                behind_the_name = lab.play("--check", "--diff")
            finally:
                lab.ssh(f"docker tag stt-lab/python-311:kept {BASE}")
                lab.ssh("docker rmi stt-lab/python-311:kept")
    finally:
        lab.ssh(f"docker rmi {OTHER_BASE}")
    for run in (named, behind_the_name):
        assert run.rc != 0
        shows(run, "-    base_digest: sha256:", "+    base_digest: sha256:")
        assert "inputs.image.base_digest moved from sha256:" in run.output
    shows(named, f"-    base: {BASE}", f"+    base: {OTHER_BASE}")
    assert lab.newest().name == sealed


@pytest.mark.long
def test_what_moved_is_accepted_on_request(lab: Lab, sealed: str, tmp_path: Path) -> None:
    lock = tmp_path / "accepted.lock.yml"
    lock.write_bytes(LOCK.read_bytes())
    accept = {
        "release_lock_path": str(lock),
        "release_lock_update": True,
        "release_seal_directory": str(tmp_path / "releases"),
    }
    with hub_fault({"action": "branch", "path": REPOSITORY, "value": MOVED}):
        with nothing_changes(lab):
            dry = lab.play("--check", "--diff", variables=accept)
        shows(dry, f"+    commit: {MOVED}")
        accepted = lab.play(variables=accept)
    assert accepted.rc == 0, accepted.output[-6000:]
    assert f"commit: {MOVED}" in lock.read_text()
    made = (tmp_path / "releases" / "latest").resolve().name
    assert made != sealed
    lab.ssh(f"docker rmi stt-engine:{made}")
