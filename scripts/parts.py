# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of the test run count, and where each leaves its count.

Every part writes `results/test/<part>.json`. A part that left no file did not finish: it counts
as failed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

CHECKOUT = Path(__file__).resolve().parent.parent
RESULTS = CHECKOUT / "results" / "test"
ALLOWED_SKIPS = CHECKOUT / "tests" / "allowed_skips.toml"

# In the order in which they run: what is quick and needs nothing comes first.
PARTS = {
    "lint": "style, types, licences, argument specs, the built collection",
    "unit": "plugins, checks and service, alone",
    "sanity": "ansible-test's own judges of plugins and docs",
    "lab": "build server and model hub come up",
    # Before those that judge or use the engine image that it makes.
    "release": "whole releases, then again with nothing changed; bad input and faults",
    "fetch": "fetching against a hub on loopback, over every fault of it",
    "integration": "modules against a real engine, hub and model",
    "molecule": "each role alone: check mode, converge, idempotence, verify",
    "long": "whole releases of every kind: drift, brought models, slim, an engine of one's own",
}
# What takes too long for every run of the tests; `make test-long` runs it.
ON_REQUEST = ("long",)


@dataclass
class Count:
    """The outcome of one part: how many checks passed, and which did not, by name."""

    part: str
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    note: str = ""

    def add(self, name: str, *, passed: bool) -> None:
        """Count one check."""
        if passed:
            self.passed += 1
        else:
            self.failed.append(name)

    def explain_skips(self) -> None:
        """Turn every skip that tests/allowed_skips.toml does not explain into a failure."""
        allowed = tomllib.loads(ALLOWED_SKIPS.read_text(encoding="utf-8"))
        rules = [rule for rule in allowed["skip"] if rule["part"] == self.part]
        for name, reason in list(self.skipped.items()):
            if not any(re.search(rule["pattern"], f"{name}: {reason}") for rule in rules):
                del self.skipped[name]
                self.failed.append(f"{name} was skipped without an allowed reason: {reason}")

    def write(self) -> None:
        """Leave the count where the closing table looks for it."""
        self.explain_skips()
        if not self.passed and not self.failed:
            self.failed.append(f"{self.part} counted nothing")
        RESULTS.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self), indent=2, sort_keys=True)
        (RESULTS / f"{self.part}.json").write_text(f"{text}\n", encoding="utf-8")


def read_count(part: str) -> Count:
    """The count that a part left; one failure when it left none."""
    path = RESULTS / f"{part}.json"
    if not path.is_file():
        return Count(part, failed=[f"{part} ended before it counted anything"])
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Count(**content)


def count_junit(count: Count, *paths: Path) -> None:
    """Add the test cases of JUnit files, as pytest and ansible-test write them."""
    existing = [path for path in paths if path.is_file()]
    if not existing:
        count.failed.append("no result file was written")
    for path in existing:
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            # ansible-test names the command as the class of each of its tests.
            name = f"{case.get('classname')}.{case.get('name')}".removeprefix(f"{count.part}.")
            skipped = case.find("skipped")
            if skipped is not None:
                count.skipped[name] = skipped.get("message") or skipped.text or "no reason"
            else:
                count.add(name, passed=case.find("failure") is None and case.find("error") is None)


def run(*command: str, cwd: Path = CHECKOUT, environment: dict[str, str] | None = None) -> int:
    """Run a command, its output going to the terminal, and return its exit status."""
    print(f"$ {' '.join(command)}", flush=True)
    return subprocess.run(
        command, check=False, cwd=cwd, env={**os.environ, **(environment or {})}
    ).returncode


def run_captured(*command: str, cwd: Path = CHECKOUT) -> tuple[int, str]:
    """Run a command, show its output line by line as it comes, and return status and output."""
    print(f"$ {' '.join(command)}", flush=True)
    lines: list[str] = []
    with subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return process.returncode, "".join(lines)
