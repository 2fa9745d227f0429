# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as JUnit XML."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest

from ansible_collections.stt.engine.plugins.module_utils._report import build_report
from ansible_collections.stt.engine.plugins.module_utils._report_junit import junit
from tests.unit.plugins.release_samples import check, passed_on_cpu, stopped_in_r5

NOW = datetime(2026, 1, 31, 9, 0, 0, tzinfo=UTC)


def tree(results: dict[str, Any]) -> ElementTree.Element:
    return ElementTree.fromstring(junit(build_report(results, language="ko", now=NOW)))


def test_a_stopped_release_has_an_error_although_its_checks_may_be_green() -> None:
    root = tree({"checks": [check("R1.1", "a")], "failure": {"msg": "daemon down", "task": "T"}})
    assert (root.get("tests"), root.get("errors"), root.get("failures")) == ("2", "1", "0")
    (error,) = root.iter("error")
    assert error.get("message") == "daemon down"
    assert error.text == "실패:  T"


def test_failures_errors_and_skips_are_told_apart() -> None:
    root = tree(stopped_in_r5())
    (failure,) = root.iter("failure")
    assert failure.get("message") == "1 of 3 clips are wrong: en-order.flac gave another text"
    assert failure.text is not None
    assert failure.text.splitlines()[1:] == [
        "needed: faster whisper texts is right",
        "fix: listen to the clip and read both texts",
    ]
    assert [case.get("message") for case in root.iter("error")] == [
        "the process was killed by SIGABRT",
        "R5.5 faster_whisper_texts: found 1 of 3 clips are wrong",
    ]
    assert {case.get("message") for case in root.iter("skipped")} == {"no GPU on this host"}


def test_the_totals_are_those_of_the_cases() -> None:
    root = tree(passed_on_cpu())
    cases = list(root.iter("testcase"))
    assert root.get("tests") == str(len(cases))
    assert root.get("skipped") == str(len(list(root.iter("skipped")))) == "3"
    assert sum(int(suite.get("tests", "0")) for suite in root) == len(cases)
    assert [suite.get("name") for suite in root][1] == "R2 Docker 이미지 빌드"
    assert cases[0].attrib == {
        "classname": "stt.engine.R1.1",
        "name": "docker_engine",
        "time": "0.250",
    }


@pytest.mark.parametrize("letter", ["\x00", "\x1b", "\ufffe", "\udcff"])
def test_letters_that_xml_cannot_hold_are_replaced(letter: str) -> None:
    root = tree({"checks": [check("R1.1", "a", "failed", f"before{letter}<after>")]})
    failure = next(root.iter("failure"))
    assert failure.get("message") == "before\ufffd<after>"
