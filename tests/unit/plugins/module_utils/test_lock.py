# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The release lock: damaged, drifted, written whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._lock import (
    Lock,
    compare,
    describe,
    diff,
    read_lock,
    refuse,
    render,
    write_lock,
)

INPUTS: dict[str, Any] = {
    "image": {"base": "ubi8/python-311", "base_digest": "sha256:aa"},
    "model": {
        "commit": "4" * 40,
        "files": [
            {"path": "config.json", "size": 3, "sha256": "11"},
            {"path": "model.safetensors", "size": 9, "sha256": "22"},
        ],
    },
}
LOCK = Lock(True, INPUTS, {})
NEEDED = "needed YAML with the keys inputs and expected_outputs"
REMOVE = ", or remove the file to have the next release write a new one"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "a file without content"),
        ("# nothing\n", "a file without content"),
        ("[1]\n", "a file without content"),
        ("inputs: [1]\n", "inputs that is not a mapping"),
        ("inputs: {}\nexpected_outputs: 3\n", "expected_outputs that is not a mapping"),
        ("inputs: {}\nimage: {}\nmodel: {}\n", "the unknown key image, model"),
        ("inputs: {a: 1, a: 2}\n", "the key 'a' twice (line 1)"),
        ("inputs: {a: 2026-01-31}\n", "inputs.a is a date, neither text, number, list nor dict"),
    ],
)
def test_a_damaged_lock_is_named(tmp_path: Path, text: str, found: str) -> None:
    path = tmp_path / "build.lock.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SttError) as raised:
        read_lock(path)
    assert str(raised.value) == (
        f"release lock {path}: found {found}; {NEEDED}; fix: restore the committed lock{REMOVE}"
    )


def test_an_unfinished_merge_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "build.lock.yml"
    path.write_text("<<<<<<< HEAD\ninputs: {}\n=======\ninputs: {a: 1}\n>>>>>>> main\n")
    with pytest.raises(SttError) as raised:
        read_lock(path)
    assert str(raised.value) == (
        f"release lock {path}: found the marks of an unfinished merge; {NEEDED}; "
        f"fix: finish the merge{REMOVE}"
    )


def test_a_lock_that_cannot_be_read_is_not_taken_for_a_missing_one(tmp_path: Path) -> None:
    with pytest.raises(SttError, match=r"found a file that cannot be read \(\[Errno 21\]"):
        read_lock(tmp_path)
    (tmp_path / "latin.yml").write_bytes(b"inputs: {a: \xe9}\n")
    with pytest.raises(SttError, match="found a file that cannot be read"):
        read_lock(tmp_path / "latin.yml")


def test_a_missing_lock_does_not_exist(tmp_path: Path) -> None:
    assert read_lock(tmp_path / "build.lock.yml") == Lock(exists=False)


def test_drift_names_each_smallest_place() -> None:
    found = {
        "image": {"base": "ubi8/python-311", "base_digest": "sha256:bb", "variant": "slim"},
        "model": {
            "commit": "4" * 40,
            "files": [
                {"path": "model.safetensors", "size": 9, "sha256": "33"},
                {"path": "tokenizer.json", "size": 1, "sha256": "44"},
            ],
        },
    }
    comparison = compare(LOCK, found, {})
    assert [(e["path"], e["locked"], e["found"]) for e in comparison.drift] == [
        ("inputs.image.base_digest", "sha256:aa", "sha256:bb"),
        ("inputs.image.variant", None, "slim"),
        (
            "inputs.model.files[config.json]",
            {"path": "config.json", "size": 3, "sha256": "11"},
            None,
        ),
        ("inputs.model.files[model.safetensors].sha256", "22", "33"),
        (
            "inputs.model.files[tokenizer.json]",
            None,
            {"path": "tokenizer.json", "size": 1, "sha256": "44"},
        ),
    ]
    assert comparison.drift[0]["fix"] == (
        "bring inputs.image.base_digest back to what is locked, "
        "or accept what was found with -e release_lock_update=true"
    )
    assert comparison.merged == LOCK


