# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image need not have: such a check is skipped, and may be run in a reference image."""

from __future__ import annotations

import importlib.util

from .outcome import Outcome, skipped
from .settings import Settings

# Its value in the evidence names the packages; the caller reads it.
LACKS = "lacks"
SLIM = ("torch", "torchaudio", "transformers")
ANOTHER_ENGINE = "the image is another engine, without the label stt.engine.variant"


def lacking(settings: Settings, *packages: str) -> Outcome | None:
    """How a check ends that needs packages which this kind of image need not have.

    None when all are there, or have to be: then the check itself fails on what is missing.
    """
    if settings.variant == "full" or not packages:
        return None
    if settings.variant == "slim":
        missing = [name for name in packages if name in SLIM]
        whose = "the slim variant"
    else:
        missing = [name for name in packages if importlib.util.find_spec(name) is None]
        whose = "this engine"
    if not missing:
        return None
    return skipped(f"{whose} has no {' and no '.join(missing)}", **{LACKS: missing})
