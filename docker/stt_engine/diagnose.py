# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say whether a directory holds a model that faster-whisper can really use, and why not.

faster-whisper itself loads directories that fail later or, worse, answer wrongly: without
tokenizer.json it fetches another model's, without preprocessor_config.json it assumes 80 mel bins.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, TypedDict

from stt_engine.model_bin import EMBEDDINGS, MEL_WEIGHT, Headers, ModelBinError, read_headers

SPECIFICATION = "WhisperSpec"
MEL_BINS = (80, 128)
TIMESTAMP = re.compile(r"<\|\d{1,2}\.\d\d\|>")
# What happens without the file, from faster-whisper 1.2.1 and CTranslate2 4.8.5.
REQUIRED = {
    "model.bin": "there are no weights",
    "config.json": "transcription fails: suppressed tokens and alignment heads are unknown",
    "vocabulary.json": "CTranslate2 cannot load the vocabulary",
    "tokenizer.json": "faster-whisper would fetch another model's tokenizer and answer wrongly",
    "preprocessor_config.json": "faster-whisper would assume 80 mel bins",
}


class Diagnosis(TypedDict):
    """Outcome of a diagnosis; valid exactly when errors is empty."""

    path: str
    valid: bool
    errors: list[str]
    warnings: list[str]
    files: dict[str, int]
    model: dict[str, Any]


def diagnose_faster_whisper_model(path: object) -> Diagnosis:
    """Judge a model directory without loading it, in milliseconds; never raises an exception.

    ``path`` is text, bytes or a path object; anything else is an error like any other.

    Returns errors that make the model unusable, warnings that do not, every file with its size in
    bytes, and under ``model`` what the weights say: specification, mel_bins, vocabulary_size,
    quantization, multilingual, encoder_layers, decoder_layers.
    """
    try:
        root = Path(os.fsdecode(path))  # type: ignore[arg-type]
    except Exception as error:
        # An object's own way to become a path may raise anything.
        return _no_path(path, error)
    examination = _Examination(root)
    examination.run()
    return {
        "path": _printable(str(examination.root)),
        "valid": not examination.errors,
        "errors": examination.errors,
        "warnings": examination.warnings,
        "files": examination.files,
        "model": examination.model,
    }


def _no_path(given: object, error: Exception) -> Diagnosis:
    named = _printable(f"{type(given).__name__} {_shown(given)}".strip())
    return {
        "path": named,
        "valid": False,
        "errors": [f"{named} is no path: {error}"],
        "warnings": [],
        "files": {},
        "model": {},
    }


