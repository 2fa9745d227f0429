# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R5.2 and R5.3: faster-whisper and transformers load the models, offline."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from . import gpu_memory
from ._model_bin import ModelBinError, read_model_bin
from ._model_directory import PROJECTION, SafetensorsError, read_safetensors_header, weight_files
from .memory import gpu_bytes
from .outcome import CheckFailedError, Outcome, passed, require
from .registry import Body, Progress, Registry
from .settings import Settings, cpu_count, readable_size

registry = Registry()

# On a CPU the float16 types fall back to float32 without a word, so they prove nothing there.
COMPUTE_TYPES = ("float32", "int8_float32", "float16", "int8_float16")
GPU_COMPUTE_TYPES = ("float16", "int8_float16")


def load_faster_whisper(settings: Settings, compute_type: str | None = None) -> Any:
    """The converted model, loaded on the settings' device in an explicit compute type."""
    from faster_whisper import WhisperModel

    return WhisperModel(
        str(settings.ctranslate2_path),
        device=settings.device,
        compute_type=compute_type or settings.compute_type,
        cpu_threads=cpu_count(),
        download_root=str(settings.cache),
        local_files_only=True,
    )


def load_transformers(
    settings: Settings, *, precise: bool = False
) -> tuple[Any, Any, dict[str, Any]]:
    """Processor, model and loading report of the original model, loaded offline.

    In float32 on a CPU and float16 on a GPU; ``precise`` is float32 on both, in every digit.
    """
    import torch
    from transformers import AutoModelForSpeechSeq2Seq, AutoProcessor

    if precise:
        # Without this a GPU multiplies float32 values with ten bits of their fraction.
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    half = settings.gpu and not precise
    processor = AutoProcessor.from_pretrained(settings.transformers_path, local_files_only=True)
    model, report = AutoModelForSpeechSeq2Seq.from_pretrained(
        settings.transformers_path,
        local_files_only=True,
        dtype=torch.float16 if half else torch.float32,
        output_loading_info=True,
    )
    return processor, model.to(settings.device).eval(), report


def _faster_whisper(compute_type: str) -> Body:
    def load(settings: Settings, _progress: Progress) -> Outcome:
        if compute_type in GPU_COMPUTE_TYPES and not settings.gpu:
            return settings.without_gpu()
        before = gpu_bytes() if settings.gpu else None
        started = time.monotonic()
        model = load_faster_whisper(settings, compute_type)
        seconds = time.monotonic() - started
        device, found = model.model.device, model.model.compute_type
        require(device == settings.device, f"the model is on {device}, not on {settings.device}")
        require(found == compute_type, f"the model computes in {found}, not in {compute_type}")
        bins = model.feature_extractor.mel_filters.shape[0]
        require(
            bins == model.model.n_mels,
            f"audio would have {bins} mel bins while the model takes {model.model.n_mels}",
            fix="copy preprocessor_config.json from the original model",
        )
        evidence: dict[str, Any] = {"device": device, "compute_type": found, "seconds": seconds}
        place = f"on {device}"
        if settings.gpu:
            taken = require_on_gpu(settings, compute_type, before)
            evidence["gpu_memory_bytes"] = taken
            place = f"with {readable_size(taken)} on {device}"
        return passed(
            f"loaded {place} in {found}, "
            f"{'multilingual' if model.model.is_multilingual else 'one language'}, {bins} mel bins",
            multilingual=model.model.is_multilingual,
            **evidence,
        )

    return load


def require_on_gpu(settings: Settings, compute_type: str, before: int | None) -> int:
    """GPU memory that the model has taken since; ends the check where it cannot be there."""
    least = least_on_gpu(settings, compute_type)
    after = gpu_bytes()
    if gpu_memory.missing(before, after, least):
        # Another process may have given memory back at that moment: load it once more beside.
        before = after
        second = load_faster_whisper(settings, compute_type)
        after = gpu_bytes()
        del second
    reason = gpu_memory.missing(before, after, least)
    require(not reason, f"the model is not on the GPU: {reason}", least_bytes=least)
    return (after or 0) - (before or 0)


def least_on_gpu(settings: Settings, compute_type: str) -> int:
    """What the converted model takes on a GPU at least, by the headers of its weights."""
    try:
        found = read_model_bin(settings.ctranslate2_path / "model.bin")
    except ModelBinError as error:
        raise CheckFailedError(str(error), fix=error.fix) from error
    return gpu_memory.least_bytes(found.parameters, compute_type)


def _register(compute_type: str) -> None:
    def expected(settings: Settings) -> str:
        sentence = (
            f"faster-whisper loads the converted model on {settings.device} in {compute_type}"
        )
        return f"{sentence}, and its weights take their memory there" if settings.gpu else sentence

    registry.check(
        "R5.2",
        f"faster_whisper_{compute_type}",
        expected=expected,
        fix="look at the message: a missing file beside model.bin, or a device without this type",
        imports=("faster_whisper",),
        deadline=300,
        cuda=True,
    )(_faster_whisper(compute_type))


for _compute_type in COMPUTE_TYPES:
    _register(_compute_type)


@registry.check(
    "R5.3",
    "transformers_load",
    expected=lambda settings: (
        f"AutoProcessor and AutoModelForSpeechSeq2Seq load every weight, offline, on "
        f"{settings.device} in {'float16' if settings.gpu else 'float32'}"
    ),
    fix="fetch the original model again and run with whisper_model_verify=full",
    imports=("torch", "transformers", "transformers.models.whisper.modeling_whisper"),
    deadline=300,
    cuda=True,
)
def transformers_load(settings: Settings, _progress: Progress) -> Outcome:
    processor, model, report = load_transformers(settings)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        keys = sorted(str(key) for key in report.get(kind) or ())
        require(not keys, f"{kind}: {', '.join(keys[:5])}", keys=keys)
    count = sum(parameter.numel() for parameter in model.parameters())
    try:
        stored = stored_parameters(settings.transformers_path, tied=_is_tied(model))
    except (OSError, SafetensorsError) as error:
        require(False, f"the weights' header: {error}")
    require(count == stored, f"the model has {count} parameters, its file {stored}")
    require(
        model.device.type == settings.device,
        f"the model is on {model.device}, not {settings.device}",
    )
    wanted = "torch.float16" if settings.gpu else "torch.float32"
    require(str(model.dtype) == wanted, f"the model computes in {model.dtype}, not in {wanted}")
    bins = processor.feature_extractor.feature_size
    require(
        bins == model.config.num_mel_bins,
        f"the processor makes {bins} mel bins while the model takes {model.config.num_mel_bins}",
    )
    size = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    return passed(
        f"{count:,} parameters on {model.device.type}, {readable_size(size)}",
        parameters=count,
        dtype=str(model.dtype),
        device=str(model.device),
    )


def stored_parameters(directory: Path, *, tied: bool) -> int:
    """Values of a checkpoint's tensors; a copy of the embeddings that a tied model reads is none.

    Many fine-tuned models store their output projection although it is the embeddings.
    """
    return sum(
        math.prod(shape)
        for path in weight_files(directory)
        for name, (_kind, shape) in read_safetensors_header(path).shapes.items()
        if not (tied and name == PROJECTION)
    )


def _is_tied(model: Any) -> bool:
    return model.get_output_embeddings().weight is model.get_input_embeddings().weight
