# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Published models: what is noticed, what is trusted, and how one is mended."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._digest import git_blob_sha1_file
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._fetch_published import (
    PublishedModel,
    fetch_key,
)
from ansible_collections.stt.engine.plugins.module_utils._fetch_select import Selection
from ansible_collections.stt.engine.plugins.module_utils._hub import RemoteFile

COMMIT = "c" * 40
FILES = {"config.json": b"{}", "model.safetensors": bytes(range(256)) * 100, "deep/a.txt": b"a"}


class Case:
    """A model in a directory of its own."""

    def __init__(self, root: Path, **changes: Any) -> None:
        self.root = root
        settings = {"patterns": ("*",), "required": ("config.json",), **changes}
        self.model = PublishedModel(root / "models", Selection("lab/m", COMMIT, **settings))
        self.wanted: list[RemoteFile] = []
        self.sha256: dict[str, str] = {}

    def stage(self, files: dict[str, bytes]) -> Path:
        staged = self.root / "staging" / "files"
        for name, data in files.items():
            path = staged / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return staged

    def want(self, files: dict[str, bytes]) -> None:
        scratch = self.root / "scratch"
        for name, data in sorted(files.items()):
            scratch.write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()
            lfs = digest if name.endswith(".safetensors") else None
            self.wanted.append(RemoteFile(name, len(data), git_blob_sha1_file(scratch), lfs))
            self.sha256[name] = digest

    def publish(self, files: dict[str, bytes] | None = None) -> None:
        brought = FILES if files is None else files
        fresh = brought.keys()
        origin = {"endpoint": "http://hub", "trust": "hub"}
        staged = self.stage(brought)
        self.model.publish(staged, self.wanted, self.sha256, fresh, origin)

    def path(self, name: str) -> Path:
        return self.model.directory / name


@pytest.fixture
def case(tmp_path: Path) -> Case:
    case = Case(tmp_path)
    case.want(FILES)
    case.publish()
    return case


def rewrite(path: Path, data: bytes) -> None:
    """Change the content and set the time of modification back, as a copy or a fault does."""
    before = path.stat()
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_missing_model(tmp_path: Path) -> None:
    model = Case(tmp_path).model
    assert model.needs_fetch(full=False) == "it is not there yet"
    assert model.files() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, "", "[]", '{"format": 1}', '{"format": 2}'])
def test_missing_or_damaged_manifest(case: Case, content: str | None) -> None:
    case.model.manifest_path.unlink()
    if content is not None:
        case.model.manifest_path.write_text(content)
    assert case.model.needs_fetch(full=False) == "its manifest is missing"
    assert case.model.whole(case.wanted, full=False) == case.sha256


ENTRY = {"path": "config.json", "size": 2, "sha256": "0" * 64, "git_sha1": None}


@pytest.mark.parametrize(
    "change",
    [
        {"selection": None},
        {"selection": "*"},
        {"selection": [1]},
        {"stamps": {"config.json": None}},
        {"stamps": {"config.json": [1, 2, 3]}},
        {"stamps": {"config.json": [1, 2, 3, "4"]}},
        {"stamps": []},
        {"files": {}},
        {"files": [1]},
        {"files": [{**ENTRY, "path": None}]},
        {"files": [{**ENTRY, "path": "../config.json"}]},
        {"files": [{**ENTRY, "size": None}]},
        {"files": [{**ENTRY, "sha256": 1}]},
        {"files": [{**ENTRY, "git_sha1": 1}]},
        {"files": [{"path": "config.json"}]},
        {"files": [ENTRY, ENTRY]},
    ],
    ids=str,
)
def test_manifest_of_another_shape_counts_as_none(case: Case, change: dict[str, Any]) -> None:
    manifest = json.loads(case.model.manifest_path.read_text())
    case.model.manifest_path.write_text(json.dumps({**manifest, **change}))
    assert case.model.needs_fetch(full=False) == "its manifest is missing"
    assert case.model.files() == []
    assert case.model.trust() == "hub"
    case.model.refresh_stamps()
    assert case.model.whole(case.wanted, full=False) == case.sha256
    case.publish({})
    assert case.model.needs_fetch(full=False) is None


