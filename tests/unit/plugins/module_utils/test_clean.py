# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be removed from a host, and what must stay."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._clean import (
    ReleaseRecord,
    abandoned_staging,
    built_below,
    read_records,
    superseded_images,
    superseded_models,
)
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError


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
    found = superseded_images(images, [{"Image": "sha256:z"}], records, keep_releases=2)
    assert [(one.name, one.reason) for one in found] == [
        ("sha256:u1", "built but never sealed"),
        ("sha256:a", "of an older release"),
    ]


def test_without_any_release_only_the_newest_image_stays() -> None:
    found = superseded_images([image("a", 1), image("b", 2)], [], [], keep_releases=2)
    assert [one.name for one in found] == ["sha256:a"]


def test_models_of_kept_releases_and_the_newest_unsealed_of_each_sort_stay(tmp_path: Path) -> None:
    paths = {}
    for age, name in enumerate(["kept", "older", "raw1", "raw2", "c-ct2-int8-1", "c-ct2-int8-2"]):
        paths[name] = tmp_path / "openai_whisper" / name
        paths[name].mkdir(parents=True)
        (paths[name] / "model.bin").write_bytes(b"12345")
        os.utime(paths[name], (1000 + age, 1000 + age))
    records = [
        record("b", 2, "", paths["kept"]),
        record("a", 1, "", paths["kept"]),
        record("z", 0, "", paths["older"]),
    ]
    found = superseded_models(tmp_path, records, keep_releases=2)
    assert {Path(one.name).name: (one.reason, one.bytes) for one in found} == {
        "older": ("of an older release", 5),
        "raw1": ("made but never sealed", 5),
        "c-ct2-int8-1": ("made but never sealed", 5),
    }


def test_staging_is_abandoned_only_when_nothing_in_it_was_written_for_days(tmp_path: Path) -> None:
    old = time.time() - 8 * 86400
    for name in ("old", "resumed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part").write_bytes(b"x")
        os.utime(tmp_path / name / "part", (old, old))
        os.utime(tmp_path / name, (old, old))
    os.utime(tmp_path / "resumed" / "part")
    assert [Path(one.name).name for one in abandoned_staging(tmp_path, days=7)] == ["old"]
