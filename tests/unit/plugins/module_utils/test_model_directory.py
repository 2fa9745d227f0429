# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._model_directory import (
    CTRANSLATE2_FILES,
    SafetensorsError,
    Tensors,
    expected_model_size,
    judge_ctranslate2,
    links_that_leave,
    read_safetensors_header,
    weight_files,
)
from tests.unit.model_files import VOCABULARY, safetensors, write_ctranslate2

Change = Callable[[Path], None]


def rewrite(name: str, change: Callable[[Any], Any]) -> Change:
    def apply(directory: Path) -> None:
        path = directory / name
        path.write_text(json.dumps(change(json.loads(path.read_text()))))

    return apply


@pytest.mark.parametrize(
    "quantization", ["float32", "float16", "bfloat16", "int8_float32", "int8_float16"]
)
def test_a_good_model_raises_no_alarm(tmp_path: Path, quantization: str) -> None:
    judgement = judge_ctranslate2(
        write_ctranslate2(tmp_path, quantization), quantization=quantization, mel_bins=128
    )
    assert judgement.findings == []
    assert judgement.facts["model_bin"]["quantization"] == quantization
    assert judgement.facts["multilingual"] is True
    assert judgement.facts["tokenizer_tokens"] == len(VOCABULARY)


@pytest.mark.parametrize("name", CTRANSLATE2_FILES)
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (write_ctranslate2(tmp_path) / name).unlink()
    findings = judge_ctranslate2(tmp_path).findings
    assert [(finding.object, finding.found) for finding in findings] == [
        (str(tmp_path / name), "no such file")
    ]


@pytest.mark.parametrize(
    ("change", "file", "found"),
    [
        (
            rewrite("vocabulary.json", lambda tokens: dict(enumerate(tokens))),
            "vocabulary.json",
            "a JSON object",
        ),
        (rewrite("vocabulary.json", lambda tokens: [*tokens, 5]), "vocabulary.json", "a JSON list"),
        (rewrite("vocabulary.json", lambda tokens: tokens[:-1]), "vocabulary.json", "19 tokens"),
        (
            rewrite("vocabulary.json", lambda tokens: [*tokens[:-1], tokens[0]]),
            "vocabulary.json",
            "1 tokens twice",
        ),
        (
            rewrite("tokenizer.json", lambda _: {"model": {}}),
            "tokenizer.json",
            "no vocabulary in it",
        ),
        (
            rewrite(
                "tokenizer.json",
                lambda document: {
                    **document,
                    "model": {"vocab": {**document["model"]["vocab"], "other": 3}},
                },
            ),
            "tokenizer.json",
            "1 of 20 tokens that differ from vocabulary.json, first id 3: 'other' against 'token3'",
        ),
        (
            rewrite("preprocessor_config.json", lambda document: {**document, "feature_size": 80}),
            "preprocessor_config.json",
            "feature_size 80",
        ),
        (
            rewrite(
                "preprocessor_config.json", lambda document: {**document, "sampling_rate": 8000}
            ),
            "preprocessor_config.json",
            "sampling_rate 8000",
        ),
        (
            rewrite("config.json", lambda document: {"lang_ids": document["lang_ids"]}),
            "config.json",
            "no alignment_heads, suppress_ids, suppress_ids_begin",
        ),
        (
            rewrite("config.json", lambda document: {**document, "lang_ids": [50259]}),
            "config.json",
            "language ids outside the vocabulary, first 50259",
        ),
        (
            lambda path: (path / "config.json").write_text("<html>503</html>"),
            "config.json",
            "a file that is no JSON",
        ),
        (
            lambda path: os.truncate(path / "model.bin", 700),
            "model.bin",
            "the end of the file, at byte 700",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: Change, file: str, found: str) -> None:
    change(write_ctranslate2(tmp_path))
    findings = judge_ctranslate2(tmp_path).findings
    assert [finding.object for finding in findings[:1]] == [str(tmp_path / file)]
    assert findings[0].found.startswith(found)
    assert findings[0].needed and findings[0].fix


def test_expectations_are_held_against_the_weights(tmp_path: Path) -> None:
    write_ctranslate2(tmp_path, "int8_float16")
    assert judge_ctranslate2(tmp_path, quantization="int8").findings == []
    (finding,) = judge_ctranslate2(tmp_path, quantization="float16").findings
    assert finding.found == "weights stored as int8_float16"
    (finding,) = judge_ctranslate2(tmp_path, mel_bins=80).findings
    assert finding.needed == "feature_size 80"


def test_a_multilingual_vocabulary_needs_the_empty_token(tmp_path: Path) -> None:
    write_ctranslate2(tmp_path)
    tokens = [f"t{number}" for number in range(51865)]
    (tmp_path / "vocabulary.json").write_text(json.dumps(tokens))
    found = [finding.found for finding in judge_ctranslate2(tmp_path).findings]
    assert "no empty-string token" in found
    tokens[50256] = ""
    (tmp_path / "vocabulary.json").write_text(json.dumps(tokens))
    found = [finding.found for finding in judge_ctranslate2(tmp_path).findings]
    assert "no empty-string token" not in found


def test_links_that_leave_are_listed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "model", tmp_path / "elsewhere"
    inside.mkdir()
    outside.mkdir()
    (outside / "weights").write_bytes(b"x")
    (inside / "weights").write_bytes(b"x")
    (inside / "good").symlink_to("weights")
    assert links_that_leave(inside) == []
    (inside / "bad").symlink_to("../elsewhere/weights")
    (inside / "nowhere").symlink_to("gone")
    (inside / "folder").symlink_to(outside)
    assert links_that_leave(inside) == ["bad", "folder", "nowhere"]


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


# Bytes of model.bin that CTranslate2 4.8.5 wrote for openai/whisper-large-v3-turbo's architecture.
TURBO_BYTES = {"float16": 1_616_648_611, "int8": 812_818_213}


@pytest.mark.parametrize("quantization", sorted(TURBO_BYTES))
def test_the_size_band_holds_for_the_real_architecture(quantization: str) -> None:
    width, inner = 1280, 5120
    shapes: dict[str, tuple[int, ...]] = {
        "model.encoder.conv1.weight": (width, 128, 3),
        "model.encoder.conv2.weight": (width, width, 3),
        "model.encoder.embed_positions.weight": (1500, width),
        "model.decoder.embed_tokens.weight": (51866, width),
        "model.decoder.embed_positions.weight": (448, width),
    }
    for stack, layers, attentions in (("encoder", 32, 1), ("decoder", 4, 2)):
        for layer in range(layers):
            for attention in range(attentions):
                for name in "qkvo":
                    key = f"model.{stack}.layers.{layer}.attention{attention}.{name}"
                    shapes[f"{key}.weight"] = (width, width)
                    shapes[f"{key}.bias"] = (width,)
            shapes[f"model.{stack}.layers.{layer}.fc1.weight"] = (inner, width)
            shapes[f"model.{stack}.layers.{layer}.fc2.weight"] = (width, inner)
    tensors = Tensors({name: ("F16", shape) for name, shape in shapes.items()}, 0)
    least, most = expected_model_size([tensors], quantization)
    assert least < TURBO_BYTES[quantization] < most
    other = TURBO_BYTES["int8" if quantization == "float16" else "float16"]
    assert not least < other < most
