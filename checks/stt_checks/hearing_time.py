# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long recordings last, and how long hearing them may take: deadlines grow by it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .clips import WINDOW_SECONDS, Clip
from .r5_audio import RATE, decode

# A large model in transformers takes up to a minute for each window of 30 s on two cores.
FOR_A_WINDOW = 60.0
# What is heard where there is a choice among long recordings lasts no longer.
LONG_SECONDS = 300.0


def seconds_of(clip: Clip) -> float:
    """How long a recording lasts; 0 where nothing can decode it."""
    try:
        return len(decode(clip.path)) / RATE
    except ModuleNotFoundError:
        # Another engine may have nothing to decode it with; its own service has to take it.
        return 0.0


def time_for(clips: Iterable[Clip]) -> float:
    """The seconds that hearing these recordings once may take."""
    return FOR_A_WINDOW * sum(map(_windows, clips))


def _windows(clip: Clip) -> int:
    # R5.4 lets no speech pass that is longer than one.
    return 1 if clip.kind == "speech" else max(1, math.ceil(seconds_of(clip) / WINDOW_SECONDS))
