# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test model is a real one, as the release's conversion makes it."""

from __future__ import annotations

from pathlib import Path

from stt_engine import diagnose_faster_whisper_model


def test_the_converted_fixture_is_valid(tiny_model: Path) -> None:
    diagnosis = diagnose_faster_whisper_model(tiny_model)

    assert diagnosis["errors"] == []
    assert diagnosis["warnings"] == []
    assert diagnosis["valid"]
    assert set(diagnosis["files"]) == {
        "config.json", "model.bin", "preprocessor_config.json", "tokenizer.json", "vocabulary.json",
    }  # fmt: skip
    assert diagnosis["model"] == {
        "specification": "WhisperSpec",
        "revision": 3,
        "variables": 86,
        "mel_bins": 128,
        "vocabulary_size": 51866,
        "quantization": "float16",
        "encoder_layers": 2,
        "decoder_layers": 2,
        "multilingual": True,
    }
