# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three diagnoses that were false are never made: nothing is judged by what looks usual.

'config.json of 2.2 KB is corrupt', 'model.bin must exceed 1 GB' and 'setuptools is too new'.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from stt_checks import r2_packages
from stt_checks.settings import Expected, Settings

from ansible_collections.stt.engine.plugins.module_utils._model_directory import judge_ctranslate2
from stt_engine import diagnose_faster_whisper_model
from tests.unit.checks.image_gates import judge
from tests.unit.model_files import write_ctranslate2

# As the converter of whisper-large-v3-turbo writes it, and as the tiny model's.
CONFIG_BYTES = (2200, 500)
NEW_SETUPTOOLS = ("82.0.1", "999.0.0")


def raises_no_alarm(model: Path) -> None:
    """Neither whoever converts, nor the engine itself, nor a check finds anything wrong."""
    assert judge_ctranslate2(model, quantization="float16", mel_bins=128).findings == []
    diagnosis = diagnose_faster_whisper_model(model)
    assert (diagnosis["errors"], diagnosis["warnings"]) == ([], [])


@pytest.mark.parametrize("size", CONFIG_BYTES)
def test_a_small_configuration_is_no_damage(tmp_path: Path, size: int) -> None:
    config = write_ctranslate2(tmp_path) / "config.json"
    text = json.dumps(json.loads(config.read_text()), separators=(",", ":"))
    config.write_text(text.ljust(size))
    assert config.stat().st_size == size >= len(text)
    raises_no_alarm(tmp_path)


def test_small_weights_are_no_damage(tmp_path: Path) -> None:
    model = write_ctranslate2(tmp_path)
    assert (model / "model.bin").stat().st_size < 1_000_000_000 / 1000
    raises_no_alarm(model)


@pytest.mark.parametrize("version", NEW_SETUPTOOLS)
def test_a_new_setuptools_is_no_fault(
    image_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    place = tmp_path / "site" / f"setuptools-{version}.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: setuptools\nVersion: {version}\n"
    )
    (place / "RECORD").write_text(f"{place.name}/METADATA,,\n")
    monkeypatch.setattr("sys.path", [str(place.parent)])
    # An environment without pip is another engine's right.
    settings = replace(image_settings, variant="foreign")
    for locked in (None, {"setuptools": version}):
        outcome = judge(r2_packages.packages, replace(settings, expected=Expected(packages=locked)))
        assert (outcome.status, "pip is not installed" in outcome.found) == ("skipped", True)
        assert "1 packages" in outcome.found
