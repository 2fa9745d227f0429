# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An operator's directory is written whole, Ansible accepts it, and nothing is overwritten."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from project import main


def test_writes_a_directory_that_ansible_accepts(tmp_path: Path) -> None:
    directory = tmp_path / "releases"
    assert main([str(directory)]) == 0
    assert sorted(path.name for path in directory.iterdir()) == [
        ".gitignore", "README.md", "ansible.cfg", "build", "collections", "compare.yml",
        "release.yml", "verify.yml",
    ]  # fmt: skip
    assert "@" not in (directory / "README.md").read_text(encoding="utf-8")
    for playbook in ("release.yml", "verify.yml", "compare.yml"):
        listed = subprocess.run(
            ["ansible-playbook", playbook, "-i", "build", "--list-hosts"],
            cwd=directory, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert listed.returncode == 0, listed.stderr
        assert "build-server" in listed.stdout


def test_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "release.yml").write_text("mine\n", encoding="utf-8")
    assert main([str(tmp_path)]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["release.yml"]
    assert (tmp_path / "release.yml").read_text(encoding="utf-8") == "mine\n"
    assert "found release.yml; needed a directory without them" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], [""], ["a", "b"]])
def test_asks_for_a_directory(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("DIR: found nothing; needed a directory")
