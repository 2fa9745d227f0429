# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make faults`: run every test that plants a fault, and hold how it ended against the catalogue.

A test names its fault with `@pytest.mark.fault("name")` and says with tests/bench/caught.py how it
ended, where it was caught and with which message. A fault of the catalogue that is caught elsewhere
or told otherwise has failed, whatever the test itself thinks.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.bench import fault_page
from tests.bench.fault_catalogue import OUTCOMES, by_name, catalogue, demanded, ids
from tests.bench.place import machine
from tests.bench.standing import StandingRelease

CHECKOUT = Path(__file__).resolve().parents[2]
DIRECTORIES = ("tests/release", "tests/integration")
MARKER = "fault"
LONG = "long"
NAME = "faults"


@dataclass
class Planted:
    """One fault in one test, and how it ended."""

    fault: str
    test: str
    outcome: str = ""
    seconds: float = 0.0
    problem: str = ""
    report: str = ""
    # Without what several tests share: planting it, and the run that met it.
    run_seconds: float = 0.0
    caught_at: str = ""
    message: str = ""
    # What was released before was compared byte for byte before and after.
    intact: bool = False
    long: bool = False

    @property
    def id(self) -> str:
        """The id in the catalogue; empty for a variation."""
        fault = by_name().get(self.fault)
        return fault.id if fault else ""

    def end(self, said: Mapping[str, object]) -> None:
        """Take what the test says, and hold it against the catalogue."""
        self.caught_at, self.message = str(said.get("caught_at", "")), str(said.get("message", ""))
        self.intact = bool(said.get("intact"))
        fault = by_name().get(self.fault)
        if fault is not None and not self.problem:
            self.problem = fault.problem(said)
        outcome = str(said.get("outcome"))
        self.outcome = "FAILED" if self.problem else outcome if outcome in OUTCOMES else "passed"

    def row(self) -> dict[str, Any]:
        """The line for the JSON result."""
        row = {"id": self.id, **asdict(self)}
        del row["report"]
        rounded = {name: round(row[name], 2) for name in ("seconds", "run_seconds")}
        return {**row, **rounded}


class Recorder:
    """A pytest plugin that keeps to the tests with a fault and records how each ended."""

    def __init__(
        self, wanted: Sequence[str], say: Callable[[Planted], None], *, everything: bool = True
    ) -> None:
        """``wanted`` are names, all when empty; without ``everything`` no long variations then."""
        self._wanted = wanted
        self._say = say
        self._everything = everything or bool(wanted)
        self.left_out: set[str] = set()
        self._under_way: dict[str, list[Planted]] = {}
        self.planted: list[Planted] = []
        self.uncollected: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Leave out every test that plants none of the wanted faults."""
        chosen, others = [], []
        for item in items:
            names = [str(mark.args[0]) for mark in item.iter_markers(MARKER)]
            long = item.get_closest_marker(LONG) is not None
            if long and not self._everything and not set(names) & by_name().keys():
                self.left_out.update(names)
                others.append(item)
            elif names and (not self._wanted or set(names) & set(self._wanted)):
                chosen.append(item)
                self._under_way[item.nodeid] = [
                    Planted(name, item.nodeid, long=long) for name in names
                ]
            else:
                others.append(item)
        config.hook.pytest_deselected(items=others)
        items[:] = chosen

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be read could hide a fault."""
        if report.failed:
            self.uncollected.append(f"{report.nodeid}: {_last_line(report.longreprtext)}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add one phase of a test: set-up, the test itself, or the end."""
        for planted in self._under_way[report.nodeid]:
            planted.seconds += report.duration
            if report.when == "call":
                planted.run_seconds = report.duration
            if report.skipped:
                planted.problem = f"skipped: {_last_line(report.longreprtext)}"
            elif report.failed:
                planted.problem = planted.problem or _last_line(report.longreprtext)
                planted.report += report.longreprtext
            if report.when == "teardown":
                planted.end(dict(report.user_properties))
                self.planted.append(planted)
                self._say(planted)


def _last_line(text: str) -> str:
    """The line of a failure that says most."""
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("E").strip() for line in lines if line.startswith("E ")]
    return (errors[:1] or lines[-1:] or [""])[0][:300]


def unplanted(names: Sequence[str], planted: Sequence[Planted]) -> list[Planted]:
    """A failure for each demanded fault that no test plants."""
    found = {one.fault for one in planted}
    return [
        Planted(name, "", "FAILED", problem="no test plants this fault")
        for name in names
        if name not in found
    ]