class _Examination:
    """Collects everything that is wrong with one directory instead of stopping at the first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.files: dict[str, int] = {}
        self.model: dict[str, Any] = {}

    def run(self) -> None:
        if not self._list_files():
            return
        for name, consequence in REQUIRED.items():
            if name not in self.files:
                state = "is a dangling link" if (self.root / name).is_symlink() else "is missing"
                self.errors.append(f"{name} {state}: {consequence}")
        headers = self._weights()
        vocabulary = self._vocabulary()
        self._check_config(headers, vocabulary)
        self._check_preprocessor(headers)
        self._check_tokenizer(vocabulary)
        if headers is not None and vocabulary is not None:
            self._check_vocabulary_size(headers, vocabulary)

    def _list_files(self) -> bool:
        try:
            for path in sorted(self.root.iterdir()):
                if path.is_file():
                    self.files[_printable(path.name)] = path.stat().st_size
        except (OSError, ValueError) as error:
            # A path with a NUL byte is a ValueError.
            reason = getattr(error, "strerror", None) or error
            self.errors.append(f"{_printable(str(self.root))} cannot be listed: {reason}")
            return False
        return True

    def _weights(self) -> Headers | None:
        if "model.bin" not in self.files:
            return None
        try:
            headers = read_headers(self.root / "model.bin")
        except ModelBinError as error:
            self.errors.append(f"model.bin {error}")
            return None
        if headers.specification != SPECIFICATION:
            self.errors.append(f"model.bin holds a {headers.specification}, not a {SPECIFICATION}")
            return None
        self.model.update(
            specification=headers.specification,
            revision=headers.revision,
            variables=len(headers.tensors),
            mel_bins=headers.mel_bins,
            vocabulary_size=headers.vocabulary_size,
            quantization=headers.quantization,
            encoder_layers=headers.layers("encoder"),
            decoder_layers=headers.layers("decoder"),
        )
        for what, name in (("mel_bins", MEL_WEIGHT), ("vocabulary_size", EMBEDDINGS)):
            if self.model[what] is None:
                self.errors.append(
                    f"model.bin has no usable {name}: it is not a whole Whisper model"
                )
        if headers.mel_bins is not None and headers.mel_bins not in MEL_BINS:
            self.warnings.append(
                f"model.bin takes {headers.mel_bins} mel bins; usual are 80 and 128"
            )
        return headers

    def _vocabulary(self) -> list[str] | None:
        value = self._json("vocabulary.json")
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(token, str) for token in value):
            self.errors.append(
                f"vocabulary.json is {_kind(value)}, not a list of tokens: it cannot be loaded"
            )
            return None
        # CTranslate2 takes the empty token as the mark of a multilingual model.
        self.model["multilingual"] = "" in value
        return value

    def _check_vocabulary_size(self, headers: Headers, vocabulary: list[str]) -> None:
        if headers.vocabulary_size not in (None, len(vocabulary)):
            self.errors.append(
                f"vocabulary.json has {len(vocabulary)} tokens, the weights "
                f"{headers.vocabulary_size}: they belong to different models"
            )

    def _check_config(self, headers: Headers | None, vocabulary: list[str] | None) -> None:
        config = self._json("config.json")
        if config is None:
            return
        if not isinstance(config, dict):
            self.errors.append(f"config.json is {_kind(config)}, not an object")
            return
        for key in ("suppress_ids", "suppress_ids_begin", "alignment_heads"):
            if not isinstance(config.get(key), list):
                self.warnings.append(f"config.json has no list {key}")
        if vocabulary is not None:
            for key in ("suppress_ids", "suppress_ids_begin", "lang_ids"):
                ids = config.get(key)
                wrong = [
                    number
                    for number in (ids if isinstance(ids, list) else [])
                    if not isinstance(number, int) or not -1 <= number < len(vocabulary)
                ]
                if wrong:
                    self.errors.append(f"config.json: {key} has {wrong[0]!r}, which is no token")
        layers = headers.layers("decoder") if headers is not None else 0
        heads = config.get("alignment_heads")
        for head in heads if isinstance(heads, list) and layers else []:
            if not isinstance(head, list) or len(head) != 2 or not _below(head[0], layers):
                self.errors.append(f"config.json: alignment_heads has {head!r}, which is no head")
                break

    def _check_preprocessor(self, headers: Headers | None) -> None:
        config = self._json("preprocessor_config.json")
        if config is None:
            return
        if not isinstance(config, dict):
            self.errors.append(f"preprocessor_config.json is {_kind(config)}, not an object")
            return
        bins = config.get("feature_size")
        if not isinstance(bins, int):
            self.errors.append(
                f"preprocessor_config.json: feature_size is {bins!r}, not a number of mel bins"
            )
        elif headers is not None and headers.mel_bins not in (None, bins):
            self.errors.append(
                f"preprocessor_config.json makes {bins} mel bins, the weights take "
                f"{headers.mel_bins}: every transcription would fail"
            )
        rate = config.get("sampling_rate", 16000)
        if rate != 16000:
            self.errors.append(
                f"preprocessor_config.json: sampling_rate is {rate!r}, Whisper needs 16000"
            )

    def _check_tokenizer(self, vocabulary: list[str] | None) -> None:
        config = self._json("tokenizer.json")
        if config is None:
            return
        tokens = _tokens_of(config)
        if not tokens:
            self.errors.append("tokenizer.json holds no vocabulary: it is no tokenizer")
            return
        if vocabulary is None:
            return
        wrong = [
            number
            for number, token in tokens.items()
            if not _below(number, len(vocabulary)) or vocabulary[number] != token
        ]
        if wrong:
            first = min(wrong)
            expected = vocabulary[first] if _below(first, len(vocabulary)) else None
            self.errors.append(
                f"tokenizer.json differs from vocabulary.json in {len(wrong)} tokens, first "
                f"{first}: {tokens[first]!r} against {expected!r}; they belong to different models"
            )
        unknown = [
            token
            for number, token in enumerate(vocabulary)
            if number not in tokens and not TIMESTAMP.fullmatch(token)
        ]
        if unknown:
            self.warnings.append(
                f"tokenizer.json lacks {len(unknown)} tokens of vocabulary.json, "
                f"first {unknown[0]!r}"
            )

    def _json(self, name: str) -> Any:
        """Return the document in a file, or None with an error noted when there is none."""
        if name not in self.files:
            return None
        try:
            data = (self.root / name).read_bytes()
        except OSError as error:
            self.errors.append(f"{name} cannot be read: {error.strerror or error}")
            return None
        if data.startswith(b"version https://git-lfs.github.com/"):
            self.errors.append(f"{name} is a Git LFS pointer, not the file")
            return None
        if data.lstrip()[:1] == b"<":
            self.errors.append(f"{name} is an HTML or XML page, not JSON")
            return None
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            self.errors.append(f"{name} is not valid JSON: {error}")
            return None
        if value is None:
            self.errors.append(f"{name} holds nothing (null)")
        return value


def _tokens_of(config: object) -> dict[int, str]:
    """Return the tokens of a tokenizer by their numbers; empty when it is none."""
    if not isinstance(config, dict) or not isinstance(config.get("model"), dict):
        return {}
    tokens: dict[int, str] = {}
    vocabulary = config["model"].get("vocab")
    for token, number in vocabulary.items() if isinstance(vocabulary, dict) else []:
        if isinstance(number, int):
            tokens[number] = token
    added = config.get("added_tokens")
    for entry in added if isinstance(added, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("id"), int):
            tokens[entry["id"]] = str(entry.get("content"))
    return tokens


def _printable(name: str) -> str:
    """Return the name of a file as text, also where its bytes are none."""
    try:
        data = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # Half of a pair, which stands for no byte.
        data = name.encode("utf-8", "backslashreplace")
    return data.decode("utf-8", "backslashreplace")


def _shown(value: object) -> str:
    """Return a plain value as Python writes it; writing any other may raise."""
    # Nor is a number of thousands of digits written.
    plain = value.bit_length() < 256 if isinstance(value, int) else value is None
    return repr(value) if plain else ""


def _below(value: object, limit: int) -> bool:
    return isinstance(value, int) and 0 <= value < limit


def _kind(value: object) -> str:
    """Name the kind of a JSON value."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a truth value"}
    return names.get(type(value), "a number")
