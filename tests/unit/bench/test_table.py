# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table for the terminal and for the page."""

from __future__ import annotations

import re

import pytest

from tests.bench.figures import Line, Result, Sample, Spread
from tests.bench.page import PAGE, content, markers
from tests.bench.table import HEADER, cells, markdown, plain, replace_between

SECONDS = Line(
    "fetch",
    "fetch",
    "s",
    Spread(1.234, 1.0, 12.34, 5),
    Spread(2.0, 1.5, 123.4, 5),
    "hf download",
    most_ratio=0.4,
)
MILLISECONDS = Line("nochange", "nothing to do", "ms", Spread(3.0, 3.0, 3.0, 1), most=100.0)


def test_cells_say_what_was_measured_and_whether_the_goal_is_reached() -> None:
    assert cells(SECONDS) == (
        "fetch",
        "1.23 (1-12.3) s",
        "hf download 2 (1.50-123) s",
        "0.617",
        "ratio <= 0.40",
        "NO",
    )
    assert cells(MILLISECONDS) == ("nothing to do", "3 ms", "-", "-", "<= 100 ms", "yes")
    absent = Line("x", "x", "s", None, None, "curl")
    assert cells(absent) == ("x", "not measured", "curl not measured", "-", "-", "-")


def test_plain_table_has_one_column_below_the_other() -> None:
    text = plain([SECONDS, MILLISECONDS]).splitlines()
    assert len(text) == 3
    at = [re.split(r"  +", line) for line in text]
    assert at[0] == list(HEADER)
    assert at[1] == list(cells(SECONDS))
    assert text[0].index("peer") == text[1].index("hf download") == text[2].index("-  ")


def test_markdown_table_has_as_many_cells_in_each_row() -> None:
    rows = markdown([SECONDS, MILLISECONDS]).splitlines()
    assert len(rows) == 4
    assert {row.count("|") for row in rows} == {len(HEADER) + 1}


def test_page_changes_between_its_markers_only() -> None:
    assert (
        replace_between("a\n<b>\nold\n<e>\nz\n", "<b>", "<e>", "new\n") == "a\n<b>\nnew\n<e>\nz\n"
    )
    once = replace_between("<b><e>", "<b>", "<e>", "new")
    assert replace_between(once, "<b>", "<e>", "new") == once
    for page in ("", "<e><b>", "<b><b><e>", "<b>"):
        with pytest.raises(ValueError, match="found no single"):
            replace_between(page, "<b>", "<e>", "new")


@pytest.mark.parametrize("name", ["bench-model", "bench-image", "bench-service"])
def test_the_documentation_has_the_place_for_the_table(name: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert replace_between(page, *markers(name), "x") != page


def test_page_names_what_the_figures_depend_on_and_what_was_missed() -> None:
    result = Result(
        "bench-model",
        [SECONDS, MILLISECONDS],
        [Sample("fetch", "ours", 0, {"seconds": 1.0})],
        {
            "weight_bytes": 1617824864,
            "runs": 5,
            "streams": 4,
            "chunk_bytes": 8388608,
            "seconds": 900,
            "peers": {"huggingface_hub": "2.4.0", "curl": "8.0"},
            "machine": {
                "cores": 2,
                "processor": "Some processor",
                "sha_instructions": True,
                "memory_gb": 24,
                "disk": "ext4, reports itself as rotating",
                "kernel": "6.1",
                "python": "3.11.2",
                "load_before": 0.1,
            },
        },
    )
    text = content(result)
    for said in ("1,617,824,864 bytes", "huggingface_hub 2.4.0", "2 cores", "ext4", "with SHA"):
        assert said in text
    assert "Goals missed: fetch / hf download." in text
    assert "1 runs were valid, 0 failed" in text
