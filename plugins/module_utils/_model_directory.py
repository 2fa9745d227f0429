# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges a converted Whisper directory by what its files say, without loading the model.

The conversion is judged with this before it is published, and the check archive judges the mounted
copy with this same file again. Standard library only.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ._judgement import Finding, Judgement, read_json
from ._model_bin import ModelBin, ModelBinError, read_model_bin
from ._model_settings import judge_heads_of_source, judge_origin, judge_settings
from ._safetensors import SafetensorsError, Tensors, read_safetensors_header, weight_files
from ._whisper_tensors import (
    PROJECTION,
    expected_model_size,
    judge_checkpoint,
    judge_variables,
    loaded_type,
)

# What reads a model takes from here, wherever it is made.
__all__ = [
    "CTRANSLATE2_FILES",
    "PROJECTION",
    "Finding",
    "Judgement",
    "SafetensorsError",
    "Tensors",
    "expected_model_size",
    "judge_ctranslate2",
    "links_that_leave",
    "loaded_type",
    "read_safetensors_header",
    "weight_files",
]

CTRANSLATE2_FILES = (
    "config.json",
    "model.bin",
    "preprocessor_config.json",
    "tokenizer.json",
    "vocabulary.json",
)
SAMPLING_RATE = 16000
# From this size on a Whisper vocabulary holds the languages, and CTranslate2 knows a multilingual
# model only by the empty-string token.
MULTILINGUAL_VOCABULARY = 51865


def judge_ctranslate2(
    directory: Path,
    *,
    quantization: str | None = None,
    mel_bins: int | None = None,
    source: Path | None = None,
) -> Judgement:
    """Judge a converted model; ``quantization`` and ``mel_bins`` are held against it when given.

    With ``source``, the directory of the original, every variable, the size and the settings must
    be what that gives; a ``quantization`` must be given then.
    """
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
        name: read_json(directory / name, judgement, "convert the model again")
        for name in CTRANSLATE2_FILES
        if name.endswith(".json") and name not in missing
    }
    vocabulary = _judge_vocabulary(directory, documents.get("vocabulary.json"), model, judgement)
    _judge_tokenizer(directory, documents.get("tokenizer.json"), vocabulary, judgement)
    _judge_preprocessor(
        directory, documents.get("preprocessor_config.json"), model, mel_bins, judgement
    )
    if documents.get("config.json") is not None:
        judge_settings(directory, documents["config.json"], vocabulary, model, judgement)
    judge_origin(directory, source, judgement)
    if source is not None and quantization is not None:
        checkpoint, of_source = judge_checkpoint(source)
        judgement.facts.update(of_source.facts)
        judgement.findings += of_source.findings
        if checkpoint is not None and model is not None:
            judge_heads_of_source(checkpoint.config, model, judgement)
            judge_variables(checkpoint, model, quantization, judgement)
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


def _kind(document: Any) -> str:
    return {dict: "object", str: "string", type(None): "null", list: "list of other things"}.get(
        type(document), type(document).__name__
    )
