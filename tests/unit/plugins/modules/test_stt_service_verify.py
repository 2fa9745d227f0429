# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of the engines that run on a host: passed, failed, or skipped and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._service import Service
from ansible_collections.stt.engine.plugins.module_utils._service_ask import Recording
from ansible_collections.stt.engine.plugins.modules.stt_service_verify import (
    answers,
    as_sealed,
    recording_of,
)
from tests.unit.plugins.module_utils.test_service import MODEL, Engine, container, seen
from tests.unit.plugins.module_utils.test_service_ask import DIGEST, LOADED, server

RECORDING = Recording("a.flac", b"fLaC", "a text", 0.0)


def judged(place: Path, mine: list[Service], others: list[Service]) -> dict[str, Any]:
    return dict(as_sealed(mine, others, Engine(place), MODEL))


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return seen(tmp_path, container())[0]


def test_a_host_on_which_nothing_runs_is_skipped_and_says_so(tmp_path: Path) -> None:
    found = judged(tmp_path, [], [])
    asked = answers([], RECORDING, "", 1.0)
    for check in (found, asked):
        assert (check["status"], check["fix"]) == ("skipped", "")
        assert check["found"] == "no engine of ours runs on this host"


def test_what_runs_another_image_is_no_skip(tmp_path: Path, service: Service) -> None:
    other = replace(service, name="old", image_id="sha256:0")
    found = judged(tmp_path, [], [other])
    assert (found["status"], found["found"]) == (
        "failed",
        "old runs the image sha256:0, and nothing runs the release",
    )
    assert found["fix"]
    both = judged(tmp_path, [service], [other])
    assert (both["status"], both["found"]) == (
        "passed",
        "stt: as sealed; beside it old of other images",
    )


def test_one_deviating_container_fails_them_all(tmp_path: Path, service: Service) -> None:
    loose = replace(service, name="loose", read_only=False, privileged=True)
    found = judged(tmp_path, [service, loose], [])
    assert (found["status"], found["found"]) == (
        "failed",
        "loose: a root file system that can be written, privileged",
    )


def test_without_a_recording_it_is_asked_for_its_health(service: Service) -> None:
    with server((200, {"model": LOADED}), (500, b"")) as (address, _sent):
        asked = answers([replace(service, address=address)], None, DIGEST, 5.0)
    assert (asked["status"], asked["found"]) == (
        "skipped",
        "no recording is at hand, so it was only asked for its health",
    )
    gone = answers([replace(service, address=address)], None, DIGEST, 5.0)
    assert gone["status"] == "failed"
    assert gone["found"].startswith("stt: /health gives no answer: ")
    assert "sealed text" not in gone["expected"]


def test_a_text_that_was_not_compared_is_told_so(service: Service) -> None:
    spoken = replace(RECORDING, text="")
    with server((200, {"model": LOADED}), (200, {"text": "a word"})) as (address, _sent):
        asked = answers([replace(service, address=address)], spoken, DIGEST, 5.0)
    assert (asked["status"], asked["found"]) == (
        "passed",
        "stt: 'a word' on cpu in float32; not compared, because no text of it is known for this "
        "release",
    )


def test_a_recording_that_is_no_base64_is_refused() -> None:
    given = {"name": "a.flac", "content": "!", "text": "x", "limit": 0.0}
    with pytest.raises(SttError, match=r"recording a.flac: found content that is not base64"):
        recording_of(given)
    assert recording_of(None) is None
    known = recording_of({**given, "content": "ZkxhQw=="})
    assert known is not None
    assert known.content == b"fLaC"
