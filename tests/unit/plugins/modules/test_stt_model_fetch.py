# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_model_fetch: parameters, check mode and result, with a model that was brought by hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._fetch_parameters import make_fetch
from ansible_collections.stt.engine.plugins.modules import stt_model_fetch

COMMIT = "41f01f3fe87f28c78e2fbf8b568835947dd65ed9"
FILES = {
    "config.json": b"{}",
    "model.safetensors": bytes(range(256)) * 1000,
    "preprocessor_config.json": b"[]",
    "tokenizer.json": b'"tokens"',
}
Fetch = Callable[..., dict[str, Any]]


@pytest.fixture
def brought(tmp_path: Path) -> Path:
    """The directory that was brought by hand."""
    directory = tmp_path / "usb"
    directory.mkdir()
    for name, data in FILES.items():
        (directory / name).write_bytes(data)
    return directory


@pytest.fixture
def params(tmp_path: Path, brought: Path) -> dict[str, Any]:
    return {
        "repository": "openai/whisper-large-v3-turbo",
        "commit": COMMIT,
        "root": str(tmp_path / "stt"),
        "source_path": str(brought),
        "expected_files": [
            {"path": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in FILES.items()
        ],
    }


@pytest.fixture
def fetch(params: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> Fetch:
    """Run the module in this process and return its result."""

    def run(*, check: bool = False, **changes: Any) -> dict[str, Any]:
        capsys.readouterr()
        arguments = {**params, **changes, "_ansible_check_mode": check}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            stt_model_fetch.main()
        return dict(json.loads(capsys.readouterr().out))

    return run


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"streams": 65},
            "streams: found 65; needed 1 to 64; fix: correct streams",
        ),
        (
            {"chunk_bytes": 1024},
            "chunk_bytes: found 1024; needed 65536 to 1.07374e+09; fix: correct chunk_bytes",
        ),
        (
            {"stall_seconds": 0.5},
            "stall_seconds: found 0.5; needed 1 to 86400; fix: correct stall_seconds",
        ),
        (
            {"root": "stt"},
            "root: found 'stt'; needed an absolute path; fix: correct root",
        ),
        (
            {"commit": COMMIT[:12]},
            "commit: found '41f01f3fe87f'; needed a full commit of 40 hexadecimal digits; "
            "fix: let stt_model_info resolve a branch or tag once, and keep the commit",
        ),
        (
            {"source_path": "usb"},
            "source_path: found 'usb'; needed an absolute path on the server; "
            "fix: correct source_path",
        ),
        (
            {"source_path": None},
            "tools_python: found nothing; needed the Python of the tools environment, to ask the "
            "hub with; fix: give tools_python, or source_path for a model that was brought by hand",
        ),
    ],
)
def test_refused_with_one_sentence(
    fetch: Fetch, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    result = fetch(**changes)
    assert result["failed"] is True
    assert result["msg"] == message
    assert f"{result['object']}: found {result['found']}; " in message
    assert not (tmp_path / "stt").exists()


def test_token_and_token_file_exclude_each_other(fetch: Fetch) -> None:
    result = fetch(token="hf_x", token_file="/x")
    assert result["msg"] == "parameters are mutually exclusive: token|token_file"


def test_locked_files_that_the_choice_leaves_out_are_drift(fetch: Fetch) -> None:
    result = fetch(files=["*.json"], required_files=["config.json"])
    assert result["found"] == "model.safetensors is missing"
    assert result["differences"] == ["model.safetensors is missing"]


def test_missing_file_of_the_brought_model_is_said_before_anything_is_written(
    fetch: Fetch, brought: Path, tmp_path: Path
) -> None:
    (brought / "tokenizer.json").unlink()
    assert fetch()["msg"] == (
        f"{brought}: found tokenizer.json is missing; "
        "needed every file of the model with its size and hash; "
        "fix: bring the whole model at this very commit again, or correct source_path"
    )
    assert not (tmp_path / "stt").exists()


def test_check_mode_then_fetch_then_nothing(fetch: Fetch, tmp_path: Path) -> None:
    root = tmp_path / "stt"
    total = sum(map(len, FILES.values()))
    predicted = fetch(check=True)
    assert (predicted["changed"], predicted["bytes_planned"]) == (True, total)
    assert predicted["reason"] == "it is not there yet"
    assert not root.exists()
    done = fetch()
    assert done["changed"] is True
    assert done["path"] == predicted["path"]
    assert done["path"] == f"{root}/models/openai_whisper-large-v3-turbo/{COMMIT}"
    assert {path.name: path.read_bytes() for path in Path(done["path"]).iterdir()} == FILES
    assert done["files"] == predicted["files"]
    again = fetch()
    assert (again["changed"], again["files"]) == (False, done["files"])
    assert fetch(check=True)["changed"] is False
    assert fetch(verify="full")["changed"] is False
    assert fetch(source_path="/gone")["changed"] is False


def test_result_and_documentation_agree(fetch: Fetch) -> None:
    documented = set(yaml.safe_load(stt_model_fetch.RETURN))
    # What the module's framework adds by itself for a result with a path.
    added = {"uid", "gid", "owner", "group", "mode", "state", "size", "secontext"}
    result = fetch()
    returned = set(result) - added - {"changed", "diff", "invocation"}
    assert returned == documented - {"job"}


def test_defaults_are_those_of_the_documentation() -> None:
    options = yaml.safe_load(stt_model_fetch.DOCUMENTATION)["options"]
    assert tuple(options["files"]["default"]) == stt_model_fetch.DEFAULT_PATTERNS
    assert tuple(options["required_files"]["default"]) == stt_model_fetch.DEFAULT_REQUIRED


def test_parameters_are_judged_without_a_module(params: dict[str, Any]) -> None:
    with pytest.raises(SttError, match="repository: found 'x'"):
        make_fetch({**params, "repository": "x"})
