# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of the tests that plant faults, with tests of every sort."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench import faults
from tests.bench.faults import Planted, Recorder, demanded, document, unplanted

TESTS = """
import pytest

@pytest.mark.fault("recovers")
def test_recovers(record_property):
    record_property("outcome", "recovered")

@pytest.mark.parametrize("at", [pytest.param(1, marks=pytest.mark.fault("stops"))])
def test_stops(at, record_property):
    record_property("outcome", "stopped")

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

def test_without_fault():
    assert False
"""


def run_tests(directory: Path, *wanted: str) -> tuple[Recorder, list[str]]:
    """Run the tests above with the recorder."""
    (directory / "test_sorts.py").write_text(TESTS)
    (directory / "pytest.ini").write_text("[pytest]\nmarkers = fault(name): planted\n")
    said: list[str] = []
    recorder = Recorder(wanted, lambda planted: said.append(planted.fault))
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


def test_demanded_names_are_given_once() -> None:
    assert len(demanded()) == len(set(demanded())) >= 20
    assert faults.DEMANDED.is_file()
