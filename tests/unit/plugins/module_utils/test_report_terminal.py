# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The printed checklist."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._check_result import failure_message
from ansible_collections.stt.engine.plugins.module_utils._report import build_report
from ansible_collections.stt.engine.plugins.module_utils._report_terminal import (
    checklist_lines,
    pad,
    width,
)
from ansible_collections.stt.engine.plugins.module_utils._report_text import text
from tests.unit.plugins.release_samples import (
    check,
    passed_on_cpu,
    passed_on_gpu,
    real_with_wrong_texts,
    stopped_in_r5,
)

NOW = datetime(2026, 1, 31, 9, 0, 0, tzinfo=UTC)


def printed(results: dict[str, Any], language: str = "en", page: str = "") -> list[str]:
    report = build_report(results, language=language, now=NOW)
    return [line.text for line in checklist_lines(report, page)]


@pytest.mark.parametrize(
    ("words", "columns"), [("abc", 3), ("가나", 4), ("a가", 3), ("é", 1), ("e\u0301", 1), ("✓", 1)]
)
def test_korean_letters_take_two_columns(words: str, columns: int) -> None:
    assert width(words) == columns
    assert width(pad(words, 9)) == 9


def test_the_first_lines_tell_what_it_is_and_how_it_ended() -> None:
    assert printed(passed_on_cpu())[:2] == [
        "stt.engine release cuda128-debian12-v1.2-3f2a9c51d07e",
        "Verdict: Passed, except GPU",
    ]


def test_planned_and_taken_time_stand_beside_each_phase() -> None:
    (line,) = [line for line in printed(passed_on_cpu()) if line.startswith("Phase 2:")]
    assert line.split("  ")[0] == "Phase 2: Build the Docker image"
    assert line.endswith("  took 2 m 41 s, planned 20-40 min")


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("results", [passed_on_cpu(), stopped_in_r5()], ids=["cpu", "stopped"])
def test_the_second_column_begins_in_one_place(results: dict[str, Any], language: str) -> None:
    lines = printed(results, language)
    times = [line for line in lines if line.startswith("Phase ")]
    skips = [line for line in lines if line.startswith("  [-]")]
    plan = {"ko": (" 걸림", "계획"), "en": ("took", "planned")}
    starts = set()
    for line in times:
        begin = line.rstrip().rfind("  ") + 2
        assert any(word in line[begin:] for word in plan[language])
        starts.add(width(line[:begin]))
    for line in skips:
        starts.add(width(line[: line.rfind("  ") + 2]))
    assert len(starts) == 1


def test_a_skip_is_no_tick_and_says_why() -> None:
    lines = printed(passed_on_cpu(), "ko")
    (line,) = [line for line in lines if "CUDA 사용 가능" in line]
    assert line.startswith("  [-] CUDA 사용 가능 ")
    assert line.endswith("  건너뜀: 이 서버에 GPU가 없음")
    assert not any("[✓] CUDA 사용 가능" in line for line in lines)


@pytest.mark.parametrize(
    ("language", "words"), [("en", "skipped in part: "), ("ko", "일부 건너뜀: ")]
)
def test_what_was_skipped_in_part_is_no_tick(language: str, words: str) -> None:
    report = build_report(passed_on_cpu(), language=language, now=NOW)
    items = [*report["checklist"], *report["criteria"], *report["beyond"]]
    partly = [one["text"] for one in items if one["status"] == "passed" and one["note"]]
    lines = [line for line in checklist_lines(report) if line.text.startswith("  [")]
    assert partly
    for line in lines:
        assert not (line.text.startswith("  [✓]") and text("skipped", language) in line.text)
    marked = [line for line in lines if line.text.startswith("  [~]")]
    assert [line.status for line in marked] == ["skipped"] * len(partly)
    for name, line in zip(partly, marked, strict=True):
        assert line.text.startswith(f"  [~] {name} ")
        assert words in line.text


