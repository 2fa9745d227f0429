# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check archive as it is carried: one file, run by an interpreter that has nothing else."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from stt_checks import own_clips

from tests.unit.model_files import safetensors, write_ctranslate2

SOURCE = Path(__file__).resolve().parents[3] / "checks"
STEPS = {
    "R4": {"R4.1", "R4.2", "R4.3", "R4.4"},
    "R5": {"R5.1", "R5.2", "R5.3", "R5.4", "R5.5", "R5.6", "R5.7", "R5.8"},
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "checks.pyz"
    with zipfile.ZipFile(path, "w") as packed:
        for file in sorted(path for path in SOURCE.rglob("*.*") if path.suffix != ".pyc"):
            packed.write(file.resolve(), file.relative_to(SOURCE))
    return path


def run(archive: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Isolated, so that nothing of this environment but the standard library can be imported."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(archive), *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_ctranslate2(tmp_path / "models" / "ctranslate2_model")
    (tmp_path / "models" / "someone_a-model").mkdir()
    weights = tmp_path / "models" / "someone_a-model" / "model.safetensors"
    weights.write_bytes(safetensors({"a.weight": (2, 2)}))
    return tmp_path / "models"


@pytest.mark.parametrize("phase", ["R4", "R5"])
def test_lists_every_step_of_its_phase(archive: Path, phase: str) -> None:
    done = run(archive, "--list", "--phase", phase)
    assert done.returncode == 0
    listed = [line.split() for line in done.stdout.splitlines()]
    assert {entry[0] for entry in listed} == STEPS[phase]
    assert len({tuple(entry) for entry in listed}) == len(listed)


@pytest.mark.parametrize("phase", ["R4", "R5"])
def test_runs_without_a_container_and_without_packages(
    archive: Path, models: Path, phase: str
) -> None:
    """Nothing of the image is here: what needs it fails or errs by name, and nothing is lost."""
    done = run(archive, "--phase", phase, "--models", str(models))
    first, *results, last = lines(done)
    assert first["planned"] == [{"id": one["id"], "name": one["name"]} for one in results]
    assert last["finished"]["results"] == len(results)
    assert last["finished"]["verdict"] == "failed"
    assert last["finished"]["peak_memory_bytes"] > 0
    assert done.returncode == 1
    for result in results:
        assert result["found"], result
        assert result["expected"], result
        assert (result["fix"] == "") == (result["status"] in ("passed", "skipped")), result
    statuses = {(one["id"], one["name"]): one["status"] for one in results}
    if phase == "R5":
        assert statuses["R5.1", "structure"] == "passed"
        assert statuses["R5.2", "faster_whisper_float32"] == "error"
        assert statuses["R5.2", "faster_whisper_float16"] == "skipped"
    else:
        assert statuses["R4.2", "models_present"] == "passed"
        assert statuses["R4.3", "torch_version"] == "error"
        assert statuses["R4.3", "cuda_available"] == "skipped"


def test_only_some_checks(archive: Path, models: Path) -> None:
    done = run(archive, "--models", str(models), "--only", "R5.1/structure")
    first, result, last = lines(done)
    assert first == {"planned": [{"id": "R5.1", "name": "structure"}]}
    assert result["status"] == "passed"
    assert last["finished"]["verdict"] == "passed"
    assert done.returncode == 0


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_name_that_no_encoding_can_write_loses_no_result(
    archive: Path, models: Path, encoding: str
) -> None:
    """A file that was named on Windows in Korean: its bytes are no UTF-8."""
    name = os.fsdecode(b"\xc7\xd1.txt")
    (models / "ctranslate2_model" / name).write_text("x")
    gates = ("R5.1/structure", "R4.2/models_present")
    listed = [{"path": "model.bin", "size": 1, "sha256": "0" * 64}]
    files = {"ctranslate2": listed, "transformers": listed}
    spec = {"models": {"root": str(models), "files": files}}
    done = subprocess.run(
        [sys.executable, "-S", archive, "--spec=-"]
        + [f"--only={key}" for key in ("R4.2/models_hashes", *gates)],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        input=json.dumps(spec).encode(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    _planned, first, *others, _last = [json.loads(line) for line in done.stdout.splitlines()]
    assert name in json.dumps(first, ensure_ascii=False)
    assert [f"{one['id']}/{one['name']}" for one in others] == list(gates)


def test_a_specification_is_obeyed(archive: Path, models: Path, tmp_path: Path) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"models": {"root": str(models)}, "expected": {"mel_bins": 80}}))
    done = run(archive, "--spec", str(spec), "--only", "R5.1/structure")
    assert done.returncode == 1
    assert lines(done)[1]["status"] == "failed"
    assert "feature_size 128, needed feature_size 80" in lines(done)[1]["found"]


def test_a_specification_may_come_by_standard_input(archive: Path, models: Path) -> None:
    spec = json.dumps({"models": {"root": str(models)}, "expected": {"quantization": "int8"}})
    done = run(archive, "--spec", "-", "--only", "R5.1/structure", given=spec)
    assert "weights stored as float16, needed weights stored as int8" in lines(done)[1]["found"]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("{", "cannot be read"),
        ("[]", "is no JSON object"),
        ('{"gpu": "maybe"}', "choose required, auto or absent"),
        ('{"expected": {"colour": "blue"}}', "malformed"),
        ('{"models": 5}', "malformed"),
    ],
)
def test_a_wrong_specification_is_one_sentence(
    archive: Path, models: Path, tmp_path: Path, spec: str, words: str
) -> None:
    path = tmp_path / "spec.json"
    path.write_text(spec)
    done = run(archive, "--spec", str(path), "--models", str(models))
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_wrong_call_is_refused(archive: Path, models: Path, tmp_path: Path) -> None:
    assert run(archive).returncode == 2
    assert run(archive, "--models", str(tmp_path / "gone")).returncode == 2
    done = run(archive, "--models", str(models), "--only", "R9.9/none")
    assert done.returncode == 2
    assert "there is no check R9.9/none" in done.stderr


