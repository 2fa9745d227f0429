# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of the tests that plant faults, with tests of every sort."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import fault_page
from tests.bench.fault_catalogue import Fault, by_name, catalogue, demanded, ids, variations
from tests.bench.faults import (
    CHECKOUT,
    Planted,
    Recorder,
    document,
    unplanted,
    wanted,
)
from tests.bench.standing import StandingRelease

TESTS = """
import pytest

@pytest.mark.fault("recovers")
def test_recovers(record_property):
    record_property("outcome", "recovered")

@pytest.mark.parametrize("at", [pytest.param(1, marks=pytest.mark.fault("stops"))])
def test_stops(at, record_property):
    record_property("outcome", "stopped")

@pytest.mark.long
@pytest.mark.fault("says nothing")
@pytest.mark.fault("has two names")
def test_plain(): ...

@pytest.mark.fault("breaks")
def test_breaks(record_property):
    record_property("outcome", "recovered")
    assert 1 == 2

@pytest.mark.fault("is left out")
def test_skipped():
    pytest.skip("no reason")

@pytest.fixture
def broken():
    raise RuntimeError("no lab")

@pytest.mark.fault("cannot begin")
def test_without_lab(broken): ...

@pytest.fixture
def ends_badly():
    yield
    raise RuntimeError("left over")

@pytest.mark.fault("does not end")
def test_end(ends_badly): ...

@pytest.mark.fault("bad package version")
def test_of_the_catalogue(record_property):
    record_property("outcome", "stopped")
    record_property("caught_at", "R2.1")
    record_property("message", "build: found No matching distribution found for "
        "torch==2.6.0+cu129; needed every step to succeed; fix: ask for another")

@pytest.mark.long
@pytest.mark.fault("foreign glibc")
def test_at_another_step(record_property):
    record_property("outcome", "stopped")
    record_property("caught_at", "R4.3 torch_version")
    record_property("message", "x: found GLIBC_2.34; needed GLIBC_2.28; fix: build it there")

def test_without_fault():
    assert False
"""


def run_tests(directory: Path, *wanted: str, everything: bool = True) -> tuple[Recorder, list[str]]:
    """Run the tests above with the recorder."""
    (directory / "test_sorts.py").write_text(TESTS)
    (directory / "pytest.ini").write_text("[pytest]\nmarkers =\n  fault(name): planted\n  long\n")
    said: list[str] = []
    recorder = Recorder(wanted, lambda planted: said.append(planted.fault), everything=everything)
    quiet = ["-p", "no:terminal", "-p", "no:cacheprovider", "--import-mode=importlib"]
    pytest.main([f"--rootdir={directory}", *quiet, str(directory)], plugins=[recorder])
    return recorder, said


def test_outcomes(tmp_path: Path) -> None:
    recorder, said = run_tests(tmp_path)
    found = {planted.fault: planted for planted in recorder.planted}
    assert {name: planted.outcome for name, planted in found.items()} == {
        "recovers": "recovered",
        "stops": "stopped",
        "says nothing": "passed",
        "has two names": "passed",
        "breaks": "FAILED",
        "is left out": "FAILED",
        "cannot begin": "FAILED",
        "does not end": "FAILED",
        "bad package version": "stopped",
        "foreign glibc": "FAILED",
    }
    assert sorted(said) == sorted(found)
    assert found["breaks"].problem == "assert 1 == 2"
    assert "no reason" in found["is left out"].problem
    assert "no lab" in found["cannot begin"].problem
    assert "left over" in found["does not end"].problem
    assert "assert 1 == 2" in found["breaks"].report
    assert found["stops"].test.endswith("test_stops[1]")
    assert all(planted.seconds > 0 for planted in found.values())


def test_some_faults_alone(tmp_path: Path) -> None:
    recorder, said = run_tests(tmp_path, "stops", "recovers")
    assert sorted(said) == ["recovers", "stops"]
    assert recorder.uncollected == []


def test_a_long_variation_is_left_out_unless_it_is_asked_for(tmp_path: Path) -> None:
    recorder, said = run_tests(tmp_path, everything=False)
    assert recorder.left_out == {"says nothing", "has two names"}
    assert "recovers" in said
    # Long, and in the catalogue.
    assert "foreign glibc" in said
    recorder, said = run_tests(tmp_path, "says nothing", everything=False)
    assert sorted(said) == ["has two names", "says nothing"]


def test_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "test_unreadable.py").write_text("import no_such_module\n")
    recorder, _said = run_tests(tmp_path)
    assert len(recorder.uncollected) == 1
    assert "no_such_module" in recorder.uncollected[0]


def test_demanded_fault_without_a_test_fails() -> None:
    there = Planted("503", "test_a", "recovered", 1.0)
    missing = unplanted(["503", "stall"], [there])
    assert [(one.fault, one.outcome) for one in missing] == [("stall", "FAILED")]
    result = json.loads(json.dumps(document([there, *missing], ["503", "stall"])))
    assert (result["name"], result["passed"], result["failed"]) == ("faults", 1, 1)
    assert result["figures"] == {
        "demanded": 2,
        "demanded_and_planted": 1,
        "seconds": 1.0,
        "recovered": 1,
    }
    assert result["rows"][1]["problem"] == "no test plants this fault"
    assert "report" not in result["rows"][0]


