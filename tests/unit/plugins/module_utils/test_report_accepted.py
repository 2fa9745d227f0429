# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accepted transcripts are told once by a report, not by each check that they concern."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._report import build_report, next_step
from ansible_collections.stt.engine.plugins.module_utils._report_terminal import checklist_lines
from ansible_collections.stt.engine.plugins.plugin_utils._report_html import page
from ansible_collections.stt.engine.plugins.plugin_utils._report_transcripts import transcripts
from tests.unit.plugins.release_samples import check, passed_on_cpu

NOW = datetime(2026, 1, 31, 9, 0, 0, tzinfo=UTC)
REASONS = {
    "b.wav": "no longer among the clips",
    "a.wav": "no longer among the clips",
    "c.wav": "it was accepted for another model (int8)",
}


def report(language: str = "en", *others: dict[str, Any], **evidence: Any) -> dict[str, Any]:
    results = passed_on_cpu()
    for one in results["checks"]:
        if one["id"] in ("R5.5", "R5.6", "R5.7"):
            one["evidence"] = {**one["evidence"], **evidence}
    results["checks"] += others
    return build_report(results, language=language, now=NOW)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            "Accepted transcripts: 3 of them do not hold here (a.wav, b.wav: no longer among the "
            "clips; c.wav: it was accepted for another model (int8))",
        ),
        (
            "ko",
            "승인된 전사문: 이번 음성 파일에 적용되지 않음 3개 (a.wav, b.wav: 지금은 없는 음성 "
            "파일; c.wav: 다른 모델(int8)에서 승인한 전사문)",
        ),
    ],
)
def test_what_does_not_hold_is_told_once(language: str, said: str) -> None:
    made = report(language, not_applied=REASONS)
    assert [line.text for line in checklist_lines(made)].count(said) == 1
    assert page(made).count(said.split(": ", 1)[1]) == 1
    assert said not in [line.text for line in checklist_lines(report(language))]


@pytest.mark.parametrize(("language", "word"), [("en", "Listen to"), ("ko", "직접 듣고")])
def test_whoever_accepts_is_told_to_listen_as_the_next_step(language: str, word: str) -> None:
    accepting = check("R5.5", "transcripts_to_accept", evidence={"accepted": {"a.wav": {}}})
    assert word in next_step(report(language, accepting))
    assert word not in next_step(report(language))
    assert word not in next_step(report(language, {**accepting, "evidence": {}}))


def test_a_clip_of_unknown_text_has_one_row() -> None:
    heard = {"clip": "a.wav", "text": "hello", "expected": "", "good": True, "unknown": True}
    held = {**heard, "expected": "hello", "as_heard_by": "faster-whisper"}
    other = {**heard, "text": "hallo", "expected": "hello"}
    made = report(
        "en",
        check("R5.5", "faster_whisper_batched", evidence={"transcripts": [heard]}),
        check("R5.6", "decoders_agree", evidence={"transcripts": [held, other]}),
    )
    shown = transcripts(made, "en")
    assert shown is not None
    (row,) = [one for one in shown["rows"] if one["clip"] == "a.wav"]
    assert (row["expected"], len(row["heard"])) == ("hello", 1)
    assert row["said"] == "3 of 3 passed"
