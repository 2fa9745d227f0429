# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sound that is the same everywhere, made by a formula, and its mel spectrogram.

The spectrogram was computed by another program than the one that is judged: in float64, straight
from the definitions (periodic Hann window, frames centred by reflection, power, triangles of the
HTK mel scale, log10). The unit tests derive it again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

RATE = 16000
LENGTH = RATE
FFT = 1024
HOP = 160
BANDS = 80
FRAMES = LENGTH // HOP + 1
# float32 is off by less than 1e-4; another window, scale, hop or norm by more than 0.1.
TOLERANCE = 0.01

# log10 of the power in every sixth band, from band 4, in every tenth frame.
FIRST_BAND = 4
BAND_STEP = 6
FRAME_STEP = 10
LOG_MEL: tuple[tuple[float, ...], ...] = (
    (2.795, -0.180, -0.910, -1.098, -0.647, -0.832, -0.278, -0.725, -0.522, -0.985, 1.392),
    (1.807, 0.440, 0.097, -0.459, 0.257, 0.008, -0.381, -0.258, 0.041, -0.126, 1.814),
    (3.056, 1.992, 1.998, 2.014, 2.005, 2.023, 2.007, 2.002, 2.006, 1.997, 2.970),
    (1.018, 3.232, -0.587, -0.550, -0.379, -0.203, -0.442, -0.414, -0.171, 0.206, 0.926),
    (-0.001, 0.412, -0.345, -0.196, 0.013, -0.286, -0.192, 0.219, -0.552, 0.042, 0.501),
    (-0.564, -0.033, 3.089, 0.445, 0.232, -0.001, 0.167, 0.125, -0.054, 0.161, 0.040),
    (0.012, 0.039, 0.042, 0.522, 0.057, 0.383, -0.240, 0.038, 0.213, 0.149, 0.313),
    (1.789, 0.138, 0.193, 2.745, 0.367, 0.106, 0.514, 0.339, 0.223, 0.161, 1.082),
    (1.237, 0.171, 0.651, 0.221, 3.478, 0.505, 0.183, 0.189, 0.068, 0.253, 0.761),
    (0.460, 0.410, 0.584, 0.255, 0.178, 3.202, 0.497, -0.027, 0.361, 0.550, 0.927),
    (0.199, 0.399, 0.479, 0.403, 0.514, 0.473, 0.467, 0.811, 0.654, 0.652, 0.852),
    (0.288, 0.661, 0.677, 0.571, 0.592, 0.477, 0.570, 0.247, 3.757, 0.482, 0.361),
    (0.618, 0.627, 0.817, 0.658, 0.731, 0.768, 0.595, 0.785, 0.588, 0.747, 3.814),
)


def samples() -> list[float]:
    """One second at 16 kHz: a chirp from 100 to 7000 Hz, two tones, and noise in every band."""
    made: list[float] = []
    state = 1
    for number in range(LENGTH):
        time = number / RATE
        # The generator of the C standard's example: whole numbers, the same on every machine.
        state = (1103515245 * state + 12345) % (1 << 31)
        chirp = math.sin(2 * math.pi * (100 * time + 3450 * time * time))
        tones = 0.3 * math.sin(2 * math.pi * 440 * time) + 0.2 * math.sin(2 * math.pi * 2500 * time)
        made.append(0.3 * chirp + tones + 0.1 * (state / (1 << 31) - 0.5))
    return made


def largest_difference(log_mel: Sequence[Sequence[float]]) -> tuple[float, int, int]:
    """How far a spectrogram, band by band, is from the known one at most, and where."""
    return max(
        (abs(log_mel[band][frame] - wanted), band, frame)
        for row, values in enumerate(LOG_MEL)
        for column, wanted in enumerate(values)
        for band, frame in ((FIRST_BAND + BAND_STEP * row, FRAME_STEP * column),)
    )
