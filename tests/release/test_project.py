# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's own directory, where the literal command makes the same release."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.release.conftest import CHECKOUT, Lab


def test_the_literal_command_makes_the_same_release_from_a_project(
    lab: Lab, tmp_path: Path
) -> None:
    first = lab.play()
    assert first.rc == 0, first.output[-6000:]
    project = tmp_path / "my-releases"
    subprocess.run([sys.executable, "scripts/project.py", str(project)], cwd=CHECKOUT, check=True)
    installed = project / "collections" / "ansible_collections" / "stt" / "engine"
    assert (installed / "roles" / "model_check" / "files" / "clips" / "clips.json").is_file()
    # The operator's part: a server's address, user and key. Here the lab's.
    shutil.rmtree(project / "build")
    shutil.copytree(CHECKOUT / "inventory" / "lab", project / "build")
    run = lab.play(playbook="release.yml", inventory="build", cwd=project)
    assert run.rc == 0, run.output[-6000:]
    assert lab.newest().name in run.output
    assert (project / "build.lock.yml").is_file()
