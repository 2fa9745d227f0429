# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service in the engine image, as production runs it: short forms of `make bench-service`."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.service_container import ServiceContainer
from tests.integration.verify_host import CLIPS, VerifyHost
from tests.unit.stt_engine.hostile import flac_silence, mp4

# Python, the libraries and the model settle before this many requests.
SETTLED = 40
# What a hundred further requests may add to the resident memory.
MOST_GROWTH = 1.1
# A third of what the samples and features of one hour take when they are held all at once.
LITTLE_MEMORY = "1g"


@pytest.fixture(scope="module")
def service(host: VerifyHost, image: str, converted: dict[str, Any]) -> Iterator[ServiceContainer]:
    """One service for the tests that leave it as it was; its queue is short."""
    settings = {"STT_QUEUE": "1", "STT_RETRY_AFTER_SECONDS": "1"}
    with ServiceContainer(host, image, converted["path"], settings=settings) as container:
        yield container


def test_it_runs_as_production_does(service: ServiceContainer) -> None:
    found = service.inspect()

    assert found["HostConfig"]["ReadonlyRootfs"] is True
    assert found["Config"]["User"] == "2000"
    assert service.host.ssh(f"docker exec {service.name} id -u").strip() == "2000"
    assert (service.model["device"], service.model["compute_type"]) == ("cpu", "float32")
    assert service.model["quantization"] == "int8_float16"


def test_it_is_judged_as_it_runs(service: ServiceContainer, converted: dict[str, Any]) -> None:
    clip = {"name": "en-greeting.flac", "text": "Good morning, thank you for calling."}
    content = base64.b64encode((CLIPS / clip["name"]).read_bytes()).decode()
    known = {"image_id": service.inspect()["Image"], "model": converted["path"]}
    given = {**known, "recording": {**clip, "content": content}}
    sealed, answers = service.host.module("stt_service_verify", given)["checks"]

    # Its code is the checkout's, so it is not what was sealed; it answers all the same.
    assert sealed["status"] == "failed"
    told = f"{service.name}: {service.host.directory}/stt_engine mounted over /app/stt_engine"
    assert sealed["found"] == told
    assert (answers["status"], f"{clip['text']!r} on cpu" in answers["found"]) == ("passed", True)


def test_many_clients_lose_nothing(service: ServiceContainer) -> None:
    seen = service.do("load", clients=6, seconds=5)

    assert seen["problems"] == []
    assert seen["answered"] == seen["begun"]
    assert min(seen["by_client"]) > 0
    # More clients than places: some were refused, told when to come again, and then answered.
    assert seen["statuses"]["429"] > 0
    assert set(seen["statuses"]) == {"200", "429"}
    assert seen["counted_by_service"] == seen["statuses"]
    assert seen["health_after"] == 200


def test_memory_stays(service: ServiceContainer) -> None:
    seen = service.do("repeat", count=SETTLED + 100, step=20)

    assert seen["wrong"] == 0
    resident = {int(number): found for number, found in seen["resident_bytes"].items()}
    assert resident[SETTLED + 100] <= MOST_GROWTH * resident[SETTLED], resident


def test_malformed_uploads_are_refused(service: ServiceContainer) -> None:
    seen = service.do("malformed", seed=1, count=100)

    assert seen["wrong"] == []
    assert seen["refused"] == 100
    assert len(seen["kinds"]) >= 45
    assert seen["health_after"] == 200
    assert seen["text_after"] == seen["text_expected"]


def test_subtitles_and_metrics(service: ServiceContainer) -> None:
    seen = service.do(
        "one",
        clip="ko-greeting.flac",
        route="/v1/audio/transcriptions",
        fields={"model": "whisper-1", "response_format": "srt"},
    )

    assert seen["status"] == 200
    assert seen["body"].splitlines()[2] == seen["expected"]
    page = service.do("metrics")["text"]
    assert 'stt_requests_total{route="/v1/audio/transcriptions",status="200"}' in page
    assert f'digest="{service.model["digest"]}"' in page


def test_a_stop_in_mid_flight_loses_nothing(
    host: VerifyHost, image: str, converted: dict[str, Any]
) -> None:
    with ServiceContainer(host, image, converted["path"], "stopped") as container:
        seen = container.do("stop", count=6)
        events = [event["event"] for event in container.events()]

    assert seen["statuses"] == {"200": 6}, seen
    assert seen["right_texts"] == 6
    assert seen["late"] == [[503, "close", "5"]] * 3
    assert seen["exit_status"] == 0
    assert events[-1] == "stopped"
    assert events.count("transcribed") == 6


def test_an_upload_for_which_there_is_no_space_is_refused(
    host: VerifyHost, image: str, converted: dict[str, Any]
) -> None:
    small = "/tmp:size=2m"
    with ServiceContainer(host, image, converted["path"], "small", tmpfs=small) as container:
        seen = container.do("one", bytes=5_000_000)
        again = container.do("one", clip="en-greeting.flac")

    assert (seen["status"], seen["headers"]["retry-after"]) == (503, "5")
    assert json.loads(seen["body"])["error"] == "no_space"
    assert seen["health_after"] == 200
    assert json.loads(again["body"])["text"] == again["expected"]


def test_a_long_recording_in_little_memory(
    host: VerifyHost, image: str, converted: dict[str, Any]
) -> None:
    """Neither such a recording nor a file that only claims to be one has the container killed."""
    place = host.put({"hour.flac": flac_silence(3600), "claims.m4a": mp4(1_300_000, 900)}, "in")
    settings = {"STT_DEADLINE_SECONDS": "4"}
    with ServiceContainer(
        host, image, converted["path"], "long", memory=LITTLE_MEMORY, settings=settings
    ) as service:
        claims = service.do("one", path=f"{place}/claims.m4a")
        hour = service.do("one", path=f"{place}/hour.flac")
        after = service.do("one", clip="en-greeting.flac")
        state = service.inspect()["State"]

    assert (claims["status"], hour["status"]) == (422, 504)
    assert json.loads(hour["body"])["error"] == "deadline_exceeded"
    assert json.loads(after["body"])["text"] == after["expected"]
    assert (state["Running"], state["OOMKilled"]) == (True, False)
