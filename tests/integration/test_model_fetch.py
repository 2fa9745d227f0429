# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_model_fetch and stt_model_info as Ansible runs them, against a hub in its own process."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench import caught
from tests.integration.model_lab import (
    CHECKOUT,
    FETCHED,
    REPOSITORY,
    Case,
    HubProcess,
    run_module,
    snapshot,
)

pytest_plugins = ["tests.integration.model_fixtures"]


def test_bad_parameters_get_one_sentence_before_anything_is_asked(
    case: Case, hub: HubProcess
) -> None:
    hub.reset()
    cases: list[tuple[dict[str, Any], str]] = [
        ({"commit": "main"}, "commit: found 'main'; needed a full commit of 40 hexadecimal"),
        ({"repository": "whisper"}, "repository: found 'whisper'; needed OWNER/NAME"),
        ({"endpoint": "hub"}, "endpoint: found 'hub'; needed an address such as https://"),
        ({"streams": 0}, "streams: found 0; needed 1 to 64; fix: correct streams"),
        ({"chunk_bytes": 1}, "chunk_bytes: found 1; needed 65536 to "),
        ({"stall_seconds": 0}, "stall_seconds: found 0; needed 1 to 86400"),
        ({"root": "relative"}, "root: found 'relative'; needed an absolute path"),
        ({"root": "/dev/null/x"}, "/dev/null/x: found "),
        ({"token_file": "/absent"}, "token file /absent: found No such file or directory; "),
        ({"endpoint": "http://hub.example.com", "token": "hf_x"}, "token: found the endpoint "),
        ({"tools_python": None}, "tools_python: found nothing; needed the Python of the tools"),
        (
            {"expected_files": [{"path": "../a", "size": 1, "sha256": "0" * 64}]},
            "expected_files: found {'path': '../a', 'size': 1, ",
        ),
        (
            {"expected_files": [{"path": "a", "size": 1, "sha256": "x"}]},
            "expected_files: found {'path': 'a', 'size': 1, 'sha256': 'x'}; needed path, size",
        ),
    ]
    for changes, start in cases:
        message = case.message(**changes)
        assert message.startswith(start), message
    assert hub.stats()["requests"] == 0
    assert not case.root.exists()


@pytest.mark.fault("missing file")
def test_missing_tokenizer_stops_the_fetch_before_the_first_byte(
    case: Case, hub: HubProcess, record_property: caught.Record
) -> None:
    hub.fault("missing", path=f"{REPOSITORY}/tokenizer.json")
    present = ", ".join(name for name in FETCHED if name != "tokenizer.json")
    message = case.message()
    caught.by_module(record_property, "stt_model_fetch", {"failed": True, "msg": message})
    assert message == (
        f"model {REPOSITORY}@{case.params['commit'][:12]}: found no tokenizer.json among its files "
        f"({present}); needed config.json, tokenizer.json, preprocessor_config.json, "
        "model.safetensors or model.safetensors.index.json; "
        "fix: choose a commit of the repository that holds them, or correct files"
    )
    assert not [path for path in hub.stats()["paths"] if "/resolve/" in path]
    assert not case.root.exists()


def test_check_mode_predicts_and_writes_nothing(
    case: Case, hub: HubProcess, repository: Path
) -> None:
    total = sum((repository / name).stat().st_size for name in FETCHED)
    predicted = case.ok(check=True)
    assert predicted["changed"] is True
    assert predicted["reason"] == "it is not there yet"
    assert (predicted["bytes_planned"], predicted["bytes_downloaded"]) == (total, 0)
    assert not case.root.exists()
    assert all("/resolve/" not in path for path in hub.stats()["paths"])
    done = case.ok()
    assert done["bytes_downloaded"] == total
    assert done["path"] == predicted["path"] == str(case.path)
    assert [file["path"] for file in done["files"]] == [f["path"] for f in predicted["files"]]
    before = snapshot(case.root)
    again = case.ok(check=True)
    assert (again["changed"], again["reason"]) == (False, "")
    assert snapshot(case.root) == before
    lines = predicted["diff"]["after"].splitlines()
    assert [line.split()[0] for line in lines] == list(FETCHED)
    assert predicted["diff"]["before"] == ""
    assert again["diff"]["before"] == again["diff"]["after"] == done["diff"]["after"]


