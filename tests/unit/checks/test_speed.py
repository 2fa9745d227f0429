# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided about speed and about a decoder's own doubts. Nothing here is timed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stt_checks import hearing_time, log_probability, r5_speed
from stt_checks.clips import Clip
from stt_checks.outcome import CheckFailedError, Outcome
from stt_checks.settings import Settings, load_settings
from stt_checks.unknown_texts import Heard

SETTINGS = Settings(Path("/models"), "a", "b")
NOTHING: dict[str, Any] = {}


@pytest.mark.parametrize(
    ("told", "gpu", "limit"),
    [(0.0, False, None), (0.0, True, 1.0), (0.3, False, 0.3), (0.3, True, 0.3), (2.0, True, 2.0)],
)
def test_only_a_gpu_has_a_limit_that_nobody_set(
    told: float, gpu: bool, limit: float | None
) -> None:
    settings = replace(SETTINGS, real_time_factor_limit=told, gpu_given=gpu)
    assert r5_speed.limit_of(settings) == limit
    sentence = r5_speed.expectation(settings)
    assert (f"at most {limit:g} times" in sentence) if limit else ("has no limit" in sentence)


@pytest.mark.parametrize(
    ("seconds", "limit", "status", "words"),
    [
        (5.0, 0.5, "passed", "0.5000 on cpu: 10 s of speech in 5.00 s, within the limit of 0.5"),
        (5.1, 0.5, "failed", "0.5100 on cpu: 10 s of speech in 5.10 s, above the limit of 0.5"),
        (11.0, 1.0, "failed", "1.1000 on cpu"),
        (
            90.0,
            None,
            "passed",
            "10 s of speech in 90.00 s; no limit is set for a CPU",
        ),
    ],
)
def test_the_time_is_held_against_the_limit(
    seconds: float, limit: float | None, status: str, words: str
) -> None:
    outcome = r5_speed.judge_speed(seconds, 10.0, limit, "cpu", {"clips": ["a"]})
    assert outcome.status == status
    assert words in outcome.found
    assert outcome.evidence["real_time_factor"] == round(seconds / 10, 5)
    assert (outcome.evidence["limit"], outcome.evidence["clips"]) == (limit, ["a"])


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    entries = []
    for name, kind in (("a", "speech"), ("b", "long"), ("c", "long"), ("d", "silence")):
        (tmp_path / f"{name}.wav").write_bytes(b"RIFF" + name.encode())
        text = None if kind == "silence" else "Yes."
        entries.append(
            {
                "file": f"{name}.wav",
                "kind": kind,
                "text": text,
                "language": "en",
                "model": "a/b",
                "limits": {"cer": 0.0, "wer": 0.0},
            }
        )
    (tmp_path / "clips.json").write_text(json.dumps(entries))
    return tmp_path


def measured(
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    says: str = "Yes.",
    seconds: Mapping[str, float] | None = None,
) -> tuple[Outcome, list[str]]:
    """The check with a model that says one thing, and what it was given to hear."""
    heard: list[str] = []

    class Model:
        model = SimpleNamespace(compute_type="float32")

        def transcribe(self, audio: str, **_options: Any) -> tuple[list[Any], Any]:
            heard.append(audio)
            told = {"start": 0.0, "end": 1.0, "avg_logprob": -0.1, "no_speech_prob": 0.0}
            return [SimpleNamespace(text=says, **told)], SimpleNamespace(
                language="en", duration=1.0
            )

    class Decoded(str):
        def __len__(self) -> int:
            return 160_000

    monkeypatch.setattr(r5_speed, "load_faster_whisper", lambda _settings: Model())
    monkeypatch.setattr(r5_speed, "decode", lambda path: Decoded(path.stem))
    lasting = seconds or {}
    monkeypatch.setattr(
        hearing_time, "decode", lambda path: range(round(lasting.get(path.stem, 40.0) * 16000))
    )
    try:
        outcome = r5_speed.real_time_factor(settings, lambda *_doing: None)
    except CheckFailedError as error:
        outcome = Outcome("failed", error.found)
    return outcome, heard


def test_long_recordings_are_timed_after_one_that_is_not(
    monkeypatch: pytest.MonkeyPatch, clips: Path
) -> None:
    settings = replace(SETTINGS, clips=clips)
    outcome, heard = measured(monkeypatch, settings)
    assert (outcome.status, heard) == ("passed", ["a", "b", "c"]), outcome
    assert outcome.evidence["clips"] == ["b.wav", "c.wav"]
    assert outcome.evidence["audio_seconds"] == 20.0


