# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips whose text nobody has set: every program has to agree with what others heard."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stt_checks import hearing_time, r5_service, r5_transcripts, unknown_texts
from stt_checks.clips import Clip, Clips, load_clips
from stt_checks.outcome import Outcome
from stt_checks.service_process import Answer
from stt_checks.settings import Settings

OURS = Path(__file__).resolve().parents[3] / "roles" / "model_check" / "files" / "clips"
SPOKEN = {
    "wait.wav": "잠시만 기다려 주세요.",
    "order.wav": "주문하신 상품이 도착했습니다.",
    "number.wav": "전화번호를 다시 말씀해 주세요.",
}
INVENTED = "시청해 주셔서 감사합니다."
CERTAIN = {"avg_logprob": -0.3, "no_speech_prob": 0.1, "start": 0.0, "end": 2.0}
Says = Callable[[str], str]
Run = Callable[..., dict[str, Outcome]]


def clip(name: str, language: str | None = "ko", kind: str = "speech") -> Clip:
    return Clip(Path(name), kind, None, language, None, 0.2, None)


def test_of_each_language_and_format_one_is_heard_and_a_long_one() -> None:
    clips = load_clips(Settings(Path("/m"), "ct2", "someone_large", clips=OURS))
    assert clips is not None
    chosen = unknown_texts.choose(clips)
    assert len(chosen) == unknown_texts.MOST_SHORT + 1

    def kinds(some: list[Clip]) -> set[tuple[str | None, str]]:
        return {(one.language, unknown_texts.format_of(one.path)) for one in some}

    assert kinds(chosen[:-1]) == kinds([one for one in clips.unknown if one.kind == "speech"])
    assert chosen[-1].kind == "long"
    languages = [one.language for one in chosen]
    assert languages.count("ko") >= 6
    assert languages.count("en") >= 6


@pytest.mark.parametrize(
    ("seconds", "heard"), [(299.0, ["a.wav", "b.mp3"]), (3600.0, ["a.wav"]), (None, ["b.mp3"])]
)
def test_a_recording_of_an_hour_is_heard_only_where_there_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float | None, heard: list[str]
) -> None:
    some = [] if seconds is None else [clip("a.wav")]
    for name, size in (("b.mp3", 3), ("c.mp3", 4)):
        (tmp_path / name).write_bytes(b"1" * size)
        some.append(replace(clip(name, kind="long"), path=tmp_path / name))
    length = round((seconds or 3600.0) * 16000)
    monkeypatch.setattr(hearing_time, "decode", lambda _path: range(length))
    chosen = unknown_texts.choose(Clips(tuple(some), "a_b"))
    assert [one.path.name for one in chosen] == heard


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    directory, scratch = tmp_path / "clips", tmp_path / "scratch"
    directory.mkdir()
    scratch.mkdir()
    entries: list[dict[str, Any]] = [{"file": name, "language": "ko"} for name in SPOKEN]
    entries.append({"file": "known.wav", "language": "ko", "text": "안녕하세요."})
    for entry in entries:
        (directory / entry["file"]).write_bytes(b"RIFF")
    (directory / "clips.json").write_text(json.dumps(entries))
    return Settings(tmp_path, "ct2", "a_b", clips=directory, scratch=scratch)


def right(name: str) -> str:
    return SPOKEN.get(name, "안녕하세요.")


def invented(name: str) -> str:
    return INVENTED if name in SPOKEN else right(name)


class FasterWhisper:
    """Says of each recording what its plan says, and is sure of it."""

    def __init__(self, says: Says) -> None:
        self.says = says

    def transcribe(self, path: str, **_options: Any) -> tuple[list[Any], Any]:
        told = SimpleNamespace(text=self.says(Path(path).name), **CERTAIN)
        return [told], SimpleNamespace(language="ko", duration=2.0)


