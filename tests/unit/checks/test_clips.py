# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stt_checks.baseline import keep
from stt_checks.clips import Clip, Clips, ClipsError, advice, as_wanted, difference, load_clips
from stt_checks.outcome import passed
from stt_checks.settings import Expected, Settings

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


def test_a_minimal_entry_leaves_out_what_its_user_does_not_know(tmp_path: Path) -> None:
    clips = load_clips(settings(write(tmp_path, {"file": "a.wav"})))
    assert clips is not None
    assert clips.clips == (Clip(tmp_path / "a.wav", "speech", None, None, None, 0.2, None),)
    assert (clips.known, clips.unknown) == ([], list(clips.clips))


def test_a_typed_text_without_a_model_counts_for_every_model(tmp_path: Path) -> None:
    entry = {"file": "a.wav", "text": "Good morning."}
    for model in ("someone_a-model", "another_model"):
        clips = load_clips(settings(write(tmp_path, entry), model))
        assert clips is not None
        assert clips.known == list(clips.clips)


def test_silence_counts_as_known_only_where_it_was_given_for_this_model(tmp_path: Path) -> None:
    """Elsewhere the voice detector stands before the model, as in service."""
    (tmp_path / "b.wav").write_bytes(b"RIFF")
    silence = {"file": "b.wav", "kind": "silence", "text": None}
    for model, known in (("someone/a-model", 1), ("another/model", 0), (None, 0)):
        clips = load_clips(settings(write(tmp_path, ENTRY, {**silence, "model": model})))
        assert clips is not None
        assert len(clips.known_of("silence")) == known


def test_whatever_is_wrong_ends_in_one_error(tmp_path: Path) -> None:
    with pytest.raises(ClipsError, match=r"clip 1 \(a.wav\): found kind \"song\".* \| .*clip 2"):
        load_clips(settings(write(tmp_path, {**ENTRY, "kind": "song"}, {"file": "b.wav"})))


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


def test_a_clip_of_unknown_text_must_give_some_text_in_its_language() -> None:
    unknown = clip(text=None)
    assert unknown.judge(" Good evening. ", "en") == {
        "clip": "a.wav",
        "expected": "",
        "text": "Good evening.",
        "language": "en",
        "language_expected": "en",
        "good": True,
    }
    assert unknown.judge(" ", "en")["good"] is False
    assert unknown.judge("Good evening.", "ko")["good"] is False


def test_words_count_only_where_a_limit_is_set() -> None:
    spaced = "내일 오후 세시에 회의가 있습니다."
    judged = clip(text="내일 오후 세 시에 회의가 있습니다.", language="ko", wer=None).judge(spaced)
    assert (judged["good"], judged["wer"]) == (True, 0.3333)
    assert "wer_limit" not in judged
    strict = clip(text="내일 오후 세 시에 회의가 있습니다.", language="ko", wer=0.3).judge(spaced)
    assert strict["good"] is False
    assert difference(strict).endswith(", WER 0.3333 above 0.3")


def test_a_rate_just_above_its_limit_is_not_rounded_away() -> None:
    assert clip(text="abc", cer=0.3333, wer=None).judge("abx")["good"] is False


SHA256 = hashlib.sha256(b"RIFF").hexdigest()
MODEL = {"repository": "someone/a-model", "commit": "4" * 40, "quantization": "int8"}
HEARD = {
    "sha256": SHA256,
    "text": "안녕하세요, 무엇을 도와드릴까요?",
    "language": "ko",
    "made_by": "faster-whisper 1.2.1",
    "accepted": "2026-01-31T08:15:00Z",
}


def judged_by(directory: Path, entry: dict[str, Any], **changes: Any) -> Clips:
    """One entry's clip, with a text accepted for it, or for what the changes say."""
    accepted = {**MODEL, "clips": {changes.pop("name", "a.wav"): {**HEARD, **changes}}}
    given = replace(
        settings(write(directory, entry)),
        repository=MODEL["repository"],
        commit=MODEL["commit"],
        expected=Expected(quantization="int8"),
        accepted_transcripts=accepted,
    )
    clips = load_clips(given)
    assert clips is not None
    return clips


