# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stt_checks.clips import Clip, ClipsError, load_clips
from stt_checks.settings import Settings

FIXTURE = Path(__file__).resolve().parents[3] / "roles" / "model_check" / "files" / "clips"
ENTRY: dict[str, Any] = {
    "file": "a.wav",
    "kind": "speech",
    "text": "Good morning.",
    "language": "en",
    "model": "someone/a-model",
    "limits": {"cer": 0.1, "wer": 0.5},
}


def settings(directory: Path | None, transformers: str = "someone_a-model") -> Settings:
    return Settings(Path("/models"), "ctranslate2_model", transformers, clips=directory)


def write(directory: Path, *entries: Any) -> Path:
    (directory / "clips.json").write_text(json.dumps(list(entries)), encoding="utf-8")
    (directory / "a.wav").write_bytes(b"RIFF")
    return directory


def clip(**changes: Any) -> Clip:
    values = {
        "path": Path("a.wav"),
        "kind": "speech",
        "text": "Good morning.",
        "language": "en",
        "model": "someone/a-model",
        "cer": 0.1,
        "wer": 0.5,
    }
    return Clip(**{**values, **changes})


def test_the_fixture_is_readable_and_for_its_model() -> None:
    clips = load_clips(settings(FIXTURE, "stt-lab_whisper-tiny-en-ko"))
    assert clips is not None
    assert len(clips.known) == len(clips.clips) >= 20
    assert {one.kind for one in clips.clips} == {"speech", "long", "silence"}
    assert {one.language for one in clips.of("speech")} == {"en", "ko"}


def test_clips_of_another_model_are_not_known() -> None:
    clips = load_clips(settings(FIXTURE, "openai_whisper-large-v3-turbo"))
    assert clips is not None
    assert clips.known == []
    assert clips.of("speech")


def test_no_directory_means_no_clips() -> None:
    assert load_clips(settings(None)) is None


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([], "holds no list"),
        ([{**ENTRY, "kind": "song"}], "kind 'song'"),
        ([{key: ENTRY[key] for key in ENTRY if key != "limits"}], "limits"),
        ([{**ENTRY, "limits": {"cer": "many", "wer": 0}}], "clip 1"),
        ([{**ENTRY, "text": None}], "a silence has no text"),
        ([{**ENTRY, "kind": "silence"}], "a silence has no text"),
        ([ENTRY, {**ENTRY, "file": "b.wav"}], "b.wav does not exist"),
        (["a.wav"], "clip 1"),
    ],
)
def test_what_is_wrong_in_the_list_is_named(tmp_path: Path, entries: list[Any], words: str) -> None:
    with pytest.raises(ClipsError, match=words):
        load_clips(settings(write(tmp_path, *entries)))


def test_a_list_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipsError, match="cannot be read"):
        load_clips(settings(tmp_path))
    (tmp_path / "clips.json").write_text("<html></html>")
    with pytest.raises(ClipsError, match="cannot be read"):
        load_clips(settings(tmp_path))


@pytest.mark.parametrize(
    ("text", "language", "good"),
    [
        (" Good morning. ", "en", True),
        ("Good mornin.", "en", True),
        ("Good evening.", "en", False),
        ("", "en", False),
        ("Good morning.", "ko", False),
    ],
)
def test_a_text_is_held_against_what_is_spoken(text: str, language: str, good: bool) -> None:
    judged = clip().judge(text, language)
    assert judged["good"] is good
    assert judged["expected"] == "Good morning."
    assert judged["cer_limit"] == 0.1


def test_both_limits_must_hold() -> None:
    assert clip(cer=1.0, wer=0.0).judge("Good mornin.")["good"] is False
    assert clip(cer=0.0, wer=1.0).judge("Good mornin.")["good"] is False
    assert clip(cer=1.0, wer=1.0).judge("Good mornin.")["good"] is True


def test_silence_must_stay_silent() -> None:
    silence = clip(kind="silence", text=None, language=None)
    assert silence.judge(" \n")["good"] is True
    assert silence.judge("Thank you.")["good"] is False


def test_an_unknown_language_accepts_any() -> None:
    assert clip(language=None).judge("Good morning.", "nl")["good"] is True
