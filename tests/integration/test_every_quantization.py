# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A good model raises no alarm, in whichever quantization it is served: all of R4 and R5."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._convert import QUANTIZATIONS
from tests.integration.verify_host import VerifyHost, failing

pytestmark = pytest.mark.long

# Without a GPU, and with clips that are all for this model.
SKIPPED = {
    "R4.3 cuda_driver",
    "R4.3 cuda_available",
    "R4.3 cuda_matmul",
    "R5.2 faster_whisper_float16",
    "R5.2 faster_whisper_int8_float16",
    "R5.6 decoders_agree",
}


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_every_check_passes(host: VerifyHost, image: str, quantization: str) -> None:
    done = host.convert(image, quantization=quantization)
    assert not done.get("failed"), done["msg"]
    phases: list[dict[str, Any]] = [
        host.verify("stt_image_verify", image, done["path"]),
        host.verify("stt_model_verify", image, done["path"], clips=f"{host.directory}/clips"),
    ]
    results = [check for phase in phases for check in phase["checks"]]
    assert [phase["verdict"] for phase in phases] == ["passed", "passed"], [
        failing(phase) for phase in phases
    ]
    skipped = {f"{one['id']} {one['name']}" for one in results if one["status"] == "skipped"}
    assert skipped == SKIPPED
    assert {one["status"] for one in results} == {"passed", "skipped"}
    structure = next(one for one in results if one["name"] == "structure")
    assert quantization.split("_")[0] in structure["found"]
    seconds = [phase["seconds"] for phase in phases]
    print(
        f"{quantization}: {len(results)} checks, {len(skipped)} skipped; R4 {seconds[0]:.1f} s, "
        f"R5 {seconds[1]:.1f} s, together {sum(seconds):.1f} s"
    )
