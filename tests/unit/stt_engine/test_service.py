# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service over HTTP with a real model: it transcribes, and it refuses with a reason."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.stt_engine.conftest import StartService
from tests.unit.stt_engine.service_process import ServiceProcess, environment
from tests.unit.stt_engine.test_audio import wav
from tests.unit.stt_engine.tiny_model import CLIPS

CLIP = CLIPS / "en-greeting.flac"


def expected_clips() -> list[dict[str, Any]]:
    """The set of clips with the texts that the model must give."""
    clips: list[dict[str, Any]] = json.loads((CLIPS / "clips.json").read_text(encoding="utf-8"))
    return clips


def refused(response: httpx.Response, status: int, code: str) -> str:
    """Hold a refusal to the one shape that all have; return its message."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body["success"] is False
    assert body["error"] == code
    assert body["message"]
    return str(body["message"])


def test_health_tells_what_is_loaded(service: ServiceProcess, tiny_model: Path) -> None:
    response = service.health()

    assert response.status_code == 200
    body = response.json()
    assert body["status"] == "ok"
    assert body["model"]["path"] == str(tiny_model)
    assert body["model"]["digest"] == f"sha256:{sha256_of(tiny_model / 'model.bin')}"
    assert (body["model"]["device"], body["model"]["compute_type"]) == ("cpu", "float32")
    assert body["model"]["quantization"] == "float16"
    assert body["seconds_since_answer"] >= 0


def sha256_of(path: Path) -> str:
    """The digest as an independent program computes it."""
    run = subprocess.run(["sha256sum", str(path)], capture_output=True, text=True, check=True)
    return run.stdout.split()[0]


def test_the_health_check_of_the_image(service: ServiceProcess) -> None:
    def check(port: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "stt_engine.healthcheck"],
            env=environment(STT_PORT=str(port)),
            capture_output=True,
            text=True,
            check=False,
        )

    good = check(service.port)
    assert (good.returncode, good.stdout.split()[0]) == (0, "200")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        bad = check(unused.getsockname()[1])
    assert bad.returncode == 1
    assert "ConnectionRefusedError" in bad.stdout


@pytest.mark.parametrize("clip", expected_clips(), ids=lambda clip: str(clip["file"]))
def test_every_clip(service: ServiceProcess, clip: dict[str, Any]) -> None:
    body = service.transcribe(CLIPS / clip["file"]).json()

    assert body["success"] is True
    assert body["text"] == (clip["text"] or "")
    assert body["warnings"] == []
    if clip["text"] is not None:
        assert body["language"] == clip["language"]
        assert 0.5 < body["language_probability"] <= 1
        assert "".join(piece["text"] for piece in body["segments"]).strip() == body["text"]
        starts = [piece["start"] for piece in body["segments"]]
        assert starts == sorted(starts)
        assert body["duration"] > 0


def test_language_and_beam_are_used(service: ServiceProcess) -> None:
    body = service.transcribe(
        CLIP, {"language": " EN ", "task": "transcribe", "beam_size": "1"}
    ).json()

    assert (body["language"], body["language_probability"]) == ("en", 1)
    assert body["text"] == "Good morning, thank you for calling."


def test_a_field_that_nobody_reads_is_told(service: ServiceProcess) -> None:
    assert service.transcribe(CLIP, {"lang": "en"}).json()["warnings"] == ["field lang is not used"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"language": "xx"}, "unknown_language"),
        ({"language": "english"}, "unknown_language"),
        ({"task": "summarize"}, "unknown_task"),
        ({"beam_size": "0"}, "bad_beam_size"),
        ({"beam_size": "1e3"}, "bad_beam_size"),
        ({"beam_size": "9" * 5000}, "bad_beam_size"),
        ({"beam_size": "٣"}, "bad_beam_size"),
    ],
)
def test_bad_options(service: ServiceProcess, fields: dict[str, str], code: str) -> None:
    refused(service.transcribe(CLIP, fields), 400, code)


def test_bad_audio(service: ServiceProcess) -> None:
    refused(service.transcribe(data=b""), 400, "empty_file")
    refused(service.transcribe(data=b"no audio at all " * 99), 422, "unreadable_audio")
    refused(service.transcribe(data=wav(b"")), 422, "no_audio")
    assert service.health().status_code == 200


@pytest.mark.parametrize(
    ("headers", "content", "status", "code"),
    [
        ({}, b"", 415, "not_multipart"),
        ({"content-type": "application/json"}, b"{}", 415, "not_multipart"),
        ({"content-type": "multipart/form-data"}, b"abc", 400, "bad_form"),
        ({"content-type": "multipart/form-data; boundary=b"}, b"no form", 400, "bad_form"),
        (
            {"content-type": "multipart/form-data; boundary=b"},
            b'--b\r\ncontent-disposition: form-data; name="other"\r\n\r\nx\r\n--b--\r\n',
            400,
            "no_file",
        ),
        (
            {"content-type": "multipart/form-data; boundary=b"},
            b'--b\r\ncontent-disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n',
            400,
            "no_file",
        ),
        ({"content-type": "multipart/form-data; boundary=b"}, b"--b\r\nbad\r\n", 400, "bad_form"),
    ],
)
def test_bad_forms(
    service: ServiceProcess, headers: dict[str, str], content: bytes, status: int, code: str
) -> None:
    response = httpx.post(f"{service.url}/transcribe", headers=headers, content=content)

    refused(response, status, code)


def test_two_files_are_one_too_many(service: ServiceProcess) -> None:
    files = [("file", ("a", CLIP.read_bytes())), ("file", ("b", CLIP.read_bytes()))]

    refused(httpx.post(f"{service.url}/transcribe", files=files), 400, "bad_form")


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/transcribe", 405), ("POST", "/health", 405), ("GET", "/nothing", 404),
])  # fmt: skip
def test_other_paths(service: ServiceProcess, method: str, path: str, status: int) -> None:
    refused(httpx.request(method, f"{service.url}{path}"), status, "not_served")


def test_an_upload_over_the_limit(start_service: StartService, tiny_model: Path) -> None:
    service = start_service(STT_MODEL_PATH=str(tiny_model), STT_MAX_UPLOAD_BYTES="50000")
    service.wait_until_healthy()

    refused(service.transcribe(CLIPS / "long-en.mp3"), 413, "upload_too_large")
    # Nor does a body of unknown length get past it.
    headers = {"content-type": "multipart/form-data; boundary=b"}
    head = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
    response = httpx.post(
        f"{service.url}/transcribe", headers=headers, content=iter([head, b"x" * 60_000])
    )
    refused(response, 413, "upload_too_large")
    assert service.transcribe(CLIPS / "ko-thanks-opus.ogg").status_code == 200


def test_more_than_may_wait_is_refused(start_service: StartService, tiny_model: Path) -> None:
    service = start_service(
        STT_MODEL_PATH=str(tiny_model), STT_QUEUE="1", STT_RETRY_AFTER_SECONDS="7"
    )
    service.wait_until_healthy()

    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(service.transcribe, [CLIPS / "long-en.mp3"] * 8))

    accepted = [response for response in responses if response.status_code == 200]
    busy = [response for response in responses if response.status_code == 429]
    assert len(accepted) + len(busy) == 8
    assert len(accepted) >= 2
    assert busy
    for response in busy:
        refused(response, 429, "busy")
        assert response.headers["retry-after"] == "7"
    assert len({response.json()["text"] for response in accepted}) == 1
    assert service.health().json()["requests"] == {"inside": 0, "places": 2}


def test_the_log_is_one_json_object_a_line(service: ServiceProcess) -> None:
    service.transcribe(CLIP)

    events = [event for event in service.events() if event["event"] == "transcribed"]
    assert events[-1]["language"] == "en"
    assert events[-1]["bytes"] == CLIP.stat().st_size
