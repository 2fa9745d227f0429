# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The diagnosis names everything that is wrong with a model directory, and never raises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stt_engine import diagnose_faster_whisper_model
from stt_engine.diagnose import REQUIRED
from tests.unit.model_files import VOCABULARY, write_ctranslate2
from tests.unit.stt_engine.service_process import DOCKER


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model directory without a fault."""
    return write_ctranslate2(tmp_path / "model")


def errors_of(path: Path) -> list[str]:
    """Return the errors, after holding the promise that valid means none."""
    diagnosis = diagnose_faster_whisper_model(path)
    assert diagnosis["valid"] == (diagnosis["errors"] == [])
    assert diagnosis["path"] == str(path)
    return diagnosis["errors"]


def change(path: Path, edit: Callable[[Any], Any]) -> None:
    """Apply an edit to a JSON file; the edit changes in place or returns the new document."""
    document = json.loads(path.read_text())
    changed = edit(document)
    path.write_text(json.dumps(document if changed is None else changed))


def test_a_good_model(model: Path) -> None:
    diagnosis = diagnose_faster_whisper_model(str(model))

    assert diagnosis["valid"]
    assert diagnosis["warnings"] == []
    assert diagnosis["files"]["model.bin"] == (model / "model.bin").stat().st_size
    assert diagnosis["model"]["quantization"] == "float16"
    assert diagnosis["model"]["multilingual"] is True


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_a_missing_file(model: Path, name: str) -> None:
    (model / name).unlink()

    assert errors_of(model) == [f"{name} is missing: {REQUIRED[name]}"]


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_a_dangling_link(model: Path, name: str) -> None:
    (model / name).unlink()
    (model / name).symlink_to(model / "elsewhere")

    assert errors_of(model) == [f"{name} is a dangling link: {REQUIRED[name]}"]


@pytest.mark.parametrize("name", sorted(REQUIRED))
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        (b"<html><title>502 Bad Gateway</title>", "is an HTML or XML page"),
    ],
)
def test_a_file_that_a_download_replaced(model: Path, name: str, data: bytes, message: str) -> None:
    (model / name).write_bytes(data)

    assert [error for error in errors_of(model) if error.startswith(f"{name} {message}")]


@pytest.mark.parametrize("name", sorted(set(REQUIRED) - {"model.bin"}))
@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null", b"5", b'"x"'])
def test_a_document_of_another_kind(model: Path, name: str, data: bytes) -> None:
    (model / name).write_bytes(data)

    assert [error for error in errors_of(model) if error.startswith(name)]


def test_every_fault_is_named_at_once(model: Path) -> None:
    (model / "tokenizer.json").unlink()
    (model / "vocabulary.json").write_text('{"a": 0}')
    os.truncate(model / "model.bin", 300)

    errors = errors_of(model)

    assert [error.split()[0] for error in errors] == [
        "tokenizer.json", "model.bin", "vocabulary.json",
    ]  # fmt: skip
    assert "is an object, not a list of tokens" in errors[2]
    assert "is truncated" in errors[1]


def test_mel_bins_of_another_model(model: Path) -> None:
    change(model / "preprocessor_config.json", lambda config: config.update(feature_size=80))

    assert errors_of(model) == [
        "preprocessor_config.json makes 80 mel bins, the weights take 128: "
        "every transcription would fail"
    ]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda config: config.pop("feature_size") and None, "feature_size is None"),
        (lambda config: config.update(sampling_rate=8000), "sampling_rate is 8000"),
    ],
)
def test_a_preprocessor_that_does_not_fit(
    model: Path, edit: Callable[[Any], Any], message: str
) -> None:
    change(model / "preprocessor_config.json", edit)

    assert message in errors_of(model)[0]


def test_a_vocabulary_of_another_size(model: Path) -> None:
    change(model / "vocabulary.json", lambda tokens: tokens.append("<|0.00|>"))

    assert errors_of(model) == [
        "vocabulary.json has 21 tokens, the weights 20: they belong to different models"
    ]


def test_a_tokenizer_of_another_model(model: Path) -> None:
    def swap(config: Any) -> None:
        config["model"]["vocab"]["token3"], config["model"]["vocab"]["token4"] = 4, 3

    change(model / "tokenizer.json", swap)

    assert errors_of(model) == [
        "tokenizer.json differs from vocabulary.json in 2 tokens, first 3: 'token4' against "
        "'token3'; they belong to different models"
    ]


def test_a_tokenizer_with_more_tokens(model: Path) -> None:
    change(
        model / "tokenizer.json",
        lambda config: config["added_tokens"].append({"id": 99, "content": "<|more|>"}),
    )

    assert "in 1 tokens, first 99: '<|more|>' against None" in errors_of(model)[0]


@pytest.mark.parametrize("number", [-1, -99, 10**30])
def test_a_token_of_an_impossible_number(model: Path, number: int) -> None:
    change(
        model / "tokenizer.json",
        lambda config: config["added_tokens"].append({"id": number, "content": "<|more|>"}),
    )

    assert f"first {number}: '<|more|>' against None" in errors_of(model)[0]


def test_a_tokenizer_with_fewer_tokens_is_a_warning(model: Path) -> None:
    change(model / "tokenizer.json", lambda config: config.update(added_tokens=[]))

    diagnosis = diagnose_faster_whisper_model(model)

    assert diagnosis["valid"]
    assert diagnosis["warnings"] == ["tokenizer.json lacks 2 tokens of vocabulary.json, first ''"]


def test_tokens_in_the_configuration_that_do_not_exist(model: Path) -> None:
    change(model / "config.json", lambda config: config.update(suppress_ids=[-1, 3, 20]))
    change(model / "config.json", lambda config: config.update(alignment_heads=[[0, 0], [1, 0]]))

    assert errors_of(model) == [
        "config.json: suppress_ids has 20, which is no token",
        "config.json: alignment_heads has [1, 0], which is no head",
    ]


def test_a_configuration_without_its_lists_is_a_warning(model: Path) -> None:
    (model / "config.json").write_text("{}")

    assert errors_of(model) == []
    assert len(diagnose_faster_whisper_model(model)["warnings"]) == 3


def test_a_model_without_the_empty_token_is_not_multilingual(model: Path) -> None:
    tokens = [token or "other" for token in VOCABULARY]
    (model / "vocabulary.json").write_text(json.dumps(tokens))

    assert diagnose_faster_whisper_model(model)["model"]["multilingual"] is False


def test_the_multilingual_mark_is_the_one_that_the_library_sees(
    tiny_model: Path, tmp_path: Path
) -> None:
    from faster_whisper import WhisperModel

    seen = {}
    for name, token in (("with", ""), ("without", "other")):
        copy = tmp_path / name
        copy.mkdir()
        for path in tiny_model.iterdir():
            (copy / path.name).symlink_to(path)
        (copy / "vocabulary.json").unlink()
        tokens = json.loads((tiny_model / "vocabulary.json").read_text())
        (copy / "vocabulary.json").write_text(json.dumps([entry or token for entry in tokens]))
        loaded = WhisperModel(str(copy), device="cpu", compute_type="float32", cpu_threads=1)
        seen[name] = loaded.model.is_multilingual

    assert seen == {"with": True, "without": False}
    assert diagnose_faster_whisper_model(tmp_path / "with")["model"]["multilingual"] is True
    assert diagnose_faster_whisper_model(tmp_path / "without")["model"]["multilingual"] is False


@pytest.mark.parametrize("name", ["absent", "file"])
def test_a_directory_that_is_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")

    assert errors_of(tmp_path / name)[0].startswith(f"{tmp_path / name} cannot be listed: N")


def test_another_kind_of_model(model: Path) -> None:
    data = (model / "model.bin").read_bytes().replace(b"WhisperSpec", b"WhisperSpek")
    (model / "model.bin").write_bytes(data)

    assert errors_of(model) == ["model.bin holds a WhisperSpek, not a WhisperSpec"]


def test_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import stt_engine;"
        "print(stt_engine.diagnose_faster_whisper_model('/nowhere')['valid'], len(sys.modules));"
        "print(sorted({'numpy','av','fastapi','uvicorn','ctranslate2'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(DOCKER)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert run.stdout.splitlines()[0].startswith("False")
    assert run.stdout.splitlines()[1] == "[]"


def test_the_command_line(model: Path) -> None:
    def diagnose() -> tuple[int, dict[str, Any]]:
        run = subprocess.run(
            [sys.executable, "-m", "stt_engine", "--diagnose", str(model)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(DOCKER)},
        )
        return run.returncode, json.loads(run.stdout)

    assert diagnose()[0] == 0
    (model / "config.json").unlink()
    status, diagnosis = diagnose()
    assert (status, diagnosis["valid"]) == (1, False)


class _BadPath:
    def __fspath__(self) -> str:
        raise RuntimeError("no path")


@pytest.mark.parametrize(
    ("given", "named"),
    [(None, "None"), (5, "5"), (10**5000, "int"), ([], "list"), (_BadPath(), "_BadPath")],
    ids=["none", "number", "huge", "list", "raising"],
)
def test_what_is_no_path_is_an_error_that_names_it(given: object, named: str) -> None:
    result = diagnose_faster_whisper_model(given)

    assert result["valid"] is False
    assert len(result["errors"]) == 1
    assert named in result["errors"][0]
    assert "is no path" in result["errors"][0]
    assert (result["files"], result["model"], result["warnings"]) == ({}, {}, [])


def test_a_path_that_no_file_system_can_hold() -> None:
    for path in ("\ud800", b"\0", "\0", "x" * 100_000, "\udcff"):
        result = diagnose_faster_whisper_model(path)

        assert result["valid"] is False
        assert json.dumps(result, ensure_ascii=False).encode()


def test_a_path_may_be_bytes(tiny_model: Path) -> None:
    assert diagnose_faster_whisper_model(os.fsencode(tiny_model)) == diagnose_faster_whisper_model(
        tiny_model
    )
