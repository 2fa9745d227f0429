# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report in the Test Anything Protocol, read back as its specification says."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stt.engine.plugins.module_utils._report import build_report
from ansible_collections.stt.engine.plugins.module_utils._report_tap import tap
from tests.unit.plugins.release_samples import check, passed_on_cpu, stopped_in_r5

NOW = datetime(2026, 1, 31, 9, 0, 0, tzinfo=UTC)
POINT = re.compile(r"(?P<word>ok|not ok) (?P<number>\d+) - (?P<rest>.*)")
DIRECTIVE = re.compile(r"(?<!\\)(?:\\\\)* # SKIP (?P<reason>.*)")


@dataclass
class Point:
    """One test point."""

    good: bool
    number: int
    description: str
    skipped: str | None
    diagnostics: dict[str, Any] = field(default_factory=dict)


def read(text: str) -> list[Point]:
    """The test points of a TAP 14 document; every line must have its place."""
    assert text.endswith("\n")
    version, plan, *body = text.removesuffix("\n").split("\n")
    assert version == "TAP version 14"
    points: list[Point] = []
    block: list[str] | None = None
    for line in body:
        if block is not None:
            assert line.startswith("  "), line
            if line == "  ...":
                points[-1].diagnostics = yaml.safe_load("\n".join(block))
                block = None
            else:
                block.append(line.removeprefix("  "))
        elif line == "  ---":
            block = []
        elif not line.startswith("# "):
            match = POINT.fullmatch(line)
            assert match, line
            points.append(_point(match))
    assert block is None
    assert plan == f"1..{len(points)}"
    assert [point.number for point in points] == list(range(1, len(points) + 1))
    return points


def _point(match: re.Match[str]) -> Point:
    rest = match["rest"]
    directive = DIRECTIVE.search(rest)
    description = rest if directive is None else rest[: rest.index(" # SKIP ")]
    assert not re.search(r"(?<!\\)(\\\\)*#", description)
    return Point(
        match["word"] == "ok",
        int(match["number"]),
        _plain(description),
        None if directive is None else _plain(directive["reason"]),
    )


def _plain(text: str) -> str:
    return re.sub(r"\\([\\#])", r"\1", text)


def points(results: dict[str, Any]) -> list[Point]:
    return read(tap(build_report(results, language="ko", now=NOW)).decode())


def test_a_stopped_release_has_a_point_that_is_not_ok() -> None:
    stopped = {"checks": [check("R1.1", "a")], "failure": {"msg": "daemon down", "task": "T"}}
    first, last = points(stopped)
    assert (first.good, first.description, first.diagnostics) == (True, "R1.1 a", {})
    assert (last.good, last.description) == (False, "release finished")
    assert last.diagnostics["found"] == "daemon down"


def test_failures_and_errors_say_found_needed_and_fix() -> None:
    bad = [point for point in points(stopped_in_r5()) if not point.good]
    assert [point.description for point in bad] == [
        "R5.5 faster_whisper_texts",
        "R5.6 transformers_texts",
        "release finished",
    ]
    assert bad[0].diagnostics == {
        "severity": "fail",
        "found": "1 of 3 clips are wrong: en-order.flac gave another text",
        "needed": "faster whisper texts is right",
        "fix": "listen to the clip and read both texts",
        "seconds": 0.25,
    }
    assert bad[1].diagnostics["severity"] == "error"


def test_a_skip_is_ok_with_its_reason() -> None:
    skipped = [point for point in points(passed_on_cpu()) if point.skipped is not None]
    assert len(skipped) == 3
    assert {(point.good, point.skipped) for point in skipped} == {(True, "no GPU on this host")}


def test_every_check_of_the_report_is_a_point_in_its_order() -> None:
    report = build_report(passed_on_cpu(), language="en", now=NOW)
    read_back = read(tap(report).decode())
    named = [f"{one['id']} {one['name']}" for one in report["checks"]]
    assert [point.description for point in read_back] == named
    assert all(point.good for point in read_back)


HARD = [
    "a # b",
    "# SKIP really",
    "not \\# a directive",
    "ends with \\",
    "two \\\\ and #",
    "  ---",
    "  ...",
    "1..2",
    "'quotes' and \"quotes\"",
    "colon: {brace}, [bracket], & *anchor !tag |pipe >fold %percent @at `tick`",
    "한국어 받아쓰기 😀",
    "ok 99 - injected",
]


@pytest.mark.parametrize("text", HARD)
@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_what_must_be_escaped_is_read_back_as_it_was(text: str, status: str) -> None:
    one = check("R4.1", text, status, text, expected=text, fix="" if status == "skipped" else text)
    point = next(p for p in points({"checks": [one]}) if p.description.startswith("R4.1"))
    assert point.description == f"R4.1 {text.strip()}"
    if status == "skipped":
        assert (point.good, point.skipped) == (True, text.strip())
    else:
        assert (point.good, point.skipped) == (False, None)
        kept = {key: point.diagnostics[key] for key in ("found", "needed", "fix")}
        assert set(kept.values()) == {text}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_keeps_to_its_line_and_its_value(text: str) -> None:
    one = check("R4.1", f"x{text}", "failed", text, expected=text, fix=f"{text}\nok 1 - forged")
    (point, *_others) = [p for p in points({"checks": [one]}) if p.description.startswith("R4.1")]
    assert (point.good, point.skipped) == (False, None)
    assert point.diagnostics["found"] == point.diagnostics["needed"] == text
    assert point.diagnostics["fix"] == f"{text}\nok 1 - forged"


def test_what_no_encoding_can_write_is_replaced() -> None:
    one = check("R4.1", "a\udcffb", "failed", "a\udcffb")
    (point,) = [p for p in points({"checks": [one]}) if p.description.startswith("R4.1")]
    assert point.description == "R4.1 a\ufffdb"
    assert point.diagnostics["found"] == "a\ufffdb"
