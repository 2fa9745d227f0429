# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page's charts draw and what its transcripts mark."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stt.engine.plugins.module_utils._report import build_report
from ansible_collections.stt.engine.plugins.plugin_utils._report_charts import (
    counts_bar,
    timeline,
)
from ansible_collections.stt.engine.plugins.plugin_utils._report_html import page
from ansible_collections.stt.engine.plugins.plugin_utils._report_transcripts import (
    difference,
    transcripts,
)
from tests.unit.plugins.release_samples import (
    passed_on_cpu,
    real_with_wrong_texts,
    stopped_in_r5,
)

NOW = datetime(2026, 1, 31, 9, 0, 0, tzinfo=UTC)


def report(results: dict[str, Any], language: str = "en") -> dict[str, Any]:
    return build_report(results, language=language, now=NOW)


def test_the_time_line_shows_what_ran_side_by_side() -> None:
    drawn = timeline(report(passed_on_cpu()), "en")
    rows = drawn["rows"]
    assert [row["label"][:8] for row in rows] == [f"Phase {number}:" for number in range(1, 7)]
    build, fetch = rows[1], rows[2]
    assert build["left"] < fetch["left"] < build["left"] + build["width"]
    assert all(row["left"] >= 0 and row["left"] + row["width"] <= 100.01 for row in rows)
    assert (rows[0]["left"], rows[1]["value"]) == (0.0, "2 m 41 s · changed")
    (band,) = drawn["bands"]
    assert band == {"left": fetch["left"], "width": pytest.approx(41.03, abs=0.01)}
    assert drawn["note"] == (
        "Where the ground is shaded, phases ran side by side: Phase 2 + Phase 3 (2 m 40 s)."
    )
    assert drawn["summary"].startswith("Phase 1: Prepare the build server: began 0 s after the")


def test_phases_one_after_the_other_are_said_to_be_so() -> None:
    results = passed_on_cpu()
    results["phases"] = results["phases"][3:5]
    drawn = timeline(report(results, "ko"), "ko")
    assert (drawn["bands"], drawn["note"]) == ([], "동시에 실행된 단계는 없습니다.")


def test_a_failed_phase_says_so_in_words() -> None:
    rows = timeline(report(stopped_in_r5(), "ko"), "ko")["rows"]
    assert (rows[-1]["kind"], rows[-1]["value"].split(" · ")[-1]) == ("failed", "실패")


def test_a_phase_of_no_length_can_still_be_seen() -> None:
    moment = "2026-01-31T08:00:00.000Z"
    results = {
        "phases": [{"id": "R1", "started": moment, "finished": moment, "changed": False}],
        "finished": moment,
    }
    (row,) = timeline(report(results), "en")["rows"]
    assert row["width"] > 0
    assert row["left"] + row["width"] <= 100
    assert timeline(report({}), "en") == {"rows": []}


@given(seconds=st.floats(min_value=0.001, max_value=200_000))
def test_the_axis_has_few_marks_that_do_not_touch(seconds: float) -> None:
    results = {
        "phases": [
            {
                "id": "R1",
                "started": "2026-01-31T08:00:00.000Z",
                "finished": datetime.fromtimestamp(
                    datetime(2026, 1, 31, 8, tzinfo=UTC).timestamp() + seconds, UTC
                )
                .isoformat(timespec="milliseconds")
                .replace("+00:00", "Z"),
            }
        ]
    }
    marks = timeline(report(results), "en")["marks"]
    places = [mark["left"] for mark in marks]
    assert 1 <= len(marks) <= 6
    assert all(after - before >= 19 for before, after in itertools.pairwise(places))
    assert len({mark["label"] for mark in marks}) == len(marks)


def test_the_bar_of_checks_has_a_part_for_each_state_that_occurred() -> None:
    parts = counts_bar(report(stopped_in_r5()), "en")
    assert [part["status"] for part in parts] == ["failed", "error", "skipped", "passed"]
    assert sum(part["width"] for part in parts) == pytest.approx(100, abs=0.1)
    assert parts[0]["words"] == "1 failed"


@pytest.mark.parametrize(
    ("expected", "found", "language", "parts"),
    [
        ("", "", "en", []),
        ("a b", "a b", "en", [("same", "a b")]),
        ("a b", "", "en", [("lost", "a b")]),
        ("", "a", "en", [("came", "a")]),
        ("a b c", "a x c", "", [("same", "a"), ("lost", "b"), ("came", "x"), ("same", "c")]),
        ("하나 둘", "하나 셋", "ko", [("same", "하나 "), ("lost", "둘"), ("came", "셋")]),
    ],
)
def test_the_difference_of_two_texts(
    expected: str, found: str, language: str, parts: list[tuple[str, str]]
) -> None:
    told = [(part["kind"], part["text"]) for part in difference(expected, found, language)]
    assert told == parts


@given(expected=st.text(), found=st.text(), language=st.sampled_from(["en", "ko", ""]))
def test_the_parts_put_together_are_both_texts(expected: str, found: str, language: str) -> None:
    parts = list(difference(expected, found, language))
    glue = "" if language == "ko" else " "
    for text, only in ((expected, "lost"), (found, "came")):
        told = glue.join(part["text"] for part in parts if part["kind"] in ("same", only))
        assert told == (text if language == "ko" else " ".join(text.split()))


def test_a_clip_stands_once_and_wrong_ones_come_first() -> None:
    shown = transcripts(report(real_with_wrong_texts()), "en")
    assert shown is not None
    rows = shown["rows"]
    assert len({row["clip"] for row in rows}) == len(rows) == 22
    assert [row["status"] for row in rows[:5]] == ["failed"] * 4 + ["passed"]
    assert rows[0]["said"] == "0 of 3 passed"
    assert rows[4]["said"] == "same in all 3"
    assert rows[0]["heard"][0]["labels"] == [
        "Faster-Whisper transcribes",
        "Faster-Whisper in batches",
        "OpenAI Whisper transcribes",
    ]


@pytest.mark.parametrize(
    ("accepted", "language", "words"),
    [
        (None, "en", ""),
        ("2026-01-31T08:15:00Z", "en", "accepted transcript (2026-01-31)"),
        ("2026-01-31T08:15:00Z", "ko", "승인된 전사문 (2026-01-31)"),
        ("in this run", "en", "transcript accepted in this run"),
    ],
)
def test_a_text_that_was_heard_once_and_accepted_is_not_passed_off_as_typed(
    accepted: str | None, language: str, words: str
) -> None:
    results = report(real_with_wrong_texts())
    first = next(one for one in results["checks"] if one["evidence"].get("transcripts"))
    entry = first["evidence"]["transcripts"][0]
    entry.update({"accepted": accepted} if accepted else {})
    shown = transcripts(results, language)
    assert shown is not None
    told = {row["clip"]: row["accepted"] for row in shown["rows"]}
    assert told.pop(entry["clip"]) == words
    assert set(told.values()) == {""}
    if language == "en":
        assert words in page(results)
