# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be removed from a host, and what must stay."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from ansible_collections.stt.engine.plugins.module_utils._clean import (
    ReleaseRecord,
    Superseded,
    abandoned_staging,
    built_below,
    kept_records,
    read_records,
    superseded_clips,
    superseded_images,
    superseded_models,
    tree_bytes,
)
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._model_manifest import (
    hash_files,
    manifest_path,
    write_manifest,
)
from ansible_collections.stt.engine.plugins.module_utils._store import write_atomically
from ansible_collections.stt.engine.plugins.modules.stt_host_clean import clean, remove


def image(name: str, day: int) -> dict[str, Any]:
    return {"Id": f"sha256:{name}", "Created": f"2026-01-{day:02}T00:00:00Z", "Size": 10}


def record(release: str, sequence: int, image_id: str = "", *models: Path) -> ReleaseRecord:
    return ReleaseRecord(
        release, sequence, f"sha256:{image_id}", frozenset(str(model) for model in models)
    )


def test_an_unreadable_record_stops_everything(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "release.json").write_text("{")
    with pytest.raises(SttError, match=r"a record that cannot be read .*; needed release, seq"):
        read_records(tmp_path)


def test_records_are_read_newest_first(tmp_path: Path) -> None:
    for release, sequence in (("old", 1), ("new", 9), ("middle", 5)):
        (tmp_path / release).mkdir()
        document = {"release": release, "sequence": sequence, "image_id": "x", "models": []}
        (tmp_path / release / "release.json").write_text(json.dumps(document))
    assert [found.release for found in read_records(tmp_path)] == ["new", "middle", "old"]


def test_images_that_another_root_built_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "image-build-aaaaaaaaaaaa").mkdir()
    ours, theirs = image("a", 1), image("b", 2)
    ours["RepoTags"] = ["stt-engine:aaaaaaaaaaaa", "stt-engine:cuda128-debian12-v1.2"]
    theirs["RepoTags"] = ["stt-engine:bbbbbbbbbbbb"]
    ours["Config"] = {"Labels": {"stt.engine.input-digest": "a" * 64}}
    theirs["Config"] = {"Labels": {"stt.engine.input-digest": "b" * 64}}
    foreign = {**image("c", 3), "Config": {"Labels": None}}
    shared = {**ours, "RepoTags": ["stt-engine:aaaaaaaaaaaa", "registry.example/stt:prod"]}
    derived = {**ours, "RepoTags": ["my-engine:1"]}
    found = built_below([ours, theirs, foreign, shared, derived], tmp_path)
    assert found == [ours]


def test_images_of_kept_releases_containers_and_the_newest_unsealed_stay() -> None:
    records = [record("c", 3, "c"), record("b", 2, "b"), record("a", 1, "a"), record("z", 0, "z")]
    images = [
        image("z", 1), image("a", 2), image("b", 3), image("c", 4), image("u1", 5), image("u2", 6)
    ]  # fmt: skip
    used = [{"Image": "sha256:z"}]
    found = superseded_images(images, used, records, keep_releases=2, keep_images=1)
    assert [(one.name, one.reason) for one in found] == [
        ("sha256:u1", "built but never sealed"),
        ("sha256:a", "of an older release"),
    ]


def test_superseded_images_stay_also_when_newer_releases_share_one() -> None:
    records = [record("d", 4, "c"), record("c", 3, "c"), record("b", 2, "b"), record("a", 1, "a")]
    images = [image("a", 1), image("b", 2), image("c", 3)]
    assert superseded_images(images, [], records, keep_releases=2, keep_images=2) == []
    found = superseded_images(images, [], records, keep_releases=2, keep_images=1)
    assert [one.name for one in found] == ["sha256:a"]


def test_the_image_that_a_kept_release_was_compared_with_stays() -> None:
    compared = replace(record("b", 2, "b"), reference_image_id="sha256:r")
    images = [image("r", 1), image("b", 2), image("u", 3)]
    assert superseded_images(images, [], [compared], keep_releases=2, keep_images=1) == []


def test_without_any_release_only_the_newest_image_stays() -> None:
    images = [image("a", 1), image("b", 2)]
    found = superseded_images(images, [], [], keep_releases=2, keep_images=1)
    assert [one.name for one in found] == ["sha256:a"]


def model(models: Path, name: str, age: int, quantization: str | None = None) -> Path:
    """A published model with our manifest; the greater the age, the newer it is."""
    path = models / "openai_whisper" / name
    path.mkdir(parents=True)
    (path / "model.bin").write_bytes(b"12345")
    kind = {"quantization": quantization} if quantization else {}
    files = hash_files(path)
    write_manifest(path, path, {**kind, "files": files})
    os.utime(path, (1000 + age, 1000 + age))
    return path


