# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files beside the weights say of a model, without loading it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .settings import Settings


def mel_bins(settings: Settings) -> int | None:
    """The mel bins that the models must take: as told, else the original's; None if unknown."""
    if settings.expected.mel_bins is not None:
        return settings.expected.mel_bins
    for name, key in (
        ("config.json", "num_mel_bins"),
        ("preprocessor_config.json", "feature_size"),
    ):
        found = document(settings.transformers_path / name).get(key)
        if isinstance(found, int):
            return found
    return None


def english_only(settings: Settings) -> bool:
    """Whether the model knows no other language, as it says itself or as its vocabulary tells."""
    for directory in (settings.transformers_path, settings.ctranslate2_path):
        told = document(directory / "generation_config.json").get("is_multilingual")
        if isinstance(told, bool):
            return not told
    try:
        vocabulary = json.loads((settings.ctranslate2_path / "vocabulary.json").read_bytes())
    except (OSError, ValueError):
        return False
    # CTranslate2 knows a multilingual model by this token alone.
    return isinstance(vocabulary, list) and "" not in vocabulary


def document(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is none, which the checks of the files report."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
