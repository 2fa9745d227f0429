# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running service is asked for a recording that is the very one that was sealed, if there is."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.action.stt_clips import ActionModule
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._release_recording import (
    choose,
    files_of,
    read_clips,
    read_transcripts,
)

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "
SAID = "주문한 상품이 아직 오지 않았습니다."


def put(directory: Path, *entries: dict[str, Any], encoding: str = "utf-8") -> Path:
    for number, entry in enumerate(entries):
        recording = directory / entry["file"]
        recording.parent.mkdir(parents=True, exist_ok=True)
        # Each longer than the one before, and unlike any other.
        recording.write_bytes(WAV + bytes([number]) * (number + 1))
    text = json.dumps(entries, ensure_ascii=False)
    (directory / "clips.json").write_text(text, encoding=encoding)
    return directory


def sealed(recording: Path, **given: Any) -> dict[str, Any]:
    digest = hashlib.sha256(recording.read_bytes()).hexdigest()
    return {"clip": recording.name, "text": SAID, "good": True, "sha256": digest, **given}


def asked(directory: Path, *transcripts: dict[str, Any]) -> tuple[str, str, float, int] | None:
    found = choose(directory, read_clips(directory), transcripts)
    return found and (found.name, found.text, found.limit, found.timeout)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_the_index_is_read_as_the_release_reads_it(tmp_path: Path, encoding: str) -> None:
    clips = put(tmp_path, {"file": "감사.wav", "kind": None}, encoding=encoding)
    assert asked(clips, sealed(clips / "감사.wav", cer_limit=0.1)) == ("감사.wav", SAID, 0.1, 120)


def test_a_recording_is_found_wherever_its_entry_says(tmp_path: Path) -> None:
    clips = put(tmp_path / "odd [2026] 녹음", {"file": "1월/[주문] a.wav"})
    assert asked(clips) == ("[주문] a.wav", "", 0.2, 120)
    transcript = sealed(clips / "1월" / "[주문] a.wav")
    assert asked(clips, transcript) == ("[주문] a.wav", SAID, 0.2, 120)
    assert files_of(read_clips(clips)) == ["1월/[주문] a.wav", "clips.json"]


def test_a_recording_made_anew_is_not_held_against_the_old_text(tmp_path: Path) -> None:
    clips = put(tmp_path, {"file": "a.wav"}, {"file": "b.wav"})
    old, kept = sealed(clips / "a.wav"), sealed(clips / "b.wav")
    (clips / "a.wav").write_bytes(WAV + b"another")
    assert asked(clips, old) == ("a.wav", "", 0.2, 120)
    assert asked(clips, old, kept) == ("b.wav", SAID, 0.2, 120)
    # As a release of an earlier version of the checks has it.
    assert asked(clips, {key: kept[key] for key in ("clip", "text", "good")}) == (
        ("a.wav", "", 0.2, 120)
    )


def test_speech_comes_before_long_recordings_and_silence_never(tmp_path: Path) -> None:
    clips = put(
        tmp_path,
        {"file": "empty.wav", "kind": "silence"},
        {"file": "short.wav", "kind": "long"},
        {"file": "meeting.wav", "kind": "long"},
        {"file": "order.wav"},
    )
    assert asked(clips) == ("order.wav", "", 0.2, 120)
    long = sealed(clips / "meeting.wav")
    assert asked(clips, long) == ("meeting.wav", SAID, 0.2, 1800)
    assert asked(clips, long, sealed(clips / "order.wav")) == ("order.wav", SAID, 0.2, 120)
    wrong = sealed(clips / "order.wav", good=False)
    assert asked(clips, wrong) == ("order.wav", "", 0.2, 120)
    put(clips, {"file": "empty.wav", "kind": "silence"}, {"file": "meeting.wav", "kind": "long"})
    assert asked(clips) == ("meeting.wav", "", 0.2, 1800)


def test_clips_that_the_checks_would_refuse_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SttError, match=r"found clips .*: no such directory .*; needed a directory"):
        read_clips(tmp_path / "gone")
    clips = put(tmp_path, {"file": "a.wav", "language": "kr"}, {"file": "b.wav", "kind": "x"})
    with pytest.raises(SttError) as error:
        read_clips(clips)
    assert "clip 1 (a.wav): language" in error.value.found
    assert "clip 2 (b.wav): kind" in error.value.found


def test_the_sealed_texts_are_those_of_the_releases_own_service(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    mine = {"name": "service_transcribes", "evidence": {"transcripts": [{"clip": "a.wav"}]}}
    others = {"name": "faster_whisper_texts", "evidence": {"transcripts": [{"clip": "b.wav"}]}}
    skipped = {"name": "service_transcribes", "evidence": {}}
    report.write_text(json.dumps({"checks": [others, mine, skipped]}))
    assert read_transcripts(report) == [{"clip": "a.wav"}]
    report.write_text("[]")
    with pytest.raises(SttError, match="found no report of a release"):
        read_transcripts(report)


def test_the_action_hands_on_what_the_module_takes(tmp_path: Path) -> None:
    clips = put(tmp_path / "clips", {"file": "raw/a.wav"})
    action = object.__new__(ActionModule)
    files = {"changed": False, "files": ["clips.json", "raw/a.wav"]}
    assert action.act({"directory": str(clips), "report": None}) == files
    report = tmp_path / "report.json"
    checks = [
        {
            "name": "service_transcribes",
            "evidence": {"transcripts": [sealed(clips / "raw" / "a.wav")]},
        }
    ]
    report.write_text(json.dumps({"checks": checks}))
    content = base64.b64encode((clips / "raw" / "a.wav").read_bytes()).decode()
    assert action.act({"directory": str(clips), "report": str(report)}) == {
        **files,
        "recording": {"name": "a.wav", "content": content, "text": SAID, "limit": 0.2},
        "timeout": 120,
    }
