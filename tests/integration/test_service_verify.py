# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service that really runs in the engine image is judged against a release, and left alone."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.service_container import ServiceContainer
from tests.integration.verify_host import CLIPS, VerifyHost

# A short form, against a service whose code lies over the image's, is in test_service.py.
pytestmark = pytest.mark.long

CLIP = "en-greeting.flac"
TEXT = next(
    one["text"] for one in json.loads((CLIPS / "clips.json").read_bytes()) if one["file"] == CLIP
)


@pytest.fixture(scope="module")
def service(host: VerifyHost, image: str, converted: dict[str, Any]) -> Iterator[ServiceContainer]:
    """The image's own service, started as docs/service.md says."""
    with ServiceContainer(host, image, converted["path"], own_source=False) as container:
        yield container


def judge(service: ServiceContainer, model: str, **changes: Any) -> dict[str, dict[str, Any]]:
    """The two checks by name."""
    content = (CLIPS / CLIP).read_bytes()
    given = {
        "image_id": service.inspect()["Image"],
        "model": model,
        "digest": digest_of(service, model),
        "recording": {
            "name": CLIP,
            "content": base64.b64encode(content).decode(),
            "text": changes.pop("text", TEXT),
        },
        **changes,
    }
    done = service.host.module("stt_service_verify", given)
    assert (done["changed"], done.get("failed", False)) == (False, False), done
    return {check["name"]: check for check in done["checks"]}


def digest_of(service: ServiceContainer, model: str) -> str:
    """The digest of the model's weights, where it has them in CTranslate2's form."""
    weights = service.host.ssh_bytes(f"cat {model}/model.bin 2>/dev/null || true")
    return hashlib.sha256(weights).hexdigest() if weights else ""


def test_it_is_recognised_by_its_image_and_its_model(
    service: ServiceContainer, converted: dict[str, Any]
) -> None:
    found = service.host.module("stt_service_info", {"root": service.host.directory})
    (mine,) = [one for one in found["services"] if one["name"] == service.name]
    known = service.inspect()
    assert (mine["image_id"], mine["model"]) == (known["Image"], converted["path"])
    assert mine["address"] == f"{service.address}:8003"
    assert found["recorded"] == []


def test_a_sealed_service_passes_and_is_left_as_it_was(
    service: ServiceContainer, converted: dict[str, Any]
) -> None:
    before = service.inspect()
    checks = judge(service, converted["path"])
    sealed, answers = checks["service_as_sealed"], checks["service_answers"]
    assert (sealed["status"], answers["status"]) == ("passed", "passed"), checks
    assert f"{service.name}: {TEXT!r} on cpu in float32" in answers["found"]
    after = service.inspect()
    assert (after["State"]["StartedAt"], after["RestartCount"]) == (
        before["State"]["StartedAt"],
        before["RestartCount"],
    )


def test_another_text_model_and_image_are_refuted(
    service: ServiceContainer, converted: dict[str, Any]
) -> None:
    wrong = judge(service, converted["path"], text="Another text.", digest="0" * 64)
    found = wrong["service_answers"]["found"]
    assert wrong["service_answers"]["status"] == "failed"
    assert "/health names the model sha256:" in found
    assert f"/transcribe gives {TEXT!r} for {CLIP}" in found
    moved = judge(service, service.host.source, digest="")["service_as_sealed"]
    assert (moved["status"], f"model {converted['path']}" in moved["found"]) == ("failed", True)
    other = judge(service, converted["path"], image_id=f"sha256:{'0' * 64}")
    assert other["service_as_sealed"]["status"] == "failed"
    assert (
        f"{service.name} runs the image {service.inspect()['Image']}"
        in (other["service_as_sealed"]["found"])
    )
    assert other["service_answers"]["status"] == "skipped"
