# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.stt.engine.plugins.module_utils._safetensors import (
    SafetensorsError,
    read_safetensors_header,
    weight_files,
)
from tests.unit.model_files import safetensors


def test_safetensors_headers_are_held_against_the_size(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    data = safetensors({"a.weight": (3, 4), "b.bias": (5,)})
    path.write_bytes(data)
    tensors = read_safetensors_header(path)
    assert tensors.parameters == 17
    assert tensors.shapes["a.weight"] == ("F16", (3, 4))
    for broken in (data[:-1], data + b"x", data[:20], b"", b"<html></html>", bytes(100)):
        path.write_bytes(broken)
        with pytest.raises(SafetensorsError):
            read_safetensors_header(path)


def test_shards_are_found_by_their_index(tmp_path: Path) -> None:
    assert weight_files(tmp_path) == [tmp_path / "model.safetensors"]
    index = {
        "weight_map": {
            "a": "model-1.safetensors",
            "b": "model-2.safetensors",
            "c": "model-1.safetensors",
        }
    }
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert [path.name for path in weight_files(tmp_path)] == [
        "model-1.safetensors",
        "model-2.safetensors",
    ]
    # transformers prefers the single file too.
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert weight_files(tmp_path) == [tmp_path / "model.safetensors"]


@pytest.mark.parametrize(
    "index",
    [
        "<html>",
        "[]",
        '{"weight_map": ["a"]}',
        '{"weight_map": {}}',
        '{"weight_map": {"a": 5}}',
        '{"weight_map": {"a": "../other/model.safetensors"}}',
    ],
)
def test_an_index_that_is_none_is_refused(tmp_path: Path, index: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(SafetensorsError, match=r"model\.safetensors\.index\.json: "):
        weight_files(tmp_path)
