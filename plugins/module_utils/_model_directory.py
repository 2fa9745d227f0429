# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges a converted Whisper directory by what its files say, without loading the model.

The conversion is judged with this before it is published, and the check archive judges the mounted
copy with this same file again. Standard library only.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ._model_bin import ModelBin, ModelBinError, read_model_bin

CTRANSLATE2_FILES = (
    "config.json",
    "model.bin",
    "preprocessor_config.json",
    "tokenizer.json",
    "vocabulary.json",
)
CONFIG_KEYS = ("alignment_heads", "lang_ids", "suppress_ids", "suppress_ids_begin")
SAMPLING_RATE = 16000
# From this size on a Whisper vocabulary holds the languages, and CTranslate2 knows a multilingual
# model only by the empty-string token.
MULTILINGUAL_VOCABULARY = 51865
ITEM_SIZES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
}
FLOATING_SIZES = {"float32": 4, "float16": 2, "bfloat16": 2}
MAXIMUM_SAFETENSORS_HEADER = 100_000_000
SIZE_TOLERANCE = 0.02
SIZE_SLACK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, in the four words of every error."""

    object: str
    found: str
    needed: str
    fix: str

    def sentence(self) -> str:
        return f"{self.object}: found {self.found}; needed {self.needed}; fix: {self.fix}"


@dataclass
class Judgement:
    """What was found in a directory: facts as JSON values, and everything that is wrong."""

    facts: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add(self, object_: str, found: str, needed: str, fix: str) -> None:
        self.findings.append(Finding(object_, found, needed, fix))


@dataclass(frozen=True)
class Tensors:
    """The header of a safetensors file: type and shape of each tensor."""

    shapes: dict[str, tuple[str, tuple[int, ...]]]
    size: int

    @property
    def parameters(self) -> int:
        return sum(math.prod(shape) for _type, shape in self.shapes.values())


class SafetensorsError(Exception):
    """A weights file that is not a complete safetensors file."""


def judge_ctranslate2(
    directory: Path, *, quantization: str | None = None, mel_bins: int | None = None
) -> Judgement:
    """Judge a converted model; ``quantization`` and ``mel_bins`` are held against it when given."""
    judgement = Judgement()
    missing = [name for name in CTRANSLATE2_FILES if not (directory / name).is_file()]
    for name in missing:
        judgement.add(
            str(directory / name),
            "no such file",
            "every file that faster-whisper reads: " + ", ".join(CTRANSLATE2_FILES),
            "convert the model again; without this file loading fails or takes another model's",
        )
    model = _judge_weights(directory, judgement, quantization)
    documents = {
        name: _read_json(directory / name, judgement)
        for name in CTRANSLATE2_FILES
        if name.endswith(".json") and name not in missing
    }
    vocabulary = _judge_vocabulary(directory, documents.get("vocabulary.json"), model, judgement)
    _judge_tokenizer(directory, documents.get("tokenizer.json"), vocabulary, judgement)
    _judge_preprocessor(
        directory, documents.get("preprocessor_config.json"), model, mel_bins, judgement
    )
    _judge_config(directory, documents.get("config.json"), vocabulary, judgement)
    return judgement


def links_that_leave(directory: Path) -> list[str]:
    """Names below ``directory`` that are links to outside of it, or to nothing."""
    root = directory.resolve()
    leaving: list[str] = []
    for folder, folders, files in os.walk(directory):
        for name in (*folders, *files):
            path = Path(folder, name)
            if path.is_symlink() and not (path.exists() and path.resolve().is_relative_to(root)):
                leaving.append(str(path.relative_to(directory)))
    return sorted(leaving)


def read_safetensors_header(path: Path) -> Tensors:
    """Read a safetensors file's header and hold it against the file's size."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 2 <= length <= min(MAXIMUM_SAFETENSORS_HEADER, size - 8):
            raise SafetensorsError(f"a header of {length} bytes in a file of {size} bytes")
        try:
            header = json.loads(stream.read(length))
        except ValueError as error:
            raise SafetensorsError("a header that is no JSON") from error
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {}
    end = 0
    for name, entry in header.items() if isinstance(header, dict) else ():
        if name == "__metadata__":
            continue
        try:
            kind, shape, (begin, finish) = entry["dtype"], entry["shape"], entry["data_offsets"]
            wanted = math.prod(shape) * ITEM_SIZES[kind]
        except (KeyError, TypeError, ValueError) as error:
            raise SafetensorsError(f"a malformed entry for {name}") from error
        if finish - begin != wanted:
            raise SafetensorsError(f"{finish - begin} bytes for {name}, which needs {wanted}")
        shapes[name] = (kind, tuple(shape))
        end = max(end, finish)
    if not shapes:
        raise SafetensorsError("no tensors")
    if 8 + length + end != size:
        raise SafetensorsError(f"{size} bytes where the header describes {8 + length + end}")
    return Tensors(shapes, size)


