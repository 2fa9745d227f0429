# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A checkpoint is held against its config.json, and a conversion against its checkpoint."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._model_bin import read_model_bin
from ansible_collections.stt.engine.plugins.module_utils._model_directory import judge_ctranslate2
from ansible_collections.stt.engine.plugins.module_utils._safetensors import Tensors
from ansible_collections.stt.engine.plugins.module_utils._whisper_tensors import (
    expected_model_size,
    expected_variables,
    judge_checkpoint,
    required_tensors,
)
from tests.unit.model_files import (
    CONFIG,
    ITEM_SIZES,
    TYPES,
    TensorSpec,
    model_bin,
    safetensors,
    source_tensors,
    string,
    whisper_tensors,
    write_ctranslate2,
    write_source,
)

QUANTIZATIONS = ["float16", "int8", "int8_float16", "int8_float32", "bfloat16", "float32"]
TURBO = {
    **CONFIG,
    "d_model": 1280,
    "encoder_layers": 32,
    "decoder_layers": 4,
    "encoder_attention_heads": 20,
    "decoder_attention_heads": 20,
    "encoder_ffn_dim": 5120,
    "decoder_ffn_dim": 5120,
    "vocab_size": 51866,
    "max_source_positions": 1500,
    "max_target_positions": 448,
}
# Bytes of model.bin that CTranslate2 4.8.5 wrote for openai/whisper-large-v3-turbo's architecture
# with random matrices; all its biases are zero and all its norms one, so most of them are aliases.
TURBO_BYTES = {"float16": 1_616_648_611, "int8": 812_818_213}


def findings(source: Path) -> list[str]:
    return [finding.found for finding in judge_checkpoint(source)[1].findings]


def stored_as(quantization: str) -> str:
    return "int8_float16" if quantization == "int8" else quantization


def test_a_whole_checkpoint_has_every_tensor(tmp_path: Path) -> None:
    source = write_source(tmp_path)
    checkpoint, judgement = judge_checkpoint(source)
    assert judgement.findings == []
    assert checkpoint is not None
    assert checkpoint.loaded_as == "float16"
    tensors = source_tensors()
    assert judgement.facts["source_tensors"] == len(tensors)
    assert {f"model.{name}": shape for name, shape in required_tensors(CONFIG).items()} == tensors


def test_a_checkpoint_without_the_prefix_and_one_in_shards_are_whole_too(tmp_path: Path) -> None:
    tensors = source_tensors()
    bare = {name.removeprefix("model."): shape for name, shape in tensors.items()}
    assert findings(write_source(tmp_path / "bare", bare)) == []
    sharded = write_source(tmp_path / "sharded")
    (sharded / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, chosen in parts.items():
        (sharded / file).write_bytes(safetensors({name: tensors[name] for name in chosen}))
    index = {"weight_map": {name: file for file, chosen in parts.items() for name in chosen}}
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index))
    assert findings(sharded) == []
    (sharded / "model-2.safetensors").write_bytes(safetensors({names[0]: tensors[names[0]]}))
    twice, missing = findings(sharded)
    assert twice == f"tensor {names[0]} twice"
    assert missing.startswith(f"{len(parts['model-2.safetensors'])} of {len(names)} tensors miss")


@pytest.mark.parametrize("name", sorted(source_tensors()))
def test_every_tensor_is_missed(tmp_path: Path, name: str) -> None:
    tensors = source_tensors()
    del tensors[name]
    plain = name.removeprefix("model.")
    count = len(tensors) + 1
    assert findings(write_source(tmp_path, tensors)) == [f"1 of {count} tensors missing: {plain}"]


def test_what_else_is_wrong_with_a_checkpoint_is_named(tmp_path: Path) -> None:
    tensors = source_tensors()
    tensors["model.decoder.layers.0.fc1.weight"] = (4, 8)
    assert findings(write_source(tmp_path, tensors)) == [
        "1 tensors of another shape: decoder.layers.0.fc1.weight [4, 8] instead of [8, 4]"
    ]
    (tmp_path / "model.safetensors").write_bytes(
        safetensors(source_tensors()).replace(b"F16", b"I16")
    )
    assert findings(tmp_path) == ["tensors stored as I16"]
    (tmp_path / "model.safetensors").write_bytes(b"<html>")
    assert findings(tmp_path) == ["model.safetensors: a header of 0 bytes in a file of 6 bytes"]
    (tmp_path / "model.safetensors").unlink()
    (found,) = findings(tmp_path)
    assert "No such file" in found and "model.safetensors" in found


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"model_type": "bart"}, "model_type bart"),
        ({"d_model": None, "vocab_size": "20"}, "d_model None, vocab_size '20'"),
        ({"encoder_layers": 0}, "encoder_layers 0"),
        ({"encoder_layers": 3}, "15 of 80 tensors missing: encoder.layers.2.fc1.bias"),
        ({"tie_word_embeddings": False}, "1 of 66 tensors missing: proj_out.weight"),
    ],
)
def test_a_config_of_another_model_is_named(
    tmp_path: Path, change: dict[str, Any], found: str
) -> None:
    source = write_source(tmp_path)
    (source / "config.json").write_text(json.dumps({**CONFIG, **change}))
    assert findings(source)[0].startswith(found)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "preprocessor_config.json"])