def test_model_arrives_whole_and_the_second_run_asks_for_nothing(
    case: Case, hub: HubProcess, repository: Path
) -> None:
    result = case.ok()
    case.check_published(repository)
    assert result["changed"] is True
    assert result["commit"] == case.params["commit"]
    assert result["repeated"] == []
    assert result["log_path"].endswith("/job.log.gz")
    assert sum(file["size"] for file in result["files"]) == result["bytes_downloaded"]
    counts = hub.stats()
    assert counts["range_requests"] == 21
    assert counts["most_open"] >= 2
    for path in [case.path, *case.path.iterdir()]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o755 if path.is_dir() else 0o444)
    assert [path.name for path in (case.root / "staging").iterdir() if path.is_dir()] == []
    hub.reset()
    before = snapshot(case.root)
    again = case.ok()
    assert again["changed"] is False
    assert again["files"] == result["files"]
    assert (again["bytes_downloaded"], again["bytes_planned"], again["reason"]) == (0, 0, "")
    assert hub.stats()["requests"] == 0
    assert snapshot(case.root) == before


def test_locked_files_are_obeyed(case: Case, hub: HubProcess) -> None:
    files = case.ok()["files"]
    hub.reset()
    assert case.ok(expected_files=files)["changed"] is False
    assert hub.stats()["requests"] == 0
    other = [dict(file) for file in files]
    other[3]["sha256"] = "0" * 64
    message = case.message(expected_files=other)
    assert f"model.safetensors has sha256 {files[3]['sha256']}, expected {'0' * 64}" in message
    assert "needed exactly the files of expected_files" in message
    small = [dict(file) for file in files]
    small[0]["sha256"] = "0" * 64
    message = case.message(expected_files=small)
    assert f"config.json has sha256 {files[0]['sha256']}, expected {'0' * 64}" in message
    assert case.ok(expected_files=files)["changed"] is False


def test_branch_is_resolved_and_listed(hub: HubProcess, repository: Path) -> None:
    commit = hub.commit()
    params = {"endpoint": hub.url, "repository": REPOSITORY, "tools_python": sys.executable}
    result = run_module("stt_model_info", params)
    assert (result["changed"], result["commit"]) == (False, commit)
    assert result["bytes"] == sum(path.stat().st_size for path in repository.iterdir())
    assert len(result["files"]) == 9
    weights = next(file for file in result["files"] if file["path"] == "model.safetensors")
    assert weights["lfs"] is True
    assert weights["git_sha1"] is None
    hub.fault("branch", path=REPOSITORY, value="d" * 40)
    assert run_module("stt_model_info", params)["commit"] == "d" * 40
    failed = run_module("stt_model_info", {**params, "repository": "lab/other"})
    assert failed["failed"] is True
    assert failed["object"] == "model lab/other"


@pytest.mark.fault("moved branch")
def test_moved_branch_does_not_move_a_fetch_by_commit(
    case: Case, hub: HubProcess, repository: Path, record_property: caught.Record
) -> None:
    hub.fault("branch", path=REPOSITORY, value="d" * 40)
    fetched = case.ok()
    caught.recovered(record_property, "stt_model_fetch", f"commit {fetched['commit']}")
    case.check_published(repository)


