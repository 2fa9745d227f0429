# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make faults`: run every test that plants a fault, and count them by name.

A test names its fault with `@pytest.mark.fault("name")` and may say with
`record_property("outcome", ...)` how the fault ended: recovered, stopped or refused.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
DEMANDED = Path(__file__).with_name("faults.toml")
DIRECTORIES = ("tests/integration", "tests/release")
MARKER = "fault"
OUTCOMES = ("recovered", "stopped", "refused")
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

    def row(self) -> dict[str, Any]:
        """The line for the JSON result."""
        row = asdict(self)
        del row["report"]
        return {**row, "seconds": round(self.seconds, 2)}


class Recorder:
    """A pytest plugin that keeps to the tests with a fault and records how each ended."""

    def __init__(self, wanted: Sequence[str], say: Callable[[Planted], None]) -> None:
        self._wanted = wanted
        self._say = say
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
            if names and (not self._wanted or set(names) & set(self._wanted)):
                chosen.append(item)
                self._under_way[item.nodeid] = [Planted(name, item.nodeid) for name in names]
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
            if report.skipped:
                planted.problem = f"skipped: {_last_line(report.longreprtext)}"
            elif report.failed:
                planted.problem = planted.problem or _last_line(report.longreprtext)
                planted.report += report.longreprtext
            if report.when == "teardown":
                said = dict(report.user_properties).get("outcome")
                planted.outcome = _outcome(planted, said)
                self.planted.append(planted)
                self._say(planted)


def _outcome(planted: Planted, said: object) -> str:
    if planted.problem:
        return "FAILED"
    return str(said) if said in OUTCOMES else "passed"


def _last_line(text: str) -> str:
    """The line of a failure that says most."""
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("E").strip() for line in lines if line.startswith("E ")]
    return (errors[:1] or lines[-1:] or [""])[0][:300]


def demanded() -> list[str]:
    """The faults that have to be planted."""
    return list(tomllib.loads(DEMANDED.read_text(encoding="utf-8"))["demanded"])


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
        "seconds": round(sum(one.seconds for one in planted), 1),
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
    problem = f"  {planted.problem}" if planted.problem else ""
    print(f"{planted.fault:<46} {planted.outcome:<10} {planted.seconds:>7.1f}{problem}", flush=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("names", nargs="*", help="only these faults (default: all)")


def main(options: argparse.Namespace) -> int:
    """Run the tests, print a line for each fault and write the result; 1 when any failed."""
    names = demanded()
    print(f"{'fault':<46} {'outcome':<10} {'seconds':>7}", flush=True)
    recorder = Recorder(options.names, say)
    # The lines above and below are the report; pytest's own would hide them.
    quiet = ["-p", "no:terminal", "-o", "addopts=--import-mode=importlib --strict-markers"]
    existing = [name for name in DIRECTORIES if (CHECKOUT / name).is_dir()]
    status = pytest.main([f"--rootdir={CHECKOUT}", *quiet, *existing], plugins=[recorder])
    rows = list(recorder.planted)
    rows += [Planted("(collection)", "", "FAILED", problem=one) for one in recorder.uncollected]
    if not options.names:
        rows += unplanted(names, rows)
    for row in rows[len(recorder.planted) :]:
        say(row)
    for row in recorder.planted:
        if row.report:
            print(f"\n--- {row.fault}: {row.test}\n{row.report}")
    result = document(rows, names)
    path = CHECKOUT / "results" / f"{NAME}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{json.dumps(result, indent=2)}\n", encoding="utf-8")
    figures = result["figures"]
    kinds = len({row.fault for row in rows if row.test})
    said = f"{result['passed']} passed, {result['failed']} failed; {kinds} kinds of faults planted"
    if not options.names:
        said += f", {figures['demanded_and_planted']} of the {figures['demanded']} demanded"
    print(said)
    print(f"written: {path.relative_to(CHECKOUT)}")
    broken = status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    return 1 if result["failed"] or broken else 0