def test_a_tick_needs_no_words() -> None:
    assert "  [✓] LD_LIBRARY_PATH set" in printed(passed_on_gpu())


def test_a_failure_comes_first_and_what_was_not_reached_is_open() -> None:
    lines = printed(stopped_in_r5())
    assert lines[1:6] == [
        "Verdict: Failed",
        "The error that stopped the release "
        "(Phase 5: Model load tests, R5 | Run the checks in one container)",
        "  R5.5 faster_whisper_texts",
        "  Found: 1 of 3 clips are wrong: en-order.flac gave another text",
        "  Expected: faster-whisper gives each clip's text within its limits",
    ]
    assert any(line.startswith("  [ ] Logs kept") and line.endswith("not run") for line in lines)
    assert any(line.startswith("  [✗] Faster-Whisper transcribes") for line in lines)
    assert any(line.strip() == "Fix: read the log R5.log" for line in lines)


def test_checks_that_failed_are_named_first_and_told_once() -> None:
    results = real_with_wrong_texts()
    bad = [one for one in results["checks"] if one["status"] == "failed"]
    outside = check("R4.3", "ctranslate2", status="failed", found="no such library", fix="build")
    results["checks"].append(outside)
    results["failure"] = {
        "task": "R5 | Stop, because not every check passed",
        "msg": failure_message("R5", [*results["checks"], outside]),
    }
    lines = printed(results)
    assert lines[3] == "  The checks below failed and stopped the release."
    named = lines[4 : lines.index("")]
    assert len([line for line in named if not line.startswith(" " * 6)]) == len(bad) + 1
    # No line of the checklist is about this one, so it is told here.
    assert "      Found: no such library" in named
    assert not any(bad[0]["found"] in line for line in named)
    assert any(bad[0]["found"] in line for line in lines)


def test_a_failure_of_which_only_a_message_is_known() -> None:
    lines = printed({"failure": {"msg": "first line\nsecond line"}})
    assert lines[2:5] == ["The error that stopped the release", "  first line", "  second line"]


def test_the_last_lines_tell_what_to_do_and_where_to_read() -> None:
    lines = printed(passed_on_gpu(), page="/x/report.html")
    assert lines[-6:] == [
        "56 checks: passed 56, skipped 0, failed 0, error 0",
        "Started - Finished: 2026-01-31 08:00:00 UTC - 2026-01-31 08:06:30 UTC",
        "GPU: proven",
        "Self-test of the checks: never ran with these checks; run it with -e stt_self_test=true",
        "What to do next: It may go to production. Keep this whole directory: it is the evidence.",
        "Report: /x/report.html",
    ]


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize(
    "results",
    [passed_on_cpu(), passed_on_gpu(), stopped_in_r5(), {}],
    ids=["cpu", "gpu", "stopped", "empty"],
)
def test_the_lines_say_what_the_report_says(results: dict[str, Any], language: str) -> None:
    report = build_report(results, language=language, now=NOW)
    lines = checklist_lines(report)
    items = [*report["checklist"], *report["criteria"], *report["beyond"]]
    shown = [line for line in lines if line.text.startswith("  [")]
    wanted = [
        "skipped" if item["note"] and item["status"] == "passed" else item["status"]
        for item in items
    ]
    assert [line.status for line in shown] == wanted
    assert all(item["text"] in line.text for item, line in zip(items, shown, strict=True))


def test_no_line_holds_a_control_sequence() -> None:
    results = stopped_in_r5()
    hostile = "one\ntwo\r\x1b[31mthree\x07\u202e\udcff"
    for result in results["checks"]:
        result.update(found=hostile, fix=hostile)
    results.update(release=hostile)
    results["failure"].update(object=hostile, found=hostile, needed=hostile, fix=hostile)
    lines = printed(results, "ko")
    assert all(line.isprintable() for line in lines)
    assert sum("three" in line for line in lines) > 5
