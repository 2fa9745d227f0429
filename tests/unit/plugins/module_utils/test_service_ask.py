# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running service is asked over HTTP; whatever answers, that is told and nothing breaks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.message import Message
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stt_checks import error_rate as of_checks

from ansible_collections.stt.engine.plugins.module_utils._service_ask import (
    Recording,
    asked,
    error_rate,
)
from tests.unit.plugins.module_utils.test_service import container, seen

DIGEST = "d" * 64
OTHER = {"device": "cpu", "digest": "sha256:0"}
REFUSED = {"success": False, "text": "please send two boxes"}
RECORDING = Recording("en order.flac", b"fLaC\r\n--\x00", "please send two boxes", 0.0)
LOADED = {"device": "cpu", "compute_type": "float32", "digest": f"sha256:{DIGEST}"}


@contextmanager
def server(health: tuple[int, Any], transcript: tuple[int, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Something on a port that gives these answers; and what it was sent."""
    sent: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self, status: int, body: Any) -> None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self.answer(*health)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            form: Message = BytesParser().parsebytes(head + body)
            sent.extend(form.get_payload())
            self.answer(*transcript)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{listening.server_address[1]}", sent
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


def told(place: Path, health: Any, transcript: Any, **changes: Any) -> dict[str, Any]:
    (service,) = seen(place, container())
    with server(health, transcript) as (address, _sent):
        return asked(replace(service, address=address), replace(RECORDING, **changes), DIGEST, 5.0)


GOOD = (200, {"status": "ok", "model": LOADED})
TEXT = (200, {"success": True, "text": " please send  two boxes"})


def test_a_good_service_is_told_by_its_text_and_device(tmp_path: Path) -> None:
    found = told(tmp_path, GOOD, TEXT)
    assert found["problems"] == []
    assert (found["device"], found["compute_type"]) == ("cpu", "float32")
    assert found["text"].strip() == "please send  two boxes"


def test_the_recording_arrives_as_it_is(tmp_path: Path) -> None:
    (service,) = seen(tmp_path, container())
    with server(GOOD, TEXT) as (address, sent):
        asked(replace(service, address=address), RECORDING, DIGEST, 5.0)
    (part,) = sent
    assert (part.get_param("name", header="content-disposition"), part.get_filename()) == (
        "file",
        RECORDING.name,
    )


@pytest.mark.parametrize(
    ("health", "transcript", "problem"),
    [
        ((503, {"reason": "the model is being loaded"}), TEXT, "/health gives 503: {"),
        ((200, {"model": OTHER}), TEXT, "/health names the model sha256:0"),
        (GOOD, (200, REFUSED), "/transcribe gives 200: {"),
        (GOOD, (500, b"no JSON \xff"), "/transcribe gives 500: no JSON"),
        (GOOD, (200, {"success": True, "text": ""}), "/transcribe gives '' for en order.flac"),
        (GOOD, (200, b"[1]"), "/transcribe gives '' for en order.flac"),
    ],
)  # fmt: skip
def test_what_is_not_right_is_told(
    tmp_path: Path, health: Any, transcript: Any, problem: str
) -> None:
    (said,) = told(tmp_path, health, transcript)["problems"]
    assert said.startswith(problem)


def test_another_engines_health_is_not_believed(tmp_path: Path) -> None:
    for body in ({"anything": 1}, b"OK", {"model": "name"}):
        assert told(tmp_path, (200, body), (200, {"text": RECORDING.text}))["problems"] == []


def test_a_limit_allows_as_much_as_it_says(tmp_path: Path) -> None:
    other = (200, {"success": True, "text": "please lend two boxes"})
    assert told(tmp_path, GOOD, other)["problems"]
    assert told(tmp_path, GOOD, other, limit=0.06)["problems"] == []


def test_nobody_there_and_no_address(tmp_path: Path) -> None:
    (service,) = seen(tmp_path, container())
    with server(GOOD, TEXT) as (address, _sent):
        gone = address
    found = asked(replace(service, address=gone), RECORDING, DIGEST, 5.0)
    assert [said.split(":")[0] for said in found["problems"]] == [
        "/health gives no answer",
        "/transcribe gives no answer",
    ]
    found = asked(replace(service, address=""), RECORDING, DIGEST, 5.0)
    assert found["problems"] == ["stt has no address that this host reaches"]


SPOKEN = st.text(alphabet="aB 가,.1\u200b\u0301", max_size=9)


@given(SPOKEN, SPOKEN)
def test_the_error_rate_is_the_checks(wanted: str, found: str) -> None:
    one, other = of_checks.letters(wanted), of_checks.letters(found)
    if one:
        assert error_rate(wanted, found) == pytest.approx(of_checks.error_rate(one, other))


def test_marks_and_spacing_are_no_other_text(tmp_path: Path) -> None:
    spaced = {"text": "내일 오후 세 시에 회의가 있습니다."}
    joined = (200, {"success": True, "text": "내일 오후 세시에, 회의가 있습니다"})
    assert told(tmp_path, GOOD, joined, **spaced)["problems"] == []
    other = (200, {"success": True, "text": "내일 오후 두 시에 회의가 있습니다."})
    assert told(tmp_path, GOOD, other, **spaced)["problems"] != []


def test_without_a_known_text_any_text_is_right_and_none_is_not(tmp_path: Path) -> None:
    given = {"text": "", "limit": 0.2}
    assert told(tmp_path, GOOD, TEXT, **given)["problems"] == []
    for empty in ("", " . "):
        (said,) = told(tmp_path, GOOD, (200, {"text": empty}), **given)["problems"]
        assert said.startswith("/transcribe gives ")


def test_without_a_recording_its_health_is_asked_for(tmp_path: Path) -> None:
    (service,) = seen(tmp_path, container())
    with server((200, {"model": OTHER}), TEXT) as (address, sent):
        found = asked(replace(service, address=address), None, DIGEST, 5.0)
    assert (found["problems"], sent) == (["/health names the model sha256:0"], [])