def document(planted: Sequence[Planted], names: Sequence[str]) -> dict[str, Any]:
    """The JSON result."""
    outcomes = Counter(one.outcome for one in planted)
    failed = outcomes.pop("FAILED", 0)
    figures: dict[str, float] = {
        "demanded": len(names),
        "demanded_and_planted": len(set(names) & {one.fault for one in planted if one.test}),
        # One test may plant several.
        "seconds": round(sum({one.test: one.seconds for one in planted}.values()), 1),
        **dict(sorted(outcomes.items())),
    }
    return {
        "name": NAME,
        "passed": len(planted) - failed,
        "failed": failed,
        "figures": figures,
        "ratios": {},
        "rows": [one.row() for one in planted],
    }


def say(planted: Planted) -> None:
    """Print the line of one fault."""
    told = planted.problem or planted.message
    line = f"{planted.id:<4} {planted.fault:<46} {planted.outcome:<10} {planted.seconds:>7.1f}"
    print(f"{line}  {planted.caught_at:<6.30} {told.partition(chr(10))[0][:200]}", flush=True)


class Lister:
    """A pytest plugin that only says which test plants what."""

    def __init__(self) -> None:
        self.found: list[Planted] = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the names, and run nothing."""
        for item in items:
            long = item.get_closest_marker(LONG) is not None
            for mark in item.iter_markers(MARKER):
                self.found.append(Planted(str(mark.args[0]), item.nodeid, long=long))


def run_pytest(*options: str, plugins: Sequence[object]) -> int:
    """Run pytest over the tests on the lab, with no output of its own."""
    # The lines above and below are the report; pytest's own would hide them.
    quiet = ["-p", "no:terminal", "-o", "addopts=--import-mode=importlib --strict-markers"]
    existing = [name for name in DIRECTORIES if (CHECKOUT / name).is_dir()]
    return pytest.main(
        [f"--rootdir={CHECKOUT}", *quiet, *options, *existing], plugins=list(plugins)
    )


def listed() -> list[Planted]:
    """Every fault that some test plants."""
    lister = Lister()
    run_pytest("--collect-only", plugins=[lister])
    return lister.found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("names", nargs="*", help="only these faults, by name or id (default: all)")
    parser.add_argument("--all", action="store_true", help="also every long variation")
    parser.add_argument("--list", action="store_true", help="say what is planted, and run nothing")
    parser.add_argument("--markdown", action="store_true", help="write the table in docs/faults.md")


def wanted(given: Sequence[str]) -> list[str]:
    """Names of faults, where some are given as ids."""
    known = set(ids(catalogue()))
    return [
        name
        for one in given
        for name in ([f.name for f in catalogue() if f.id == one] if one in known else [one])
    ]


def main(options: argparse.Namespace) -> int:
    """Run the tests, print a line for each fault and write the result; 1 when any failed."""
    if options.list:
        print(json.dumps([one.row() for one in listed()], indent=1))
        return 0
    before = machine()
    print(f"{'id':<4} {'fault':<46} {'outcome':<10} {'seconds':>7}  caught at", flush=True)
    recorder = Recorder(wanted(options.names), say, everything=options.all)
    with tempfile.TemporaryDirectory() as place:
        before_all = StandingRelease(Path(place))
        whole = [] if options.names else [before_all]
        status = run_pytest(plugins=[recorder, *whole])
    names = [name for name in demanded() if name not in recorder.left_out]
    rows = list(recorder.planted)
    rows += [Planted("(collection)", "", "FAILED", problem=one) for one in recorder.uncollected]
    if before_all.changed:
        changed = f"changed: {', '.join(before_all.changed)}"
        rows.append(Planted("(release before)", "", "FAILED", problem=changed))
    if not options.names:
        rows += unplanted(names, rows)
    for row in rows[len(recorder.planted) :]:
        say(row)
    for row in recorder.planted:
        if row.report:
            print(f"\n--- {row.fault}: {row.test}\n{row.report}")
    kept = {"release": before_all.release, "files": before_all.files}
    result = {**document(rows, names), "release_before": kept, "machine": before}
    path = CHECKOUT / "results" / f"{NAME}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{json.dumps(result, indent=2)}\n", encoding="utf-8")
    print(closing(result, rows, whole=not options.names))
    print(f"written: {path.relative_to(CHECKOUT)}")
    broken = status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    failed = bool(result["failed"] or broken)
    if options.markdown and not failed and not options.names:
        print(f"written: {fault_page.write_page(result)}")
    return 1 if failed else 0


def closing(result: Mapping[str, Any], rows: Sequence[Planted], *, whole: bool) -> str:
    """The last line: how many passed, and of how many kinds they are."""
    figures = result["figures"]
    kinds = len({row.fault for row in rows if row.test})
    said = f"{result['passed']} passed, {result['failed']} failed; {kinds} kinds of faults planted"
    if whole:
        said += f", {figures['demanded_and_planted']} of the {figures['demanded']} demanded"
    return f"{said}, in {figures['seconds']:.0f} s"