@pytest.fixture
def judged(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The checks of one run, in their order, with programs that say as they are told."""

    def run(
        sequential: Says = right, batched: Says = right, original: Says = right, **changes: Any
    ) -> dict[str, Outcome]:
        monkeypatch.setattr(
            r5_transcripts, "load_faster_whisper", lambda _settings: FasterWhisper(sequential)
        )
        monkeypatch.setattr(
            r5_transcripts,
            "_transformers_texts",
            lambda _settings, some, _progress: ([original(one.path.name) for one in some], 2.0),
        )
        pipeline = SimpleNamespace(BatchedInferencePipeline=lambda **_told: FasterWhisper(batched))
        monkeypatch.setitem(sys.modules, "faster_whisper", pipeline)
        monkeypatch.setattr(hearing_time, "decode", lambda _path: range(32000))
        mine = replace(settings, **changes)
        names = ("faster_whisper_texts", "decoders_agree", "faster_whisper_batched")
        return {name: getattr(r5_transcripts, name)(mine, lambda *_doing: None) for name in names}

    return run


def test_programs_that_agree_pass_on_known_and_unknown(judged: Run, settings: Settings) -> None:
    found = judged()
    assert {name: one.found for name, one in found.items()} == {
        "faster_whisper_texts": (
            "1 clips are transcribed as spoken and 3 of 3 clips of unknown text gave some"
        ),
        "decoders_agree": "both decoders agree on 3 of 3 clips of unknown text",
        "faster_whisper_batched": "1 clips are transcribed as spoken and 3 of 3 clips of unknown "
        "text agree with what was heard before",
    }
    assert {one.status for one in found.values()} == {"passed"}
    both = {"faster-whisper", "transformers"}
    assert {name: set(by) for name, by in unknown_texts.kept(settings).items()} == dict.fromkeys(
        SPOKEN, both
    )


@pytest.mark.parametrize("scratch", [True, False])
def test_a_batched_pipeline_that_invents_fails(judged: Run, scratch: bool) -> None:
    found = judged(batched=invented, **({} if scratch else {"scratch": None}))
    failing = [name for name, one in found.items() if one.status == "failed"]
    assert failing == ["faster_whisper_batched"]
    assert found[failing[0]].found.startswith("3 of 4 clips are wrong: wait.wav gave '시청해")
    assert "for '잠시만 기다려 주세요.' as heard by faster-whisper, CER" in found[failing[0]].found


def test_a_model_that_invents_one_by_one_fails_against_the_original(
    judged: Run,
) -> None:
    assert judged(sequential=invented)["decoders_agree"].status == "failed"
    assert judged(original=invented)["decoders_agree"].status == "failed"


def test_what_another_image_heard_is_held_against_the_original(
    judged: Run,
) -> None:
    told = {name: {"the service": text} for name, text in SPOKEN.items()}
    assert judged(heard=told)["decoders_agree"].status == "passed"
    told["order.wav"] = {"the service": INVENTED}
    outcome = judged(heard=told)["decoders_agree"]
    assert outcome.status == "failed"
    assert "order.wav gave the service '시청해" in outcome.found


def answer(text: str, **changes: Any) -> Answer:
    body = {"success": True, "text": text, "language": "ko", "duration": 2.0}
    return Answer(200, {**body, "segments": [CERTAIN], **changes})


def service(name: str, given: Answer, settings: Settings) -> dict[str, Any]:
    texts = {"faster-whisper": SPOKEN[name], "transformers": SPOKEN[name]}
    return r5_service._judge(clip(name), given, settings, texts)


def test_a_service_that_invents_or_does_not_say_how_sure_it_is_fails(settings: Settings) -> None:
    for name, text in SPOKEN.items():
        assert service(name, answer(text), settings)["good"]
        assert not service(name, answer(INVENTED), settings)["good"]
        assert not service(name, answer(text, segments=None), settings)["good"]
        assert not service(name, answer(text, segments=[{"text": text}]), settings)["good"]
        assert not service(name, answer(text, language="en"), settings)["good"]
    # Another engine need not say it, and is held against what was heard all the same.
    foreign = replace(settings, variant="foreign")
    told = {"segments": None, "language": "ko"}
    assert service("wait.wav", answer(SPOKEN["wait.wav"], **told), foreign)["good"]
    assert not service("wait.wav", answer(INVENTED, **told), foreign)["good"]


def test_a_service_that_refuses_a_clip_of_unknown_text_is_told_as_such(settings: Settings) -> None:
    refused = service("wait.wav", Answer(500, {"error": "x"}), settings)
    nothing = r5_service._judge(clip("wait.wav"), Answer(500, {"error": "x"}), settings, {})
    for entry in (refused, nothing):
        assert not entry["good"]
    outcome = r5_transcripts.conclude([nothing], 1.0, 2.0, 3)
    assert outcome.found == (
        '1 of 1 clips are wrong: wait.wav gave \'status 500 with {"error": "x"}\''
    )