def test_models_of_kept_releases_and_the_newest_unsealed_of_each_sort_stay(tmp_path: Path) -> None:
    kept, older = model(tmp_path, "kept", 0), model(tmp_path, "older", 1)
    for age, name in enumerate(["raw1", "raw2"]):
        model(tmp_path, name, 2 + age)
    for age, name in enumerate(["c-ct2-int8-1", "c-ct2-int8-2"]):
        model(tmp_path, name, 4 + age, "int8")
    records = [record("b", 2, "", kept), record("a", 1, "", kept), record("z", 0, "", older)]
    found, left = superseded_models(tmp_path, records, keep_releases=2)
    assert {Path(one.name).name: (one.reason, one.bytes) for one in found} == {
        "older": ("of an older release", 5),
        "raw1": ("made but never sealed", 5),
        "c-ct2-int8-1": ("made but never sealed", 5),
    }
    assert left == []


def mounting(image_id: str, *sources: Path) -> dict[str, Any]:
    """A container of an image with directories of the host in it."""
    mounts = [{"Source": str(source), "Destination": "/x"} for source in sources]
    return {"Image": f"sha256:{image_id}", "Mounts": mounts}


def test_whatever_a_container_has_stays_whole_however_old_it_is(tmp_path: Path) -> None:
    old, raw, older, newest = (model(tmp_path, name, 0) for name in ("old", "raw", "older", "new"))
    model(tmp_path, "newer", 9)
    compared = replace(record("a", 1, "a", old, raw), reference_image_id="sha256:r")
    records = [record("d", 4, "d", newest), record("c", 3, "d", newest), compared]
    records += [record("z", 0, "z", older)]
    used = [mounting("a", old)]
    found, left = superseded_models(tmp_path, records, 2, used)
    assert ([Path(one.name) for one in found], left) == ([older], [])
    assert [one.release for one in kept_records(records, 2, used)] == ["d", "c", "a"]
    images = [image(name, day) for day, name in enumerate("zard", 1)]
    gone = superseded_images(images, used, records, keep_releases=2, keep_images=0)
    assert [one.name for one in gone] == ["sha256:z"]


def test_the_mounted_model_tells_which_of_two_releases_runs(tmp_path: Path) -> None:
    one, other = model(tmp_path, "one", 0), model(tmp_path, "other", 0)
    records = [record("b", 2, "i", other), record("a", 1, "i", one)]
    assert [r.release for r in kept_records(records, 0, [mounting("i", one)])] == ["a"]
    assert [r.release for r in kept_records(records, 0, [mounting("i")])] == ["b", "a"]
    assert kept_records(records, 0, [mounting("x", one)]) == []


def test_a_model_that_is_mounted_stays_whatever_image_mounts_it(tmp_path: Path) -> None:
    mounted, other = model(tmp_path, "mounted", 0), model(tmp_path, "mounted-not", 0)
    model(tmp_path, "newer", 9)
    link = tmp_path / "link"
    link.symlink_to(mounted)
    records = [record("a", 1, "a", mounted, other)]
    for source in (mounted, mounted / "model.bin", link):
        found, _left = superseded_models(tmp_path, records, 0, [mounting("x", source)])
        assert [Path(one.name) for one in found] == [other]


def test_the_newest_unsealed_conversion_of_every_quantization_stays(tmp_path: Path) -> None:
    """One release may hold several; when it fails late, none has to be converted again."""
    for age, quantization in enumerate(["int8_float16", "float16", "int8", "float16"]):
        model(tmp_path, f"{'a' * 40}-ct2-{quantization}-{age:012}", age, quantization)
    found, left = superseded_models(tmp_path, [], keep_releases=2)
    assert [Path(one.name).name for one in found] == [f"{'a' * 40}-ct2-float16-{1:012}"]
    assert left == []


def test_a_directory_without_our_manifest_is_never_removed(tmp_path: Path) -> None:
    sealed = model(tmp_path, "a" * 40, 0)
    bare = model(tmp_path, f"{'b' * 40}-ct2-int8-{1:012}", 1, "int8")
    damaged = model(tmp_path, "c" * 40, 2)
    for path in (sealed, bare):
        manifest_path(path).unlink()
    manifest_path(damaged).write_text("{}")
    for name in ("finetuned-2025", "finetuned-2026"):
        (tmp_path / "mine" / name).mkdir(parents=True)
    model(tmp_path, "newer", 9)
    records = [record(name, 9 - age) for age, name in enumerate("xy")] + [
        record("z", 0, "", sealed)
    ]
    found, left = superseded_models(tmp_path, records, keep_releases=2)
    assert found == []
    # Not ours, then nothing is said of it either.
    assert left == sorted(str(path) for path in (sealed, bare, damaged))


def test_staging_is_abandoned_only_when_nothing_in_it_was_written_for_days(tmp_path: Path) -> None:
    old = time.time() - 8 * 86400
    for name in ("old", "resumed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part").write_bytes(b"x")
        os.utime(tmp_path / name / "part", (old, old))
        os.utime(tmp_path / name, (old, old))
    os.utime(tmp_path / "resumed" / "part")
    assert [Path(one.name).name for one in abandoned_staging(tmp_path, days=7)] == ["old"]


def set_of_clips(clips: Path, name: str, hours: float) -> Path:
    """A set that was used so many hours ago."""
    path = clips / name
    path.mkdir(parents=True)
    (path / "order.wav").write_bytes(b"RIFF")
    used = time.time() - hours * 3600
    os.utime(path, (used, used))
    return path