def test_a_whole_key_that_is_no_longer_found_is_drift() -> None:
    (entry,) = compare(LOCK, {"image": INPUTS["image"]}, {}).drift
    assert (entry["path"], entry["found"]) == ("inputs.model", None)


def test_another_type_is_drift_although_it_looks_alike() -> None:
    assert compare(Lock(True, {"a": 1}), {"a": True}, {}).drift
    assert compare(Lock(True, {"a": 1}), {"a": "1"}, {}).drift


def test_the_order_of_files_and_keys_is_no_drift() -> None:
    turned = {
        "model": {"files": INPUTS["model"]["files"][::-1], "commit": INPUTS["model"]["commit"]},
        "image": INPUTS["image"],
    }
    comparison = compare(LOCK, turned, {}, replace=True)
    assert comparison.drift == []
    assert comparison.merged == LOCK


def test_the_order_of_other_lists_counts() -> None:
    assert compare(Lock(True, {"a": [1, 2]}), {"a": [2, 1]}, {}).drift
    twice = [{"path": "x"}, {"path": "x"}]
    assert compare(Lock(True, {"a": twice}), {"a": twice}, {}).drift == []


def test_a_new_key_of_the_first_level_is_an_addition() -> None:
    comparison = compare(LOCK, {}, {"int8": {"model.bin": "55"}})
    assert comparison.drift == []
    assert comparison.additions == ["expected_outputs.int8"]
    assert comparison.merged == Lock(True, INPUTS, {"int8": {"model.bin": "55"}})


def test_what_was_not_looked_at_stays_as_locked() -> None:
    assert compare(LOCK, {}, {}, replace=True).merged == LOCK


def test_accepting_takes_the_section_as_found() -> None:
    comparison = compare(LOCK, {"image": {"base": "other"}}, {}, replace=True)
    assert comparison.merged == Lock(True, {"image": {"base": "other"}}, {})


def test_the_refusal_names_what_moved(tmp_path: Path) -> None:
    comparison = compare(
        Lock(True, {"model": {"commit": "aa", "count": 1}}), {"model": {"commit": "b" * 120}}, {}
    )
    error = refuse(tmp_path, comparison)
    assert str(error) == (
        f"release lock {tmp_path}: found inputs.model.commit moved from aa to {'b' * 97}...; "
        "inputs.model.count moved from 1 to nothing; needed exactly what is locked; fix: bring it "
        "back, or accept what was found with -e release_lock_update=true and commit the lock"
    )
    assert error.result()["drift"] == comparison.drift
    assert describe(comparison.drift) in str(error)


def test_what_is_written_reads_back_sorted_with_a_header(tmp_path: Path) -> None:
    path = tmp_path / "build.lock.yml"
    write_lock(path, LOCK)
    assert read_lock(path) == LOCK
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# The release lock: what a release is made of (inputs)")
    assert "-e release_lock_update=true" in text.split("---")[0]
    assert text.endswith(yaml.safe_dump({"inputs": INPUTS}, sort_keys=True))
    assert oct(path.stat().st_mode & 0o777) == "0o644"


def test_writing_keeps_permissions_and_goes_through_a_link(tmp_path: Path) -> None:
    target = tmp_path / "shared.yml"
    target.write_text("old")
    target.chmod(0o640)
    link = tmp_path / "build.lock.yml"
    link.symlink_to(target)
    write_lock(link, LOCK)
    assert link.is_symlink()
    assert read_lock(target) == LOCK
    assert oct(target.stat().st_mode & 0o777) == "0o640"


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "build.lock.yml"
    with pytest.raises(SttError) as raised:
        write_lock(path, LOCK)
    assert str(raised.value) == (
        f"release lock {path}: found no directory {path.parent}; "
        "needed the directory that also holds the inventory; fix: correct release_lock_path"
    )


