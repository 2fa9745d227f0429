# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""BuildKit's progress: failures first, then steps, logs and what must not be printed."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._build_progress import (
    BuildProgress,
    Redactor,
    brief,
    telling_lines,
)

BEGAN = "2026-01-02T03:04:05.123456789Z"
ENDED = "2026-01-02T03:04:07.623456789Z"


def vertex(digest: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"digest": digest, "name": name, **fields}


def log(digest: str, text: str, stream: int = 1) -> dict[str, Any]:
    data = base64.b64encode(text.encode()).decode()
    return {"vertex": digest, "stream": stream, "data": data}


def feed(progress: BuildProgress, status: dict[str, Any], indent: int | None = None) -> list[str]:
    lines = json.dumps(status, indent=indent).splitlines()
    return [out for line in lines for out in progress.feed(line.encode() + b"\n")]


@pytest.fixture(params=[None, 2], ids=["one line", "indented"])
def indent(request: pytest.FixtureRequest) -> int | None:
    value: int | None = request.param
    return value


def make() -> BuildProgress:
    return BuildProgress(Redactor([]))


def test_failure_of_a_step(indent: int | None) -> None:
    progress = make()
    name = "[build 2/3] RUN pip install torch==9 &&     true"
    feed(progress, {"vertexes": [vertex("a", name, started=BEGAN)]}, indent)
    feed(
        progress,
        {"logs": [log("a", "Looking\nERROR: No matching distribution\n"), log("a", "bye")]},
        indent,
    )
    out = feed(
        progress,
        {
            "vertexes": [
                vertex("b", "[other 2/2] COPY x /x", started=BEGAN, error="context canceled"),
                vertex("a", name, started=BEGAN, completed=ENDED, error="did not: exit code: 1"),
            ]
        },
        indent,
    )
    assert "    bye" in out
    failure = progress.failure()
    assert (failure.step, failure.steps) == (2, 3)
    assert failure.command == "RUN pip install torch==9 &&     true"
    assert failure.reason == "exit code 1"
    assert failure.lines == ["ERROR: No matching distribution"]


def test_failure_outside_of_any_step() -> None:
    progress = make()
    for line in (
        "Dockerfile:3",
        "--------------------",
        "   3 | >>> RUNN echo {",
        "ERROR: failed to solve: dockerfile parse error on line 3: unknown instruction: RUNN",
    ):
        progress.feed(f"{line}\n".encode())
    failure = progress.failure()
    assert (failure.step, failure.steps, failure.command) == (0, 0, "")
    assert failure.reason == "dockerfile parse error on line 3: unknown instruction: RUNN"


def test_silence_is_a_failure_too() -> None:
    assert make().failure().reason == "docker gave no reason"


def test_braces_that_are_no_status() -> None:
    progress = make()
    assert progress.feed(b"{ not json\n") == []
    assert progress.feed(b"}\n") == ["{ not json", "}"]
    assert feed(progress, {"vertexes": [vertex("a", "[1/1] RUN x", started=BEGAN)]}) == [
        "[1/1] RUN x"
    ]


def test_lines_for_people(indent: int | None) -> None:
    progress = make()
    run, copy = "[2/3] RUN make", "[3/3] COPY a /a"
    assert feed(progress, {"vertexes": [vertex("i", "[internal] load context")]}, indent) == []
    assert feed(progress, {"vertexes": [vertex("a", run)]}, indent) == []
    assert feed(progress, {"vertexes": [vertex("a", run, started=BEGAN)]}, indent) == [run]
    # Cut in the middle, with a bar that rewrites its line, in colour, on two streams.
    assert feed(progress, {"logs": [log("a", "10%\r50%\r"), log("a", "warn", 2)]}, indent) == []
    assert feed(
        progress, {"logs": [log("a", "100%\n\x1b[31mred\x1b[0m\n"), log("a", "ing\n", 2)]}, indent
    ) == ["    100%", "    red", "    warning"]
    assert feed(
        progress,
        {
            "vertexes": [
                vertex("a", run, started=BEGAN, completed=ENDED),
                vertex("b", copy, started=BEGAN, completed=BEGAN, cached=True),
            ]
        },
        indent,
    ) == ["[2/3] RUN make | 2.5 s", copy, "[3/3] COPY a /a | cached"]
    assert progress.ran_steps() == 1


