# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The known sound's values are derived again, and spectrograms that are a little off fail."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from stt_checks import known_sound, log_mel, r4_torch, r5_audio
from stt_checks.outcome import CheckFailedError
from stt_checks.settings import Settings

from tests.unit.checks import mel_by_hand

SETTINGS = Settings(Path("/models"), "a", "b")


def by_hand(fft: int = known_sound.FFT, hop: int = known_sound.HOP) -> numpy.ndarray:
    """The spectrogram of the known sound as torchaudio is asked for it, by the definitions."""
    filters = mel_by_hand.triangles(
        known_sound.BANDS,
        fft,
        known_sound.RATE,
        mel_by_hand.htk_mel,
        mel_by_hand.htk_hertz,
        equal_area=False,
    )
    frames = known_sound.LENGTH // hop + 1
    return numpy.log10(filters @ mel_by_hand.power(known_sound.samples(), fft, hop, frames))


@pytest.fixture(scope="module")
def spectrogram() -> numpy.ndarray:
    return by_hand()


def test_the_table_is_what_the_definitions_give(spectrogram: numpy.ndarray) -> None:
    """To every digit that is written down."""
    worst, _band, _frame = known_sound.largest_difference(spectrogram.tolist())
    assert worst <= 0.0005 + 1e-9
    values = [value for row in known_sound.LOG_MEL for value in row]
    assert len(values) == 13 * 11
    # Sound in every one of them, so that none is decided by rounding.
    assert min(values) > -1.5
    assert max(values) - min(values) > 4


def test_a_spectrogram_with_the_known_values_passes(spectrogram: numpy.ndarray) -> None:
    in_float32 = numpy.log10(10 ** spectrogram.astype(numpy.float32))
    assert r4_torch.judge_log_mel(in_float32.tolist()).status == "passed"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda known: known + 0.05, "it differs by 0.05"),
        (lambda known: known * 0.5, "it differs by"),
        (lambda known: known[::-1], "it differs by"),
        (lambda known: numpy.roll(known, 1, axis=1), "it differs by"),
        (lambda known: numpy.roll(known, 1, axis=0), "it differs by"),
        (lambda known: known[:, :-1], "the shape 80 x 100, not 80 x 101"),
        (lambda known: known[:0], "the shape 0 x 0"),
        (lambda known: numpy.full_like(known, numpy.nan), "no finite numbers"),
        (lambda known: numpy.full_like(known, -numpy.inf), "no finite numbers"),
        (lambda _known: by_hand(fft=512), "it differs by"),
        (lambda _known: by_hand(hop=161)[:, [*range(100), 99]], "it differs by"),
    ],
)
def test_another_spectrogram_fails(
    spectrogram: numpy.ndarray, change: Callable[[numpy.ndarray], numpy.ndarray], words: str
) -> None:
    with pytest.raises(CheckFailedError) as raised:
        r4_torch.judge_log_mel(change(spectrogram).tolist())
    assert words in raised.value.found


@pytest.mark.parametrize("bands", [80, 128])
def test_whispers_features_are_what_the_definitions_give(bands: int) -> None:
    filters = mel_by_hand.triangles(
        bands,
        log_mel.FFT,
        log_mel.RATE,
        mel_by_hand.slaney_mel,
        mel_by_hand.slaney_hertz,
        equal_area=True,
    )
    assert numpy.allclose(log_mel.mel_filters(bands), filters, rtol=1e-9, atol=1e-12)
    followed = [*known_sound.samples(), *[0.0] * log_mel.FFT]
    power = mel_by_hand.power(followed, log_mel.FFT, log_mel.HOP, 100)
    logarithm = numpy.log10(filters @ power)
    wanted = (numpy.maximum(logarithm, logarithm.max() - 8) + 4) / 4
    found = log_mel.whisper_features(known_sound.samples(), bands)
    assert found.shape == (bands, 100)
    assert float(numpy.abs(found - wanted).max()) < 1e-9


@pytest.mark.parametrize("bands", [80, 128])
def test_faster_whispers_own_features_pass(bands: int) -> None:
    made = FeatureExtractor(feature_size=bands)(r5_audio._known_samples())
    assert r5_audio.hold_features(made, bands) < 1e-4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        # As many frames as there should be, each a little late.
        ({"hop_length": 161}, "differ by up to 0."),
        ({"hop_length": 159}, "differ by up to 0."),
        ({"n_fft": 512}, "differ by up to 0."),
        ({"feature_size": 80}, "the shape (80, 101), not 128 x 100"),
        ({"sampling_rate": 22050}, "differ by up to"),
    ],
)
def test_features_of_another_kind_fail(options: dict[str, Any], words: str) -> None:
    made = FeatureExtractor(**{"feature_size": 128, **options})(r5_audio._known_samples())
    with pytest.raises(CheckFailedError) as raised:
        r5_audio.hold_features(made, 128)
    assert words in raised.value.found


def test_the_check_looks_at_the_features_of_the_model_that_it_loads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @dataclasses.dataclass
    class Model:
        feature_extractor: FeatureExtractor
        model: Any

    @dataclasses.dataclass
    class Weights:
        n_mels: int

    def outcome(bins: int, **options: Any) -> str:
        loaded = Model(FeatureExtractor(**options), Weights(bins))
        monkeypatch.setattr(r5_audio, "load_faster_whisper", lambda _settings: loaded)
        try:
            return r5_audio.faster_whisper_features(SETTINGS, lambda *_doing: None).status
        except CheckFailedError as error:
            return error.found

    assert outcome(80, feature_size=80) == "passed"
    # preprocessor_config.json of another model, or a damaged one.
    assert "not 128 x 100" in outcome(128, feature_size=80)
    assert "differ" in outcome(80, feature_size=80, n_fft=402)
