# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variant without torch: a quarter of the size, judged with the full image beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.release.conftest import Lab, Run

SHARE = 0.25

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def full(lab: Lab) -> dict[str, Any]:
    """The image of a release with torch."""
    run = lab.play()
    assert run.rc == 0, run.output[-6000:]
    image: dict[str, Any] = lab.report()["image"]
    return image


@pytest.fixture(scope="module")
def slim(lab: Lab, full: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A release of the slim variant on the same server, with a lock of its own."""
    lock = tmp_path_factory.mktemp("lock") / "slim.lock.yml"
    run = lab.play(
        variables={"engine_image_variant": "slim", "release_lock_path": str(lock)},
    )
    assert run.rc == 0, run.output[-8000:]
    assert "\n    reference:\n" in lock.read_text()
    assert lab.report()["image"]["image_id"] != full["image_id"]
    return run


def checks_of(lab: Lab) -> dict[str, dict[str, Any]]:
    """The release's results by step and name."""
    return {f"{check['id']} {check['name']}": check for check in lab.report()["checks"]}


@pytest.mark.usefixtures("slim")
def test_it_is_at_most_a_quarter_of_the_full_image(lab: Lab, full: dict[str, Any]) -> None:
    image = lab.report()["image"]
    assert image["size"] <= SHARE * full["size"], (image["size"], full["size"])
    assert lab.newest().name.startswith("slim-cuda128-debian12-v1.2-")


@pytest.mark.usefixtures("slim")
def test_what_it_cannot_be_asked_is_judged_in_the_full_image_and_the_release_says_so(
    lab: Lab, full: dict[str, Any]
) -> None:
    checks = checks_of(lab)
    for key in ("R4.3 torch_version", "R5.3 transformers_load", "R5.8 encoder_agreement"):
        check = checks[key]
        assert check["status"] == "passed", check
        assert check["found"].startswith("in the reference image"), check
        assert check["evidence"]["image"] == full["image_id"]
    # What it serves with is judged in itself.
    for key in ("R5.2 faster_whisper_float32", "R5.7 service_transcribes"):
        assert checks[key]["status"] == "passed", checks[key]
        assert "image" not in checks[key]["evidence"]
    assert checks["R2.5 reference_image"]["status"] == "passed"
    manifest = json.loads((lab.newest() / "manifest.json").read_bytes())
    assert manifest["predicate"]["image"]["variant"] == "slim"
    assert manifest["predicate"]["image"]["reference"]["image_id"] == full["image_id"]


def test_a_second_run_changes_nothing(lab: Lab, slim: Run, tmp_path: Path) -> None:
    assert slim.rc == 0
    before = lab.newest().name
    run = lab.play(
        variables={
            "engine_image_variant": "slim",
            "release_lock_path": str(tmp_path / "slim.lock.yml"),
        }
    )
    assert run.rc == 0, run.output[-6000:]
    # The lock alone: this run was given none.
    assert run.recap["changed"] == 1, run.output
    assert lab.newest().name == before