def test_odd_names_empty_files_and_many_pages(tmp_path: Path) -> None:
    model = tmp_path / "repositories" / REPOSITORY
    odd = [
        "100 %.json",
        "a#b?c&d.json",
        "-rf",
        "weiß \u6a21.json",
        "deep/er/empty.txt",
        "a'b\"c",
        "e",
    ]
    files = {name: f"{name}\n".encode() for name in odd} | {"deep/er/empty.txt": b"", "e": b""}
    files |= {f"many/{number:03}.txt": b"%d" % number for number in range(120)}
    files |= {"empty.safetensors": b"", "one.safetensors": b"1"}
    for name, data in files.items():
        path = model / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    with HubProcess(tmp_path / "repositories", "--page-size", "7") as hub:
        case = Case(hub, tmp_path / "stt")
        case.params |= {"files": ["*"], "required_files": ["e"]}
        result = case.ok()
        found = {
            str(path.relative_to(case.path)): path.read_bytes()
            for path in case.path.rglob("*")
            if path.is_file()
        }
        assert found == files
        assert [file["path"] for file in result["files"]] == sorted(files)
        shutil.make_archive(str(tmp_path / "brought"), "zip", case.path)
        brought = {"source_path": str(tmp_path / "brought.zip"), "expected_files": result["files"]}
        other = Case(hub, tmp_path / "other")
        again = other.ok(**{**case.params, "root": str(other.root), **brought})
        assert again["files"] == result["files"]


def test_shards_of_the_weights_are_all_there_or_nothing_is(tmp_path: Path) -> None:
    model = tmp_path / "repositories" / REPOSITORY
    model.mkdir(parents=True)
    shards = [f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]
    for name in ("config.json", "tokenizer.json", "preprocessor_config.json"):
        (model / name).write_text("{}")
    for name in shards:
        (model / name).write_bytes(name.encode() * 1000)
    index = {"weight_map": {f"layer.{name}": name for name in shards}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    with HubProcess(tmp_path / "repositories") as hub:
        case = Case(hub, tmp_path / "stt")
        hub.fault("missing", path=f"{REPOSITORY}/{shards[1]}")
        message = case.message()
        assert f"found no {shards[1]}, which model.safetensors.index.json names; " in message
        case.check_nothing_published()
        hub.reset()
        result = case.ok()
        assert {file["path"] for file in result["files"]} >= {*shards}
        # What had arrived before the index was judged is not fetched again.
        assert result["bytes_downloaded"] == (model / shards[1]).stat().st_size


def test_token_is_used_and_nowhere_to_be_seen(
    case: Case, hub: HubProcess, repository: Path, tmp_path: Path
) -> None:
    hub.fault("token", path=REPOSITORY, value="hf_right_4711")
    message = case.message()
    assert message.startswith(f"model {REPOSITORY}: found restricted access (HTTP 401); needed a")
    secret = tmp_path / "token"
    secret.write_text("hf_right_4711\n")
    result = case.ok(token_file=str(secret))
    case.check_published(repository)
    assert "hf_right_4711" not in json.dumps(result)
    for path in case.root.rglob("*"):
        if path.is_file():
            assert b"hf_right_4711" not in path.read_bytes()


def test_ansible_runs_the_modules(case: Case, repository: Path, tmp_path: Path) -> None:
    """Over the real way: the ansible command, its module packing and its pipes."""
    assert case.ok(check=True)["changed"] is True
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
        "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
    }

    def ansible(module: str, *options: str) -> dict[str, Any]:
        run = subprocess.run(
            [
                *(str(Path(sys.executable).with_name("ansible")), "localhost", "-c", "local"),
                *("-e", f"ansible_python_interpreter={sys.executable}", "-m", module),
                *options,
            ],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            timeout=120,
            check=False,
        )
        assert " => " in run.stdout, run.stdout + run.stderr
        return dict(json.loads(run.stdout[run.stdout.index(" => ") + 4 :]))

    arguments = json.dumps({**case.params, "token": "hf_secret_4711"})
    info = {name: case.params[name] for name in ("endpoint", "repository", "tools_python")}
    told = ansible("stt.engine.stt_model_info", "-a", json.dumps(info))
    assert told["commit"] == case.params["commit"]
    assert ansible("stt.engine.stt_model_fetch", "-a", arguments, "--check")["changed"] is True
    assert not case.root.exists()
    result = ansible("stt.engine.stt_model_fetch", "-a", arguments)
    assert result["changed"] is True
    assert "hf_secret_4711" not in json.dumps(result)
    case.check_published(repository)
    assert ansible("stt.engine.stt_model_fetch", "-a", arguments)["changed"] is False