def test_a_fault_of_the_catalogue_is_held_against_it(tmp_path: Path) -> None:
    recorder, _said = run_tests(tmp_path, "bad package version", "foreign glibc")
    good, bad = recorder.planted
    assert (good.id, good.caught_at, good.problem) == ("F07", "R2.1", "")
    assert (bad.id, bad.problem) == ("F12", "caught at R4.3 torch_version; needed R2.5")


FAULT = Fault("F01", "one", "a disk that is full", ("R1.1",), says=("disk_docker",))
SAID = {
    "outcome": "stopped",
    "caught_at": "R1.1 disk_docker",
    "message": "R1.1 disk_docker: found 1 GB; needed 20 GB; fix: free 19 GB",
}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, ""),
        ({"outcome": "passed"}, "the test says passed"),
        ({"outcome": ""}, "the test says nothing"),
        ({"caught_at": "R1.1 disk_docker; R1.2 x"}, "caught at R1.1 disk_docker; R1.2 x"),
        ({"caught_at": ""}, "caught at no step; needed R1.1"),
        ({"message": "R1.1 disk_docker: found 1 GB; needed 20 GB"}, "lacks object, found"),
        ({"message": "disk_docker: no"}, "lacks object, found, needed or fix"),
        ({"message": "R1.1 disk: found a; needed b; fix: c"}, "does not say disk_docker"),
        ({"outcome": "recovered", "message": ""}, "does not say disk_docker"),
    ],
)
def test_what_is_wrong_with_how_a_fault_ended(changes: dict[str, str], problem: str) -> None:
    found = FAULT.problem({**SAID, **changes})
    assert (problem in found) if problem else (found == "")


def test_every_fault_of_the_customers_list_and_more_of_our_own_are_in_the_catalogue() -> None:
    assert [one for one in ids(catalogue()) if one < "G"] == [f"F{n:02}" for n in range(1, 31)]
    assert len([one for one in ids(catalogue()) if one > "G"]) >= 10
    assert len(demanded()) == len(set(demanded())) == len(by_name()) + len(variations())
    for fault in catalogue():
        assert fault.at
        assert all(len(step) == 4 and step[0] == "R" for step in fault.at), fault


def test_each_is_planted_and_the_eight_most_telling_run_every_time() -> None:
    """Asked of pytest itself, in a process of its own: collecting changes what is imported."""
    command = [sys.executable, "-m", "tests.bench", "faults", "--list"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    listed = json.loads(done.stdout)
    planted = {row["fault"] for row in listed}
    assert sorted(set(demanded()) - planted) == []
    every_time = {row["fault"] for row in listed if not row["long"]}
    telling = [fault for fault in catalogue() if fault.telling]
    assert len(telling) == len(ids(telling)) == 8
    assert sorted({fault.name for fault in telling} - every_time) == []


def test_ids_and_names_choose() -> None:
    assert wanted(["F15", "stall"]) == ["killed build", "lost connection", "stall"]


def test_the_table_has_a_line_for_each_and_nothing_random() -> None:
    rows = [
        {
            **Planted(name, "test", outcome="stopped", caught_at="R2.1", message=message).row(),
            "run_seconds": 1.26,
            "intact": name == "syntax error",
        }
        for name, message in (
            ("bad package version", "a | b /tmp/stt-test-01ab23cd/jobs\nmore"),
            ("syntax error", "word " * 100),
        )
    ]
    lines = fault_page.table(rows).splitlines()
    assert lines[2] == (
        "| F07 | a package version that no index has, `torch==2.6.0+cu129` | R2.1 | 1.3 | - "
        "| a \\| b /tmp/stt-test/jobs |"
    )
    assert "| R2.1 | 1.3 | unchanged | word word" in lines[3]
    assert lines[3].endswith("word ... |")


def test_the_page_names_the_faults_of_the_last_run() -> None:
    page = fault_page.PAGE.read_text(encoding="utf-8")
    table = page.partition(fault_page.BEGIN)[2].partition(fault_page.END)[0]
    shown = set(re.findall(r"^\| ([FG]\d\d) \|", table, re.MULTILINE))
    assert shown == set(ids(catalogue()))


class Watched(StandingRelease):
    """A release that is seen as it is told."""

    def __init__(self, place: Path, *seen: dict[str, object]) -> None:
        super().__init__(place)
        self.release = "one"
        self.looks = iter(seen)

    def _seen(self) -> dict[str, object]:
        return next(self.looks)


def test_a_release_that_a_fault_changes_is_told(tmp_path: Path) -> None:
    first = {
        "files": {"manifest.json": "a", "report.json": "b"},
        "models": "c  model.bin",
        "image": "d",
    }
    for after, told in (
        (first, []),
        ({**first, "image": "e"}, ["image"]),
        ({**first, "files": {"manifest.json": "a"}, "models": ""}, ["files", "models"]),
    ):
        watched = Watched(tmp_path, after)
        watched.before = first
        watched.pytest_sessionfinish()
        assert (watched.changed, watched.files) == (told, 3)
