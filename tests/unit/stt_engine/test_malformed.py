# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is wrong with an upload, it is refused with a reason and the service goes on."""

from __future__ import annotations

import httpx
import pytest

from tests.bench.service_uploads import OPENAI_ROUTE, malformed
from tests.unit.stt_engine.service_process import ServiceProcess
from tests.unit.stt_engine.test_service import CLIP


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_malformed_upload_is_refused(service: ServiceProcess, seed: int) -> None:
    kinds = set()
    with httpx.Client(base_url=service.url, timeout=60) as client:
        for upload in malformed(seed, 120, CLIP.read_bytes()):
            kinds.add(upload.kind)
            answer = client.post(
                upload.route, content=upload.body, headers={"Content-Type": upload.content_type}
            )

            assert 400 <= answer.status_code < 500, (upload.kind, answer.status_code, answer.text)
            body = answer.json()
            reason = body["error"]["message"] if upload.route == OPENAI_ROUTE else body["message"]
            assert reason, upload.kind

    assert len(kinds) >= 45
    assert service.health().status_code == 200
    assert service.transcribe(CLIP).json()["text"] == "Good morning, thank you for calling."
