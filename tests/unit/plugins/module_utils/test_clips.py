# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's directory of clips: every fault is named by entry, found, needed and fix."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._clips import (
    CER,
    LANGUAGES,
    Entry,
    judge_clips,
)

CHECKOUT = Path(__file__).resolve().parents[4]
OURS = CHECKOUT / "roles" / "model_check" / "files" / "clips"
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "
ENTRY: dict[str, Any] = {
    "file": "order.wav",
    "kind": "speech",
    "text": "내일 오후 세 시에 회의가 있습니다.",
    "language": "ko",
    "model": None,
    "limits": {"cer": 0.1, "wer": 0.3},
}


def write(directory: Path, *entries: Any) -> Path:
    (directory / "order.wav").write_bytes(WAV)
    (directory / "clips.json").write_text(json.dumps(entries), encoding="utf-8")
    return directory


def complaints(directory: Path) -> list[str]:
    return [finding.sentence() for finding in judge_clips(directory)[1].findings]


def test_the_collections_own_clips_raise_no_alarm() -> None:
    entries, judgement = judge_clips(OURS)
    assert judgement.findings == []
    assert len(entries) == len(json.loads((OURS / "clips.json").read_bytes()))


def test_what_a_user_does_not_know_may_be_left_out(tmp_path: Path) -> None:
    few = {"file": "order.wav"}
    assert judge_clips(write(tmp_path, few))[0] == [
        Entry("order.wav", "speech", None, None, None, CER, None)
    ]
    nulls = dict.fromkeys(("kind", "text", "language", "model", "limits"), None)
    assert judge_clips(write(tmp_path, {**few, **nulls})) == judge_clips(write(tmp_path, few))
    no_limits = {"limits": {"cer": None, "wer": None}}
    assert judge_clips(write(tmp_path, {**few, **no_limits})) == judge_clips(write(tmp_path, few))


def test_a_whole_entry_in_a_directory_below(tmp_path: Path) -> None:
    (tmp_path / "ko").mkdir()
    (tmp_path / "ko" / "first.m4a").write_bytes(b"\x00\x00\x00\x20ftypM4A ")
    entry = {**ENTRY, "file": "ko/first.m4a", "model": "a/b"}
    (found,), judgement = judge_clips(write(tmp_path, entry))
    assert judgement.findings == []
    assert (found.name, found.cer, found.wer) == ("first.m4a", 0.1, 0.3)
    assert (found.text, found.language, found.model) == (ENTRY["text"], "ko", "a/b")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "song"}, 'found kind "song"; needed one of speech, long, silence; '),
        ({"kind": ["speech"]}, 'found kind ["speech"]; '),
        ({"langauge": "ko"}, 'found the key "langauge"; needed keys out of file, kind, text, '),
        ({"text": " … "}, 'found text " … ", without a letter or digit; needed what is said, '),
        ({"text": 3}, "found text 3; needed what is said, or null where nobody has typed it; "),
        ({"kind": "silence"}, "for a silence; needed text null: nobody speaks in a silence; "),
        ({"language": "kr"}, 'found language "kr"; needed a code that Whisper knows, or null'),
        ({"language": "Korean"}, "fix: write ko for Korean, en for English, or the code of "),
        ({"model": ""}, 'found model ""; needed a repository such as openai/whisper-'),
        ({"limits": 0.1}, "found limits 0.1; needed an object with cer, wer or both; "),
        ({"limits": {"cer": 1.5}}, "found limits.cer 1.5; needed a number from 0 to 1; "),
        ({"limits": {"wer": -0.1}}, "found limits.wer -0.1; needed a number from 0 to 1; "),
        ({"limits": {"cer": True}}, "found limits.cer true; needed a number from 0 to 1; "),
        ({"limits": {"cer": "0.1"}}, 'found limits.cer "0.1"; needed a number from 0 to 1; '),
        ({"limits": {"cer": float("nan")}}, "found limits.cer NaN; needed a number"),
        ({"limits": {"mer": 0.1}}, 'found the limit "mer"; needed limits out of cer, wer; '),
    ],
)
def test_what_is_wrong_in_an_entry_is_named(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    entries, judgement = judge_clips(write(tmp_path, {"file": "order.wav"}, {**ENTRY, **change}))
    (finding,) = judgement.findings
    sentence = finding.sentence()
    assert sentence.startswith(f"{tmp_path}/clips.json, clip 2 (order.wav): found ")
    assert words in sentence
    assert len(entries) == 1


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("order.wav", 'clip 1: found "order.wav"; needed an object with the key file; '),
        ({"text": "a"}, "clip 1: found no key file; needed the name of a recording; "),
        ({"file": 3}, "clip 1: found file 3; needed the name of a recording; "),
        ({"file": "/etc/passwd"}, "found a path that leaves the directory; needed a path below "),
        ({"file": "../order.wav"}, "fix: put the recording into the directory"),
        ({"file": "b.wav"}, "clip 1 (b.wav): found no such file; needed a recording (wav, flac, "),
        ({"file": "Order.WAV"}, "found no such file, but one named order.wav; "),
    ],
)
def test_a_recording_that_cannot_be_meant_is_named(tmp_path: Path, entry: Any, words: str) -> None:
    (sentence,) = complaints(write(tmp_path, entry))
    assert words in sentence


