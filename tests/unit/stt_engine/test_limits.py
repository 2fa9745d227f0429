# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work has an end: a deadline, a client that goes away, an upload that does not come."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.unit.stt_engine.conftest import StartService
from tests.unit.stt_engine.service_process import ServiceProcess
from tests.unit.stt_engine.test_metrics import scrape
from tests.unit.stt_engine.test_service import CLIP, refused

BOUNDARY = "multipart/form-data; boundary=b"
HEAD = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'


def ends(service: ServiceProcess) -> list[str]:
    """Return how the work on each recording ended, from the log."""
    names = [event["event"] for event in service.events()]
    return [name for name in names if name in ("given up", "transcribed")]


def test_a_deadline_ends_the_work(
    start_service: StartService, tiny_model: Path, long_recording: Path
) -> None:
    service = start_service(STT_MODEL_PATH=str(tiny_model), STT_DEADLINE_SECONDS="1")
    service.wait_until_healthy()

    response = service.transcribe(long_recording, {"beam_size": "16"})

    assert "within 1 seconds" in refused(response, 504, "deadline_exceeded")
    service.wait_until_inside(0)
    assert ends(service) == ["given up"]
    # Its thread is free again.
    assert service.transcribe(CLIP).json()["text"] == "Good morning, thank you for calling."
    service.terminate()
    assert service.exit_status() == 0


def test_a_client_that_goes_away_ends_the_work(
    start_service: StartService, tiny_model: Path, long_recording: Path
) -> None:
    service = start_service(STT_MODEL_PATH=str(tiny_model))
    service.wait_until_healthy()

    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{service.url}/transcribe",
            files={"file": ("a.wav", long_recording.read_bytes())},
            timeout=httpx.Timeout(60, read=0.5),
        )

    service.wait_until_inside(0)
    assert ends(service) == ["given up"]
    found = scrape(service)
    assert found["stt_requests_total", "route=/transcribe,status=499"] == 1
    assert found["stt_refused_requests_total", "reason=client_gone"] == 1
    assert service.transcribe(CLIP).status_code == 200


def test_an_upload_that_does_not_come(start_service: StartService, tiny_model: Path) -> None:
    service = start_service(STT_MODEL_PATH=str(tiny_model), STT_UPLOAD_SECONDS="1", STT_QUEUE="0")
    service.wait_until_healthy()

    with service.connection() as connection:
        connection.putrequest("POST", "/transcribe")
        connection.putheader("content-type", BOUNDARY)
        connection.putheader("content-length", "1000000")
        connection.endheaders(HEAD)
        response = connection.getresponse()
        assert response.status == 408

    assert service.inside() == 0
    assert service.transcribe(CLIP).status_code == 200
