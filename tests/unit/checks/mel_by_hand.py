# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mel spectrograms from their definition, written apart from what the checks compute with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy


def htk_mel(hertz: float) -> float:
    return 2595.0 * math.log10(1.0 + hertz / 700.0)


def htk_hertz(mel: float) -> float:
    return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)


def slaney_mel(hertz: float) -> float:
    return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * math.log(hertz / 1000) / math.log(6.4)


def slaney_hertz(mel: float) -> float:
    return mel * 200 / 3 if mel < 15 else 1000 * math.exp((mel - 15) * math.log(6.4) / 27)


def triangles(
    bands: int,
    fft: int,
    rate: int,
    mel: Callable[[float], float],
    hertz: Callable[[float], float],
    *,
    equal_area: bool,
) -> numpy.ndarray:
    """One weight for each band and frequency, number by number."""
    top = mel(rate / 2)
    edges = [hertz(top * number / (bands + 1)) for number in range(bands + 2)]
    made = numpy.zeros((bands, fft // 2 + 1))
    for band in range(bands):
        low, middle, high = edges[band : band + 3]
        for line in range(fft // 2 + 1):
            at = line * rate / fft
            weight = (at - low) / (middle - low) if at <= middle else (high - at) / (high - middle)
            made[band, line] = max(0.0, weight) * (2 / (high - low) if equal_area else 1.0)
    return made


def power(samples: Sequence[float], fft: int, hop: int, count: int) -> numpy.ndarray:
    """Power of each frequency in each frame, by the sums of the discrete Fourier transform."""
    sound = numpy.asarray(samples, dtype=numpy.float64)
    half = fft // 2
    padded = numpy.concatenate([sound[half:0:-1], sound, sound[-2 : -half - 2 : -1]])
    window = numpy.array([math.sin(math.pi * at / fft) ** 2 for at in range(fft)])
    frames = numpy.stack([padded[hop * at : hop * at + fft] * window for at in range(count)])
    angles = 2 * math.pi / fft * numpy.outer(numpy.arange(fft), numpy.arange(half + 1))
    real, imaginary = frames @ numpy.cos(angles), frames @ numpy.sin(angles)
    return (real**2 + imaginary**2).T
