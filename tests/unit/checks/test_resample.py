# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R5.4: what a resampler has to keep of a recording, and what is the recording's own noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest
from stt_checks import known_sound, r5_audio
from stt_checks.outcome import CheckFailedError

Resample = Callable[[Any, int, int], Any]


def right(samples: Any, rate: int, other: int) -> Any:
    """An ideal resampler: the same spectrum, cut off where the other rate ends."""
    length = round(len(samples) * other / rate)
    spectrum = numpy.fft.rfft(samples)
    kept = numpy.zeros(length // 2 + 1, dtype=complex)
    few = min(len(kept), len(spectrum))
    kept[:few] = spectrum[:few]
    return (numpy.fft.irfft(kept, length) * other / rate).astype(numpy.float32)


def speech() -> Any:
    return numpy.array(known_sound.samples(), dtype=numpy.float32)


@pytest.mark.parametrize("ratio", [10.0, 3.0, 0.0, -6.0], ids=lambda one: f"{one:g} dB")
def test_noise_is_not_held_against_the_resampler(ratio: float) -> None:
    sound = speech()
    noise = numpy.random.default_rng(1).standard_normal(len(sound)).astype(numpy.float32)
    noise *= numpy.sqrt((sound**2).mean() / (noise**2).mean() / 10 ** (ratio / 10))
    kept = r5_audio.there_and_back(sound + noise, right)
    assert min(kept.values()) > 0.9999


def to_another_rate(samples: Any, rate: int, other: int) -> Any:
    return right(samples, rate, other + 500)


def nearest(samples: Any, rate: int, other: int) -> Any:
    """No filter at all: every sample is the nearest one."""
    at = numpy.arange(round(len(samples) * other / rate)) * rate / other
    return samples[at.astype(int).clip(0, len(samples) - 1)]


def shifted(samples: Any, rate: int, other: int) -> Any:
    return numpy.roll(right(samples, rate, other), 3)


def silent(samples: Any, rate: int, other: int) -> Any:
    return right(samples, rate, other) * numpy.float32(0)


@pytest.mark.parametrize(
    ("resample", "words"),
    [
        (to_another_rate, "1.00 s became 1.06 s at 8000 Hz"),
        (nearest, "by way of"),
        (shifted, "by way of 8000 Hz"),
        (silent, "by way of 8000 Hz the clip correlates with itself by 0.000"),
    ],
)
def test_a_wrong_resampler_fails(resample: Resample, words: str) -> None:
    with pytest.raises(CheckFailedError) as caught:
        r5_audio.there_and_back(speech(), resample)
    assert words in caught.value.found


def test_a_tone_that_the_band_does_not_hold_fails() -> None:
    at = numpy.arange(32000) / 16000
    tone = (numpy.sin(2 * numpy.pi * 7000 * at) / 2).astype(numpy.float32)
    with pytest.raises(CheckFailedError, match="by way of 8000 Hz nothing of the clip is left"):
        r5_audio.there_and_back(tone, right)
