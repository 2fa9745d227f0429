# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model that knows only English: it is told no language, and gets no clip of another one.

No such model is small enough to be kept here, so stubs refuse what transformers refuses.
"""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stt_checks import (
    hearing_time,
    original,
    r5_quantizations,
    r5_service,
    r5_speed,
    r5_transcripts,
    transformers_texts,
)
from stt_checks.clips import Clip
from stt_checks.outcome import Outcome
from stt_checks.registry import Body
from stt_checks.settings import Settings

from tests.unit.model_files import VOCABULARY, write_ctranslate2

ENGLISH = {"is_multilingual": False}
MULTILINGUAL = {
    "is_multilingual": True,
    "lang_to_id": {"<|en|>": 1, "<|ko|>": 2},
    "task_to_id": {"transcribe": 3},
}
SPOKEN = {"en.wav": "Good morning.", "ko.wav": "안녕하세요.", "silent.wav": None, "any.wav": "Yes."}
LEFT_OUT = "left out, as the model knows only English: 1 in ko"
NOTHING_TO_HEAR = f"there is no clip with speech; {LEFT_OUT}"


class FasterWhisper:
    """Gives every clip its text."""

    def transcribe(self, path: str, **_options: Any) -> tuple[list[Any], Any]:
        # Of the check archive's own only the silent ones are asked.
        text = SPOKEN.get(Path(path).name, "")
        told = {"start": 0.0, "end": 1.0, "avg_logprob": -0.2, "no_speech_prob": 0.01}
        segments = [SimpleNamespace(text=text, **told)] if text else []
        return segments, SimpleNamespace(language="en", duration=1.0)


class Transformers:
    """Refuses in generate() what transformers refuses."""

    device, dtype, config = "cpu", "float32", None

    def __init__(self, generation_config: dict[str, Any]) -> None:
        self.generation_config = SimpleNamespace(**generation_config)
        self.told: list[dict[str, Any]] = []

    def generate(self, features: Any, **told: Any) -> Any:
        told.pop("attention_mask")
        known = self.generation_config
        named = {"language", "task"} & told.keys()
        if named and not getattr(known, "is_multilingual", True):
            raise ValueError("Cannot specify `task` or `language` for an English-only model")
        if "language" in named and not known.lang_to_id:
            raise ValueError("The generation config is outdated")
        if "task" in named and not known.task_to_id:
            raise ValueError("The generation config is outdated")
        self.told.append(told)
        return [str(path) for path in features.audio]


class Processor:
    """Hands what is in a clip on to the stub of the model, and its text back."""

    def __call__(self, audio: list[Any], **_options: Any) -> Any:
        features = SimpleNamespace(audio=[part.name for part in audio], to=lambda *_where: features)
        mask = SimpleNamespace(to=lambda *_where: mask)
        return SimpleNamespace(input_features=features, attention_mask=mask)

    def batch_decode(self, ids: list[str], **_options: Any) -> list[str]:
        return [SPOKEN[name] or "" for name in ids]


class Audio:
    def __init__(self, path: Path) -> None:
        self.name = path.name

    def __len__(self) -> int:
        return 16000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    root, clips = tmp_path / "models", tmp_path / "clips"
    converted = write_ctranslate2(root / "ctranslate2_model")
    (root / "a_b").mkdir()
    clips.mkdir()
    vocabulary = [token or "<|nothing|>" for token in VOCABULARY]
    (converted / "vocabulary.json").write_text(json.dumps(vocabulary))
    languages = {"en.wav": "en", "ko.wav": "ko", "silent.wav": "ko", "any.wav": None}
    entries = [
        {
            "file": name,
            "kind": "speech" if text else "silence",
            "text": text,
            "language": languages[name],
            "model": "a/b",
            "limits": {"cer": 0.0, "wer": 0.0},
        }
        for name, text in SPOKEN.items()
    ]
    (clips / "clips.json").write_text(json.dumps(entries))
    for name in SPOKEN:
        (clips / name).write_bytes(b"RIFF")
    return Settings(root, "ctranslate2_model", "a_b", clips=clips)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Transformers:
    made = Transformers(ENGLISH)
    torch = SimpleNamespace(no_grad=contextlib.nullcontext)
    monkeypatch.setitem(sys.modules, "torch", torch)
    for module in (transformers_texts, hearing_time):
        monkeypatch.setattr(module, "decode", Audio)
    monkeypatch.setattr(r5_transcripts, "load_transformers", lambda _s: (Processor(), made, {}))
    monkeypatch.setattr(r5_transcripts, "load_faster_whisper", lambda _s: FasterWhisper())
    return made


def judge(body: Body, settings: Settings) -> Outcome:
    return body(settings, lambda *_doing: None)


def test_a_model_says_itself_or_by_its_vocabulary_what_it_knows(settings: Settings) -> None:
    assert original.english_only(settings)
    said = settings.ctranslate2_path / "generation_config.json"
    said.write_text('{"is_multilingual": true}')
    assert not original.english_only(settings)
    (settings.transformers_path / said.name).write_text('{"is_multilingual": false}')
    assert original.english_only(settings)
    write_ctranslate2(settings.ctranslate2_path)
    for path in (said, settings.transformers_path / said.name):
        path.unlink()
    assert not original.english_only(settings)


@pytest.mark.parametrize(
    ("body", "judged"),
    [
        (r5_transcripts.faster_whisper_texts, ["en.wav", "any.wav"]),
        (r5_transcripts.faster_whisper_silence, ["silent.wav", "silence.flac", "noise.mp3"]),
        (r5_transcripts.transformers_texts, ["en.wav", "silent.wav", "any.wav"]),
    ],
)
def test_clips_of_another_language_are_left_out_and_counted(
    settings: Settings, model: Transformers, body: Body, judged: list[str]
) -> None:
    outcome = judge(body, settings)
    assert outcome.status == "passed", outcome
    assert sorted(entry["clip"] for entry in outcome.evidence["transcripts"]) == sorted(judged)
    assert outcome.found.endswith(f"; {LEFT_OUT}")
    assert outcome.evidence["left_out"] == ["ko.wav"]
    assert all(told == {} for told in model.told)


def test_two_decoders_are_compared_in_english_only(settings: Settings, model: Transformers) -> None:
    other = replace(settings, transformers="c_d")
    outcome = judge(r5_transcripts.decoders_agree, other)
    assert outcome.found == f"both decoders agree on 2 of 2 clips of unknown text; {LEFT_OUT}"
    assert model.told == [{}, {}]


def test_nothing_to_judge_is_said_with_what_was_left_out(
    settings: Settings, model: Transformers
) -> None:
    assert settings.clips is not None
    path = settings.clips / "clips.json"
    path.write_text(
        json.dumps([one for one in json.loads(path.read_text()) if one["file"] == "ko.wav"])
    )
    bodies = (
        r5_transcripts.faster_whisper_texts,
        r5_transcripts.faster_whisper_batched,
        r5_transcripts.decoders_agree,
        r5_speed.real_time_factor,
        r5_quantizations.reference_float32,
    )
    for body in bodies:
        outcome = judge(body, settings)
        assert (outcome.status, outcome.found) == ("failed", NOTHING_TO_HEAR)
        assert "model_check_clips" in outcome.fix
        assert "docs/clips.md" in outcome.fix
    outcome = judge(r5_transcripts.transformers_texts, settings)
    assert outcome.status == "skipped"
    assert not model.told


def test_the_service_is_sent_no_clip_of_another_language(settings: Settings) -> None:
    assert settings.clips is not None
    path = settings.clips / "clips.json"
    path.write_text(
        json.dumps([one for one in json.loads(path.read_text()) if one["file"] == "ko.wav"])
    )
    (settings.models / "app/stt_engine").mkdir(parents=True)
    outcome = judge(r5_service.service_transcribes, replace(settings, app=settings.models / "app"))
    assert (outcome.status, outcome.found) == ("failed", NOTHING_TO_HEAR)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (ENGLISH, {}),
        ({"is_multilingual": None}, {}),
        (MULTILINGUAL, {"language": "ko", "task": "transcribe"}),
        ({"lang_to_id": {"<|ko|>": 1}, "task_to_id": None}, {"language": "ko"}),
        ({"is_multilingual": True, "lang_to_id": None, "task_to_id": None}, {}),
        ({}, {}),
    ],
)
def test_transformers_is_told_what_it_takes(
    model: Transformers, config: dict[str, Any], told: dict[str, str]
) -> None:
    model.generation_config = SimpleNamespace(**config)
    clip = Clip(Path("ko.wav"), "speech", SPOKEN["ko.wav"], "ko", "a/b", 0.0, 0.0)
    assert transformers_texts.generate(Processor(), model, [clip]) == ([SPOKEN["ko.wav"]], 1.0)
    assert model.told == [told]
