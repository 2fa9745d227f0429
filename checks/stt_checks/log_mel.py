# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whisper's log-mel features in float64, straight from their definition.

Every Whisper was trained on them: 25 ms windows every 10 ms, the mel scale and area norm of Slaney,
log10 of the power, cut 8 below the highest, and (x + 4) / 4. Whoever feeds a model is held against
this, because other features give worse texts and no error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

RATE = 16000
FFT = 400
HOP = 160
SMALLEST = 1e-10
SPAN = 8.0
# Slaney's scale: linear up to 1000 Hz, then by the 27th root of 6.4.
LINEAR_HERTZ = 1000.0
HERTZ_PER_MEL = 200.0 / 3
STEPS = 27
RATIO = 6.4


def whisper_features(samples: Sequence[float], bands: int) -> Any:
    """Features of a sound that nothing follows: one row a band, a column for each 10 ms of it."""
    import numpy

    count = len(samples) // HOP
    # What is heard after the end is silence, as in the 30 s that a model is given.
    padded = numpy.concatenate([numpy.asarray(samples, dtype=numpy.float64), numpy.zeros(FFT)])
    padded = numpy.pad(padded, FFT // 2, mode="reflect")
    window = 0.5 - 0.5 * numpy.cos(2 * numpy.pi * numpy.arange(FFT) / FFT)
    frames = numpy.stack([padded[HOP * at : HOP * at + FFT] * window for at in range(count)])
    power = numpy.abs(numpy.fft.rfft(frames, axis=1)) ** 2
    logarithm = numpy.log10(numpy.maximum(mel_filters(bands) @ power.T, SMALLEST))
    return (numpy.maximum(logarithm, logarithm.max() - SPAN) + 4.0) / 4.0


def mel_filters(bands: int) -> Any:
    """A triangle for each band over the frequencies of the transform, all of one area."""
    import numpy

    frequencies = numpy.arange(FFT // 2 + 1) * (RATE / FFT)
    edges = _hertz(numpy.linspace(0.0, _mel(RATE / 2), bands + 2))
    low, middle, high = (edges[part, None] for part in (slice(-2), slice(1, -1), slice(2, None)))
    rising = (frequencies - low) / (middle - low)
    falling = (high - frequencies) / (high - middle)
    return numpy.maximum(0.0, numpy.minimum(rising, falling)) * (2.0 / (high - low))


def _mel(hertz: float) -> float:
    linear = LINEAR_HERTZ / HERTZ_PER_MEL
    return linear + math.log(hertz / LINEAR_HERTZ) * STEPS / math.log(RATIO)


def _hertz(mels: Any) -> Any:
    import numpy

    linear = LINEAR_HERTZ / HERTZ_PER_MEL
    above = LINEAR_HERTZ * numpy.exp((mels - linear) * numpy.log(RATIO) / STEPS)
    return numpy.where(mels < linear, mels * HERTZ_PER_MEL, above)