def test_an_accepted_text_holds_for_its_recording(tmp_path: Path) -> None:
    clips = judged_by(tmp_path, {"file": "a.wav"})
    (accepted,) = clips.known
    assert (accepted.text, accepted.language) == (HEARD["text"], "ko")
    assert (clips.unknown, dict(clips.not_applied)) == ([], {})
    # Another decoder sets marks and spaces otherwise, and that is not held against it.
    assert accepted.judge("안녕하세요 무엇을 도와 드릴까요", "ko")["good"] is True
    judged = accepted.judge("내일 오후 세 시에 회의가 있습니다.", "ko")
    assert (judged["good"], judged["accepted"]) == (False, HEARD["accepted"])
    assert difference(judged) == (
        "a.wav gave '내일 오후 세 시에 회의가 있습니다.' for '안녕하세요, 무엇을 도와드릴까요?' "
        "as accepted 2026-01-31T08:15:00Z, CER 1 above 0.2"
    )
    assert "model_check_accept_transcripts=true" in advice([judged])
    assert advice([clip().judge("Good evening.")]) == ""


def test_a_text_for_another_model_is_no_reason_against_an_accepted_one(tmp_path: Path) -> None:
    clips = judged_by(tmp_path, {**ENTRY, "model": "another/model", "language": None})
    assert [one.text for one in clips.known] == [HEARD["text"]]


def test_a_typed_text_is_never_replaced(tmp_path: Path) -> None:
    for entry in (ENTRY, {"file": "a.wav", "text": ENTRY["text"]}):
        clips = judged_by(tmp_path, entry)
        assert [(one.text, one.accepted) for one in clips.known] == [(ENTRY["text"], None)]
        assert dict(clips.not_applied) == {}


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"sha256": "0" * 64}, {"a.wav": "another recording than was accepted under its name"}),
        ({"name": "b.wav"}, {"b.wav": "no longer among the clips"}),
    ],
)
def test_an_accepted_text_that_does_not_hold_is_counted(
    tmp_path: Path, changes: dict[str, Any], reasons: dict[str, str]
) -> None:
    clips = judged_by(tmp_path, {"file": "a.wav"}, **changes)
    assert (len(clips.unknown), clips.known) == (1, [])
    assert dict(clips.not_applied) == reasons
    told = clips.tell(passed("both agree"))
    # The report says it once, in its language.
    assert told.found == "both agree"
    assert told.evidence == {"not_applied": reasons}


def test_an_accepted_text_of_another_model_does_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in MODEL:
        monkeypatch.setitem(MODEL, key, "other")
        given = replace(settings(write(tmp_path, {"file": "a.wav"})), repository="someone/a-model")
        given = replace(given, accepted_transcripts={**MODEL, "clips": {"a.wav": HEARD}})
        clips = load_clips(given)
        assert clips is not None
        assert clips.known == []
        assert "another model" in clips.not_applied["a.wav"]


def test_a_run_that_accepts_judges_by_what_it_has_heard_itself(tmp_path: Path) -> None:
    """Not by what was accepted before: that is about to be replaced."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    old = {**MODEL, "clips": {"a.wav": HEARD}}
    given = replace(
        settings(write(tmp_path, {"file": "a.wav"})),
        repository=MODEL["repository"],
        commit=MODEL["commit"],
        expected=Expected(quantization="int8"),
        accepted_transcripts=old,
        accept_transcripts=True,
        scratch=scratch,
    )
    before = load_clips(given)
    assert before is not None
    assert len(before.unknown) == 1
    keep(scratch, {"a.wav": {"sha256": SHA256, "text": "잠시만 기다려 주세요.", "language": "ko"}})
    after = load_clips(given)
    assert after is not None
    assert [(one.text, one.accepted) for one in after.known] == [
        ("잠시만 기다려 주세요.", "in this run")
    ]


def test_the_sentence_tells_what_texts_were_judged_by() -> None:
    spoken, accepted = clip().judge("Good morning."), clip(accepted="x").judge("Good morning.")
    assert as_wanted([spoken]) == "1 clips are transcribed as spoken"
    assert as_wanted([accepted]) == "1 clips are transcribed as accepted"
    assert as_wanted([spoken, accepted]) == "1 clips are transcribed as spoken and 1 as accepted"
