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


def document(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is none, which the checks of the files report."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
