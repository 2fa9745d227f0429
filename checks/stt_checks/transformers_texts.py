# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How transformers is asked for texts: in batches that memory has room for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .clips import Clip
from .memory import resident_bytes
from .r5_audio import RATE, decode
from .settings import Settings

FLOAT32_BYTES = 4
# Recordings that transformers gets at once, where memory allows.
BATCH = 8


def batches(clips: Sequence[Clip], most: int) -> list[list[Clip]]:
    """Clips that transformers may take at once: one language each, a long one alone."""
    groups: dict[tuple[str, str | None, int], list[Clip]] = {}
    for clip in clips:
        alone = sum(key[0] == "long" for key in groups) if clip.kind == "long" else 0
        groups.setdefault((clip.kind, clip.language, alone), []).append(clip)
    return [
        group[start : start + most]
        for group in groups.values()
        for start in range(0, len(group), most)
    ]


def batch_size(settings: Settings, config: Any) -> int:
    """How many recordings at once leave the weights on a CPU enough of the memory limit."""
    if settings.gpu:
        return BATCH
    if settings.memory_bytes is None:
        return 1
    frames, width = config.max_source_positions, config.d_model
    # Keys and values for the decoder's layers; one encoder layer's attention and inner values.
    kept = 2 * config.decoder_layers * width
    passing = config.encoder_attention_heads * frames + 2 * config.encoder_ffn_dim
    recording: int = FLOAT32_BYTES * frames * (kept + passing)
    room = settings.memory_bytes - resident_bytes()
    return max(1, min(BATCH, room // recording))


def generate(processor: Any, model: Any, clips: Sequence[Clip]) -> tuple[list[str], float]:
    """Texts and seconds of audio of clips of one kind and language through transformers."""
    import torch

    audio = [decode(clip.path) for clip in clips]
    long = clips[0].kind == "long"
    inputs = processor(
        audio,
        sampling_rate=RATE,
        return_tensors="pt",
        return_attention_mask=True,
        **({"truncation": False, "padding": "longest"} if long else {}),
    )
    arguments: dict[str, Any] = {"return_timestamps": True} if long else {}
    language = clips[0].language or ("en" if clips[0].silent else None)
    arguments |= language_arguments(model.generation_config, language)
    with torch.no_grad():
        ids = model.generate(
            inputs.input_features.to(model.device, model.dtype),
            attention_mask=inputs.attention_mask.to(model.device),
            **arguments,
        )
    texts = processor.batch_decode(ids, skip_special_tokens=True)
    return [str(text) for text in texts], sum(len(samples) for samples in audio) / RATE


def language_arguments(config: Any, language: str | None) -> dict[str, str]:
    """The language and task for generate(), which refuses what its model has no tokens for.

    Without a language the model finds out itself which one it is.
    """
    if not getattr(config, "is_multilingual", True):
        return {}
    told = {"lang_to_id": {"language": language} if language else {}}
    told["task_to_id"] = {"task": "transcribe"}
    return {
        key: value
        for name, arguments in told.items()
        if getattr(config, name, None)
        for key, value in arguments.items()
    }