def test_a_file_that_is_needed_beside_the_weights_is_missed(tmp_path: Path, name: str) -> None:
    (write_source(tmp_path) / name).unlink()
    _checkpoint, judgement = judge_checkpoint(tmp_path)
    assert [finding.object for finding in judgement.findings] == [str(tmp_path / name)]


def test_tensors_too_many_are_only_told(tmp_path: Path) -> None:
    tensors = {**source_tensors(), "proj_out.weight": (20, 4), "other.weight": (3,)}
    checkpoint, judgement = judge_checkpoint(write_source(tmp_path, tensors))
    assert checkpoint is not None and judgement.findings == []
    assert judgement.facts["extra_tensors"] == ["other.weight", "proj_out.weight"]


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_a_conversion_holds_what_its_checkpoint_gives(tmp_path: Path, quantization: str) -> None:
    source = write_source(tmp_path / "source")
    made = write_ctranslate2(tmp_path / "made", stored_as(quantization))
    judgement = judge_ctranslate2(made, quantization=quantization, source=source)
    assert judgement.findings == []
    assert judgement.facts["parameters_with_aliases"] > judgement.facts["source_parameters"]
    size = (made / "model.bin").stat().st_size
    weights = [Tensors({name: ("F16", shape) for name, shape in source_tensors().items()}, 0)]
    model = read_model_bin(made / "model.bin")
    assert expected_model_size(weights, quantization, model=model) == (size, size)
    least, most = expected_model_size(weights, quantization)
    assert least < size < most


Change = Callable[[list[TensorSpec]], list[TensorSpec]]


def without(name: str) -> Change:
    return lambda tensors: [tensor for tensor in tensors if not tensor.name.startswith(name)]


def other(name: str, **changes: Any) -> Change:
    return lambda tensors: [
        replace(tensor, **changes) if tensor.name == name else tensor for tensor in tensors
    ]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            without("encoder/layer_1/ffn/linear_0/bias"),
            ["1 variables missing: encoder/layer_1/ffn/linear_0/bias", "parameters", "bytes"],
        ),
        (
            without("encoder/layer_1"),
            ["16 variables missing: encoder/layer_1/ffn/layer_norm/beta", "parameters", "bytes"],
        ),
        (
            other("decoder/layer_norm/gamma", shape=(5,)),
            [
                "1 other variables: decoder/layer_norm/gamma as float16 [5], not float16 [4]",
                "parameters",
                "bytes",
            ],
        ),
        (
            other("decoder/layer_norm/gamma", dtype="float32"),
            [
                "1 other variables: decoder/layer_norm/gamma as float32 [4], not float16 [4]",
                "bytes",
            ],
        ),
        (
            lambda tensors: [*tensors, TensorSpec("encoder/more/weight", (3,), "float16")],
            ["1 unknown variables: encoder/more/weight", "parameters", "bytes"],
        ),
        (other("decoder/num_heads", value=1), ["1 decoder heads"]),
        (without("encoder/num_heads"), ["None encoder heads"]),
    ],
)
def test_a_conversion_of_something_else_is_named(
    tmp_path: Path, change: Change, found: list[str]
) -> None:
    source = write_source(tmp_path / "source")
    made = write_ctranslate2(tmp_path / "made", "int8_float16")
    (made / "config.json").write_text(
        (made / "config.json").read_text().replace("[0, 1]", "[0, 0]")
    )
    (source / "generation_config.json").unlink()
    (made / "model.bin").write_bytes(model_bin(change(whisper_tensors("int8_float16"))))
    judgement = judge_ctranslate2(made, quantization="int8_float16", source=source)
    assert len(judgement.findings) == len(found)
    for finding, words in zip(judgement.findings, found, strict=True):
        assert words in finding.found
        assert finding.needed and finding.fix


