# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics: what a Prometheus server reads is what has happened."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from stt_engine.application import create_app
from stt_engine.config import Settings
from stt_engine.engine import Engine
from stt_engine.service import Service
from tests.unit.stt_engine.conftest import StartService
from tests.unit.stt_engine.service_process import ServiceProcess
from tests.unit.stt_engine.tiny_model import CLIPS

CLIP = CLIPS / "en-greeting.flac"
Samples = dict[tuple[str, str], float]


def samples(text: str) -> Samples:
    """Every value of a page by its name and its labels, as Prometheus's own parser reads it."""
    return {
        (sample.name, ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(service: ServiceProcess) -> Samples:
    """Ask /metrics once."""
    response = httpx.get(f"{service.url}/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return samples(response.text)


def test_what_happened_is_counted(start_service: StartService, tiny_model: Path) -> None:
    service = start_service(STT_MODEL_PATH=str(tiny_model))
    service.wait_until_healthy()
    before = scrape(service)

    duration = service.transcribe(CLIP).json()["duration"]
    service.transcribe(CLIP, {"language": "xx"})
    service.transcribe(data=b"no audio at all " * 99)
    httpx.get(f"{service.url}/.env")

    after = scrape(service)
    route = "route=/transcribe"
    assert after["stt_requests_total", f"{route},status=200"] == 1
    assert after["stt_requests_total", f"{route},status=400"] == 1
    assert after["stt_requests_total", f"{route},status=422"] == 1
    assert after["stt_requests_total", "route=other,status=404"] == 1
    assert after["stt_requests_total", "route=/health,status=200"] >= 1
    refused = {key[1]: value for key, value in after.items() if key[0].startswith("stt_refused")}
    assert refused == {
        "reason=unknown_language": 1, "reason=unreadable_audio": 1, "reason=not_served": 1,
    }  # fmt: skip
    assert ("stt_refused_requests_total", "reason=busy") not in before
    assert after["stt_audio_seconds_total", ""] == pytest.approx(duration, abs=0.01)
    assert after["stt_processing_seconds_count", ""] == 1
    assert after["stt_real_time_factor_sum", ""] == pytest.approx(
        after["stt_processing_seconds_sum", ""] / duration, rel=0.01
    )
    assert after["stt_queue_seconds_count", ""] == 3
    assert after["stt_requests_in_flight", ""] == 0
    assert after["stt_requests_waiting", ""] == 0
    assert after["process_resident_memory_bytes", ""] > 10_000_000
    assert not [key for key in after if key[0].endswith("_created")]


def test_the_model_is_told(service: ServiceProcess) -> None:
    found = scrape(service)

    model = service.health().json()["model"]
    assert found["stt_model_loaded", ""] == 1
    (labels,) = [key[1] for key in found if key[0] == "stt_model_info"]
    assert f"digest={model['digest']}" in labels
    assert "compute_type=float32" in labels


def test_before_the_model_is_loaded(tiny_model: Path) -> None:
    settings = Settings.from_environment({"STT_MODEL_PATH": str(tiny_model), "STT_DEVICE": "cpu"})
    # Without its context the client does not start the application, so nothing is ever loaded.
    client = TestClient(create_app(Service(settings, Engine(settings), lambda: None)))

    client.post("/transcribe")

    found = samples(client.get("/metrics").text)
    assert found["stt_model_loaded", ""] == 0
    assert found["stt_refused_requests_total", "reason=not_ready"] == 1
    assert not [key for key in found if key[0] == "stt_model_info"]


def test_two_services_in_one_process_count_alone(tiny_model: Path) -> None:
    settings = Settings.from_environment({"STT_MODEL_PATH": str(tiny_model), "STT_DEVICE": "cpu"})
    first, second = (
        TestClient(create_app(Service(settings, Engine(settings), lambda: None)))
        for _count in range(2)
    )

    first.get("/nothing")

    key = ("stt_requests_total", "route=other,status=404")
    assert samples(first.get("/metrics").text)[key] == 1
    assert key not in samples(second.get("/metrics").text)
