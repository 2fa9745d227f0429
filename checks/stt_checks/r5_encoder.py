# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R5.8: the converted encoder computes what the original's computes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .clips import Clip, load_clips
from .hearing_time import FOR_A_WINDOW
from .outcome import Outcome, failed, pairs, passed, require, skipped
from .r5_audio import GIVE_SPEECH, NO_CLIPS, NO_SPEECH, RATE, decode
from .r5_loads import load_faster_whisper, load_transformers
from .registry import Progress, Registry
from .settings import Settings

registry = Registry()

# Cosine of both outputs over all frames; a single flipped exponent bit of a middle layer gives 0.2.
LEAST_COSINE = {
    "float32": 0.9999,
    "float16": 0.999,
    "bfloat16": 0.99,
    "int16": 0.999,
    "int8": 0.99,
}


def least_cosine(*types: str) -> float:
    """The bound for weights and computation of these types: that of the coarsest."""
    parts = {part for kind in types for part in kind.split("_")}
    return min(LEAST_COSINE[part] for part in parts)


def _bound(settings: Settings) -> float:
    return least_cosine(settings.compute_type, settings.expected.quantization or "int8")


@registry.check(
    "R5.8",
    "encoder_agreement",
    expected=lambda settings: (
        f"the encoder outputs of faster-whisper and transformers have a cosine of at least "
        f"{_bound(settings)}"
    ),
    fix="a weight differs: run with whisper_model_verify=full and convert the model again",
    imports=(
        "torch",
        "transformers",
        "transformers.models.whisper.modeling_whisper",
        "faster_whisper",
    ),
    deadline=600,
    cuda=True,
)
def encoder_agreement(settings: Settings, progress: Progress) -> Outcome:
    clips = load_clips(settings)
    if clips is None:
        return skipped(NO_CLIPS)
    spoken = clips.spoken
    if not spoken:
        return failed(NO_SPEECH, fix=GIVE_SPEECH)
    chosen = one_of_each_language(spoken)
    # The model is gone afterwards, to make room for the other.
    references = _transformers_outputs(settings, chosen, progress)
    converted = load_faster_whisper(settings)
    cosines: dict[str, float] = {}
    for clip, (features, wanted) in pairs(chosen, references):
        progress(f"encoding {clip.path.name} with faster-whisper", FOR_A_WINDOW)
        cosines[clip.path.name] = encoder_cosine(converted, features, wanted)
    worst = lowest(cosines)
    require(worst >= _bound(settings), f"the cosine is {worst:.5f}", cosines=cosines)
    return passed(f"the cosine is {worst:.6f} or more on {len(cosines)} clips", cosines=cosines)


def one_of_each_language(spoken: Sequence[Clip]) -> list[Clip]:
    """The clips that are encoded: the encoder is the same for all."""
    return list({clip.language: clip for clip in reversed(spoken)}.values())


def lowest(cosines: Mapping[str, float]) -> float:
    """The lowest cosine; min() would pass over one that is no number."""
    for clip, cosine in cosines.items():
        require(math.isfinite(cosine), f"the cosine of {clip} is no number", cosines=dict(cosines))
    return min(cosines.values())


def encoder_cosine(converted: Any, features: Any, wanted: Any) -> float:
    """The cosine of what a conversion's encoder makes of features and what it should make."""
    import ctranslate2
    import numpy

    output = converted.model.encode(_storage(features), to_cpu=True)
    if output.dtype == ctranslate2.DataType.bfloat16:
        # numpy has no such type and refuses it.
        output = output.to(ctranslate2.DataType.float32)
    found = numpy.array(output, dtype=numpy.float64).reshape(-1)
    reference = wanted.astype(numpy.float64).reshape(-1)
    require(found.shape == reference.shape, f"{found.size} values against {reference.size}")
    for values, whose in ((found, "the encoder"), (reference, "the original's encoder")):
        require(bool(numpy.isfinite(values).all()), f"{whose} gives values that are no numbers")
        require(bool(values.any()), f"{whose} gives nothing but zeros")
    return float(found @ reference / numpy.linalg.norm(found) / numpy.linalg.norm(reference))


def _transformers_outputs(
    settings: Settings, clips: Sequence[Clip], progress: Progress
) -> list[tuple[Any, Any]]:
    processor, original, _report = load_transformers(settings)
    return encode(processor, original, clips, progress)


def encode(
    processor: Any, original: Any, clips: Sequence[Clip], progress: Progress
) -> list[tuple[Any, Any]]:
    """Features and the original encoder's output of each clip."""
    import torch

    outputs: list[tuple[Any, Any]] = []
    for clip in clips:
        progress(f"encoding {clip.path.name} with transformers", FOR_A_WINDOW)
        made = processor(decode(clip.path), sampling_rate=RATE, return_tensors="pt").input_features
        with torch.no_grad():
            wanted = original.get_encoder()(made.to(original.device, original.dtype))[0]
        outputs.append((made.numpy(), wanted.float().cpu().numpy()))
    return outputs


def _storage(array: Any) -> Any:
    import ctranslate2

    return ctranslate2.StorageView.from_array(array)