def test_a_failed_write_leaves_the_old_lock_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "build.lock.yml"
    write_lock(path, LOCK)
    before = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SttError) as raised:
        write_lock(path, Lock(True, {"image": {}}))
    assert str(raised.value) == (
        f"release lock {path}: found a place that cannot be written (No space left on device); "
        f"needed permission and space to write in {tmp_path}; "
        "fix: run as the user who owns the inventory, or set release_lock_path"
    )
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["build.lock.yml"]


def test_the_diff_shows_both_texts(tmp_path: Path) -> None:
    after = Lock(True, {"image": {"base": "x"}})
    shown = diff(tmp_path, LOCK, after)
    assert (shown["before"], shown["after"]) == (render(LOCK), render(after))
    assert diff(tmp_path, Lock(exists=False), after)["before"] == ""


ACCEPTED: dict[str, Any] = {
    "repository": "openai/whisper-large-v3-turbo",
    "commit": "4" * 40,
    "quantization": "int8_float16",
    "clips": {
        "order.wav": {
            "sha256": "5" * 64,
            "text": "내일 오후 세 시에 회의가 있습니다.",
            "language": "ko",
            "made_by": "faster-whisper 1.2.1 with ctranslate2 4.8.5, int8_float32 on cpu",
            "accepted": "2026-01-31T08:15:00Z",
        }
    },
}


def test_a_lock_of_before_transcripts_could_be_accepted_stays_valid(tmp_path: Path) -> None:
    path = tmp_path / "build.lock.yml"
    path.write_text("inputs: {a: 1}\n", encoding="utf-8")
    assert read_lock(path) == Lock(True, {"a": 1}, {}, {})
    assert "accepted_transcripts:" not in render(read_lock(path))


def test_accepted_transcripts_are_kept_whatever_else_moves(tmp_path: Path) -> None:
    path = tmp_path / "build.lock.yml"
    lock = Lock(True, INPUTS, {}, ACCEPTED)
    write_lock(path, lock)
    assert read_lock(path) == lock
    assert "    order.wav:\n      accepted: '2026-01-31T08:15:00Z'\n" in path.read_text("utf-8")
    assert "text: 내일 오후 세 시에 회의가 있습니다.\n" in path.read_text("utf-8")
    for replace in (False, True):
        comparison = compare(lock, {"image": {}, "model": {}}, {"x": {}}, replace=replace)
        assert comparison.merged.accepted_transcripts == ACCEPTED
    assert compare(lock, INPUTS, {}, replace=True).drift == []


def test_what_a_person_accepts_takes_the_place_of_all_before_and_nothing_else_moves() -> None:
    other = {**ACCEPTED, "commit": "6" * 40, "clips": {}}
    comparison = compare(Lock(True, INPUTS, {}, ACCEPTED), {}, {}, accepted_transcripts=other)
    assert comparison.merged == Lock(True, INPUTS, {}, other)
    assert (comparison.drift, comparison.additions) == ([], [])


@pytest.mark.parametrize(
    ("transcripts", "found"),
    [
        ("[1]", "accepted_transcripts that is not a mapping"),
        ("{clips: {}}", "accepted_transcripts without the texts repository, commit, "),
        (
            "{repository: a, commit: b, quantization: c, clips: [1]}",
            "accepted_transcripts.clips that is not a mapping",
        ),
        (
            "{repository: a, commit: b, quantization: c, clips: {x.wav: {text: y}}}",
            "accepted_transcripts.clips.x.wav without the texts sha256, text, language, ",
        ),
        (
            "{repository: a, commit: b, quantization: c, clips: {x.wav: {sha256: '0', text: y, "
            "language: ko, made_by: z, accepted: now}}}",
            "accepted_transcripts.clips.x.wav whose sha256 is not 64 hex digits",
        ),
    ],
)
def test_damaged_transcripts_are_named(tmp_path: Path, transcripts: str, found: str) -> None:
    path = tmp_path / "build.lock.yml"
    path.write_text(f"inputs: {{a: 1}}\naccepted_transcripts: {transcripts}\n", encoding="utf-8")
    with pytest.raises(SttError) as raised:
        read_lock(path)
    assert f"found {found}" in str(raised.value)
    assert REMOVE in str(raised.value)