def test_a_name_that_only_looks_the_same_is_told(tmp_path: Path) -> None:
    """Files that a Mac has named, listed in an editor that composes Korean letters."""
    (tmp_path / unicodedata.normalize("NFD", "주문.wav")).write_bytes(WAV)
    (sentence,) = complaints(write(tmp_path, {"file": unicodedata.normalize("NFC", "주문.wav")}))
    assert "but one whose name looks the same in another Unicode form (NFC and NFD)" in sentence


@pytest.mark.parametrize(
    "beginning",
    [
        WAV,
        b"fLaC\x00\x00\x00\x22",
        b"OggS\x00\x02",
        b"ID3\x04\x00",
        b"\xff\xfb\x90\x64",
        b"\xff\xf1\x50\x80",
        b"\0" * 8 + b"\xff\xfb\x90\x64",
        b"\x00\x00\x00\x18ftypmp42",
        b"\x1aE\xdf\xa3",
        b"#!AMR\n",
    ],
)
def test_recordings_of_all_sorts_are_taken_for_some(tmp_path: Path, beginning: bytes) -> None:
    write(tmp_path, {"file": "order.wav"})
    (tmp_path / "order.wav").write_bytes(beginning)
    assert complaints(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer (git lfs pull "),
        (b"\n<!DOCTYPE html>", "a page of HTML or XML"),
        (b"PK\x03\x04\x14", "a ZIP archive"),
        (b"%PDF-1.7", "a PDF document"),
        (
            "안녕하세요".encode(),
            "a file that begins as no recording does (ec 95 88 eb 85 95 ed 95)",
        ),
        (b"\0" * 600, "a file that begins as no recording does (00 00 00 00 00 00 00 00)"),
    ],
)
def test_what_is_no_recording_is_named(tmp_path: Path, content: bytes, found: str) -> None:
    write(tmp_path, {"file": "order.wav"})
    (tmp_path / "order.wav").write_bytes(content)
    (sentence,) = complaints(tmp_path)
    assert f"clip 1 (order.wav): found {found}" in sentence


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "a file that is no JSON (Expecting value"),
        (b"[{]", "a file that is no JSON (Expecting property name"),
        (b'[{"file": "a", "file": "b"}]', "no JSON (the key 'file' twice in one object)"),
        ('[{"file": "주문.wav"}]'.encode("cp949"), "text that is not in UTF-8; needed JSON "),
        (b"[]", "an empty list; needed a list with one object for each clip"),
        (b'{"file": "order.wav"}', 'no list but {"file": "order.wav"}; needed a list'),
    ],
)
def test_an_index_that_is_none_is_named(tmp_path: Path, content: bytes, found: str) -> None:
    (tmp_path / "clips.json").write_bytes(content)
    (sentence,) = complaints(tmp_path)
    assert sentence.startswith(f"{tmp_path}/clips.json: found ")
    assert found in sentence


def test_an_index_that_windows_has_saved_is_read(tmp_path: Path) -> None:
    write(tmp_path, ENTRY)
    text = (tmp_path / "clips.json").read_text(encoding="utf-8")
    (tmp_path / "clips.json").write_text(text, encoding="utf-8-sig")
    assert complaints(tmp_path) == []


