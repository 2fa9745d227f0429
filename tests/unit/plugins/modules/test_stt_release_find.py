# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which release a host runs is told by image, model and record, in this order."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.stt.engine.plugins.action.stt_release_find import recognise
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._release_store import sealed_releases
from tests.unit.plugins.module_utils.test_release_store import kept

A, B = "sha256:a", "sha256:b"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three releases, of which the last two share an image."""
    for sequence, (name, image, model) in enumerate(
        (("one", A, "models/m/1"), ("two", B, "models/m/2"), ("three", B, "models/m/3"))
    ):
        models = [{}, {"directory": model}]
        kept(tmp_path, name, sequence, image={"id": image}, models=models)
    return tmp_path


def found(root: Path, *services: tuple[str, str], recorded: tuple[str, ...] = ()) -> list[str]:
    known = [
        {"name": f"c{number}", "image_id": image, "model": model}
        for number, (image, model) in enumerate(services)
    ]
    release, reason = recognise(root, sealed_releases(root), known, recorded)
    return [release.id, reason]


def test_the_image_tells_and_the_model_where_it_is_shared(root: Path) -> None:
    assert found(root, (A, "")) == ["one", "the container c0 runs it"]
    assert found(root, (B, "/opt/stt/models/m/2")) == ["two", "the container c0 runs it"]
    # Of a model that none of them has, the newest is meant: it is then refuted by that model.
    assert found(root, (B, "/opt/stt/models/m/22")) == ["three", "the container c0 runs it"]


def test_an_unknown_image_tells_nothing(root: Path) -> None:
    services = (("sha256:x", "/opt/stt/models/m/2"), (A, ""))
    assert found(root, *services, recorded=("two",)) == ["one", "the container c1 runs it"]
    assert found(root, services[0], recorded=("gone", "two")) == [
        "two",
        "it is recorded on the host",
    ]


def test_else_the_newest_is_meant(root: Path) -> None:
    assert found(root) == ["three", "it is the newest"]
    (root / "latest").symlink_to("one")
    assert found(root) == ["one", "it is the newest"]


def test_where_there_is_none_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(SttError, match="release latest: found no sealed release of that name"):
        found(tmp_path, (A, ""))
