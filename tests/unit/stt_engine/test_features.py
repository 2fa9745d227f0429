# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Features a window at a time: the very values that faster-whisper computes from the whole."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_whisper import WhisperModel, decode_audio
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

from stt_engine import features as module
from stt_engine.audio import BLOCK, RATE, Recording
from stt_engine.config import Settings
from stt_engine.engine import Engine, Options
from stt_engine.features import Extractor, Features, measured
from tests.unit.stt_engine.test_audio import recording_of, samples_of, wav
from tests.unit.stt_engine.tiny_model import CLIPS

WINDOW = 3000
EXTRACTOR = FeatureExtractor(feature_size=128)
# Two computations of the same sum may round differently.
ROUNDING = 1e-4


def noise(count: int) -> bytes:
    """A WAV file of noise that grows, so that the loudest value comes last."""
    chance = np.random.default_rng(count)
    samples = chance.standard_normal(count) * np.linspace(100, 9000, count)
    return wav(samples.astype("<i2").tobytes())


def windows(features: Any, step: int = WINDOW) -> NDArray[np.float32]:
    """All features, asked for as a transcription does."""
    count = features.shape[1]
    starts = range(0, count, step)
    return np.concatenate([features[:, at : min(at + step, count)] for at in starts], axis=1)


@pytest.mark.parametrize(
    "count",
    [1, 40, 159, 160, 200, 201, 399, 400, BLOCK - 1, BLOCK, BLOCK + 1, BLOCK + 39, 2 * BLOCK + 200],
)
@pytest.mark.parametrize("kept", [0, module.KEPT_FRAMES])
def test_they_are_those_of_the_whole(
    count: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_FRAMES", kept)
    recording = recording_of(noise(count))

    found = Features(recording, EXTRACTOR)

    expected = EXTRACTOR(samples_of(recording))
    assert found.shape == expected.shape
    assert np.abs(windows(found) - expected).max() < ROUNDING


WHOLE = recording_of(noise(5 * BLOCK // 2))


def test_windows_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_FRAMES", 0)
    expected = EXTRACTOR(samples_of(WHOLE))
    found = Features(WHOLE, EXTRACTOR)
    for start, stop in [(0, 3000), (0, 1), (4000, 7000), (2999, 3001), (7400, 7502), (100, 100)]:
        window = found[:, start:stop]

        assert isinstance(window, np.ndarray)
        assert window.shape == expected[:, start:stop].shape
        assert np.abs(window - expected[:, start:stop]).max(initial=0) < ROUNDING


def test_more_than_a_window_is_the_whole_or_nothing() -> None:
    found = Features(WHOLE, EXTRACTOR)

    assert found[..., 0:] is found
    with pytest.raises(ValueError, match="more than a window"):
        found[..., 1:]


def test_what_has_been_read_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_FRAMES", 0)
    found = Features(recording_of(wav(bytes(2 * 6 * BLOCK))), EXTRACTOR)

    held = []
    for start in range(0, found.shape[1] - WINDOW, 1700):
        found[:, start : start + WINDOW]
        held.append(sum(block.shape[1] for block in found._blocks))

    assert max(held) <= 3 * WINDOW


def test_a_recording_has_its_length_and_no_memory() -> None:
    features = Features(WHOLE, EXTRACTOR)

    array = measured(features)

    assert array.shape == (WHOLE.samples,)
    assert array.strides == (0,)
    assert Extractor(EXTRACTOR)(array) is features
    plain = np.zeros(RATE, np.float32)
    assert np.array_equal(Extractor(EXTRACTOR)(plain, chunk_length=None), EXTRACTOR(plain))


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Engine:
    """A loaded engine."""
    settings = {"STT_DEVICE": "cpu", "STT_MODEL_PATH": str(tiny_model), "STT_CPU_THREADS": "1"}
    engine = Engine(Settings.from_environment(settings))
    engine.load()
    return engine


@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("name", ["long-en.mp3", "long-ko-opus.ogg"])
def test_a_long_recording_has_the_segments_that_faster_whisper_gives(
    engine: Engine, tiny_model: Path, name: str, words: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several windows with their prompts, decoded twice, against faster-whisper from an array."""
    monkeypatch.setattr(module, "KEPT_FRAMES", 0)
    samples = np.tile(decode_audio(str(CLIPS / name)), 2)
    data = wav((samples * 32768).clip(-32768, 32767).astype("<i2").tobytes())

    # Higher temperatures choose by chance.
    options = Options(None, "transcribe", 5, temperature=1e-9, words=words)
    found = engine.transcribe(Recording(io.BytesIO(data), 3600), options)

    own = WhisperModel(str(tiny_model), device="cpu", compute_type="float32", cpu_threads=1)
    pieces, info = own.transcribe(
        samples_of(recording_of(data)), beam_size=5, temperature=1e-9, word_timestamps=words
    )
    expected = list(pieces)
    assert len(expected) > 3
    assert (found.language, found.duration) == (info.language, info.duration)
    assert [piece.text for piece in found.segments] == [piece.text for piece in expected]
    for got, want in zip(found.segments, expected, strict=True):
        assert (got.start, got.end) == pytest.approx((want.start, want.end), abs=0.03)
    starts = [piece.start for piece in found.segments]
    assert starts == sorted(starts)
