# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of several quantizations, side by side."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._report import build_report
from ansible_collections.stt.engine.plugins.module_utils._report_junit import junit
from ansible_collections.stt.engine.plugins.module_utils._report_quantizations import (
    quantization_rows,
    quantization_table,
)
from ansible_collections.stt.engine.plugins.module_utils._report_terminal import (
    checklist_lines,
    width,
)
from tests.unit.plugins.release_samples import (
    COMPARED,
    check,
    passed_on_cpu,
    passed_with_quantizations,
)

NOW = datetime(2026, 1, 31, 9, 0, 0, tzinfo=UTC)
PASSED = {"ko": "통과", "en": "passed"}


def report(results: dict[str, Any], language: str = "en") -> dict[str, Any]:
    return build_report(results, language=language, now=NOW)


def lines(results: dict[str, Any], language: str = "en") -> list[str]:
    return [line.text for line in checklist_lines(report(results, language))]


def test_rows_are_the_figures_of_the_checks_with_the_served_one_first() -> None:
    made = report(passed_with_quantizations())
    assert [(row["quantization"], row["served"]) for row in made["quantizations"]] == [
        ("int8_float16", True),
        ("float32", False),
        ("int8", False),
    ]
    wanted = {key: value for key, value in COMPARED[0].items() if key != "measured"}
    assert made["quantizations"][1] == {**wanted, "status": "passed"}
    (line,) = [line for line in made["beyond"] if line["item"] == "quantizations"]
    assert (line["status"], line["text"]) == ("passed", "Quantizations compared with float32")


def test_a_single_conversion_has_no_table_and_no_line() -> None:
    made = report(passed_on_cpu())
    assert made["quantizations"] == []
    assert "quantizations" not in [line["item"] for line in made["beyond"]]
    assert "Quantizations compared" not in lines(passed_on_cpu())
    assert quantization_rows([check("R5.9", "quantization_int8", evidence=COMPARED[1])]) == []


def test_a_conversion_that_failed_keeps_its_row_and_what_was_measured() -> None:
    results = passed_with_quantizations()
    for one in results["checks"]:
        if one["name"] == "quantization_int8":
            one.update(status="failed", found="the cosine", fix="convert again")
            one["evidence"].update(text_agreement=None, real_time_factor=None)
        if one["name"] == "quantization_float32":
            one.update(status="error", found="the process was killed", fix="x", evidence={})
    made = report(results)
    assert made["verdict"] == "failed"
    _heads, rows = quantization_table(made)
    assert rows[1:] == [
        ["float32", "-", "-", "-", "-", "-", "-", "-", "error"],
        [
            "int8",
            "int8_float32, cpu",
            "6.90 MB",
            "0.05 s",
            "-",
            "158 MB",
            "0.999810",
            "-",
            "failed",
        ],
    ]


def test_the_table_has_units_and_calls_nothing_equal_that_is_not() -> None:
    heads, rows = quantization_table(report(passed_with_quantizations()))
    assert heads == [
        "Quantization",
        "Computed in",
        "Size",
        "Load time",
        "Real-time factor",
        "Peak memory",
        "Encoder cosine",
        "Text agreement",
        "Result",
    ]
    assert rows[0][0] == "int8_float16 (served)"
    assert rows[1] == [
        "float32",
        "float32, cpu",
        "17.6 MB",
        "0.06 s",
        "0.0171",
        "171 MB",
        # 0.99999996 and 0.99996 in the evidence: cut, never rounded up.
        "0.999999",
        "100.00 %",
        "passed",
    ]
    assert rows[2][7] == "99.99 %"


def test_a_gpu_adds_its_memory() -> None:
    results = passed_with_quantizations()
    for one in results["checks"]:
        if one["name"] == "quantization_int8":
            one["evidence"]["gpu_memory_bytes"] = 1_230_000_000
    heads, rows = quantization_table(report(results, "ko"))
    at = heads.index("GPU 메모리")
    assert [row[at] for row in rows] == ["-", "-", "1.23 GB"]


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_terminal_s_columns_stand_below_each_other(language: str) -> None:
    printed = lines(passed_with_quantizations(), language)
    title = {"ko": "양자화별 비교", "en": "Quantizations compared"}[language]
    at = printed.index(title)
    table = printed[at + 1 : at + 5]
    assert table[1].startswith("  int8_float16 (")
    assert [line.split()[0] for line in table[1:]] == ["int8_float16", "float32", "int8"]
    assert all(line.endswith(PASSED[language]) for line in table[1:])
    assert len({width(line) for line in table}) == 1
    assert all(line.endswith(".") for line in printed[at + 5 : at + 10])
    assert printed[at + 10] == ""


def test_the_figures_are_no_cases_of_their_own() -> None:
    before, after = (report(make()) for make in (passed_on_cpu, passed_with_quantizations))
    assert junit(after).count(b"<testcase ") == junit(before).count(b"<testcase ") + 4
