# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The choice of files and what a hub's list must satisfy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._fetch_select import (
    Selection,
    parse_expected,
    shards,
    tree_of_expected,
)
from ansible_collections.stt.engine.plugins.module_utils._hub import ModelTree, RemoteFile

COMMIT = "41f01f3fe87f28c78e2fbf8b568835947dd65ed9"
MODEL = "model openai/whisper-large-v3-turbo@41f01f3fe87f"
WHISPER = (
    ".gitattributes",
    "README.md",
    "added_tokens.json",
    "config.json",
    "flax_model.msgpack",
    "generation_config.json",
    "merges.txt",
    "model.fp32-00001-of-00002.safetensors",
    "model.safetensors",
    "onnx/config.json",
    "preprocessor_config.json",
    "pytorch_model.bin",
    "tokenizer.json",
    "vocab.json",
)


def remote(path: str, size: int = 10, sha256: str | None = None) -> RemoteFile:
    return RemoteFile(path, size, "a" * 40, sha256)


def make_tree(*paths: str, commit: str = COMMIT) -> ModelTree:
    return ModelTree(commit, tuple(remote(path) for path in paths))


def select(**changes: Any) -> Selection:
    return Selection("openai/whisper-large-v3-turbo", COMMIT, **changes)


def test_missing_tokenizer_is_named() -> None:
    with pytest.raises(SttError) as caught:
        select().choose(make_tree("config.json", "model.safetensors", "preprocessor_config.json"))
    assert str(caught.value) == (
        f"{MODEL}: found no tokenizer.json among its files "
        "(config.json, model.safetensors, preprocessor_config.json); "
        "needed config.json, tokenizer.json, preprocessor_config.json, "
        "model.safetensors or model.safetensors.index.json; "
        "fix: choose a commit of the repository that holds them, or correct files"
    )


def test_repository_with_old_weights_only_is_refused() -> None:
    paths = ("config.json", "tokenizer.json", "preprocessor_config.json", "pytorch_model.bin")
    with pytest.raises(SttError, match=r"found no model.safetensors or model.safetensors.index"):
        select().choose(make_tree(*paths))


def test_empty_tree_names_all_that_is_missing() -> None:
    with pytest.raises(SttError, match=r"among its files \(none\)"):
        select().choose(make_tree())


def test_answer_for_another_commit_is_refused() -> None:
    with pytest.raises(SttError) as caught:
        select().choose(make_tree(*WHISPER, commit="b" * 40))
    assert str(caught.value) == (
        f"{MODEL}: found commit {'b' * 40} in the hub's answer; needed commit {COMMIT}; "
        "fix: check endpoint: a hub must answer for the commit that it was asked for"
    )


def test_drift_from_the_expected_files_is_listed() -> None:
    expected = {"config.json": (11, "c" * 64), "gone.json": (1, "d" * 64), "w": (10, "e" * 64)}
    selection = select(patterns=("*",), required=(), expected=expected)
    tree = ModelTree(COMMIT, (remote("config.json"), remote("new.json"), remote("w", 10, "f" * 64)))
    with pytest.raises(SttError) as caught:
        selection.choose(tree)
    assert str(caught.value) == (
        f"{MODEL}: found gone.json is missing; new.json is new; "
        f"config.json has 10 bytes, expected 11; w has sha256 {'f' * 64}, expected {'e' * 64}; "
        "needed exactly the files of expected_files; "
        "fix: check which hub answers; if the change is wanted, update the lock"
    )
    assert len(caught.value.details["differences"]) == 4


def test_locked_hash_of_a_small_file_is_judged_when_it_is_there() -> None:
    selection = select(expected={"config.json": (10, "c" * 64)}, required=())
    assert selection.choose(make_tree("config.json"))
    with pytest.raises(SttError, match=f"config.json has sha256 {'d' * 64}, expected {'c' * 64}"):
        selection.check_contents({}, {"config.json": "d" * 64})
    selection.check_contents({}, {"config.json": "c" * 64})


@pytest.mark.parametrize(
    "file",
    [
        {},
        {"path": "a", "size": 1, "sha256": None},
        {"path": "a", "size": 1, "sha256": "abc"},
        {"path": "a", "size": "1", "sha256": "a" * 64},
    ],
)
def test_malformed_expected_files(file: dict[str, Any]) -> None:
    with pytest.raises(SttError) as caught:
        parse_expected([file])
    assert str(caught.value) == (
        f"expected_files: found {file!r}; needed path, size and sha256 of each file; "
        "fix: take the list from files of an earlier result"
    )


def test_default_choice_takes_what_is_read_and_no_second_weights() -> None:
    chosen = [file.path for file in select().choose(make_tree(*WHISPER))]
    assert chosen == [
        "added_tokens.json",
        "config.json",
        "generation_config.json",
        "merges.txt",
        "model.safetensors",
        "preprocessor_config.json",
        "tokenizer.json",
        "vocab.json",
    ]


def test_expected_files_stand_in_for_the_tree() -> None:
    assert parse_expected([]) is None
    expected = parse_expected([{"path": "b", "size": 2, "sha256": "b" * 64}])
    assert expected == {"b": (2, "b" * 64)}
    tree = tree_of_expected(COMMIT, expected)
    assert [file.identity for file in tree.files] == [f"sha256:{'b' * 64}"]


def write_index(directory: Path, *names: str) -> Path:
    path = directory / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": {f"w{n}": name for n, name in enumerate(names)}}))
    return path


def test_missing_shard_is_named(tmp_path: Path) -> None:
    index = write_index(tmp_path, "model-1.safetensors", "model-2.safetensors")
    places = {index.name: index, "model-1.safetensors": tmp_path / "model-1.safetensors"}
    with pytest.raises(SttError) as caught:
        select().check_contents(places, {})
    assert str(caught.value) == (
        f"{MODEL}: found no model-2.safetensors, which model.safetensors.index.json names; "
        "needed every shard of the weights; "
        "fix: choose a commit that holds them, or correct files"
    )
    whole = {**places, "model-2.safetensors": tmp_path / "model-2.safetensors"}
    select().check_contents(whole, {})


def test_index_of_weights_that_were_not_chosen_is_no_matter(tmp_path: Path) -> None:
    index = write_index(tmp_path, "model-1.safetensors")
    other = {index.name: index, "model.safetensors": tmp_path / "model.safetensors"}
    select().check_contents(other, {})


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": 1}'])
def test_unreadable_index(tmp_path: Path, content: str) -> None:
    index = tmp_path / "x.safetensors.index.json"
    index.write_text(content)
    with pytest.raises(SttError, match=r"found no readable weight_map \("):
        shards(index)
