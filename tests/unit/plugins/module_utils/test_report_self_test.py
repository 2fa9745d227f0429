# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report says of the checks' own test: when it ran and what it showed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ansible_collections.stt.engine.plugins.module_utils._report import build_report
from ansible_collections.stt.engine.plugins.module_utils._report_terminal import checklist_lines
from ansible_collections.stt.engine.plugins.module_utils._report_text import reason
from ansible_collections.stt.engine.plugins.plugin_utils._report_html import page
from tests.unit.plugins.release_samples import passed_on_cpu, stopped_in_r5

NOW = datetime(2026, 1, 31, 9, 0, 0, tzinfo=UTC)
SCHEMA = json.loads(
    (Path(__file__).resolve().parents[4] / "docs" / "report.schema.json").read_bytes()
)
NEVER = "Self-test of the checks: never ran with these checks; run it with -e stt_self_test=true"


def part(phase: str, ran: str, gate: str, *, left_out: int = 0) -> dict[str, Any]:
    """A phase's result as stt_image_verify and stt_model_verify return it."""
    row = {
        "gate": gate,
        "control": "flipped_weight",
        "planted": "one flipped bit of a weight in model.bin",
        "status": "failed",
        "found": "the cosine is 0.01842",
        "as_planted": True,
    }
    return {
        "phase": phase,
        "ran": ran,
        "seconds": 20.5,
        "checks": "0" * 64,
        "image": "sha256:1",
        "controls": 1,
        "gates": 1,
        "failed_as_planted": 1,
        "left_out": [{"gate": "R4.3/cuda_matmul", "reason": "no GPU on this host"}] * left_out,
        "rows": [row],
    }


def passed(*parts: dict[str, Any], language: str = "en") -> dict[str, Any]:
    results = {**passed_on_cpu(), "self_test": list(parts)}
    return build_report(results, language=language, now=NOW)


def printed(report: dict[str, Any]) -> list[str]:
    return [line.text for line in checklist_lines(report)]


R4 = part("R4", "2026-01-30T10:00:00Z", "R4.2/models_hashes", left_out=1)
R5 = part("R5", "2026-01-30T09:00:00Z", "R5.8/encoder_agreement")


def test_phases_are_put_together_and_the_oldest_time_counts() -> None:
    report = passed(R4, R5)
    jsonschema.validate(report, SCHEMA)
    shown = report["self_test"]
    assert (shown["ran"], shown["gates"], shown["failed_as_planted"]) == (
        "2026-01-30T09:00:00Z",
        2,
        2,
    )
    assert [row["gate"] for row in shown["rows"]] == [
        "R4.2/models_hashes",
        "R5.8/encoder_agreement",
    ]
    assert (
        "Self-test of the checks: 2026-01-30 09:00:00 UTC, 2 of 2 checks found the faults planted "
        "for them in 41 s; 1 could not be planted (no GPU on this host)" in printed(report)
    )


def test_a_reason_is_told_in_one_line_only_where_it_is_the_only_one() -> None:
    other = part("R5", "2026-01-30T09:00:00Z", "R5.8/encoder_agreement", left_out=1)
    other["left_out"] = [{"gate": "R5.2/float16", "reason": "the slim variant has no torch"}]
    (line,) = [one for one in printed(passed(R4, other)) if one.startswith("Self-test")]
    assert line.endswith("; 2 could not be planted")


@pytest.mark.parametrize("parts", [(), ({},), (R4, {})], ids=["none", "empty", "one phase only"])
def test_what_not_every_phase_has_shown_was_never_shown(parts: tuple[dict[str, Any], ...]) -> None:
    report = passed(*parts)
    jsonschema.validate(report, SCHEMA)
    assert report["self_test"] is None
    assert NEVER in printed(report)
    assert "never ran with these checks" in page(report)


def test_a_run_that_was_stopped_does_not_speak_of_it() -> None:
    report = build_report(stopped_in_r5(), language="en", now=NOW)
    assert not [line for line in printed(report) if line.startswith("Self-test")]
    assert 'id="self-test"' not in page(report)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "2 of 2 checks found the faults planted for them in "),
        ("ko", "검사 2개 중 2개가 일부러 심은 결함을 찾아냄 ("),
    ],
)
def test_the_page_names_gate_fault_and_finding(language: str, words: str) -> None:
    html = page(passed(R4, R5, language=language))
    assert words in html
    planted = {"en": "one flipped bit of a weight", "ko": reason(R5["rows"][0]["planted"], "ko")}
    for text in ("R5.8 encoder_agreement", planted[language], "0.01842"):
        assert text in html
    assert {"en": "no GPU on this host", "ko": "이 서버에 GPU가 없음"}[language] in html