def test_the_archive_holds_files_only(archive: Path, tmp_path: Path) -> None:
    """Both links of the source are real files in the archive: it needs nothing beside it."""
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path)
    shutil.rmtree(tmp_path / "stt_checks" / "__pycache__", ignore_errors=True)
    shared = [tmp_path / "stt_checks" / name for name in ("_model_bin.py", "_model_directory.py")]
    assert all(path.is_file() and path.stat().st_size > 1000 for path in shared)


def test_the_checks_take_nothing_from_plugins_but_readers_of_files() -> None:
    links = [path for path in SOURCE.rglob("*.py") if path.is_symlink()]
    assert sorted(path.name for path in links) == [
        "_clips.py",
        "_judgement.py",
        "_model_bin.py",
        "_model_directory.py",
        "_model_settings.py",
        "_os_packages.py",
        "_safetensors.py",
        "_whisper_tensors.py",
    ]
    everything = [path for path in SOURCE.rglob("*") if path.is_symlink()]
    assert all(not path.readlink().is_absolute() and path.is_file() for path in everything)
    # Its own recordings are the role's, as they are described there.
    recordings = {path.name for path in everything} - {path.name for path in links}
    assert recordings == {*own_clips.FILES, own_clips.INDEX}
    for path in SOURCE.rglob("*.py"):
        assert "ansible" not in path.read_text(encoding="utf-8"), path


def test_the_checks_use_nothing_that_python_3_9_does_not_have() -> None:
    """Another engine may bring an older Python than this collection's own image."""
    newer = {"file_digest", "UTC", "pairwise", "StrEnum", "ExceptionGroup", "TaskGroup"}
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 9))
        for node in ast.walk(tree):
            name = getattr(node, "attr", None) or getattr(node, "id", None)
            assert name not in newer, f"{path.name}:{getattr(node, 'lineno', 0)} uses {name}"
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "zip":
                words = {keyword.arg for keyword in node.keywords}
                assert "strict" not in words, f"{path.name}:{node.lineno} uses zip(strict=...)"
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "dataclass":
                words = {keyword.arg for keyword in node.keywords}
                assert not words & {"slots", "kw_only"}, f"{path.name}:{node.lineno}"