def test_state_names_the_running_step() -> None:
    progress = make()
    assert progress.state() == {"done": 0, "total": 0}
    feed(
        progress,
        {
            "vertexes": [
                vertex("f", "[engine 1/2] FROM a", started=BEGAN, completed=BEGAN),
                vertex("a", "[engine 2/2] RUN a \\\n  b", started=BEGAN),
            ]
        },
    )
    state = progress.state()
    assert state.pop("step_started") == pytest.approx(1767323045.123456)
    assert state == {
        "done": 1,
        "total": 2,
        "stage": "engine",
        "step": 2,
        "steps": 2,
        "name": "RUN a \\ b",
    }


def test_a_vertex_that_starts_again_is_not_done() -> None:
    progress = make()
    name = "[2/2] RUN x"
    feed(progress, {"vertexes": [vertex("a", name, started=BEGAN, completed=BEGAN)]})
    feed(progress, {"vertexes": [vertex("a", name, started=BEGAN)]})
    assert progress.state()["step"] == 2


def test_secrets_are_masked_everywhere(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hf_verysecret\n")
    (tmp_path / "netrc").write_text("machine index.example.com login ci password pass-word-1\n")
    (tmp_path / "proxy").write_text("https://user:pr0xypass@proxy:3128\n")
    (tmp_path / "short").write_text("abc\n")
    (tmp_path / "bundle").write_text("-----BEGIN CERTIFICATE-----\n" * 2000)
    progress = BuildProgress(Redactor(sorted(tmp_path.iterdir())))
    name = "[2/2] RUN curl -H hf_verysecret"
    feed(progress, {"vertexes": [vertex("a", name, started=BEGAN)]})
    out = feed(
        progress,
        {"logs": [log("a", "x hf_very"), log("a", "secret y\npass-word-1 pr0xypass abc\n")]},
    )
    assert out == ["    x ******** y", "    ******** ******** abc"]
    feed(progress, {"logs": [log("a", "-----BEGIN CERTIFICATE-----\npassword\n")]})
    error = 'process "curl -H hf_verysecret" did not complete successfully: exit code: 6'
    feed(progress, {"vertexes": [vertex("a", name, started=BEGAN, error=error)]})
    failure = progress.failure()
    assert failure.command == "RUN curl -H ********"
    assert "secret" not in json.dumps(failure.__dict__)
    assert "-----BEGIN CERTIFICATE-----" in failure.lines
    assert "password" in failure.lines
    assert progress.feed(b"ERROR: hf_verysecret\n") == ["ERROR: ********"]
    assert "hf_verysecret" not in json.dumps(progress.state())


@pytest.mark.parametrize(
    "printed",
    [
        "http://u:p%40ss-word@proxy:3128 refused",
        "user u:p@ss-word refused",
        "the password is p@ss-word",
        "the password is p%40ss-word",
        "Proxy-Authorization: Basic dTpwQHNzLXdvcmQ=",
    ],
)
def test_credentials_of_a_url_in_every_spelling(tmp_path: Path, printed: str) -> None:
    (tmp_path / "proxy").write_text("http://u:p%40ss-word@proxy:3128\n")
    shown = Redactor([tmp_path / "proxy"])(printed)
    assert "********" in shown
    for secret in ("ss-word", "dTpwQHNzLXdvcmQ="):
        assert secret not in shown


def test_brief() -> None:
    command = "RUN --mount=type=secret,id=ca \\\n  --mount=type=cache,target=/c pip --mounts"
    assert brief(command) == "RUN \\ pip --mounts"


def test_telling_lines() -> None:
    assert telling_lines([str(n) for n in range(30)]) == [str(n) for n in range(10, 30)]
    lines = ["a", "x: not found", "b", "Failed here", "c"]
    assert telling_lines(lines) == ["x: not found", "Failed here"]
    assert telling_lines(["error"] * 50) == ["error"] * 20


def test_a_hash_that_differs_is_told_with_its_package() -> None:
    said = [
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
        "    h11==0.16.0 from https://index.example.com/h11-0.16.0-py3-none-any.whl:",
        f"        Expected sha256 {'a' * 64}",
        f"             Got        {'b' * 64}",
    ]
    passed_over = (
        "Could not fetch URL https://other.example.com/h11/: 404 Client Error: File not found"
        " for url: https://other.example.com/h11/ - skipping"
    )
    assert telling_lines([passed_over, *said, "", passed_over]) == said