def test_clips_go_that_are_neither_the_newest_nor_used_of_late(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    newest = set_of_clips(clips, "0123456789a0", 30)
    old, mounted = (set_of_clips(clips, f"0123456789a{n}", 40 + n) for n in (1, 2))
    for name in ("mine", "0123456789ab.bak", "0123456789abcdef"):
        set_of_clips(clips, name, 99)
    (clips / "0123456789ff").symlink_to(newest)
    names = [Path(one.name) for one in superseded_clips(clips, [mounting("x", mounted)])]
    assert names == [old]
    # Another run, with other clips, is using its own at the moment.
    of_now = set_of_clips(clips, "0123456789b0", 0.1)
    of_late = set_of_clips(clips, "0123456789b1", 20)
    found = superseded_clips(clips)
    assert {one.name for one in found} == {str(newest), str(old), str(mounted)}
    assert {(one.kind, one.bytes, one.reason) for one in found} == {
        ("clips", 4, "of an earlier run")
    }
    assert of_now.is_dir()
    assert of_late.is_dir()
    assert superseded_clips(tmp_path / "none") == []


def test_one_kind_alone_is_cleaned_where_it_is_asked_for(tmp_path: Path) -> None:
    set_of_clips(tmp_path / "clips", "0123456789a0", 30)
    old = set_of_clips(tmp_path / "clips", "0123456789a1", 40)
    staged = set_of_clips(tmp_path / "staging", "model-x", 24 * 30)
    os.utime(staged / "order.wav", (1, 1))
    # A record that cannot be read stops what depends on it, and nothing else.
    (tmp_path / "releases" / "x").mkdir(parents=True)
    (tmp_path / "releases" / "x" / "release.json").write_text("{")
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\n")
    docker.chmod(0o755)
    given = {
        "root": str(tmp_path),
        "docker": str(docker),
        "keep_releases": 2,
        "keep_images": 2,
        "staging_days": 7.0,
    }
    predicted = clean({**given, "only": ["clips"]}, check_mode=True)
    assert old.is_dir()
    assert clean({**given, "only": ["clips"]}, check_mode=False) == {
        **predicted,
        "checks": [{**predicted["checks"][0], "seconds": ANY}],
    }
    assert [one["name"] for one in predicted["removed"]] == [str(old)]
    assert not old.exists()
    assert staged.is_dir()
    with pytest.raises(SttError, match="found a record that cannot be read"):
        clean({**given, "only": ["model", "staging"]}, check_mode=False)
    assert staged.is_dir()


def test_what_vanishes_while_it_is_looked_at_is_no_error(tmp_path: Path) -> None:
    """A job replaces its map of finished chunks all the time."""
    staged = tmp_path / "model-x" / "maps"
    staged.mkdir(parents=True)
    ended, written = threading.Event(), threading.Event()

    def job() -> None:
        for count in itertools.count():
            if ended.is_set():
                return
            (staged / f"{count % 8}").mkdir(exist_ok=True)
            write_atomically(staged / f"{count % 8}" / "map", b"x", durable=False)
            shutil.rmtree(staged / f"{(count + 4) % 8}", ignore_errors=True)
            written.set()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(job)
        try:
            assert written.wait(10)
            for _again in range(300):
                assert abandoned_staging(tmp_path, days=7) == []
                assert tree_bytes(tmp_path) < 100
        finally:
            ended.set()
        writing.result()


def test_only_the_model_and_its_own_manifest_are_removed(tmp_path: Path) -> None:
    models = tmp_path / "models"
    path = model(models, "a" * 40, 0)
    archive = path.with_name(f"{path.name}.tar.gz")
    archive.write_bytes(b"brought by hand")
    staged = tmp_path / "staging" / "model-x"
    staged.mkdir(parents=True)
    (tmp_path / "staging" / "model-x.note").write_text("not of it")
    for kind, name in (("model", path), ("staging", staged)):
        remove(Superseded(kind, str(name), 0, ""), DockerCli("docker"), tmp_path)
        assert not name.exists()
    assert list(path.parent.iterdir()) == [archive]
    assert [left.name for left in (tmp_path / "staging").iterdir()] == ["model-x.note"]


def test_the_result_tells_what_was_left(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\n")
    docker.chmod(0o755)
    bare = tmp_path / "models" / "openai_whisper" / ("a" * 40)
    bare.mkdir(parents=True)
    parameters = {
        "root": str(tmp_path),
        "docker": str(docker),
        "keep_releases": 2,
        "keep_images": 2,
        "staging_days": 7.0,
        "only": ["image", "model", "clips", "staging"],
    }
    result = clean(parameters, check_mode=False)
    assert (result["changed"], result["removed"], result["left"]) == (False, [], [str(bare)])
    assert bare.is_dir()
    [check] = result["checks"]
    assert check["found"] == (
        "0 removed, 0 bytes; kept releases: none yet; left, because no manifest is beside it: "
        f"{bare}"
    )
