# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts the tiny Whisper of tests/fixtures to CTranslate2's format without torch.

The engine's release converts with ctranslate2's own command line, which needs torch. The same
library's specification classes take plain arrays, and make the same bytes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs.whisper_spec import WhisperSpec
from numpy.typing import NDArray
from safetensors.numpy import load_file

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
CLIPS = FIXTURES.parents[1] / "roles" / "model_check" / "files" / "clips"
Weights = dict[str, NDArray[Any]]


def write_tiny_model(work: Path) -> Path:
    """Write the fixture's repository and its conversion below a directory; return the latter."""
    source = work / "repository"
    subprocess.run(
        [sys.executable, str(FIXTURES / "make_tiny_whisper.py"), "--out", str(source)],
        check=True,
        capture_output=True,
    )
    target = work / "ctranslate2_model"
    target.mkdir()
    config = json.loads((source / "config.json").read_text())
    weights: Weights = load_file(source / "model.safetensors")
    spec = WhisperSpec(
        config["encoder_layers"],
        config["encoder_attention_heads"],
        config["decoder_layers"],
        config["decoder_attention_heads"],
    )
    _set_encoder(spec.encoder, weights)
    _set_decoder(spec.decoder, weights)
    _set_config(spec.config, json.loads((source / "generation_config.json").read_text()))
    spec.register_vocabulary(_tokens(source, config["vocab_size"]))
    spec.validate()
    spec.optimize(quantization="float16")
    spec.save(str(target))
    for name in ("tokenizer.json", "preprocessor_config.json"):
        shutil.copyfile(source / name, target / name)
    return target


def _tokens(source: Path, size: int) -> list[str]:
    tokenizer = json.loads((source / "tokenizer.json").read_text())
    numbers = dict(tokenizer["model"]["vocab"])
    numbers.update({entry["content"]: entry["id"] for entry in tokenizer["added_tokens"]})
    tokens = [token for token, _unused in sorted(numbers.items(), key=lambda item: item[1])]
    assert len(tokens) == size
    return tokens


def _set_config(config: Any, generation: dict[str, Any]) -> None:
    config.suppress_ids = generation["suppress_tokens"]
    config.suppress_ids_begin = generation["begin_suppress_tokens"]
    config.alignment_heads = generation["alignment_heads"]
    config.lang_ids = sorted(generation["lang_to_id"].values())


def _set_encoder(spec: Any, weights: Weights) -> None:
    for name in ("conv1", "conv2"):
        _set_linear(getattr(spec, name), weights, f"model.encoder.{name}")
    _set_common(spec, weights, "model.encoder")
    for number, layer in enumerate(spec.layer):
        prefix = f"model.encoder.layers.{number}"
        _set_self_attention(layer.self_attention, weights, prefix)
        _set_feed_forward(layer.ffn, weights, prefix)


def _set_decoder(spec: Any, weights: Weights) -> None:
    embeddings = weights["model.decoder.embed_tokens.weight"]
    spec.embeddings.weight = embeddings
    spec.projection.weight = embeddings
    _set_common(spec, weights, "model.decoder")
    for number, layer in enumerate(spec.layer):
        prefix = f"model.decoder.layers.{number}"
        _set_self_attention(layer.self_attention, weights, prefix)
        _set_cross_attention(layer.attention, weights, prefix)
        _set_feed_forward(layer.ffn, weights, prefix)


def _set_common(spec: Any, weights: Weights, prefix: str) -> None:
    spec.position_encodings.encodings = weights[f"{prefix}.embed_positions.weight"]
    _set_norm(spec.layer_norm, weights, f"{prefix}.layer_norm")


def _set_self_attention(spec: Any, weights: Weights, prefix: str) -> None:
    _set_norm(spec.layer_norm, weights, f"{prefix}.self_attn_layer_norm")
    _fuse(spec.linear[0], weights, f"{prefix}.self_attn", "qkv")
    _set_linear(spec.linear[1], weights, f"{prefix}.self_attn.out_proj")


def _set_cross_attention(spec: Any, weights: Weights, prefix: str) -> None:
    _set_norm(spec.layer_norm, weights, f"{prefix}.encoder_attn_layer_norm")
    _fuse(spec.linear[0], weights, f"{prefix}.encoder_attn", "q")
    _fuse(spec.linear[1], weights, f"{prefix}.encoder_attn", "kv")
    _set_linear(spec.linear[2], weights, f"{prefix}.encoder_attn.out_proj")


def _set_feed_forward(spec: Any, weights: Weights, prefix: str) -> None:
    _set_norm(spec.layer_norm, weights, f"{prefix}.final_layer_norm")
    _set_linear(spec.linear_0, weights, f"{prefix}.fc1")
    _set_linear(spec.linear_1, weights, f"{prefix}.fc2")


def _set_norm(spec: Any, weights: Weights, name: str) -> None:
    spec.gamma = weights[f"{name}.weight"]
    spec.beta = weights[f"{name}.bias"]


def _set_linear(spec: Any, weights: Weights, name: str) -> None:
    spec.weight = weights[f"{name}.weight"]
    spec.bias = weights[f"{name}.bias"]


def _fuse(spec: Any, weights: Weights, prefix: str, which: str) -> None:
    """Stack projections into one; Whisper's key projection has no bias."""
    names = [f"{prefix}.{letter}_proj" for letter in which]
    spec.weight = np.concatenate([weights[f"{name}.weight"] for name in names])
    spec.bias = np.concatenate(
        [
            weights.get(f"{name}.bias", np.zeros_like(weights[f"{name}.weight"][:, 0]))
            for name in names
        ]
    )
