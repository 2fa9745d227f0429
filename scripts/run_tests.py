# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the parts of the test run one after the other and close with a table.

Usage: run_tests.py [PART ...]; without a part, all of them but `long`. The lab comes up in the
background while the parts that do not need it run, and parts that disturb no other run beside one.
Exits 1 when anything failed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import IO

from parts import CHECKOUT, ON_REQUEST, PARTS, RESULTS, Count, read_count

NEEDS_LAB = ("release", "integration", "molecule", "long")
# Parts that disturb no other: each runs beside the one named here, which waits or uses one core.
BESIDE = {"sanity": "unit", "fetch": "release"}


@dataclass
class Row:
    """One line of the closing table."""

    part: str
    seconds: float
    count: Count


def nox(part: str) -> list[str]:
    """The command that runs one part."""
    return [sys.executable, "-m", "nox", "--noxfile", str(CHECKOUT / "noxfile.py"), "-s", part]


class Background:
    """A part that runs beside the others, its output kept in a log until it is waited for."""

    def __init__(self, part: str) -> None:
        self.part = part
        self.log_path = RESULTS / f"{part}.log"
        self.started = time.monotonic()
        self.log: IO[bytes] = self.log_path.open("wb")
        self.process = subprocess.Popen(nox(part), stdout=self.log, stderr=subprocess.STDOUT)

    def wait(self) -> float:
        """Wait for the part, show its output, and return how long it took."""
        if self.process.poll() is None:
            print(f"==> waiting for {self.part} (log: {self.log_path})", flush=True)
        self.process.wait()
        seconds = time.monotonic() - self.started
        self.log.close()
        print(self.log_path.read_text(encoding="utf-8", errors="replace"), flush=True)
        return seconds


def run_part(part: str) -> float:
    """Run one part in the foreground and return how long it took."""
    print(f"==> {part}: {PARTS[part]}", flush=True)
    started = time.monotonic()
    subprocess.run(nox(part), check=False)
    return time.monotonic() - started


def run_parts(wanted: list[str]) -> list[Row]:
    """Run the wanted parts in their order; what needs the lab is not tried without it."""
    rows: list[Row] = []
    background = {part: Background(part) for part in ("lab",) if part in wanted}
    lab_failed = False
    for part in wanted:
        if part in background:
            seconds = background[part].wait()
        elif part in NEEDS_LAB and lab_failed:
            rows.append(Row(part, 0.0, Count(part, failed=[f"{part}: not run, the lab is not up"])))
            continue
        else:
            beside = [other for other in wanted if BESIDE.get(other) == part]
            background.update({other: Background(other) for other in beside})
            seconds = run_part(part)
        count = read_count(part)
        lab_failed = lab_failed or (part == "lab" and bool(count.failed))
        rows.append(Row(part, seconds, count))
    return rows


def print_table(rows: list[Row]) -> None:
    """Print the closing table, what failed or was skipped, and the totals as the last line."""
    print(f"\n{'part':<12} {'seconds':>8} {'passed':>7} {'failed':>7} {'skipped':>8}  covers")
    for row in rows:
        count = row.count
        covers = f"{PARTS[row.part]}{f' ({count.note})' if count.note else ''}"
        figures = f"{count.passed:>7} {len(count.failed):>7} {len(count.skipped):>8}"
        print(f"{row.part:<12} {row.seconds:>8.0f} {figures}  {covers}")
    for row in rows:
        for name in row.count.failed:
            print(f"failed  {row.part}: {name}")
        for name, reason in row.count.skipped.items():
            print(f"skipped {row.part}: {name}: {reason}")
    passed = sum(row.count.passed for row in rows)
    failed = sum(len(row.count.failed) for row in rows)
    skipped = sum(len(row.count.skipped) for row in rows)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")


def main(arguments: list[str]) -> int:
    """Run what is asked for and return the exit status."""
    unknown = [part for part in arguments if part not in PARTS]
    if unknown:
        print(
            f"part: found {', '.join(unknown)}; needed some of {', '.join(PARTS)}", file=sys.stderr
        )
        return 2
    usual = [part for part in PARTS if part not in ON_REQUEST]
    wanted = [part for part in PARTS if part in (arguments or usual)]
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True)
    rows = run_parts(wanted)
    print_table(rows)
    return 1 if any(row.count.failed for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
