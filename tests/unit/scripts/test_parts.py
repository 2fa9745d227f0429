# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No result and no explained reason count as failures, never as success."""

from __future__ import annotations

from pathlib import Path

import parts
import pytest
from parts import Count, count_junit, read_count
from run_tests import Row, main, print_table

CASES = """<testsuites><testsuite>
<testcase classname="a" name="good"/>
<testcase classname="a" name="bad"><failure message="no"/></testcase>
<testcase classname="a" name="broken"><error message="no"/></testcase>
<testcase classname="sanity" name="{name}"><skipped message="No tests applicable."/></testcase>
</testsuite></testsuites>"""


@pytest.fixture(autouse=True)
def _results_in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "RESULTS", tmp_path)


def count_cases(directory: Path, name: str) -> Count:
    """The count of a JUnit file whose one skipped case has this name, as the table reads it."""
    path = directory / "cases.xml"
    path.write_text(CASES.format(name=name), encoding="utf-8")
    count = Count("sanity")
    count_junit(count, path)
    count.write()
    return read_count("sanity")


def test_counts_cases_and_keeps_an_allowed_skip(tmp_path: Path) -> None:
    count = count_cases(tmp_path, "pslint-python-3.11")
    assert (count.passed, count.failed) == (1, ["a.bad", "a.broken"])
    assert count.skipped == {"pslint-python-3.11": "No tests applicable."}


def test_turns_an_unexplained_skip_into_a_failure(tmp_path: Path) -> None:
    count = count_cases(tmp_path, "shellcheck")
    assert count.skipped == {}
    assert (
        count.failed[-1] == "shellcheck was skipped without an allowed reason: No tests applicable."
    )


def test_fails_without_a_result_file(tmp_path: Path) -> None:
    count = Count("unit")
    count_junit(count, tmp_path / "absent.xml")
    assert count.failed == ["no result file was written"]


def test_fails_when_a_part_counted_nothing() -> None:
    Count("unit").write()
    assert read_count("unit").failed == ["unit counted nothing"]


def test_fails_when_a_part_left_no_count() -> None:
    assert read_count("release").failed == ["release ended before it counted anything"]


def test_closes_with_the_totals(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        Row("lint", 1.0, Count("lint", passed=2, failed=["ruff"])),
        Row(
            "sanity",
            2.0,
            Count("sanity", passed=3, skipped={"pslint-python-3.11": "No tests applicable."}),
        ),
    ]
    print_table(rows)
    lines = capsys.readouterr().out.splitlines()
    assert "failed  lint: ruff" in lines
    assert "skipped sanity: pslint-python-3.11: No tests applicable." in lines
    assert lines[-1] == "5 passed, 1 failed, 1 skipped"


def test_refuses_an_unknown_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["units"]) == 2
    assert capsys.readouterr().err.startswith("part: found units; needed some of lint, ")
