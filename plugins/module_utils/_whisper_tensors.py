# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tensors of a Whisper checkpoint, and the variables that a conversion must make of them.

transformers fills a tensor that a checkpoint lacks with random values and goes on, so a checkpoint
is held against its own config.json before anything converts it. What CTranslate2 writes follows
from names, shapes and types alone: query, key and value become one matrix (a key has no bias: zeros
take its place), an int8 matrix gets one float32 scale a row, nothing is padded, and a variable that
equals another is stored once, as an alias. So the size of model.bin is exact once its aliases are
known, and narrow before. Standard library only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._judgement import Judgement, first_names, is_integer, read_json
from ._model_bin import DATA_TYPES, ModelBin
from ._safetensors import SafetensorsError, Tensors, read_safetensors_header, weight_files

Shapes = dict[str, tuple[int, ...]]
# What faster-whisper needs of the checkpoint beside the weights.
SOURCE_FILES = ("config.json", "tokenizer.json", "preprocessor_config.json")
SIZES = (
    "d_model",
    "encoder_layers",
    "decoder_layers",
    "encoder_attention_heads",
    "decoder_attention_heads",
    "encoder_ffn_dim",
    "decoder_ffn_dim",
    "num_mel_bins",
    "vocab_size",
    "max_source_positions",
    "max_target_positions",
)
FLOATING_TYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
PREFIX = "model."
PROJECTION = "proj_out.weight"
PROJECTION_VARIABLE = "decoder/projection/weight"
EMBEDDINGS_VARIABLE = "decoder/embeddings/weight"
# What the header of model.bin has besides variables: version, spec name, revision and two counts.
FIXED_BYTES = 4 + (2 + len("WhisperSpec") + 1) + 4 + 4 + 4
# CTranslate2 4.8.5 writes a dozen settings such as decoder/num_heads.
SETTINGS_BYTES = 4096
LAYER = re.compile(r"(encoder|decoder)\.layers\.(\d+)\.(.+)\.(weight|bias)")
LAYER_NORM = {"weight": "gamma", "bias": "beta"}
# Part of a layer in the checkpoint: its place in model.bin, and its place within that matrix.
LAYER_PARTS = {
    "self_attn.q_proj": ("self_attention/linear_0", 0),
    "self_attn.k_proj": ("self_attention/linear_0", 1),
    "self_attn.v_proj": ("self_attention/linear_0", 2),
    "self_attn.out_proj": ("self_attention/linear_1", 0),
    "encoder_attn.q_proj": ("attention/linear_0", 0),
    "encoder_attn.k_proj": ("attention/linear_1", 0),
    "encoder_attn.v_proj": ("attention/linear_1", 1),
    "encoder_attn.out_proj": ("attention/linear_2", 0),
    "fc1": ("ffn/linear_0", 0),
    "fc2": ("ffn/linear_1", 0),
}
LAYER_NORMS = {
    "self_attn_layer_norm": "self_attention/layer_norm",
    "encoder_attn_layer_norm": "attention/layer_norm",
    "final_layer_norm": "ffn/layer_norm",
}
PLAIN = {
    "encoder.conv1.weight": "encoder/conv1/weight",
    "encoder.conv1.bias": "encoder/conv1/bias",
    "encoder.conv2.weight": "encoder/conv2/weight",
    "encoder.conv2.bias": "encoder/conv2/bias",
    "encoder.embed_positions.weight": "encoder/position_encodings/encodings",
    "decoder.embed_positions.weight": "decoder/position_encodings/encodings",
    "decoder.embed_tokens.weight": EMBEDDINGS_VARIABLE,
    "encoder.layer_norm.weight": "encoder/layer_norm/gamma",
    "encoder.layer_norm.bias": "encoder/layer_norm/beta",
    "decoder.layer_norm.weight": "decoder/layer_norm/gamma",
    "decoder.layer_norm.bias": "decoder/layer_norm/beta",
}


@dataclass(frozen=True)
class Checkpoint:
    """A model as it was fetched: its settings, and its tensors by names without ``model.``."""

    config: Mapping[str, Any]
    tensors: Mapping[str, tuple[str, tuple[int, ...]]]
    extra: tuple[str, ...]

    @property
    def loaded_as(self) -> str:
        """The floating type that transformers loads it in, unless told otherwise."""
        return loaded_type(self.config, self.tensors)


