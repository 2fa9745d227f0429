# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenAI's interface over HTTP with a real model: formats, fields, and errors in its shape."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from faster_whisper.tokenizer import _LANGUAGE_CODES

from stt_engine.application import create_app
from stt_engine.config import Settings
from stt_engine.engine import Engine
from stt_engine.languages import NAMES
from stt_engine.service import Service
from tests.unit.stt_engine.conftest import StartService
from tests.unit.stt_engine.service_process import ServiceProcess
from tests.unit.stt_engine.test_audio import wav
from tests.unit.stt_engine.tiny_model import CLIPS

CLIP = CLIPS / "en-greeting.flac"
LONG = CLIPS / "long-en.mp3"
TEXT = "Good morning, thank you for calling."
PATH = "/v1/audio/transcriptions"


def ask(
    service: ServiceProcess, path: Path = CLIP, data: bytes | None = None, **fields: Any
) -> httpx.Response:
    """Send one recording as OpenAI's clients do; a list repeats its field."""
    content = path.read_bytes() if data is None else data
    names = {name.replace("granularities", "granularities[]"): fields[name] for name in fields}
    return httpx.post(
        f"{service.url}{PATH}",
        files={"file": (path.name, content)},
        data={"model": "whisper-1", **names},
        headers={"Authorization": "Bearer nothing"},
        timeout=180,
    )


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    """Hold a refusal to OpenAI's shape; return what it says."""
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["message"]
    return dict(body["error"])


def test_json_is_the_default(service: ServiceProcess) -> None:
    response = ask(service)

    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"text": TEXT, "usage": {"type": "duration", "seconds": 3}}


@pytest.mark.parametrize("fields", [{}, {"model": ""}, {"model": "gpt-9"}])
def test_any_model_is_taken_and_none_is_claimed(
    service: ServiceProcess, fields: dict[str, str]
) -> None:
    response = ask(service, **fields)

    assert response.json()["text"] == TEXT
    assert "gpt-9" not in response.text


def test_text(service: ServiceProcess) -> None:
    response = ask(service, response_format="text")

    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text == f"{TEXT}\n"


def test_verbose_json(service: ServiceProcess) -> None:
    body = ask(service, LONG, response_format="verbose_json").json()

    assert (body["task"], body["language"]) == ("transcribe", "english")
    assert body["duration"] > 30
    assert "words" not in body
    segments = body["segments"]
    assert [segment["id"] for segment in segments] == list(range(len(segments)))
    assert len(segments) > 3
    assert "".join(segment["text"] for segment in segments).strip() == body["text"]
    assert set(segments[0]) == {
        "id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob",
        "compression_ratio", "no_speech_prob",
    }  # fmt: skip
    assert all(isinstance(token, int) for token in segments[0]["tokens"])
    assert segments[-1]["seek"] > segments[0]["seek"]
    assert all(0 <= one["start"] < one["end"] <= body["duration"] + 1 for one in segments)


def test_times_of_words(service: ServiceProcess) -> None:
    words = ask(service, response_format="verbose_json", timestamp_granularities="word").json()
    both = ask(
        service, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    ).json()

    assert "segments" not in words
    assert " ".join(entry["word"] for entry in words["words"]) == TEXT
    starts = [entry["start"] for entry in words["words"]]
    assert starts == sorted(starts)
    assert both["words"] == words["words"]
    assert both["segments"][0]["text"].strip() == TEXT


def test_subtitles(service: ServiceProcess) -> None:
    verbose = ask(service, LONG, response_format="verbose_json").json()
    srt = ask(service, LONG, response_format="srt")
    vtt = ask(service, LONG, response_format="vtt")

    texts = [segment["text"].strip() for segment in verbose["segments"]]
    blocks = [block.split("\n") for block in srt.text.strip().split("\n\n")]
    assert [block[0] for block in blocks] == [str(n) for n in range(1, len(texts) + 1)]
    times = re.compile(r"\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}")
    assert all(times.fullmatch(block[1]) for block in blocks)
    assert [block[2] for block in blocks] == texts
    assert vtt.headers["content-type"] == "text/vtt; charset=utf-8"
    assert vtt.text.startswith("WEBVTT\n\n00:00:0")
    assert [block.split("\n")[1] for block in vtt.text.strip().split("\n\n")[1:]] == texts