def test_other_choice_of_files(case: Case) -> None:
    other = Case(case.root, patterns=("*.json",))
    assert other.model.needs_fetch(full=False) == "other files were chosen"


def test_other_locked_files(case: Case, tmp_path: Path) -> None:
    expected = {name: (len(data), case.sha256[name]) for name, data in FILES.items()}
    assert Case(tmp_path, expected=expected).model.needs_fetch(full=False) is None
    expected["config.json"] = (2, "0" * 64)
    assert Case(tmp_path, expected=expected).model.needs_fetch(full=False) == (
        "its files are not those of expected_files"
    )


def test_required_file_that_the_published_model_lacks(case: Case) -> None:
    with pytest.raises(SttError, match=r"found no tokenizer.json among its files"):
        Case(case.root, required=("tokenizer.json",)).model.needs_fetch(full=False)


def test_every_kind_of_damage_is_named(case: Case) -> None:
    case.path("config.json").unlink()
    rewrite(case.path("model.safetensors"), FILES["model.safetensors"][:-1])
    rewrite(case.path("deep/a.txt"), b"b")
    case.path("deep/extra").write_text("x")
    case.path("link").symlink_to("deep")
    assert case.model.needs_fetch(full=False) == (
        "config.json is missing; the content of deep/a.txt is damaged; "
        "model.safetensors has 25599 bytes instead of 25600; "
        "deep/extra does not belong to it; link does not belong to it"
    )
    assert case.model.whole(case.wanted, full=False) == {}


