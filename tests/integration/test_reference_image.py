# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image has no packages for is judged in the collection's full image, and says so.

The image without torch is the full one that calls itself slim: by its label a check knows what an
image need not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.verify_host import NAME, VerifyHost

pytestmark = pytest.mark.long

LACKING = {
    "R4.3 torch_version",
    "R4.3 torchaudio_version",
    "R4.3 torch_cuda_build",
    "R4.3 torch_matmul_cpu",
    "R4.3 torchaudio_resample",
    "R4.3 torchaudio_mel",
    "R4.3 cuda_available",
    "R4.3 cuda_matmul",
    "R5.3 transformers_load",
    "R5.4 features",
    "R5.4 resample_clip",
    "R5.6 transformers_texts",
    "R5.6 decoders_agree",
    "R5.8 encoder_agreement",
}


@pytest.fixture(scope="module")
def slim(host: VerifyHost, image: str) -> Iterator[str]:
    yield host.derive(image, "LABEL stt.engine.variant=slim", name="slim")
    host.ssh(f"docker image rm --force {host.prefix}-slim >/dev/null 2>&1 || true")


def keyed(done: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{one['id']} {one['name']}": one for one in done["checks"]}


@pytest.mark.parametrize("module", ["stt_image_verify", "stt_model_verify"])
def test_the_reference_image_judges_what_would_be_skipped(
    host: VerifyHost, image: str, slim: str, converted: dict[str, Any], module: str
) -> None:
    clips = {"clips": f"{host.directory}/clips"} if module == "stt_model_verify" else {}
    alone = keyed(host.verify(module, slim, converted["path"], **clips))
    lacking = {key for key, one in alone.items() if one["evidence"].get("lacks")}
    assert lacking == {key for key in LACKING if key in alone}
    assert {alone[key]["status"] for key in lacking} == {"skipped"}

    done = host.verify(module, slim, converted["path"], reference_image=image, **clips)
    assert not done.get("failed"), done["msg"]
    identity = host.ssh(f"docker image inspect --format '{{{{.Id}}}}' {image}").strip()
    short = identity.removeprefix("sha256:")[:12]
    results = keyed(done)
    assert list(results) == list(alone)
    for key, one in results.items():
        assert (one["evidence"].get("image") == identity) is (key in lacking), key
        if key in lacking:
            assert one["found"].startswith(f"in the reference image {short}: ")
    passed = {key for key in lacking if results[key]["status"] == "passed"}
    # Without a GPU its own checks are skipped in any image, and no clip is of unknown text.
    left = {"R4.3 cuda_available", "R4.3 cuda_matmul", "R5.6 decoders_agree"}
    assert lacking - left <= passed
    assert done["reuse_key"]["reference"] == identity
    assert host.containers() == []


def test_a_fault_in_the_reference_image_fails_the_release(
    host: VerifyHost, image: str, slim: str, converted: dict[str, Any]
) -> None:
    """Its result stands in the place of a skip, whatever it is: here no original to be loaded."""
    broken = host.put({"config.json": b"{}"}, "models/broken/original")
    models = {"ctranslate2": converted["path"], "transformers": broken, "name": NAME}
    done = host.verify(
        "stt_model_verify", slim, converted["path"], reference_image=image, models=models
    )
    assert done["failed"] is True
    assert keyed(done)["R5.3 transformers_load"]["status"] in ("failed", "error")


def test_an_absent_reference_image_is_said(
    host: VerifyHost, slim: str, converted: dict[str, Any]
) -> None:
    done = host.verify("stt_image_verify", slim, converted["path"], reference_image="none:1")
    assert done["failed"] is True
    assert "reference image none:1: found no such image on this host" in done["msg"]
