# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R5.5 where a person accepts: what is heard is kept for the later checks, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stt_checks import catalogue, r5_accept
from stt_checks.clips import load_clips
from stt_checks.outcome import Outcome
from stt_checks.settings import Settings

from tests.unit.model_files import write_ctranslate2

GOOD = "안녕하세요, 무엇을 도와드릴까요?"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "a.wav").write_bytes(b"RIFF a")
    (tmp_path / "b.wav").write_bytes(b"RIFF b")
    entries = [{"file": "a.wav", "language": "ko"}, {"file": "b.wav", "text": "Typed."}]
    (tmp_path / "clips.json").write_text(json.dumps(entries))
    (tmp_path / "scratch").mkdir()
    write_ctranslate2(tmp_path / "models" / "ctranslate2_model")
    return Settings(
        tmp_path / "models",
        "ctranslate2_model",
        "a_b",
        clips=tmp_path,
        scratch=tmp_path / "scratch",
        accept_transcripts=True,
    )


@pytest.fixture
def hear(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Callable[[Settings], Outcome]]:
    """A model that hears the same in every recording."""

    def of(
        text: str = GOOD, language: str = "ko", sure: float = -0.2
    ) -> Callable[[Settings], Outcome]:
        piece = SimpleNamespace(
            text=f" {text} ", avg_logprob=sure, no_speech_prob=0.0, start=0.0, end=1.0
        )
        info = SimpleNamespace(language=language, duration=1.0)
        model = SimpleNamespace(
            transcribe=lambda _audio: ([piece], info),
            model=SimpleNamespace(compute_type="int8_float32", device="cpu"),
        )
        monkeypatch.setattr(r5_accept, "load_faster_whisper", lambda _settings: model)
        monkeypatch.setattr(r5_accept.importlib.metadata, "version", lambda _name: "1.0")
        return lambda settings: r5_accept.transcripts_to_accept(settings, lambda *_doing: None)

    return of


def test_it_is_planned_only_where_it_was_asked_for_and_before_what_it_is_for(
    settings: Settings,
) -> None:
    def planned(one: Settings) -> list[str]:
        return [check.key for check in catalogue.checks("R5", one)]

    name = f"{r5_accept.STEP}/{r5_accept.NAME}"
    assert name not in planned(replace(settings, accept_transcripts=False))
    steps = planned(settings)
    assert steps.index(name) < steps.index("R5.5/faster_whisper_texts")


def test_what_was_heard_holds_for_the_later_checks(
    settings: Settings, hear: Callable[..., Callable[[Settings], Outcome]]
) -> None:
    outcome = hear()(settings)
    assert outcome.status == "passed", outcome
    kept = outcome.evidence["accepted"]
    assert list(kept) == ["a.wav"]
    assert (kept["a.wav"]["text"], kept["a.wav"]["language"]) == (GOOD, "ko")
    assert kept["a.wav"]["made_by"] == (
        "faster-whisper 1.0 with ctranslate2 1.0, int8_float32 on cpu"
    )
    clips = load_clips(settings)
    assert clips is not None
    assert {clip.path.name: (clip.text, clip.accepted) for clip in clips.known} == {
        "a.wav": (GOOD, "in this run"),
        "b.wav": ("Typed.", None),
    }


@pytest.mark.parametrize(
    ("heard", "words"),
    [
        ({"text": ""}, "not to be accepted: a.wav gave '' in ko"),
        ({"text": "…!"}, "not to be accepted: a.wav gave '…!' in ko"),
        ({"language": "ja"}, f"a.wav gave {GOOD!r} in ja for ko"),
        ({"sure": -2.5}, "in ko with a mean log-probability of -2.50"),
        ({"sure": -1.5}, "half of 1 texts have a mean log-probability of -1.50 or less"),
    ],
)
def test_what_cannot_be_right_is_refused_and_nothing_is_kept(
    settings: Settings,
    hear: Callable[..., Callable[[Settings], Outcome]],
    heard: dict[str, Any],
    words: str,
) -> None:
    outcome = hear(**heard)(settings)
    assert (outcome.status, words in outcome.found) == ("failed", True), outcome
    clips = load_clips(settings)
    assert clips is not None
    assert [clip.path.name for clip in clips.unknown] == ["a.wav"]


def test_known_texts_leave_nothing_to_accept(
    settings: Settings, hear: Callable[..., Callable[[Settings], Outcome]], tmp_path: Path
) -> None:
    (tmp_path / "clips.json").write_text('[{"file": "b.wav", "text": "Typed."}]')
    outcome = hear()(settings)
    assert (outcome.status, outcome.found) == (
        "skipped",
        "every clip's text is known for this model: none to accept",
    )
