# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes small model files of the real formats, with weights that mean nothing."""

from __future__ import annotations

import json
import math
import shutil
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")
ITEM_SIZES = {"float32": 4, "int8": 1, "int16": 2, "int32": 4, "float16": 2, "bfloat16": 2}
SAFETENSORS_TYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
PROJECTION = {"decoder/projection/weight": "decoder/embeddings/weight"}
VOCABULARY = [f"token{number}" for number in range(16)]
VOCABULARY += ["<|en|>", "<|ko|>", "", "<|endoftext|>"]
CONFIG = {
    "model_type": "whisper",
    "d_model": 4,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 8,
    "decoder_ffn_dim": 8,
    "num_mel_bins": 128,
    "vocab_size": 20,
    "max_source_positions": 6,
    "max_target_positions": 5,
    "torch_dtype": "float16",
}
GENERATION_CONFIG = {
    "alignment_heads": [[0, 0], [0, 1]],
    "begin_suppress_tokens": [1, 19],
    "lang_to_id": {"<|ko|>": 17, "<|en|>": 16},
    "suppress_tokens": [2, 5],
}


@dataclass(frozen=True)
class TensorSpec:
    """One variable; ``size`` and ``type_id`` are for headers that lie."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    size: int | None = None
    type_id: int | None = None
    value: int = 0


def whisper_tensors(quantization: str, mel_bins: int = 128) -> list[TensorSpec]:
    """The variables of a Whisper with 20 tokens, 4 dimensions and 2 + 1 layers."""
    integer = quantization.startswith("int8")
    floating = quantization.removeprefix("int8_")
    matrices: dict[str, tuple[int, ...]] = {
        "encoder/conv1": (4, mel_bins, 3),
        "encoder/conv2": (4, 4, 3),
        "decoder/embeddings": (20, 4),
    }
    vectors: dict[str, int] = {}
    norms = ["encoder/layer_norm", "decoder/layer_norm"]
    for layer in ("encoder/layer_0", "encoder/layer_1", "decoder/layer_0"):
        matrices |= {
            f"{layer}/self_attention/linear_0": (12, 4),
            f"{layer}/self_attention/linear_1": (4, 4),
            f"{layer}/ffn/linear_0": (8, 4),
            f"{layer}/ffn/linear_1": (4, 8),
        }
        norms += [f"{layer}/self_attention/layer_norm", f"{layer}/ffn/layer_norm"]
    for number, rows in enumerate((4, 8, 4)):
        matrices[f"decoder/layer_0/attention/linear_{number}"] = (rows, 4)
    norms.append("decoder/layer_0/attention/layer_norm")
    for norm in norms:
        vectors |= {f"{norm}/gamma": 4, f"{norm}/beta": 4}
    tensors = [
        TensorSpec("decoder/num_heads", (), "int16", value=2),
        TensorSpec("encoder/num_heads", (), "int16", value=2),
        TensorSpec("encoder/position_encodings/encodings", (6, 4), floating),
        TensorSpec("decoder/position_encodings/encodings", (5, 4), floating),
    ]
    for name, shape in matrices.items():
        tensors.append(TensorSpec(f"{name}/weight", shape, "int8" if integer else floating))
        if integer:
            tensors.append(TensorSpec(f"{name}/weight_scale", shape[:1], "float32"))
        if name != "decoder/embeddings":
            vectors[f"{name}/bias"] = shape[0]
    tensors += [TensorSpec(name, (size,), floating) for name, size in vectors.items()]
    return sorted(tensors, key=lambda tensor: tensor.name)


def source_tensors() -> dict[str, tuple[int, ...]]:
    """The tensors of the checkpoint that whisper_tensors() is the conversion of."""
    shapes: dict[str, tuple[int, ...]] = {
        "model.encoder.conv1.weight": (4, 128, 3),
        "model.encoder.conv1.bias": (4,),
        "model.encoder.conv2.weight": (4, 4, 3),
        "model.encoder.conv2.bias": (4,),
        "model.encoder.embed_positions.weight": (6, 4),
        "model.decoder.embed_positions.weight": (5, 4),
        "model.decoder.embed_tokens.weight": (20, 4),
    }
    norms = ["model.encoder.layer_norm", "model.decoder.layer_norm"]
    for stack, layer in (("encoder", 0), ("encoder", 1), ("decoder", 0)):
        here = f"model.{stack}.layers.{layer}"
        for attention in ("self_attn", "encoder_attn") if stack == "decoder" else ("self_attn",):
            for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                shapes[f"{here}.{attention}.{part}.weight"] = (4, 4)
                if part != "k_proj":
                    shapes[f"{here}.{attention}.{part}.bias"] = (4,)
            norms.append(f"{here}.{attention}_layer_norm")
        shapes |= {f"{here}.fc1.weight": (8, 4), f"{here}.fc1.bias": (8,)}
        shapes |= {f"{here}.fc2.weight": (4, 8), f"{here}.fc2.bias": (4,)}
        norms.append(f"{here}.final_layer_norm")
    for norm in norms:
        shapes |= {f"{norm}.weight": (4,), f"{norm}.bias": (4,)}
    return shapes


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
            tensor.value.to_bytes(size, "little") if size < 1 << 20 else b"",
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


def write_ctranslate2(directory: Path, quantization: str = "float16", mel_bins: int = 128) -> Path:
    """A converted model directory in which everything fits together."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.bin").write_bytes(model_bin(whisper_tensors(quantization, mel_bins)))
    documents: dict[str, Any] = {
        "vocabulary.json": VOCABULARY,
        "config.json": {
            "alignment_heads": [[0, 0], [0, 1]],
            "lang_ids": [16, 17],
            "suppress_ids": [2, 5],
            "suppress_ids_begin": [1, 19],
        },
        "preprocessor_config.json": {"feature_size": mel_bins, "sampling_rate": 16000},
        "tokenizer.json": {
            "model": {"vocab": {token: index for index, token in enumerate(VOCABULARY[:18])}},
            "added_tokens": [{"id": index, "content": VOCABULARY[index]} for index in (18, 19)],
        },
    }
    for name, document in documents.items():
        (directory / name).write_text(json.dumps(document), encoding="utf-8")
    return directory


def write_source(directory: Path, tensors: Mapping[str, tuple[int, ...]] | None = None) -> Path:
    """The original that write_ctranslate2() holds the conversion of."""
    directory.mkdir(parents=True, exist_ok=True)
    written = write_ctranslate2(directory / "converted")
    for name in ("tokenizer.json", "preprocessor_config.json"):
        (written / name).rename(directory / name)
    shutil.rmtree(written)
    (directory / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (directory / "generation_config.json").write_text(json.dumps(GENERATION_CONFIG), "utf-8")
    data = safetensors(source_tensors() if tensors is None else tensors)
    (directory / "model.safetensors").write_bytes(data)
    return directory