def test_language_prompt_and_temperature_are_used(service: ServiceProcess) -> None:
    body = ask(
        service, response_format="verbose_json", language="ko", prompt="A call.", temperature="0.4"
    ).json()

    assert body["language"] == "korean"
    assert {segment["temperature"] for segment in body["segments"]} <= {0.4}
    # A Korean reading of English speech is another text, so the field has reached the model.
    assert body["text"] != TEXT


def test_a_prompt_reaches_the_model(tiny_model: Path) -> None:
    settings = Settings.from_environment({"STT_MODEL_PATH": str(tiny_model), "STT_DEVICE": "cpu"})
    engine = Engine(settings)
    with TestClient(create_app(Service(settings, engine, lambda: None))) as client:
        deadline = time.monotonic() + 60
        while client.get("/health").status_code != 200:
            assert time.monotonic() < deadline, engine.failure
        seen: list[Any] = []
        transcribe = engine._model.transcribe

        def noted(*arguments: Any, **options: Any) -> Any:
            seen.append(options["initial_prompt"])
            return transcribe(*arguments, **options)

        engine._model.transcribe = noted
        for prompt in ("", " Names: Kim, Lee. "):
            client.post(PATH, files={"file": CLIP.open("rb")}, data={"prompt": prompt})

    assert seen == [None, "Names: Kim, Lee."]


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"language": "xx"}, "language", "unknown_language"),
        ({"language": "english"}, "language", "unknown_language"),
        ({"response_format": "xml"}, "response_format", "bad_response_format"),
        ({"temperature": "1.01"}, "temperature", "bad_temperature"),
        ({"temperature": "-0.1"}, "temperature", "bad_temperature"),
        ({"temperature": "nan"}, "temperature", "bad_temperature"),
        ({"temperature": "warm"}, "temperature", "bad_temperature"),
        ({"prompt": "<|endoftext|>"}, "prompt", "bad_prompt"),
        ({"stream": "true"}, "stream", "bad_stream"),
        (
            {"timestamp_granularities": "word"},
            "timestamp_granularities[]",
            "bad_timestamp_granularities",
        ),
        (
            {"timestamp_granularities": "line", "response_format": "verbose_json"},
            "timestamp_granularities[]",
            "bad_timestamp_granularities",
        ),
    ],
)
def test_bad_fields(service: ServiceProcess, fields: dict[str, str], param: str, code: str) -> None:
    error = error_of(ask(service, **fields), 400)

    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)


def test_bad_audio(service: ServiceProcess) -> None:
    for data, code in (
        (b"", "empty_file"),
        (b"no audio at all " * 99, "unreadable_audio"),
        (wav(b""), "no_audio"),
    ):
        error = error_of(ask(service, data=data), 400)
        assert (error["param"], error["code"]) == ("file", code)


def test_other_refusals(service: ServiceProcess) -> None:
    url = f"{service.url}{PATH}"

    assert error_of(httpx.post(url), 415)["code"] == "not_multipart"
    assert error_of(httpx.post(url, files={"other": b"x"}), 400)["param"] == "file"
    answer = httpx.get(url)
    assert error_of(answer, 405)["code"] == "not_served"
    assert answer.headers["allow"] == "POST"
    assert error_of(httpx.post(f"{service.url}/v1/audio/speech"), 404)["code"] == "not_served"


def test_a_service_that_is_full_says_so(start_service: StartService, tiny_model: Path) -> None:
    service = start_service(STT_MODEL_PATH=str(tiny_model), STT_CONCURRENCY="1", STT_QUEUE="0")
    service.wait_until_healthy()
    # An upload that never ends keeps the only place.
    head = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
    with service.connection() as connection:
        connection.putrequest("POST", PATH)
        connection.putheader("content-type", "multipart/form-data; boundary=b")
        connection.putheader("content-length", "1000000")
        connection.endheaders(head)
        service.wait_until_inside(1)

        response = ask(service)

        error = error_of(response, 429)
        assert (error["type"], error["code"]) == ("rate_limit_error", "busy")
        assert response.headers["retry-after"] == "5"


def test_every_language_has_a_name() -> None:
    assert set(NAMES) == set(_LANGUAGE_CODES)
    assert NAMES["ht"] == "haitian creole"
    assert len(set(NAMES.values())) == len(NAMES)
