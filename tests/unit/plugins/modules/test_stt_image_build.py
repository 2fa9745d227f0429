# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_image_build as Ansible runs it, as far as it gets without an engine: refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.stt.engine.plugins.modules import stt_image_build


def run(capsys: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit) as ended:
        stt_image_build.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert ended.value.code == (1 if result.get("failed") else 0)
    return result


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    return tmp_path / "context"


def test_missing_context(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = run(capsys, context=str(tmp_path / "none"))
    assert result["failed"] is True
    assert result["msg"] == (
        f"build context {tmp_path}/none: found nothing there; needed a directory; "
        "fix: give the directory with the engine's source in context"
    )
    assert (result["object"], result["found"]) == (
        f"build context {tmp_path}/none",
        "nothing there",
    )


def test_missing_docker(capsys: pytest.CaptureFixture[str], context: Path) -> None:
    result = run(capsys, context=str(context), docker=f"{context}/docker")
    assert result["needed"] == "the Docker CLI on PATH"


def test_old_engine(capsys: pytest.CaptureFixture[str], context: Path) -> None:
    docker = context.parent / "docker"
    info = {"ServerVersion": "20.10.24", "ClientInfo": {}}
    docker.write_text(
        "#!/bin/sh\ncase $1 in\n"
        f"info) echo '{json.dumps(info)}';;\n"
        """version) echo '{"Client": {"Version": "20.10.24"}}';;\nesac\n"""
    )
    docker.chmod(0o755)
    jobs = context.parent / "jobs"
    for check_mode in (True, False):
        result = run(
            capsys,
            context=str(context),
            docker=str(docker),
            jobs_root=str(jobs),
            _ansible_check_mode=check_mode,
        )
        assert result["found"] == "Docker engine 20.10.24"
        assert result["needed"] == "Docker engine 23.0 or newer"
    assert not jobs.exists()


def test_secret_in_an_argument_is_not_repeated(
    capsys: pytest.CaptureFixture[str], context: Path
) -> None:
    result = run(capsys, context=str(context), build_args={"URL": "http://u:swordfish@h/"})
    assert result["object"] == "build argument URL"
    assert "swordfish" not in result["msg"] + result["found"] + result["fix"]
