# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another engine is believed what it transcribes, and nothing that it says of itself."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stt_checks import r4_container, r4_torch, r5_service, r5_structure
from stt_checks.lacks import lacking
from stt_checks.settings import Expected, Settings

from tests.unit.checks.image_gates import judge

# Reads no STT_ variable: as an engine that was made without knowing of this collection.
SERVICE = """
import http.server, json, pathlib, signal, sys, time

plan = json.loads(sys.argv[1])
port = int(pathlib.Path("port").read_text())
ready = time.monotonic() + plan.get("loads", 0.0)


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.answer(200, {"status": "ok"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if time.monotonic() < ready:
            return self.answer(503, {"error": "loading"})
        if plan.get("broken"):
            return self.answer(500, {"error": "Unable to open file 'model.bin'"})
        if len(body) < 1000 and b"RIFF" not in body:
            return self.answer(plan.get("refuses", 400), {"success": False})
        return self.answer(200, plan.get("transcript"))

    def log_message(self, *arguments):
        pass


if plan.get("deaf"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if plan.get("dies"):
    sys.exit(plan["dies"])
http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""
SPOKEN = {"success": True, "text": "Good morning.", "language": "en"}


@pytest.fixture
def serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Settings of a container whose service is such an engine, told by its plan."""
    monkeypatch.setattr(r5_service, "START_SECONDS", 3.0)
    monkeypatch.setattr(r5_service, "STOP_SECONDS", 1.5)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "models" / "ct2").mkdir(parents=True)
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "server.py").write_text(SERVICE)
    (tmp_path / "engine" / "port").write_text(str(port))
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.wav").write_bytes(b"RIFF")
    clip = {
        "file": "a.wav",
        "kind": "speech",
        "text": "Good morning.",
        "language": "en",
        "model": "a/b",
        "limits": {"cer": 0.0, "wer": 0.0},
    }
    (tmp_path / "clips" / "clips.json").write_text(json.dumps([clip]))

    def of(**plan: Any) -> Settings:
        return Settings(
            tmp_path / "models",
            "ct2",
            "a_b",
            container=True,
            variant="foreign",
            clips=tmp_path / "clips",
            expected=Expected(port=port),
            # Its command is relative to its own directory.
            service_command=(sys.executable, "server.py", json.dumps(plan)),
            service_directory=str(tmp_path / "engine"),
        )

    return of


@pytest.mark.parametrize(
    "plan",
    [
        {"transcript": SPOKEN},
        {"transcript": SPOKEN, "loads": 1.0},
        {"transcript": {"text": "Good morning."}},
    ],
    ids=["good", "healthy before it is loaded", "says only the text"],
)
def test_an_engine_that_transcribes_passes(
    serving: Callable[..., Settings], plan: dict[str, Any]
) -> None:
    outcome = judge(r5_service.service_transcribes, serving(**plan))
    assert outcome.status == "passed", outcome
    assert outcome.evidence["refusals"] == dict.fromkeys(r5_service.BROKEN_AUDIO, 400)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (
            {"transcript": {**SPOKEN, "success": False}},
            'a.wav gave \'status 200 with {"success": f',
        ),
        ({"transcript": {**SPOKEN, "text": ""}}, "a.wav gave '' for 'Good morning.'"),
        ({"transcript": {**SPOKEN, "text": None}}, "a.wav gave '' for 'Good morning.'"),
        ({"transcript": {**SPOKEN, "text": "Good evening."}}, "'Good evening.' for"),
        ({"transcript": {**SPOKEN, "language": "ko"}}, "in ko for en"),
        ({"broken": True}, "a.wav gave 'status 500 with"),
        ({"loads": 60}, 'with {"error": "loading"}, although /health answers 200'),
        ({"dies": 3}, "it ended with exit status 3"),
        ({"transcript": SPOKEN, "refuses": 200}, "no-audio.wav gets status 200"),
        ({"transcript": SPOKEN, "refuses": 500}, "no-audio.wav gets status 500"),
    ],
)
def test_a_healthy_answer_does_not_help_an_engine_that_does_not_transcribe(
    serving: Callable[..., Settings], plan: dict[str, Any], words: str
) -> None:
    outcome = judge(r5_service.service_transcribes, serving(**plan))
    assert outcome.status == "failed"
    assert words in outcome.found


def test_its_health_is_told_and_not_believed(serving: Callable[..., Settings]) -> None:
    outcome = judge(r5_service.service_health, serving(loads=60))
    assert (outcome.status, outcome.evidence["statuses"][-1]) == ("passed", 200)
    assert "is not believed" in outcome.found
    outcome = judge(r5_service.service_health, serving(deaf=True))
    assert outcome.found == "SIGTERM does not end it within 1.5 s"
    assert judge(r5_service.service_without_model, serving()).status == "skipped"


def test_an_answer_of_somebody_else_is_not_taken_for_its_own(
    serving: Callable[..., Settings],
) -> None:
    settings = serving(transcript=SPOKEN)
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.expected.port))
        other.listen()
        outcome = judge(r5_service.service_transcribes, settings)
    assert outcome.status == "failed"
    assert "something answers on port" in outcome.found


def test_a_check_of_its_own_ends_before_the_check_that_runs_it(
    serving: Callable[..., Settings],
) -> None:
    settings = replace(serving(loads=60), deadline=2.0)
    outcome = judge(r5_service.service_transcribes, settings)
    assert "does not transcribe within 1.6 s" in outcome.found


def test_an_image_without_a_command_has_no_service(serving: Callable[..., Settings]) -> None:
    for body in (r5_service.service_health, r5_service.service_transcribes):
        outcome = judge(body, replace(serving(), service_command=()))
        assert (outcome.status, "no command" in outcome.found) == ("failed", True)


def test_checks_of_this_collections_service_are_skipped(serving: Callable[..., Settings]) -> None:
    for body in (r4_container.service_importable, r5_structure.engine_diagnosis):
        outcome = judge(body, serving())
        assert (outcome.status, "another engine" in outcome.found) == ("skipped", True)


def test_what_an_image_need_not_have_is_skipped_and_named(
    serving: Callable[..., Settings],
) -> None:
    foreign = serving()
    assert lacking(foreign, "json") is None
    found = lacking(foreign, "json", "no_such_package")
    assert found is not None
    assert (found.status, found.found) == ("skipped", "this engine has no no_such_package")
    assert found.evidence == {"lacks": ["no_such_package"]}
    slim = replace(foreign, variant="slim")
    assert lacking(slim, "faster_whisper") is None
    outcome = judge(r4_torch.torch_matmul_cpu, slim)
    assert (outcome.status, outcome.evidence) == ("skipped", {"lacks": ["torch"]})
    # What an image has to have fails by its own name.
    assert lacking(replace(foreign, variant="full"), "no_such_package") is None


@pytest.mark.parametrize(
    ("variant", "user", "wanted"),
    [("full", None, "stt-user"), ("foreign", None, None), ("foreign", "me", "me")],
)
def test_only_this_collections_user_has_a_known_name(
    serving: Callable[..., Settings], variant: Any, user: str | None, wanted: str | None
) -> None:
    settings = replace(serving(), variant=variant, expected=Expected(user=user))
    assert settings.user == wanted