def test_an_equal_variable_is_stored_once(tmp_path: Path) -> None:
    """CTranslate2 makes an alias of it; the size is exact all the same."""
    source = write_source(tmp_path / "source")
    made = write_ctranslate2(tmp_path / "made", "int8_float16")
    name = "encoder/layer_1/self_attention/linear_0/weight"
    aliases = {
        "decoder/projection/weight": "decoder/embeddings/weight",
        name: "encoder/layer_0/self_attention/linear_0/weight",
    }
    tensors = without(name)(whisper_tensors("int8_float16"))
    (made / "model.bin").write_bytes(model_bin(tensors, aliases))
    assert judge_ctranslate2(made, quantization="int8_float16", source=source).findings == []
    aliases[name] = "encoder/layer_0/self_attention/linear_1/weight"
    (made / "model.bin").write_bytes(model_bin(tensors, aliases))
    found = judge_ctranslate2(made, quantization="int8_float16", source=source).findings
    assert found[0].found == f"1 other variables: {name} as int8 [4, 4], not int8 [12, 4]"


def test_copies_and_settings_of_another_original_are_named(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source")
    made = write_ctranslate2(tmp_path / "made")
    (source / "tokenizer.json").write_text("{}")
    settings = json.loads((source / "generation_config.json").read_text())
    (source / "generation_config.json").write_text(json.dumps({**settings, "suppress_tokens": []}))
    first, second = judge_ctranslate2(made, quantization="float16", source=source).findings
    assert (first.object, first.needed) == (
        str(made / "tokenizer.json"),
        str(source / "tokenizer.json"),
    )
    assert (second.found, second.needed) == (
        "suppress_ids [2, 5]",
        "[], as generation_config.json has it",
    )


@pytest.mark.parametrize("quantization", sorted(TURBO_BYTES))
def test_sizes_hold_for_the_real_architecture(tmp_path: Path, quantization: str) -> None:
    shapes = {name: ("F16", shape) for name, shape in required_tensors(TURBO).items()}
    tensors = [Tensors(shapes, 0)]
    least, most = expected_model_size(tensors, quantization)
    assert least < TURBO_BYTES[quantization] < most
    assert most - least < 0.002 * most
    # The headers alone, with the aliases that the converter made of equal vectors: then exact.
    first: dict[tuple[tuple[int, ...], str], str] = {}
    aliases = {"decoder/projection/weight": "decoder/embeddings/weight"}
    stored = []
    wanted = expected_variables(shapes, quantization, "float16")
    for name, (shape, dtype) in sorted(wanted.items()):
        kind = "one" if name.endswith("gamma") else "zero"
        if len(shape) == 1 and not name.endswith("_scale"):
            target = first.setdefault((shape, kind), name)
            if target != name:
                aliases[name] = target
                continue
        if not name.startswith("decoder/projection"):
            stored.append(TensorSpec(name, shape, dtype))
    settings = [TensorSpec(name, (), dtype) for name, dtype in SETTINGS]
    path = tmp_path / "model.bin"
    write_headers(path, [*stored, *settings], aliases)
    model = read_model_bin(path)
    assert (
        expected_model_size(tensors, quantization, model=model) == (TURBO_BYTES[quantization],) * 2
    )
    assert path.stat().st_size == TURBO_BYTES[quantization]


SETTINGS = [
    ("decoder/activation", "int8"),
    ("decoder/alibi", "int8"),
    ("decoder/alibi_use_positive_positions", "int8"),
    ("decoder/alignment_heads", "int16"),
    ("decoder/alignment_layer", "int16"),
    ("decoder/num_heads", "int16"),
    ("decoder/pre_norm", "int8"),
    ("decoder/scale_alibi", "int8"),
    ("decoder/scale_embeddings", "int8"),
    ("decoder/start_from_zero_embedding", "int8"),
    ("encoder/num_heads", "int16"),
]


def write_headers(path: Path, tensors: list[TensorSpec], aliases: dict[str, str]) -> None:
    """A model.bin of real size whose weights are holes in the file."""
    with path.open("wb") as stream:
        stream.write(model_bin([], aliases={})[:-8])
        stream.write(struct.pack("<I", len(tensors)))
        for tensor in tensors:
            rank, kind = len(tensor.shape), TYPES.index(tensor.dtype)
            size = math.prod(tensor.shape) * ITEM_SIZES[tensor.dtype]
            stream.write(string(tensor.name))
            stream.write(struct.pack(f"<B{rank}IBI", rank, *tensor.shape, kind, size))
            stream.seek(size, os.SEEK_CUR)
        stream.write(struct.pack("<I", len(aliases)))
        for alias, target in aliases.items():
            stream.write(string(alias) + string(target))