def required_tensors(config: Mapping[str, Any]) -> Shapes:
    """Name (without ``model.``) and shape of every tensor that a Whisper of these sizes has."""
    width = config["d_model"]
    shapes: Shapes = {
        "encoder.conv1.weight": (width, config["num_mel_bins"], 3),
        "encoder.conv1.bias": (width,),
        "encoder.conv2.weight": (width, width, 3),
        "encoder.conv2.bias": (width,),
        "encoder.embed_positions.weight": (config["max_source_positions"], width),
        "decoder.embed_positions.weight": (config["max_target_positions"], width),
        "decoder.embed_tokens.weight": (config["vocab_size"], width),
    }
    for stack, attentions in (
        ("encoder", ("self_attn",)),
        ("decoder", ("self_attn", "encoder_attn")),
    ):
        inner = config[f"{stack}_ffn_dim"]
        norms = [f"{stack}.layer_norm"]
        for layer in range(config[f"{stack}_layers"]):
            here = f"{stack}.layers.{layer}"
            for attention in attentions:
                for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                    shapes[f"{here}.{attention}.{part}.weight"] = (width, width)
                    if part != "k_proj":
                        shapes[f"{here}.{attention}.{part}.bias"] = (width,)
                norms.append(f"{here}.{attention}_layer_norm")
            shapes |= {f"{here}.fc1.weight": (inner, width), f"{here}.fc1.bias": (inner,)}
            shapes |= {f"{here}.fc2.weight": (width, inner), f"{here}.fc2.bias": (width,)}
            norms.append(f"{here}.final_layer_norm")
        for norm in norms:
            shapes |= {f"{norm}.weight": (width,), f"{norm}.bias": (width,)}
    if config.get("tie_word_embeddings") is False:
        shapes[PROJECTION] = (config["vocab_size"], width)
    return shapes


def judge_checkpoint(directory: Path) -> tuple[Checkpoint | None, Judgement]:
    """Hold a fetched model against its own config.json: no tensor missing, none of other shape."""
    judgement = Judgement()
    again = "fetch the model again with verify=full, or choose a complete revision of it"
    for name in SOURCE_FILES:
        if not (directory / name).is_file():
            judgement.add(str(directory / name), "no such file", "a complete Whisper model", again)
    if not (directory / "config.json").is_file():
        return None, judgement
    config = read_json(directory / "config.json", judgement, again)
    if config is None or not _config_fits(directory, config, judgement):
        return None, judgement
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    try:
        for path in weight_files(directory):
            for name, entry in read_safetensors_header(path).shapes.items():
                plain = name.removeprefix(PREFIX)
                if plain in found:
                    judgement.add(str(path), f"tensor {name} twice", "every tensor once", again)
                found[plain] = entry
    except (OSError, SafetensorsError) as error:
        judgement.add(f"weights in {directory}", str(error), "complete safetensors files", again)
        return None, judgement
    required = required_tensors(config)
    _compare(directory, required, found, judgement)
    # Without untied embeddings a stored output projection is a copy that nothing reads.
    extra = tuple(sorted(found.keys() - required.keys()))
    kept = {name: entry for name, entry in found.items() if name in required}
    judgement.facts.update(
        source_tensors=len(kept),
        source_parameters=sum(math.prod(shape) for _kind, shape in kept.values()),
        extra_tensors=list(extra),
    )
    return (None if judgement.findings else Checkpoint(config, kept, extra)), judgement


def loaded_type(
    config: Mapping[str, Any], tensors: Mapping[str, tuple[str, tuple[int, ...]]]
) -> str:
    """The floating type that transformers loads a checkpoint in: its config's, else its own."""
    named = config.get("dtype") or config.get("torch_dtype")
    if isinstance(named, str) and named.removeprefix("torch.") in FLOATING_TYPES.values():
        return named.removeprefix("torch.")
    kinds = [kind for kind, _shape in tensors.values() if kind in FLOATING_TYPES]
    return FLOATING_TYPES[kinds[0]] if kinds else "float32"


