# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How sure a decoder was of its text: what is judged where nobody has set what is spoken.

A decoder tells the mean log-probability of its tokens for each window of 30 s. Whisper itself takes
a window below -1 for failed and decodes it again at a higher temperature, so a recording whose
windows are all below that bound is one that the model does not understand.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .outcome import pairs

# Whisper's own log_prob_threshold: half of all recordings, whatever the size of the model.
LEAST_MEDIAN = -1.0
# A single recording may be hard; a model that knows nothing is near log(1/51865) = -10.9.
LEAST_EACH = -2.0
NAME = "avg_logprob"


def certainty(segments: Iterable[Any]) -> dict[str, float]:
    """What faster-whisper tells of the segments of one recording; nothing where there are none."""
    return certainty_of(
        [
            {
                NAME: piece.avg_logprob,
                "no_speech_prob": piece.no_speech_prob,
                "start": piece.start,
                "end": piece.end,
            }
            for piece in segments
        ]
    )


def certainty_of(segments: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The mean log-probability over the time that is spoken, and the highest share of no speech."""
    told = [one for one in segments if isinstance(one.get(NAME), (int, float))]
    if not told:
        return {}
    lengths = [max(0.01, float(one.get("end", 0.0)) - float(one.get("start", 0.0))) for one in told]
    weighted = sum(length * one[NAME] for length, one in pairs(lengths, told))
    silent = [float(one["no_speech_prob"]) for one in told if "no_speech_prob" in one]
    found = {NAME: round(weighted / sum(lengths), 4)}
    return {**found, "no_speech_prob": round(max(silent), 4)} if silent else found


def sure(judged: Mapping[str, Any]) -> bool:
    """Whether one recording's decoder was sure enough of its text; where it does not say, yes."""
    found = judged.get(NAME)
    return found is None or found >= LEAST_EACH


def doubts(judged: Sequence[Mapping[str, Any]]) -> str:
    """Why all recordings together cannot be believed; empty when they can."""
    told = [one[NAME] for one in judged if one.get(NAME) is not None]
    if not told:
        return ""
    middle = statistics.median(told)
    if middle >= LEAST_MEDIAN:
        return ""
    return (
        f"half of {len(told)} texts have a mean log-probability of {middle:.2f} or less, below "
        f"{LEAST_MEDIAN:g}"
    )
