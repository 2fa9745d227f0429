# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes small model files of the real formats, with weights that mean nothing."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")
ITEM_SIZES = {"float32": 4, "int8": 1, "int16": 2, "int32": 4, "float16": 2, "bfloat16": 2}
SAFETENSORS_TYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
PROJECTION = {"decoder/projection/weight": "decoder/embeddings/weight"}
VOCABULARY = [f"token{number}" for number in range(18)] + ["", "<|endoftext|>"]


@dataclass(frozen=True)
class TensorSpec:
    """One variable; ``size`` and ``type_id`` are for headers that lie."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    size: int | None = None
    type_id: int | None = None


def whisper_tensors(quantization: str) -> list[TensorSpec]:
    """The variables of a Whisper with 20 tokens, 4 dimensions, 2 + 1 layers and 128 mel bins."""
    integer = quantization.startswith("int8")
    floating = quantization.removeprefix("int8_")
    matrices: list[tuple[str, tuple[int, ...]]] = [
        ("encoder/conv1/weight", (4, 128, 1)),
        ("encoder/layer_0/ffn/linear_0/weight", (8, 4)),
        ("encoder/layer_1/ffn/linear_0/weight", (8, 4)),
        ("decoder/embeddings/weight", (20, 4)),
        ("decoder/layer_0/ffn/linear_0/weight", (8, 4)),
    ]
    tensors = [TensorSpec("decoder/layer_0/num_heads", (), "int16")]
    for name, shape in matrices:
        tensors.append(TensorSpec(name, shape, "int8" if integer else floating))
        if integer:
            tensors.append(TensorSpec(f"{name}_scale", shape[:1], "float32"))
        tensors.append(TensorSpec(name.replace("weight", "bias"), shape[:1], floating))
    return sorted(tensors, key=lambda tensor: tensor.name)


def model_bin(tensors: Sequence[TensorSpec], aliases: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a model.bin; by default with the projection's alias where it fits."""
    if aliases is None:
        names = {tensor.name for tensor in tensors}
        aliases = PROJECTION if set(PROJECTION.values()) <= names else {}
    parts = [struct.pack("<I", 6), string("WhisperSpec"), struct.pack("<II", 3, len(tensors))]
    for tensor in tensors:
        wanted = math.prod(tensor.shape) * ITEM_SIZES[tensor.dtype]
        size = wanted if tensor.size is None else tensor.size
        type_id = TYPES.index(tensor.dtype) if tensor.type_id is None else tensor.type_id
        parts += [
            string(tensor.name),
            struct.pack(f"<B{len(tensor.shape)}I", len(tensor.shape), *tensor.shape),
            struct.pack("<BI", type_id, size),
            # A gigabyte of weights is left to the test that wants a hole there.
            bytes(size) if size < 1 << 20 else b"",
        ]
    parts.append(struct.pack("<I", len(aliases)))
    parts += [string(alias) + string(target) for alias, target in aliases.items()]
    return b"".join(parts)


def string(text: str) -> bytes:
    raw = text.encode() + b"\0"
    return struct.pack("<H", len(raw)) + raw


def safetensors(tensors: Mapping[str, tuple[int, ...]], dtype: str = "float16") -> bytes:
    """The bytes of a safetensors file with zeros for weights."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, shape in tensors.items():
        size = math.prod(shape) * ITEM_SIZES[dtype]
        header[name] = {
            "dtype": SAFETENSORS_TYPES[dtype],
            "shape": list(shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + bytes(offset)


def write_ctranslate2(directory: Path, quantization: str = "float16") -> Path:
    """A converted model directory in which everything fits together."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.bin").write_bytes(model_bin(whisper_tensors(quantization)))
    documents: dict[str, Any] = {
        "vocabulary.json": VOCABULARY,
        "config.json": {
            "alignment_heads": [[0, 0]],
            "lang_ids": [3, 4],
            "suppress_ids": [],
            "suppress_ids_begin": [],
        },
        "preprocessor_config.json": {"feature_size": 128, "sampling_rate": 16000},
        "tokenizer.json": {
            "model": {"vocab": {token: index for index, token in enumerate(VOCABULARY[:18])}},
            "added_tokens": [{"id": index, "content": VOCABULARY[index]} for index in (18, 19)],
        },
    }
    for name, document in documents.items():
        (directory / name).write_text(json.dumps(document), encoding="utf-8")
    return directory