def test_link_in_place_of_a_file_is_damage(case: Case, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(FILES["config.json"])
    case.path("config.json").unlink()
    case.path("config.json").symlink_to(tmp_path / "elsewhere")
    assert case.model.needs_fetch(full=False) == "config.json is missing"


def test_content_damaged_below_the_file_system_is_found_by_full_only(case: Case) -> None:
    """A bit that rots on the disk moves no time: the manifest is changed to stand for that."""
    manifest = json.loads(case.model.manifest_path.read_text())
    rewrite(case.path("model.safetensors"), FILES["model.safetensors"][::-1])
    status = case.path("model.safetensors").stat()
    manifest["stamps"]["model.safetensors"] = [
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
    ]
    case.model.manifest_path.write_text(json.dumps(manifest))
    assert case.model.needs_fetch(full=False) is None
    assert case.model.needs_fetch(full=True) == "the content of model.safetensors is damaged"
    assert sorted(case.model.whole(case.wanted, full=True)) == ["config.json", "deep/a.txt"]


def test_moved_stamp_of_a_whole_file_is_noted_anew(case: Case) -> None:
    before = case.model.manifest_path.read_text()
    case.path("config.json").chmod(0o444)
    assert case.model.needs_fetch(full=False) is None
    assert case.model.manifest_path.read_text() == before
    case.model.refresh_stamps()
    after = case.model.manifest_path.read_text()
    assert after != before
    case.model.refresh_stamps()
    assert case.model.manifest_path.read_text() == after


def test_published_directory_is_the_repository_and_readable_by_all(case: Case) -> None:
    found = {
        str(path.relative_to(case.model.directory)): path.read_bytes()
        for path in case.model.directory.rglob("*")
        if path.is_file()
    }
    assert found == FILES
    for path in [case.model.directory, *case.model.directory.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o444)
    assert [file.as_dict() for file in case.model.files()] == [
        {"path": name, "size": len(FILES[name]), "sha256": case.sha256[name]}
        for name in sorted(FILES)
    ]


def test_mending_replaces_only_what_is_staged_and_removes_strangers(case: Case) -> None:
    kept = case.path("model.safetensors").stat().st_ino
    rewrite(case.path("config.json"), b"[]")
    case.path("extra").write_text("x")
    case.publish({"config.json": FILES["config.json"]})
    assert case.model.needs_fetch(full=True) is None
    assert case.path("model.safetensors").stat().st_ino == kept
    assert case.path("config.json").read_bytes() == b"{}"
    assert not case.path("extra").exists()


def test_leftovers_of_another_choice_are_not_published(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.want({"config.json": b"{}"})
    case.stage({"deep/other.txt": b"x"})
    case.publish({"config.json": b"{}"})
    assert [path.name for path in case.model.directory.rglob("*")] == ["config.json"]


def test_unjudged_leftover_never_replaces_a_whole_file(case: Case) -> None:
    """An earlier run was killed while it fetched a file that was put right by hand since."""
    case.stage({"config.json": b"\0\0", "stranger": b"x"})
    rewrite(case.path("model.safetensors"), b"damaged")
    whole = case.model.whole(case.wanted, full=False)
    assert sorted(whole) == ["config.json", "deep/a.txt"]
    case.publish({"model.safetensors": FILES["model.safetensors"]})
    assert case.path("config.json").read_bytes() == b"{}"
    assert not case.path("stranger").exists()
    assert case.model.needs_fetch(full=True) is None


def test_damage_after_the_judgement_is_not_noted_as_true(case: Case) -> None:
    """A whole file is damaged while another one is still being fetched."""
    rewrite(case.path("model.safetensors"), b"damaged")
    assert sorted(case.model.whole(case.wanted, full=False)) == ["config.json", "deep/a.txt"]
    rewrite(case.path("config.json"), b"[]")
    case.publish({"model.safetensors": FILES["model.safetensors"]})
    again = Case(case.root).model
    assert again.needs_fetch(full=False) == "the content of config.json is damaged"


def test_damage_after_the_look_is_not_noted_as_true(case: Case) -> None:
    case.path("config.json").chmod(0o444)
    assert case.model.needs_fetch(full=False) is None
    rewrite(case.path("config.json"), b"[]")
    case.model.refresh_stamps()
    assert Case(case.root).model.needs_fetch(full=False) == (
        "the content of config.json is damaged"
    )


def test_directory_in_the_place_of_a_file_is_replaced(case: Case) -> None:
    case.path("config.json").unlink()
    (case.path("config.json") / "below").mkdir(parents=True)
    assert case.model.needs_fetch(full=False) == "config.json is missing"
    case.publish({"config.json": b"{}"})
    assert case.model.needs_fetch(full=True) is None


def test_linked_directory_is_replaced_by_a_real_one(case: Case, tmp_path: Path) -> None:
    case.path("deep").rename(tmp_path / "elsewhere")
    case.path("deep").symlink_to(tmp_path / "elsewhere")
    assert case.model.needs_fetch(full=False) == (
        "deep/a.txt is missing; deep does not belong to it"
    )
    case.publish({"deep/a.txt": b"a"})
    assert case.model.needs_fetch(full=True) is None
    assert not case.path("deep").is_symlink()
    assert (tmp_path / "elsewhere" / "a.txt").read_bytes() == b"a"


def test_reader_of_a_damaged_file_is_not_disturbed_by_its_mending(case: Case) -> None:
    rewrite(case.path("config.json"), b"[]")
    with case.path("config.json").open("rb") as reader:
        case.publish({"config.json": b"{}"})
        assert reader.read() == b"[]"
    assert case.path("config.json").read_bytes() == b"{}"


def test_what_lies_in_the_way_is_said(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.want(FILES)
    case.model.directory.parent.mkdir(parents=True)
    case.model.directory.write_text("in the way")
    with pytest.raises(SttError, match=r"found File exists .*; needed a directory that can be pub"):
        case.publish()
    assert case.model.directory.read_text() == "in the way"


def test_job_key_is_one_for_each_place_and_commit(tmp_path: Path) -> None:
    selection = Selection("lab/m", COMMIT)
    key = fetch_key(tmp_path, selection)
    assert len(key) == 64
    assert key == fetch_key(tmp_path, Selection("lab/m", COMMIT, patterns=("x",)))
    assert key != fetch_key(tmp_path, Selection("lab/m", "d" * 40))
    assert key != fetch_key(tmp_path / "other", selection)
    (tmp_path / "link").symlink_to(tmp_path)
    assert key == fetch_key(tmp_path / "link", selection)
