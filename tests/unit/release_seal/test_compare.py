# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The models on a host are the sealed ones: no file is other, missing or added."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._model_manifest import hash_files

CHECKOUT = Path(__file__).resolve().parents[3]
TASKS = CHECKOUT / "roles" / "release_seal" / "tasks" / "compare.yml"
SERVED = "models/a_b/41f0-ct2-int8"


def compare(host: Path, models: list[dict[str, Any]]) -> tuple[int, str]:
    """Run the tasks; Docker has the sealed image."""
    docker = host / "docker"
    docker.write_text("#!/bin/sh\necho sha256:1 sha256:2\n")
    docker.chmod(0o755)
    given = {
        "release_seal_root": str(host),
        "release_seal_docker": str(docker),
        "release_seal_sealed": {
            "models": models,
            "image": {"id": "sha256:1", "layers": [{"diff_id": "sha256:2"}]},
        },
    }
    play = [
        {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "tasks": [{"ansible.builtin.include_tasks": str(TASKS)}],
        }
    ]
    (host / "play.yml").write_text(json.dumps(play))
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            str(host / "play.yml"),
            f"--extra-vars={json.dumps(given)}",
        ],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.fixture
def host(tmp_path: Path) -> Path:
    for name in ("models/a_b/41f0", SERVED):
        (tmp_path / name / "sub").mkdir(parents=True)
        for file in ("model.bin", "sub/a file.json"):
            (tmp_path / name / file).write_text(f"{name}/{file}")
    return tmp_path


def sealed(host: Path) -> list[dict[str, Any]]:
    names = ("models/a_b/41f0", SERVED)
    return [{"directory": name, "files": hash_files(host / name)} for name in names]


def test_a_host_that_holds_what_was_sealed_is_right(host: Path) -> None:
    status, said = compare(host, sealed(host))
    assert status == 0, said


def test_each_file_that_is_other_missing_or_added_is_named(host: Path) -> None:
    known = sealed(host)
    original = host / "models/a_b/41f0"
    (original / "model.bin").write_text("x")
    (original / "sub" / "a file.json").unlink()
    (host / SERVED / "more code.py").write_text("x")
    (host / SERVED / "sub" / "link").symlink_to("model.bin")
    status, said = compare(host, known)
    assert status == 2
    for words in (
        "models/a_b/41f0/model.bin: FAILED;",
        "models/a_b/41f0/sub/a file.json: FAILED open or read",
        f"{SERVED}/more code.py was not sealed",
        f"{SERVED}/sub/link was not sealed",
    ):
        assert words in said, said
    assert f"{SERVED}/model.bin" not in said
