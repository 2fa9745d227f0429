# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.stt.engine.plugins.module_utils._model_manifest import (
    content_digest,
    damage,
    hash_files,
    manifest_path,
    read_manifest,
    stamps_digest,
    write_manifest,
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    directory = tmp_path / "models" / "a_b" / "abc-ct2-int8"
    (directory / "folder").mkdir(parents=True)
    (directory / "model.bin").write_bytes(b"weights" * 1000)
    (directory / "folder" / "config.json").write_text("{}")
    write_manifest(directory, directory, {"files": hash_files(directory), "kind": "test"})
    return directory


def test_the_manifest_lies_beside_the_model(model: Path) -> None:
    assert manifest_path(model) == model.parent / "abc-ct2-int8.manifest.json"
    manifest = read_manifest(model)
    assert manifest is not None
    assert manifest["kind"] == "test"
    assert [file["path"] for file in manifest["files"]] == ["folder/config.json", "model.bin"]
    assert manifest["files"][1]["sha256"] == hashlib.sha256(b"weights" * 1000).hexdigest()
    assert damage(model, manifest) == []
    assert damage(model, manifest, full=True) == []


def test_a_rename_of_the_directory_keeps_every_stamp(model: Path, tmp_path: Path) -> None:
    manifest = read_manifest(model)
    assert manifest is not None
    moved = tmp_path / "moved"
    before = stamps_digest(model)
    model.rename(moved)
    assert stamps_digest(moved) == before
    assert damage(moved, manifest) == []


def flip(path: Path) -> None:
    """Other content of the same size, with the old time of modification."""
    times = path.stat()
    path.write_bytes(b"WEIGHTS" * 1000)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda model: (model / "model.bin").unlink(), "model.bin is missing"),
        (lambda model: os.truncate(model / "model.bin", 10), "model.bin has 10 bytes instead"),
        (lambda model: flip(model / "model.bin"), "the content of model.bin is damaged"),
        (lambda model: (model / "more").write_text("x"), "more does not belong to it"),
    ],
)
def test_damage_is_seen(model: Path, change: Callable[[Path], None], words: str) -> None:
    manifest = read_manifest(model)
    assert manifest is not None
    change(model)
    assert [words in sentence for sentence in damage(model, manifest)] == [True]


def test_a_link_in_place_of_a_file_is_damage(model: Path) -> None:
    manifest = read_manifest(model)
    assert manifest is not None
    (model / "model.bin").rename(model.parent / "elsewhere")
    (model / "model.bin").symlink_to(model.parent / "elsewhere")
    assert damage(model, manifest) == ["model.bin is missing"]


def test_a_touched_file_is_hashed_and_found_whole(model: Path) -> None:
    manifest = read_manifest(model)
    assert manifest is not None
    os.utime(model / "model.bin", (5, 5))
    assert damage(model, manifest) == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"format": 1}',
        '{"format": 2, "files": [], "stamps": {}}',
        '{"format": 1, "files": [{"path": "a"}], "stamps": {}}',
    ],
)
def test_a_damaged_manifest_is_none(model: Path, content: str) -> None:
    manifest_path(model).write_text(content)
    assert read_manifest(model) is None


def test_content_digests_do_not_depend_on_order(model: Path) -> None:
    files = hash_files(model)
    assert content_digest(files) == content_digest(list(reversed(files)))
    assert content_digest(files) != content_digest(files[:1])