def expected_variables(
    tensors: Mapping[str, tuple[str, tuple[int, ...]]], quantization: str, loaded_as: str
) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and type of every weight that a conversion of these tensors holds, aliases included.

    Names that are no part of a Whisper are passed over.
    """
    shapes: Shapes = {}
    # Rows of the parts that become one matrix.
    fused: dict[str, dict[int, tuple[int, ...]]] = {}
    for name, (_kind, shape) in tensors.items():
        plain = name.removeprefix(PREFIX)
        match = LAYER.fullmatch(plain)
        if plain in PLAIN:
            shapes[PLAIN[plain]] = shape
        elif match:
            stack, layer, part, what = match.groups()
            here = f"{stack}/layer_{layer}"
            if part in LAYER_NORMS:
                shapes[f"{here}/{LAYER_NORMS[part]}/{LAYER_NORM[what]}"] = shape
            elif part in LAYER_PARTS and what == "weight":
                place, position = LAYER_PARTS[part]
                fused.setdefault(f"{here}/{place}", {})[position] = shape
    for place, parts in fused.items():
        rows = sum(shape[0] for shape in parts.values())
        shapes[f"{place}/weight"] = (rows, *parts[min(parts)][1:])
        shapes[f"{place}/bias"] = (rows,)
    if EMBEDDINGS_VARIABLE in shapes:
        shapes[PROJECTION_VARIABLE] = shapes[EMBEDDINGS_VARIABLE]
    integer = quantization.startswith("int8")
    floating = quantization.partition("_")[2] or (loaded_as if integer else quantization)
    wanted: dict[str, tuple[tuple[int, ...], str]] = {}
    for variable, shape in shapes.items():
        if integer and len(shape) > 1 and not variable.endswith("/encodings"):
            wanted[variable] = (shape, "int8")
            wanted[f"{variable}_scale"] = (shape[:1], "float32")
        else:
            wanted[variable] = (shape, floating)
    return wanted


def expected_model_size(
    tensors: Iterable[Tensors],
    quantization: str,
    *,
    loaded_as: str | None = None,
    model: ModelBin | None = None,
) -> tuple[int, int]:
    """The least and most bytes a conversion of these tensors to ``quantization`` may have.

    With the headers of ``model`` both are the same: its aliases are then known. Without them the
    least is what the matrices alone take, as equal vectors are stored once; the most is all.
    """
    merged = {name: entry for part in tensors for name, entry in part.shapes.items()}
    wanted = expected_variables(merged, quantization, loaded_as or loaded_type({}, merged))
    if model is not None:
        return (_exact_size(wanted, model),) * 2
    least = most = FIXED_BYTES
    for name, (shape, dtype) in wanted.items():
        if name.startswith(PROJECTION_VARIABLE):
            continue
        stored = _stored_bytes(name, shape, dtype)
        most += stored
        least += stored if len(shape) > 1 or name.endswith("_scale") else 0
    if PROJECTION_VARIABLE in wanted:
        most += _alias_bytes(PROJECTION_VARIABLE, EMBEDDINGS_VARIABLE)
    return least, most + SETTINGS_BYTES


def judge_variables(
    checkpoint: Checkpoint, model: ModelBin, quantization: str, judgement: Judgement
) -> None:
    """Hold every variable of a conversion, and its size, against the checkpoint it was made of."""
    wanted = expected_variables(checkpoint.tensors, quantization, checkpoint.loaded_as)
    there = model.variables.keys() | model.aliases.keys()
    missing = [name for name in sorted(wanted) if name not in there and not _is_spared(name, model)]
    other: list[str] = []
    for name, (shape, dtype) in sorted(wanted.items()):
        variable = model.variables.get(model.aliases.get(name, name))
        if variable is not None and (variable.shape, variable.dtype) != (shape, dtype):
            other.append(
                f"{name} as {variable.dtype} {list(variable.shape)}, not {dtype} {list(shape)}"
            )
    unknown = sorted(
        name for name, variable in model.variables.items() if variable.shape and name not in wanted
    )
    given, made = _given_parameters(checkpoint), _made_parameters(model)
    size = _exact_size(wanted, model)
    judgement.facts["source_variables"] = len(wanted)
    judgement.facts["parameters_with_aliases"] = made
    again = "convert the model again; if it happens again, look at the job's log"
    for wrong, found, needed in (
        (missing, f"{len(missing)} variables missing: {first_names(missing)}", "all of them"),
        (other, f"{len(other)} other variables: {first_names(other)}", "the checkpoint's"),
        (unknown, f"{len(unknown)} unknown variables: {first_names(unknown)}", "none"),
        (given != made, f"{made} parameters", f"{given}, as the checkpoint's tensors give"),
        (size != model.size, f"{model.size} bytes", f"{size}, as the checkpoint's tensors give"),
    ):
        if wrong:
            judgement.add(model.path, found, needed, again)


def _given_parameters(checkpoint: Checkpoint) -> int:
    """Values that a conversion must hold: the tensors', zero key biases, the shared projection."""
    count: int = sum(math.prod(shape) for _kind, shape in checkpoint.tensors.values())
    config = checkpoint.config
    attentions = config["encoder_layers"] + 2 * config["decoder_layers"]
    count += attentions * config["d_model"]
    if PROJECTION not in checkpoint.tensors:
        count += config["vocab_size"] * config["d_model"]
    return count


