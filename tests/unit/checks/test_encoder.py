# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R5.8 and R5.9: what is no number is no agreement, whichever clip and whichever side it is on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import ctranslate2
import numpy
import pytest
from stt_checks import r5_encoder
from stt_checks.outcome import CheckFailedError

NAN = float("nan")


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_cosine_that_is_no_number_is_not_passed_over(at: int) -> None:
    cosines = {"a": 0.9999, "b": 0.9998, "c": 0.9997}
    assert r5_encoder.lowest(cosines) == 0.9997
    cosines["abc"[at]] = NAN
    with pytest.raises(CheckFailedError, match=f"the cosine of {'abc'[at]} is no number"):
        r5_encoder.lowest(cosines)


def cosine(found: list[float], wanted: list[float]) -> float:
    output = ctranslate2.StorageView.from_array(numpy.array([found], dtype=numpy.float32))
    converted = SimpleNamespace(model=SimpleNamespace(encode=lambda *_told, **_options: output))
    features: Any = numpy.zeros((1, 1, 1), dtype=numpy.float32)
    return r5_encoder.encoder_cosine(converted, features, numpy.array(wanted))


@pytest.mark.parametrize(
    ("found", "wanted", "words"),
    [
        ([NAN, 1.0], [1.0, 1.0], "the encoder gives values that are no numbers"),
        ([1.0, 1.0], [1.0, NAN], "the original's encoder gives values that are no numbers"),
        ([1.0, 1.0], [float("inf"), 1.0], "the original's encoder gives values"),
        ([0.0, 0.0], [1.0, 1.0], "the encoder gives nothing but zeros"),
        ([1.0, 1.0], [0.0, 0.0], "the original's encoder gives nothing but zeros"),
    ],
)
def test_both_encoders_must_give_numbers(
    found: list[float], wanted: list[float], words: str
) -> None:
    assert cosine([1.0, 2.0], [1.0, 2.0]) == pytest.approx(1.0)
    with pytest.raises(CheckFailedError) as caught:
        cosine(found, wanted)
    assert caught.value.found.startswith(words)
