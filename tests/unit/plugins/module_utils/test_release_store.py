# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sealed releases there are on the controller, and which one a name means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._release_store import (
    choose,
    refuse_unreadable,
    sealed_releases,
)


def kept(root: Path, name: str, sequence: int, **fields: object) -> Path:
    """A release as far as it is known by its manifest."""
    predicate = {
        "release": {"id": name, "sequence": sequence},
        "image": {"id": "sha256:1"},
        "models": [{}, {"directory": "models/a/b"}],
        **fields,
    }
    directory = root / name
    directory.mkdir(parents=True)
    (directory / "manifest.json").write_text(json.dumps({"predicate": predicate}))
    return directory


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, sequence in (("b", 2), ("c", 3), ("a", 1)):
        kept(tmp_path, name, sequence)
    (tmp_path / "latest").symlink_to("a")
    return tmp_path


def test_they_are_told_by_when_they_were_sealed(root: Path) -> None:
    assert [release.id for release in sealed_releases(root)] == ["c", "b", "a"]


def test_what_is_no_release_is_left_out(root: Path) -> None:
    (root / "compare").mkdir()
    (root / "file").write_text("")
    (root / "failed" / "1").mkdir(parents=True)
    kept(root, "moved", 9).rename(root / "copied")
    kept(root, "no-image", 9, image={})
    kept(root, "no-models", 9, models=[])
    kept(root, "a-list", 9, release=[])
    for name, content in (("broken", b"{"), ("deep", b"[" * 100_000)):
        (kept(root, name, 9) / "manifest.json").write_bytes(content)
    assert [release.id for release in sealed_releases(root)] == ["c", "b", "a"]
    assert sealed_releases(root / "nothing") == []


def test_other_directories_are_no_damaged_releases(root: Path) -> None:
    (root / "verified" / "a").mkdir(parents=True)
    (root / "compare").mkdir()
    (root / "index.html").write_text("")
    refuse_unreadable(root, sealed_releases(root))


def test_a_name_and_the_link_to_the_newest_are_found(root: Path) -> None:
    releases = sealed_releases(root)
    assert choose(root, "b", releases).directory == root / "b"
    assert choose(root, "latest", releases).id == "a"
    (root / "latest").unlink()
    assert choose(root, "latest", releases).id == "c"


@pytest.mark.parametrize("name", ["d", "../b", "", "file"])
def test_an_unknown_name_is_told_with_the_known_ones(root: Path, name: str) -> None:
    with pytest.raises(SttError, match="needed one of the sealed releases there: c, b, a; fix: "):
        choose(root, name, sealed_releases(root))


def test_a_manifest_that_cannot_be_read_is_never_passed_over(root: Path) -> None:
    (root / "a" / "manifest.json").write_text("{")
    for name in ("a", "latest"):
        with pytest.raises(SttError, match=r"release a: found no manifest.json in .*/a that can"):
            choose(root, name, sealed_releases(root))
    with pytest.raises(SttError, match="release a: found no manifest"):
        refuse_unreadable(root, sealed_releases(root))


def test_where_there_is_none_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(SttError, match=r"release latest: found no sealed .*there: none; fix"):
        choose(tmp_path, "latest", [])