def weight_files(directory: Path) -> list[Path]:
    """The safetensors files of a model: the single one, or the shards its index names."""
    index = directory / "model.safetensors.index.json"
    if index.is_file():
        names = set(json.loads(index.read_bytes())["weight_map"].values())
        return [directory / name for name in sorted(names)]
    return [directory / "model.safetensors"]


def expected_model_size(tensors: Iterable[Tensors], quantization: str) -> tuple[int, int]:
    """The least and most bytes a conversion of these tensors to ``quantization`` may have."""
    integer = quantization.startswith("int8")
    floating = quantization.partition("_")[2] or ("" if integer else quantization)
    total = 0
    for part in tensors:
        for name, (kind, shape) in part.shapes.items():
            count = math.prod(shape)
            item = FLOATING_SIZES.get(floating, ITEM_SIZES[kind])
            if name.startswith("proj_out"):
                # The output projection shares the embeddings, and is stored once.
                continue
            if integer and len(shape) >= 2 and "embed_positions" not in name:
                total += count + 4 * shape[0]
            else:
                total += count * item
    return (
        int(total * (1 - SIZE_TOLERANCE)) - SIZE_SLACK_BYTES,
        int(total * (1 + SIZE_TOLERANCE)) + SIZE_SLACK_BYTES,
    )


def _judge_weights(
    directory: Path, judgement: Judgement, quantization: str | None
) -> ModelBin | None:
    path = directory / "model.bin"
    if not path.is_file():
        return None
    try:
        model = read_model_bin(path)
    except ModelBinError as error:
        judgement.add(error.path, error.found, error.needed, error.fix)
        return None
    judgement.facts["model_bin"] = model.summary()
    if model.spec != "WhisperSpec":
        judgement.add(
            str(path), f"a {model.spec}", "a WhisperSpec", "choose a Whisper model and convert it"
        )
    elif not (model.mel_bins and model.vocabulary_size):
        judgement.add(
            str(path),
            "no encoder/conv1 or decoder/embeddings weights",
            "the weights of a whole Whisper model",
            "convert the model again from a verified source",
        )
    if not (model.encoder_layers and model.decoder_layers):
        judgement.add(
            str(path),
            f"{model.encoder_layers} encoder and {model.decoder_layers} decoder layers",
            "at least one of each",
            "convert the model again from a verified source",
        )
    if quantization and not model.matches(quantization):
        judgement.add(
            str(path),
            f"weights stored as {model.quantization}",
            f"weights stored as {quantization}",
            f"convert the model with quantization {quantization}, or expect what is there",
        )
    return model


def _judge_vocabulary(
    directory: Path, document: Any, model: ModelBin | None, judgement: Judgement
) -> list[str] | None:
    if document is None:
        return None
    path = str(directory / "vocabulary.json")
    again = "convert the model again; do not rewrite this file by hand"
    if not isinstance(document, list) or not all(isinstance(token, str) for token in document):
        judgement.add(
            path, f"a JSON {_kind(document)}", "a JSON list with one string a token", again
        )
        return None
    judgement.facts["vocabulary_tokens"] = len(document)
    if len(set(document)) != len(document):
        judgement.add(
            path,
            f"{len(document) - len(set(document))} tokens twice",
            "every token once",
            again,
        )
    if model is not None and model.vocabulary_size not in (None, len(document)):
        judgement.add(
            path,
            f"{len(document)} tokens",
            f"{model.vocabulary_size} tokens, as model.bin has rows",
            again,
        )
    multilingual = "" in document
    judgement.facts["multilingual"] = multilingual
    if len(document) >= MULTILINGUAL_VOCABULARY and not multilingual:
        judgement.add(
            path,
            "no empty-string token",
            "the empty-string token, by which CTranslate2 knows a multilingual model",
            "fetch the tokenizer of the original model and convert again",
        )
    return document