@pytest.mark.parametrize(
    ("seconds", "timed"),
    [
        ({"b": 301.0}, ["c"]),
        ({"b": 3600.0, "c": 300.0}, ["c"]),
        ({"b": 3600.0, "c": 3600.0}, ["a"]),
    ],
)
def test_a_recording_of_an_hour_is_not_timed_where_there_is_another(
    monkeypatch: pytest.MonkeyPatch, clips: Path, seconds: dict[str, float], timed: list[str]
) -> None:
    _outcome, heard = measured(monkeypatch, replace(SETTINGS, clips=clips), seconds=seconds)
    assert heard == ["a", *timed]


def test_a_recording_without_a_text_measures_nothing(
    monkeypatch: pytest.MonkeyPatch, clips: Path
) -> None:
    outcome, _heard = measured(monkeypatch, replace(SETTINGS, clips=clips), says=" ")
    assert (outcome.status, outcome.found) == (
        "failed",
        "b.wav gave no text, so its time means nothing",
    )


def test_without_long_recordings_short_ones_are_timed_and_silence_never(
    monkeypatch: pytest.MonkeyPatch, clips: Path
) -> None:
    entries = json.loads((clips / "clips.json").read_text())
    settings = replace(SETTINGS, clips=clips)
    kept = [one for one in entries if one["kind"] != "long"]
    (clips / "clips.json").write_text(json.dumps(kept))
    assert measured(monkeypatch, settings)[1] == ["a", "a"]
    (clips / "clips.json").write_text(json.dumps(kept[1:]))
    outcome = measured(monkeypatch, settings)[0]
    assert outcome.status == "failed"
    assert "no clip in which somebody speaks" in outcome.found


def test_a_minute_for_each_window_of_each_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing_time, "decode", lambda _path: range(3601 * 16000))
    short = Clip(Path("a.wav"), "speech", "Yes.", "en", None, 0.2, None)
    assert hearing_time.time_for([short] * 100) == 100 * 60.0
    assert hearing_time.time_for([short, replace(short, kind="long")]) == (1 + 121) * 60.0


def test_the_limit_comes_from_the_specification(tmp_path: Path) -> None:
    spec = {"models": {"root": str(tmp_path)}, "real_time_factor_limit": 0.25}
    assert load_settings(spec, models=None, clips=None).real_time_factor_limit == 0.25
    assert load_settings({}, models=tmp_path, clips=None).real_time_factor_limit == 0.0


def piece(start: float, end: float, logprob: float, silent: float = 0.1) -> Any:
    return SimpleNamespace(start=start, end=end, avg_logprob=logprob, no_speech_prob=silent)


def test_a_recording_is_as_sure_as_its_parts_by_their_length() -> None:
    found = log_probability.certainty([piece(0, 9, -0.1), piece(9, 10, -1.1, silent=0.7)])
    assert found == {"avg_logprob": -0.2, "no_speech_prob": 0.7}
    assert log_probability.certainty([]) == {}
    # Another engine's service may tell nothing.
    assert log_probability.certainty_of([{"text": "x"}]) == {}
    assert log_probability.certainty_of([{"avg_logprob": -0.5}]) == {"avg_logprob": -0.5}


@pytest.mark.parametrize(
    ("told", "each", "together"),
    [
        ([-0.1, -0.4, -0.9], [True] * 3, True),
        # One hard recording is no broken model.
        ([-0.2, -0.3, -1.9], [True] * 3, True),
        ([-0.2, -0.3, -2.1], [True, True, False], True),
        ([-0.2, -1.1, -1.2], [True] * 3, False),
        ([-9.9, -10.4], [False, False], False),
        ([float("nan")], [False], False),
        ([None, None], [True, True], True),
        ([], [], True),
    ],
)
def test_doubts_of_a_decoder(told: list[float | None], each: list[bool], together: bool) -> None:
    judged = [{} if one is None else {"avg_logprob": one} for one in told]
    assert [log_probability.sure(one) for one in judged] == each
    assert (log_probability.doubts(judged) == "") is together


@pytest.mark.parametrize(
    ("language", "certain", "sentence"),
    [
        ("ko", {}, "a.wav gave 'So.' in ko for en"),
        ("ko", {"avg_logprob": -0.2}, "a.wav gave 'So.' in ko for en"),
        (
            "en",
            {"avg_logprob": -3.0},
            "a.wav gave 'So.' in en with a mean log-probability of -3.00",
        ),
    ],
)
def test_what_is_doubtful_is_said_and_nothing_else(
    language: str, certain: dict[str, float], sentence: str
) -> None:
    clip = Clip(Path("a.wav"), "speech", None, "en", None, 0.2, None)
    assert r5_speed._doubtful(clip, Heard(" So.", language, 1.0, certain)) == sentence
