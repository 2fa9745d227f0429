# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/verify.yml: a sealed release is proven again, and every damage stops it by name."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.release.conftest import Lab, Run
from tests.unit.plugins.sealed_release import Sealed, seal

PLAYBOOK = "playbooks/verify.yml"


def verify(lab: Lab, directory: Path, *options: str, **variables: Any) -> Run:
    given = {"release_seal_directory": str(directory), **variables}
    return lab.play(*options, variables=given, playbook=PLAYBOOK)


def records(directory: Path) -> list[dict[str, Any]]:
    """What the verifications of all releases left, oldest first."""
    return [json.loads(path.read_bytes()) for path in sorted(directory.glob("verified/*/*.json"))]


def snapshot(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_release_that_is_not_there_and_hosts_that_are_not_are_told(lab: Lab) -> None:
    run = verify(lab, lab.releases, hosts="prod")
    assert run.rc != 0
    assert "inventory group prod: found no such group" in " ".join(run.output.split())


@pytest.fixture
def sealed(tmp_path: Path) -> Sealed:
    """A sealed release whose image and models no server has."""
    sealed = seal(tmp_path)
    (sealed.release.parent / "latest").symlink_to(sealed.id)
    return sealed


def test_what_the_server_does_not_hold_is_named_and_recorded(lab: Lab, sealed: Sealed) -> None:
    before = snapshot(sealed.release)
    releases = sealed.release.parent
    run = verify(lab, releases, release_seal_public_key=str(sealed.key))
    assert run.rc != 0
    assert "R6.3 image_as_sealed: found " in run.output
    assert "R6.3 models_as_sealed: found models/stt-lab_whisper-tiny-en-ko/" in run.output
    (record,) = records(releases)
    assert (record["release"]["id"], record["verdict"]) == (sealed.id, "failed")
    assert [(check["name"], check["status"]) for check in record["checks"]] == [
        ("seal_proven", "passed"),
        ("image_as_sealed", "failed"),
        ("models_as_sealed", "failed"),
    ]
    assert snapshot(sealed.release) == before


@pytest.mark.long
def test_a_damaged_release_is_refuted_before_the_server_is_asked(lab: Lab, sealed: Sealed) -> None:
    (sealed.release / "report.json").write_bytes(b"{}")
    releases = sealed.release.parent
    run = verify(lab, releases, release_seal_public_key=str(sealed.key), release=sealed.id)
    assert run.rc != 0
    assert "R6.3 seal_proven: found refuted: report.json; found: the sha256 " in run.output
    assert "image_as_sealed" not in run.output
    assert [record["verdict"] for record in records(releases)] == ["failed"]


@contextmanager
def serving(lab: Lab) -> Iterator[str]:
    """The newest release, started by hand as docs/service.md says, on a network of its own."""
    name = f"stt-test-verify-{uuid.uuid4().hex[:8]}"
    record = f"/opt/stt/releases/{lab.newest().name}/release.json"
    models = json.loads(lab.ssh(f"cat {record}"))["models"]
    (model,) = [path for path in models if "-ct2-" in path]
    lab.ssh(
        f"docker network create {name} && docker run --detach --name {name} --network {name} "
        "--publish 127.0.0.1::8003 --user 2000 --read-only --tmpfs /tmp --cap-drop ALL "
        "--security-opt no-new-privileges --env STT_DEVICE=cpu --env STT_CPU_THREADS=1 "
        f"--env STT_COMPUTE_TYPE=int8_float32 --volume {model}:/app/models/ctranslate2_model:ro "
        f"stt-engine:{lab.newest().name}"
    )
    try:
        healthy = f"docker exec {name} python3 -m stt_engine.healthcheck"
        lab.ssh(f"timeout 100 sh -c 'until {healthy}; do sleep 1; done'")
        yield name
    finally:
        lab.ssh(f"docker rm --force {name} && docker network rm {name}")


@pytest.mark.long
def test_a_release_is_proven_again_without_building(lab: Lab) -> None:
    made = lab.play()
    assert made.rc == 0, made.output[-6000:]
    before = snapshot(lab.newest())
    with serving(lab) as name:
        started = lab.ssh(f"docker inspect --format '{{{{.State.StartedAt}}}}' {name}")
        run = verify(lab, lab.releases)
        assert lab.ssh(f"docker inspect --format '{{{{.State.StartedAt}}}}' {name}") == started
    assert run.rc == 0, run.output[-6000:]
    told = " ".join(run.output.split())
    assert f"{lab.newest().name} (the container {name} runs it) on lab-build: proven again" in told
    assert "proven again: seal, image, models, R4 and R5; what serves: " + name in told
    (record,) = records(lab.releases)
    service = {one["name"]: one for one in record["checks"] if one["name"].startswith("service_")}
    assert service["service_as_sealed"]["status"] == "passed"
    assert service["service_answers"]["status"] == "passed"
    assert (record["verdict"], record["failure"]) == ("passed", {})
    steps = {check["id"] for check in record["checks"]}
    assert steps >= {"R4.1", "R4.2", "R4.3", "R5.1", "R5.2", "R5.5", "R5.6", "R5.7", "R6.3"}
    assert snapshot(lab.newest()) == before
