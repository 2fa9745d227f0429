# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's image archives: the same tree gives the same id, and a damaged cache is noticed."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.lab import from_registry, images
from tests.lab.layout import Places
from tests.lab.shell import LabError

RECIPE = images.Recipe(
    name="small",
    tag="stt-lab/small:test",
    suite="bookworm",
    packages=("python3",),
    hook="base.sh",
    files=(),
    config={"User": "1001"},
)


class Bootstrap:
    """Writes a small tree and counts how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, recipe: images.Recipe, layer: Path) -> None:
        self.calls += 1
        layer.write_bytes(tree({"etc/name": recipe.name.encode()}))


def tree(files: dict[str, bytes], mtime: int = 0) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mtime = mtime
            archive.addfile(entry, io.BytesIO(data))
    return target.getvalue()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    places = Places(tmp_path / "cache")
    places.create()
    return places


def test_same_tree_gives_the_same_bytes(tmp_path: Path) -> None:
    layer = tmp_path / "layer.tar"
    layer.write_bytes(tree({"etc/name": b"small"}))
    ids = {images.write_archive(tmp_path / name, layer, RECIPE) for name in ("a.tar", "b.tar")}
    assert len(ids) == 1
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_archive_is_what_docker_load_reads(tmp_path: Path) -> None:
    layer = tmp_path / "layer.tar"
    layer.write_bytes(tree({"etc/name": b"small"}))
    image_id = images.write_archive(tmp_path / "image.tar", layer, RECIPE)
    with tarfile.open(tmp_path / "image.tar") as archive:
        parts = {entry.name: archive.extractfile(entry) for entry in archive}
        contents = {name: part.read() for name, part in parts.items() if part is not None}
    [manifest] = json.loads(contents["manifest.json"])
    config = contents[manifest["Config"]]
    assert image_id == f"sha256:{hashlib.sha256(config).hexdigest()}"
    [diff_id] = json.loads(config)["rootfs"]["diff_ids"]
    assert diff_id == f"sha256:{hashlib.sha256(contents[manifest['Layers'][0]]).hexdigest()}"
    assert manifest["RepoTags"] == [RECIPE.tag]


def test_archive_is_made_once(places: Places) -> None:
    bootstrap = Bootstrap()
    first = images.make(RECIPE, places, bootstrap)
    assert images.make(RECIPE, places, bootstrap) == first
    assert bootstrap.calls == 1


def test_truncated_archive_is_made_again(places: Places) -> None:
    bootstrap = Bootstrap()
    first = images.make(RECIPE, places, bootstrap)
    with first.path.open("r+b") as archive:
        archive.truncate(100)
    assert images.find(RECIPE, places) is None
    assert images.make(RECIPE, places, bootstrap) == first
    assert bootstrap.calls == 2


def test_failed_bootstrap_leaves_nothing(places: Places) -> None:
    def fail(recipe: images.Recipe, layer: Path) -> None:
        layer.write_bytes(b"half")
        raise LabError(f"{recipe.tag}: planted")

    with pytest.raises(LabError, match="planted"):
        images.make(RECIPE, places, fail)
    assert list(places.images.iterdir()) == []


def test_another_recipe_replaces_the_archive(places: Places) -> None:
    bootstrap = Bootstrap()
    old = images.make(RECIPE, places, bootstrap)
    changed = images.Recipe(**{**vars(RECIPE), "packages": ("python3", "git")})
    new = images.make(changed, places, bootstrap)
    assert new.path != old.path
    assert sorted(path.suffix for path in places.images.iterdir()) == [".json", ".tar"]


def test_stand_in_has_the_layout_of_python_311() -> None:
    environment = dict(entry.split("=", 1) for entry in images.BASE.config["Env"])
    assert environment["APP_ROOT"] == "/opt/app-root"
    assert environment["HOME"] == "/opt/app-root/src" == images.BASE.config["WorkingDir"]
    assert "/opt/app-root/bin" in environment["PATH"].split(":")
    assert images.BASE.config["User"] == "1001"
    assert "stand-in" in images.BASE.config["Labels"]["summary"]


def test_exported_tree_loses_what_is_not_ours_and_every_late_time() -> None:
    files = {".dockerenv": b"", "dev/null": b"", "etc/name": b"x", "var/lib/apt/lists/a": b"y"}
    target = io.BytesIO()
    from_registry.clamp(io.BytesIO(tree(files, mtime=images.EPOCH + 1000)), target)
    with tarfile.open(fileobj=io.BytesIO(target.getvalue())) as archive:
        entries = {entry.name: entry.mtime for entry in archive}
    assert entries == {"etc/name": images.EPOCH}
