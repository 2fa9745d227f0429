# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_model_info in this process, against a hub on this host."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.stt.engine.plugins.modules import stt_model_info
from tests.lab.hub import Hub

REPOSITORY = "lab/model"
Info = Callable[..., dict[str, Any]]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    (tmp_path / "repos" / REPOSITORY).mkdir(parents=True)
    (tmp_path / "repos" / REPOSITORY / "config.json").write_text("{}")
    (tmp_path / "repos" / REPOSITORY / "model.safetensors").write_bytes(b"weights")
    with Hub(tmp_path / "repos") as running:
        yield running


@pytest.fixture
def info(hub: Hub, capsys: pytest.CaptureFixture[str]) -> Info:
    """Run the module in this process and return its result."""

    def run(**changes: Any) -> dict[str, Any]:
        capsys.readouterr()
        params = {
            "endpoint": hub.url,
            "repository": REPOSITORY,
            "tools_python": sys.executable,
            "timeout": 3,
            **changes,
        }
        with patch_module_args(params), pytest.raises(SystemExit):
            stt_model_info.main()
        return dict(json.loads(capsys.readouterr().out))

    return run


def test_unknown_repository_gives_object_found_needed_and_fix(info: Info, hub: Hub) -> None:
    result = info(repository="lab/other")
    assert result["failed"] is True
    assert result["object"] == "model lab/other"
    assert result["found"] == f"no such repository at {hub.url} (HTTP 404)"
    assert result["needed"] == "a repository that this hub serves"
    assert result["fix"].startswith("correct repository or endpoint")


def test_malformed_repository_is_refused_without_a_request(info: Info, hub: Hub) -> None:
    assert info(repository="model")["object"] == "repository"
    assert hub.stats.as_dict()["requests"] == 0


def test_token_is_not_sent_over_plain_http_to_another_host(info: Info) -> None:
    result = info(endpoint="http://hub.example.com", token="hf_4711")
    assert result["object"] == "token"
    assert "hf_4711" not in json.dumps(result)


def test_answer_is_documented_and_changes_nothing(info: Info, hub: Hub) -> None:
    result = info()
    assert result["changed"] is False
    assert result["commit"] == hub.commit(REPOSITORY)
    assert result["bytes"] == 9
    assert [file["path"] for file in result["files"]] == ["config.json", "model.safetensors"]
    documented = yaml.safe_load(stt_model_info.RETURN)
    assert set(result) - {"changed", "invocation"} == set(documented)
    assert set(result["files"][0]) == set(documented["files"]["contains"])


def test_token_of_a_file_opens_a_restricted_repository(
    info: Info, hub: Hub, tmp_path: Path
) -> None:
    hub.faults.add("token", path=REPOSITORY, value="hf_4711")
    assert info()["found"] == "restricted access (HTTP 401)"
    (tmp_path / "token").write_text("hf_4711\n")
    result = info(token_file=str(tmp_path / "token"))
    assert result["commit"] == hub.commit(REPOSITORY)
    assert "hf_4711" not in json.dumps(result)
