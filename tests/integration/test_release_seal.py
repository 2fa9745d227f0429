# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role release_seal's own steps on the lab: what it tags, numbers and keeps, and when not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils import _release_files as release_files
from ansible_collections.stt.engine.plugins.module_utils._release_sign import Signer
from tests.integration.build_host import BASE, BuildHost
from tests.unit.plugins.release_samples import COMMIT, MODELS, check, files
from tests.unit.plugins.sealed_release import CONVERTER, make_key

pytestmark = pytest.mark.long

TAG = "cuda128-debian12-v1.2"


class Sealing:
    """A release of the base image, sealed below a root of the test's own."""

    def __init__(self, host: BuildHost, place: Path) -> None:
        self.host = host
        self.releases = place / "releases"
        self.key = make_key(place / "release.pem")
        look = f"docker image inspect --format '{{{{.Id}}}}' {BASE}"
        self.image = {
            "image_id": host.ssh(look).strip(),
            "tag": f"{host.prefix}:aaaaaaaaaaaa",
            "release_tag": TAG,
            "input_digest": "a" * 64,
            "base_digest": f"sha256:{'b' * 64}",
            "layers": [],
            "size": 1,
        }

    def run(self, step: str, release: str, **variables: Any) -> list[dict[str, Any]]:
        """One of the role's files of tasks; each task's result, a failure like any other."""
        model = {"repository": "some/model", "commit": COMMIT, "path": f"{MODELS}/{COMMIT}"}
        given = {
            "release_seal_root": f"{self.host.directory}/root",
            "release_seal_directory": str(self.releases),
            "release_seal_key_file": str(self.key),
            "release_seal_release": release,
            "release_seal_image": self.image,
            "release_seal_model": {**model, "files": files({"config.json": 3})},
            "release_seal_conversions": [
                {
                    "quantization": "int8",
                    "path": f"{MODELS}/{COMMIT}-ct2-int8-0123456789ab",
                    "files": files({"model.bin": 3}),
                    "converter": CONVERTER,
                    "log_path": "",
                }
            ],
            **variables,
        }
        role = {"name": "stt.engine.release_seal", "public": True}
        begin = {"stt.engine.stt_phase": {"phase": "R6", "state": "started"}}
        steps = [
            {"ansible.builtin.include_role": {**role, "tasks_from": name}, "vars": given}
            for name in ("key.yml", step)
        ]
        return self.host.play([begin, *steps])

    def seal(self, release: str, *checks: dict[str, Any]) -> list[dict[str, Any]]:
        """Seal what these checks found."""
        (self.releases / release).mkdir(parents=True)
        results = {"__release_seal_r61": {"checks": list(checks)}, "__release_seal_planned": []}
        verdicts = {"verdict": "passed", "reused": False}
        judged = {"release_seal_runtime": verdicts, "release_seal_models": verdicts}
        return self.run("seal.yml", release, **results, **judged)

    def tags(self) -> list[str]:
        """The tags that the image has got, seen without our code."""
        found = self.host.ssh(f"docker images --format '{{{{.Tag}}}}' {self.host.prefix}")
        return sorted(found.split())

    def manifests(self) -> list[dict[str, Any]]:
        """What was sealed, in the order of the releases' names."""
        paths = sorted(self.releases.glob("*/manifest.json"))
        return [json.loads(path.read_bytes())["predicate"] for path in paths]


@pytest.fixture
def sealing(tmp_path: Path) -> Iterator[Sealing]:
    host = BuildHost()
    sealing = Sealing(host, tmp_path)
    try:
        yield sealing
    finally:
        for tag in sealing.tags():
            host.ssh(f"docker rmi {host.prefix}:{tag}")
        host.clean()


def test_a_failed_verdict_gets_neither_manifest_nor_tag(sealing: Sealing) -> None:
    results = sealing.seal("one", check("R1.1", "memory"), check("R4.3", "cuda", "failed"))
    (failed,) = [result for result in results if result.get("failed")]
    assert "found a failed verdict (R4.3 cuda failed: " in failed["msg"]
    assert (sealing.manifests(), sealing.tags()) == ([], [])
    assert sealing.host.ssh(f"ls {sealing.host.directory}/root 2>/dev/null || true") == ""


def test_a_passed_one_gets_its_tags_and_a_number_above_all_others(sealing: Sealing) -> None:
    ahead = sealing.releases / "ahead"
    ahead.mkdir(parents=True)
    known = {
        "release": {"id": "ahead", "sequence": 4_000_000_000},
        "image": {"id": "sha256:0"},
        "models": [{}, {"directory": "models/x"}],
    }
    (ahead / "manifest.json").write_text(json.dumps({"predicate": known}))
    results = sealing.seal("one", check("R1.1", "memory"))
    assert not [result for result in results if result.get("failed")], results
    assert sealing.tags() == sorted([TAG, "one"])
    (_ahead, made) = sealing.manifests()
    # As if this machine's clock were behind: what is sealed later still counts as newer.
    assert made["release"]["sequence"] == 4_000_000_001
    record = sealing.host.ssh(f"cat {sealing.host.directory}/root/releases/one/release.json")
    assert json.loads(record)["sequence"] == 4_000_000_001


def test_a_log_of_the_same_name_replaces_no_other(sealing: Sealing) -> None:
    place = sealing.host.put({"job.log": "first\n", "R4-1.log": "checks\n"}, "jobs")
    sealing.image["log_path"] = f"{place}/job.log"
    logs = {"release_seal_runtime": {"log_path": f"{place}/R4-1.log"}}
    sealing.run("logs.yml", "one", **logs)
    release = sealing.releases / "one"
    assert (release / "logs" / "build.log").read_text() == "first\n"
    digest = hashlib.sha256(b"first\n").hexdigest()
    checks = hashlib.sha256(b"checks\n").hexdigest()
    listed = {"logs/build.log": digest, "logs/R4-1.log": checks}
    release_files.write(release, listed, Signer(sealing.key))
    sealing.run("logs.yml", "one", **logs)
    assert not (release / "history").exists()
    sealing.host.put({"job.log": "second\n"}, "jobs")
    sealing.run("logs.yml", "one", **logs)
    assert (release / "logs" / "build.log").read_text() == "second\n"
    (former,) = (release / "history").iterdir()
    assert (former.name, former.read_text()) == (f"{digest[:12]}-build.log", "first\n")
    # What is there now was never signed: it may have been edited, and is not kept as evidence.
    (release / "logs" / "build.log").write_text("edited\n")
    sealing.run("logs.yml", "one", **logs)
    assert [path.name for path in (release / "history").iterdir()] == [former.name]
    # Nor does a list vouch for anything that this key has not signed.
    (release / "SHA256SUMS.sig").unlink()
    (release / "logs" / "build.log").write_text("first\n")
    former.unlink()
    # A run that was killed before it signed has left this.
    (release / "logs" / "R4-0.log").write_text("killed\n")
    sealing.run("logs.yml", "one", **logs)
    assert list((release / "history").iterdir()) == []
    assert sorted(path.name for path in (release / "logs").iterdir()) == ["R4-1.log", "build.log"]
    left = sealing.releases / "failed" / "one" / "logs" / "R4-0.log"
    assert left.read_text() == "killed\n"
