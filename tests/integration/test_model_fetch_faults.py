# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_model_fetch over every fault of the hub: the right bytes, or a clear error and no model."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.bench import caught
from tests.integration.model_lab import (
    REPOSITORY,
    STREAMS,
    WEIGHTS,
    Case,
    HubProcess,
)

pytest_plugins = ["tests.integration.model_fixtures"]

TOKENIZER = f"{REPOSITORY}/tokenizer.json"
ALL = f"{REPOSITORY}/*"


def named(faults: Iterable[str]) -> list[Any]:
    """A case for each fault, marked with its name."""
    return [pytest.param(name, marks=pytest.mark.fault(name)) for name in faults]


RECOVERED: dict[str, list[dict[str, Any]]] = {
    "corrupt byte on the wire in a large file": [
        {"action": "corrupt", "path": WEIGHTS, "value": 9_876_543, "count": 1}
    ],
    "corrupt byte on the wire in a small file": [
        {"action": "corrupt", "path": TOKENIZER, "value": 7, "count": 1}
    ],
    "cut at 10 %": [{"action": "cut", "path": WEIGHTS, "value": 0.1, "count": 5}],
    "cut at 60 %": [{"action": "cut", "path": WEIGHTS, "value": 0.6, "count": 5}],
    "cut at 99 %": [{"action": "cut", "path": WEIGHTS, "value": 0.99, "count": 5}],
    "stalled connection": [{"action": "stall", "path": WEIGHTS, "after": 0.5, "count": 2}],
    "no answer": [{"action": "drop", "path": ALL, "count": 5}],
    "503": [{"action": "status", "path": ALL, "value": 503, "count": 5}],
    "429 with Retry-After": [
        {"action": "status", "path": WEIGHTS, "value": 429, "retry_after": 2, "count": 2}
    ],
    "429 with Retry-After while listing": [
        {"action": "status", "path": "/api/*", "value": 429, "retry_after": 8, "count": 1}
    ],
    "503 while listing": [{"action": "status", "path": "/api/*", "value": 503, "count": 2}],
    "redirect": [{"action": "redirect", "path": ALL}],
    "mirror that leaks xetHash": [{"action": "xet"}],
    "mirror without ranges": [{"action": "no_range", "path": ALL}],
    "mirror without the hub's headers": [
        {"action": "headers", "value": ["ETag", "X-Linked-ETag", "X-Linked-Size", "X-Repo-Commit"]}
    ],
    "several at once": [
        {"action": "redirect", "path": ALL},
        {"action": "corrupt", "path": WEIGHTS, "value": 100, "count": 1},
        {"action": "cut", "path": WEIGHTS, "value": 0.4, "count": 6},
        {"action": "status", "path": ALL, "value": 500, "count": 3},
        {"action": "drop", "path": ALL, "skip": 8, "count": 3},
    ],
}


@pytest.mark.parametrize("name", named(RECOVERED))
def test_right_bytes_in_spite_of(
    case: Case,
    hub: HubProcess,
    repository: Path,
    name: str,
    record_property: caught.Record,
) -> None:
    for fault in RECOVERED[name]:
        hub.fault(**fault)
    result = case.ok(stall_seconds=6)
    again = ", ".join(result["repeated"]) or "nothing"
    said = f"{result['bytes_downloaded']} bytes, every file by its hash; fetched again: {again}"
    caught.recovered(record_property, "stt_model_fetch", said)
    case.check_published(repository)
    repeated = [f["path"] for f in RECOVERED[name] if f["action"] == "corrupt"]
    assert result["repeated"] == [path.removeprefix(f"{REPOSITORY}/") for path in repeated]
    assert case.ok()["changed"] is False


STOPPED: dict[str, tuple[dict[str, Any], str]] = {
    "lasting corruption": (
        {"action": "corrupt", "path": WEIGHTS, "value": 5},
        " after 3 downloads; needed sha256:",
    ),
    "lasting corruption of a small file": (
        {"action": "corrupt", "path": TOKENIZER, "value": 5},
        " after 3 downloads; needed git:",
    ),
    "stall": (
        {"action": "stall", "path": WEIGHTS},
        "found no new byte for 2 s at ",
    ),
    "lasting 503": (
        {"action": "status", "path": ALL, "value": 503},
        "(HTTP 503); needed data from the hub; fix: check the hub and the network, then run again",
    ),
    "long Retry-After": (
        {"action": "status", "path": WEIGHTS, "value": 429, "retry_after": 3600},
        "found HTTP 429, to be asked again in 3600 s from ",
    ),
    "HTML page with status 200": (
        {"action": "html", "path": WEIGHTS},
        "found a web page (HTTP 200, text/html; charset=utf-8); needed the file's 20000123 bytes",
    ),
    "HTML page in place of the list": (
        {"action": "html", "path": "/api/*"},
        "not a model hub's answer (",
    ),
    "missing file": (
        {"action": "status", "path": WEIGHTS, "value": 404},
        "found HTTP 404 from ",
    ),
}


@pytest.mark.parametrize("name", named(STOPPED))
def test_clear_error_and_no_model_after(
    case: Case,
    hub: HubProcess,
    repository: Path,
    name: str,
    record_property: caught.Record,
) -> None:
    fault, part = STOPPED[name]
    hub.fault(**fault)
    message = case.message(stall_seconds=2)
    caught.by_module(record_property, "stt_model_fetch", {"failed": True, "msg": message})
    assert part in message
    assert "; needed " in message
    assert "; fix: " in message
    case.check_nothing_published()
    hub.reset()
    case.ok()
    case.check_published(repository)


def test_published_model_stays_when_another_commit_cannot_be_fetched(
    case: Case, hub: HubProcess, repository: Path
) -> None:
    case.ok()
    message = case.message(commit="e" * 40)
    assert message == (
        f"model {REPOSITORY}: found no revision '{'e' * 40}' at {hub.url}; "
        "needed a branch, tag or commit of the repository; "
        "fix: correct the revision; a mirror may not hold it yet"
    )
    case.check_published(repository)
    assert case.ok()["changed"] is False


def test_retry_after_is_waited_for(case: Case, hub: HubProcess) -> None:
    hub.fault("status", path=WEIGHTS, value=429, retry_after=3, count=STREAMS)
    began = time.monotonic()
    case.ok(stall_seconds=2)
    assert time.monotonic() - began >= 3


def test_log_of_the_job_tells_what_happened(case: Case, hub: HubProcess) -> None:
    hub.fault("corrupt", path=WEIGHTS, value=5)
    result = case.fetch()
    assert result["failed"] is True
    assert any("after download 2, needed sha256:" in line for line in result["log_tail"])
    assert Path(result["log_path"]).is_file()