def test_a_directory_that_is_none_is_named(tmp_path: Path) -> None:
    (sentence,) = complaints(tmp_path / "none")
    assert sentence == (
        f"clips {tmp_path}/none: found no such directory; needed a directory with clips.json and "
        "the recordings that it lists; fix: correct model_check_clips, or remove it to have the "
        "collection's own clips"
    )
    (sentence,) = complaints(tmp_path)
    assert sentence.startswith(f"{tmp_path}/clips.json: found no such file; needed a JSON list")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"[" * 200_000, "a file that is no JSON (maximum recursion depth exceeded"),
        (rb'[{"file": "a\u0000.wav"}]', r'("a\u0000.wav"): found a name with the character U+0000'),
        (rb'[{"file": "\ud800.wav"}]', r"found a name with the character U+D800; needed a name"),
        (rb'[{"file": "order.wav", "text": "\ud83d"}]', "found text with the character U+D83D"),
        (rb'[{"file": "order.wav", "model": "\ud83d"}]', "found model with the character U+D83D"),
        (rb'[{"file": "order.wav", "\ud83d": 1}]', r'found the key "\ud83d"; needed keys'),
        (rb'[{"file": "order.wav", "text": ["\ud83d"]}]', r'found text ["\ud83d"]; needed what'),
    ],
)
def test_what_no_file_and_no_report_can_hold_is_named(
    tmp_path: Path, content: bytes, found: str
) -> None:
    write(tmp_path)
    (tmp_path / "clips.json").write_bytes(content)
    (sentence,) = complaints(tmp_path)
    assert found in sentence
    sentence.encode("utf-8")


def test_a_value_of_very_many_levels_is_named(tmp_path: Path) -> None:
    """As deep as it can still be read, it may be too deep to be shown."""
    write(tmp_path)
    for levels in (900, 940, 980, 990):
        deep = b"[" * levels + b"]" * levels
        (tmp_path / "clips.json").write_bytes(b'[{"file": "order.wav", "text": ' + deep + b"}]")
        assert len(complaints(tmp_path)) == 1


def test_what_waits_for_a_writer_is_not_opened(tmp_path: Path) -> None:
    write(tmp_path, {"file": "order.wav"})
    (tmp_path / "order.wav").unlink()
    os.mkfifo(tmp_path / "order.wav")
    (sentence,) = complaints(tmp_path)
    assert "found a special file; needed a recording" in sentence
    (tmp_path / "clips.json").unlink()
    os.mkfifo(tmp_path / "clips.json")
    (sentence,) = complaints(tmp_path)
    assert "clips.json: found a special file; needed a JSON list" in sentence


def test_a_place_that_may_not_be_looked_into_is_named(tmp_path: Path) -> None:
    name = "a" * 300
    (sentence,) = complaints(tmp_path / name)
    assert "found a directory that cannot be read (File name too long)" in sentence
    (sentence,) = complaints(write(tmp_path, {"file": f"{name}.wav"}))
    assert "found a file that cannot be read (File name too long)" in sentence


def test_what_lies_beside_the_clips_is_no_matter(tmp_path: Path) -> None:
    write(tmp_path, {"file": "raw/order.wav"})
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "order.wav").rename(tmp_path / "elsewhere" / "order.wav")
    (tmp_path / "raw").symlink_to("elsewhere")
    assert complaints(tmp_path) == []


def test_names_must_differ_in_whatever_directory(tmp_path: Path) -> None:
    (tmp_path / "ko").mkdir()
    (tmp_path / "ko" / "order.wav").write_bytes(WAV)
    (sentence,) = complaints(write(tmp_path, {"file": "order.wav"}, {"file": "ko/order.wav"}))
    assert "found 2 clips of the name order.wav; needed a name of its own " in sentence


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    told = complaints(write(tmp_path, {"file": "b.wav", "kind": "x"}, {"language": "ko"}))
    assert len(told) == 3


def test_a_recording_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"file": "order.wav"})
    (tmp_path / "order.wav").unlink()
    (tmp_path / "order.wav").mkdir()
    (sentence,) = complaints(tmp_path)
    assert "found a file that cannot be read (Is a directory)" in sentence


def test_the_languages_are_whispers_own() -> None:
    from stt_engine.languages import NAMES

    assert set(NAMES) == LANGUAGES


def test_silence_alone_is_refused(tmp_path: Path) -> None:
    silence = {"file": "order.wav", "kind": "silence"}
    (found,) = complaints(write(tmp_path, silence))
    assert "found no clip in which somebody speaks" in found
    assert "docs/clips.md" in found