def _judge_tokenizer(
    directory: Path, document: Any, vocabulary: list[str] | None, judgement: Judgement
) -> None:
    if document is None:
        return
    path = str(directory / "tokenizer.json")
    again = "copy tokenizer.json from the model that was converted, or convert again"
    tokens: dict[int, str] = {}
    try:
        tokens.update((index, token) for token, index in document["model"]["vocab"].items())
        tokens.update((entry["id"], entry["content"]) for entry in document["added_tokens"])
    except (KeyError, TypeError, AttributeError):
        judgement.add(path, "no vocabulary in it", "a tokenizer with model.vocab", again)
        return
    judgement.facts["tokenizer_tokens"] = len(tokens)
    if vocabulary is None:
        return
    different = [
        index
        for index, token in sorted(tokens.items())
        if not 0 <= index < len(vocabulary) or vocabulary[index] != token
    ]
    if different:
        first = different[0]
        there = repr(vocabulary[first]) if 0 <= first < len(vocabulary) else "nothing"
        judgement.add(
            path,
            f"{len(different)} of {len(tokens)} tokens that differ from vocabulary.json, first id "
            f"{first}: {tokens[first]!r} against {there}",
            "the tokenizer of the converted model",
            again,
        )


def _judge_preprocessor(
    directory: Path,
    document: Any,
    model: ModelBin | None,
    mel_bins: int | None,
    judgement: Judgement,
) -> None:
    if document is None:
        return
    path = str(directory / "preprocessor_config.json")
    again = "copy preprocessor_config.json from the model that was converted, or convert again"
    size = document.get("feature_size") if isinstance(document, dict) else None
    rate = document.get("sampling_rate") if isinstance(document, dict) else None
    judgement.facts["feature_size"] = size
    if rate != SAMPLING_RATE:
        judgement.add(path, f"sampling_rate {rate}", f"sampling_rate {SAMPLING_RATE}", again)
    if model is not None and model.mel_bins is not None and size != model.mel_bins:
        judgement.add(
            path,
            f"feature_size {size}",
            f"feature_size {model.mel_bins}, the mel bins that model.bin takes",
            again,
        )
    if mel_bins is not None and size != mel_bins:
        judgement.add(path, f"feature_size {size}", f"feature_size {mel_bins}", again)


def _judge_config(
    directory: Path, document: Any, vocabulary: list[str] | None, judgement: Judgement
) -> None:
    if document is None:
        return
    path = str(directory / "config.json")
    again = "convert the model again; this file is the converter's, not the original model's"
    keys = document.keys() if isinstance(document, dict) else ()
    missing = [key for key in CONFIG_KEYS if key not in keys]
    if missing:
        judgement.add(path, f"no {', '.join(missing)}", "CTranslate2's settings for Whisper", again)
        return
    languages = document["lang_ids"] or []
    judgement.facts["languages"] = len(languages)
    if vocabulary is not None:
        outside = [index for index in languages if not 0 <= index < len(vocabulary)]
        if outside:
            judgement.add(
                path,
                f"language ids outside the vocabulary, first {outside[0]}",
                f"ids below {len(vocabulary)}",
                again,
            )


def _read_json(path: Path, judgement: Judgement) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        judgement.add(
            str(path),
            f"a file that is no JSON ({error})",
            "a JSON document",
            "convert the model again from a verified source",
        )
        return None


def _kind(document: Any) -> str:
    return {dict: "object", str: "string", type(None): "null", list: "list of other things"}.get(
        type(document), type(document).__name__
    )
