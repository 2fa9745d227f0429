# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a directory holds, the diagnosis is an answer: whole, printable, and true to itself."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt_engine import Diagnosis, diagnose_faster_whisper_model
from stt_engine.diagnose import REQUIRED
from tests.unit.model_files import write_ctranslate2

DOCUMENTS = sorted(set(REQUIRED) - {"model.bin"})
NAMES = sorted(REQUIRED)
KEYS = (
    "suppress_ids", "suppress_ids_begin", "alignment_heads", "lang_ids", "feature_size",
    "sampling_rate", "model", "vocab", "added_tokens", "id", "content",
)  # fmt: skip
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
EDITS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(["remove", "cut", "flip", "link", "folder"]))
    | st.tuples(st.sampled_from(DOCUMENTS), st.tuples(st.sampled_from(KEYS), VALUES))
    | st.tuples(st.sampled_from(DOCUMENTS), st.tuples(st.just(""), VALUES)),
    max_size=4,
)


def apply(directory: Path, name: str, edit: Any, where: float) -> None:
    """Change one file of a model."""
    path = directory / name
    if not path.is_file():
        return
    data = bytearray(path.read_bytes())
    at = int(where * (len(data) - 1))
    if edit == "cut":
        path.write_bytes(data[:at])
    elif edit == "flip" and data:
        data[at] ^= 0x55
        path.write_bytes(data)
    elif isinstance(edit, tuple):
        path.write_text(json.dumps(changed(json.loads(data), *edit)))
    else:
        path.unlink()
        if edit == "link":
            path.symlink_to("nowhere")
        elif edit == "folder":
            path.mkdir()


def changed(document: Any, key: str, value: Any) -> Any:
    """The document with another value, at the key or, without one, in its place."""
    if not key or not isinstance(document, dict):
        return value
    if isinstance(document.get("model"), dict) and key == "vocab":
        return {**document, "model": {**document["model"], key: value}}
    return {**document, key: value}


def judge(directory: Path) -> Diagnosis:
    """Diagnose, and hold what must be true of every diagnosis."""
    diagnosis = diagnose_faster_whisper_model(directory)
    assert diagnosis["valid"] is (diagnosis["errors"] == [])
    assert set(diagnosis) == {"path", "valid", "errors", "warnings", "files", "model"}
    for sentence in (*diagnosis["errors"], *diagnosis["warnings"]):
        assert sentence.strip()
    assert json.loads(json.dumps(diagnosis, ensure_ascii=False).encode()) == diagnosis
    return diagnosis


@given(EDITS, st.floats(0, 1))
@settings(deadline=None, max_examples=150)
def test_a_changed_model(edits: list[tuple[str, Any]], where: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = write_ctranslate2(Path(name) / "model")
        for file, edit in edits:
            try:
                apply(directory, file, edit, where)
            except ValueError:
                # An earlier change has made it a file that is no document.
                continue

        diagnosis = judge(directory)

        missing = [name for name in NAMES if not (directory / name).is_file()]
        named = [error.split()[0] for error in diagnosis["errors"]]
        assert set(missing) <= set(named)
        assert set(diagnosis["files"]) == set(NAMES) - set(missing)


@given(st.sampled_from(DOCUMENTS), st.binary(max_size=64))
@settings(deadline=None)
def test_a_document_of_any_bytes(name: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        directory = write_ctranslate2(Path(place) / "model")
        (directory / name).write_bytes(data)

        judge(directory)


@given(st.integers(0, 2**31), st.binary(min_size=1, max_size=8))
@settings(deadline=None)
def test_weights_of_any_bytes(at: int, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        directory = write_ctranslate2(Path(place) / "model")
        weights = bytearray((directory / "model.bin").read_bytes())
        begin = at % len(weights)
        weights[begin : begin + len(data)] = data
        (directory / "model.bin").write_bytes(weights)

        judge(directory)


@pytest.mark.parametrize("name", ["a\0b", "", "/dev/null", "/proc/self/mem", "x" * 5000])
def test_a_path_that_is_no_directory(name: str) -> None:
    diagnosis = diagnose_faster_whisper_model(name)

    assert diagnosis["valid"] is (diagnosis["errors"] == [])
    assert not diagnosis["valid"]


def test_a_file_name_that_is_no_text(tmp_path: Path) -> None:
    directory = write_ctranslate2(tmp_path / "model")
    shutil.copyfile(directory / "config.json", bytes(directory) + b"/\xff\xfe.json")

    assert judge(directory)["valid"]


def test_a_model_that_is_valid_can_be_loaded(tiny_model: Path) -> None:
    from faster_whisper import WhisperModel

    assert judge(tiny_model)["valid"]
    loaded = WhisperModel(str(tiny_model), device="cpu", compute_type="float32", cpu_threads=1)
    assert loaded.model.is_multilingual is judge(tiny_model)["model"]["multilingual"]
