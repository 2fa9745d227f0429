# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R5.1: the converted model's files, judged by the engine's own diagnosis and by ours."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from ._model_directory import (
    SafetensorsError,
    expected_model_size,
    judge_ctranslate2,
    loaded_type,
    read_safetensors_header,
    weight_files,
)
from .lacks import ANOTHER_ENGINE
from .original import document, mel_bins
from .outcome import CheckFailedError, Outcome, failed, passed, require, skipped
from .registry import Progress, Registry
from .settings import Settings, readable_size

registry = Registry()

NO_ORIGINAL = "there is no original model beside the converted one"


@registry.check(
    "R5.1",
    "engine_diagnosis",
    expected="the engine's diagnose_faster_whisper_model finds no errors",
    fix="convert the model again; if our own structure check passes, look into the engine's code",
    imports=("faster_whisper",),
    deadline=300,
)
def engine_diagnosis(settings: Settings, _progress: Progress) -> Outcome:
    if settings.foreign:
        return skipped(ANOTHER_ENGINE)
    if not (settings.app / "stt_engine").is_dir():
        if settings.container:
            return failed(f"there is no {settings.app}/stt_engine in this image")
        return skipped(f"no {settings.app}/stt_engine here")
    sys.path.insert(0, str(settings.app))
    engine = importlib.import_module("stt_engine")
    report = engine.diagnose_faster_whisper_model(str(settings.ctranslate2_path))
    require(isinstance(report, dict), f"it returned a {type(report).__name__}, not a dict")
    require("errors" in report, "its answer has no errors entry, so it can report none")
    errors = [str(error) for error in report["errors"]]
    require(not errors, f"{len(errors)} errors: {'; '.join(errors)}", errors=errors)
    require(report.get("valid", True) is True, "it calls the model invalid without an error")
    return passed("no errors", warnings=[str(text) for text in report.get("warnings", [])])


@registry.check(
    "R5.1",
    "structure",
    expected=lambda settings: (
        "model.bin, vocabulary, tokenizer, preprocessor and config fit together"
        + (
            f", weights are {settings.expected.quantization}"
            if settings.expected.quantization
            else ""
        )
        + (", and every variable is the original's" if original_of(settings) else "")
    ),
    fix="convert the model again from a verified source",
)
def structure(settings: Settings, _progress: Progress) -> Outcome:
    facts = require_structure(
        settings.ctranslate2_path,
        settings.expected.quantization,
        mel_bins(settings),
        original_of(settings),
    )
    model = facts["model_bin"]
    return passed(
        f"{model['quantization']}, {model['mel_bins']} mel bins, "
        f"{model['vocabulary_size']} tokens, {model['encoder_layers']} + "
        f"{model['decoder_layers']} layers, {readable_size(model['size'])}",
        **facts,
    )


def original_of(settings: Settings) -> Path | None:
    """The original that a conversion is held against; None where there is none beside it."""
    given = settings.original and settings.expected.quantization is not None
    found = settings.transformers_path / "config.json"
    return settings.transformers_path if given and found.is_file() else None


def require_structure(
    directory: Path, quantization: str | None, bins: int | None, source: Path | None = None
) -> dict[str, Any]:
    """The facts of a conversion in which all fits together; ends the check where it does not.

    With the original as ``source`` each variable has to be one that its tensors give.
    """
    judgement = judge_ctranslate2(
        directory, quantization=quantization, mel_bins=bins, source=source
    )
    if judgement.findings:
        raise CheckFailedError(
            "; ".join(
                f"{finding.object}: {finding.found}, needed {finding.needed}"
                for finding in judgement.findings
            ),
            fix=judgement.findings[0].fix,
            findings=[finding.sentence() for finding in judgement.findings],
            **judgement.facts,
        )
    return judgement.facts


@registry.check(
    "R5.1",
    "size_fits_source",
    expected="model.bin has the size that the original's tensors give in its quantization",
    fix="convert the model again from the original beside it",
)
def size_fits_source(settings: Settings, _progress: Progress) -> Outcome:
    if not settings.original:
        return skipped(NO_ORIGINAL)
    quantization = settings.expected.quantization
    if quantization is None:
        return skipped("no quantization was given to compare with")
    try:
        tensors = [
            read_safetensors_header(path) for path in weight_files(settings.transformers_path)
        ]
    except (OSError, SafetensorsError) as error:
        return failed(
            f"the original's weights in {settings.transformers_path}: {error}",
            fix="fetch the original model again",
        )
    merged = {name: entry for part in tensors for name, entry in part.shapes.items()}
    # As the converter: by config.json first, and by the weights where that names no type.
    loaded_as = loaded_type(document(settings.transformers_path / "config.json"), merged)
    least, most = expected_model_size(tensors, quantization, loaded_as=loaded_as)
    size = (settings.ctranslate2_path / "model.bin").stat().st_size
    require(
        least <= size <= most,
        f"model.bin has {size} bytes; between {least} and {most} were expected",
    )
    return passed(f"{readable_size(size)}", bytes=size, least=least, most=most)


@registry.check(
    "R5.1",
    "same_tokenizer",
    expected="tokenizer.json beside model.bin is the original model's",
    fix="copy tokenizer.json from the original model, or convert again",
)
def same_tokenizer(settings: Settings, _progress: Progress) -> Outcome:
    if not settings.original:
        return skipped(NO_ORIGINAL)
    for name in ("tokenizer.json", "preprocessor_config.json"):
        paths = [settings.ctranslate2_path / name, settings.transformers_path / name]
        for path in paths:
            require(path.is_file(), f"there is no {path}")
        require(
            paths[0].read_bytes() == paths[1].read_bytes(), f"{paths[0]} differs from {paths[1]}"
        )
    return passed("tokenizer.json and preprocessor_config.json are the original's, byte for byte")