def _made_parameters(model: ModelBin) -> int:
    """Values that a conversion holds, an alias counted like what it stands for."""
    aliased = (model.variables[target].shape for target in model.aliases.values())
    return model.parameters + sum(math.prod(shape) for shape in aliased)


def _exact_size(wanted: Mapping[str, tuple[tuple[int, ...], str]], model: ModelBin) -> int:
    """Bytes of the variables as they must be, with the aliases and settings as they are."""
    size = FIXED_BYTES
    for name, (shape, dtype) in wanted.items():
        if name in model.aliases:
            size += _alias_bytes(name, model.aliases[name])
        elif not _is_spared(name, model):
            size += _stored_bytes(name, shape, dtype)
    for name, variable in model.variables.items():
        if not variable.shape:
            size += _stored_bytes(name, (), variable.dtype)
    return size


def _is_spared(name: str, model: ModelBin) -> bool:
    """Whether this is the scale of a matrix that is only an alias: that has none of its own."""
    return name.endswith("_scale") and name.removesuffix("_scale") in model.aliases


def _stored_bytes(name: str, shape: tuple[int, ...], dtype: str) -> int:
    item = dict(DATA_TYPES)[dtype]
    header = 2 + len(name) + 1 + 1 + 4 * len(shape) + 1 + 4
    return header + math.prod(shape) * item


def _alias_bytes(alias: str, target: str) -> int:
    return 2 + len(alias) + 1 + 2 + len(target) + 1


def _config_fits(directory: Path, config: Any, judgement: Judgement) -> bool:
    path = str(directory / "config.json")
    if not isinstance(config, dict) or config.get("model_type") != "whisper":
        kind = config.get("model_type") if isinstance(config, dict) else None
        judgement.add(
            path, f"model_type {kind}", "model_type whisper", "choose a Whisper model's repository"
        )
        return False
    wrong = [
        f"{key} {config.get(key)!r}"
        for key in SIZES
        if not is_integer(config.get(key)) or config[key] < 1
    ]
    if wrong:
        judgement.add(
            path,
            ", ".join(wrong),
            "the sizes of the model as numbers above 0",
            "fetch config.json again with verify=full, or choose a complete revision of the model",
        )
    return not wrong


def _compare(
    directory: Path,
    required: Shapes,
    found: Mapping[str, tuple[str, tuple[int, ...]]],
    judgement: Judgement,
) -> None:
    missing = sorted(required.keys() - found.keys())
    if missing:
        judgement.add(
            f"weights in {directory}",
            f"{len(missing)} of {len(required)} tensors missing: {first_names(missing)}",
            "every tensor that config.json describes; the converter would take random values",
            "choose a complete revision of the model, and fetch it",
        )
    other = [
        f"{name} {list(found[name][1])} instead of {list(shape)}"
        for name, shape in sorted(required.items())
        if name in found and found[name][1] != shape
    ]
    if other:
        judgement.add(
            f"weights in {directory}",
            f"{len(other)} tensors of another shape: {first_names(other)}",
            "the shapes that config.json describes",
            "choose a revision whose config.json belongs to its weights, and fetch it",
        )
    kinds = sorted(
        {found[name][0] for name in required.keys() & found.keys()} - FLOATING_TYPES.keys()
    )
    if kinds:
        judgement.add(
            f"weights in {directory}",
            f"tensors stored as {', '.join(kinds)}",
            f"tensors stored as {', '.join(sorted(FLOATING_TYPES))}",
            "choose the model's original weights; a quantized checkpoint is not converted again",
        )
