# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what containers of checks printed into exactly one result for every planned check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._verify_container import (
    KILLED,
    ContainerRun,
    planned_of,
    result_key,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_request import Phase

# Whatever the carried archive plans: without one of these steps there is no verdict.
STEPS: Mapping[Phase, tuple[str, ...]] = {
    "R2": ("R2.5",),
    "R4": ("R4.1", "R4.2", "R4.3", "R4.4"),
    "R5": ("R5.1", "R5.2", "R5.3", "R5.4", "R5.5", "R5.6", "R5.7", "R5.8"),
}
# The gates of an image, by the container that each is judged in.
GATES_OF_FILES = (
    "added_files",
    "architecture",
    "glibc",
    "libstdcxx",
    "dangling_links",
    "no_os_additions",
    "secrets",
)
GATES_OF_ENGINE = (
    "cuda_libraries",
    "library_path",
    "packages",
    "modules",
    "torch_cuda",
    "user_and_port",
    "labels",
    "inventory",
)
FIELDS = ("id", "name", "status", "expected", "found", "fix", "seconds", "evidence")
STATUSES = ("passed", "failed", "error", "skipped")
SUITE = "suite_complete"


def collect(
    steps: Sequence[str],
    run: ContainerRun,
    limit: float,
    wanted: Sequence[tuple[str, str]] = (),
    suite: str = SUITE,
) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
    """Planned checks and exactly one result for each; what is missing or malformed is an error.

    ``wanted`` are checks, by step and name, that this run had to plan beside every step; ``suite``
    names the result that speaks of the run itself.
    """
    planned = planned_of(run.messages)
    results: dict[tuple[str, str], dict[str, Any]] = {}
    complaints: list[str] = []
    for message in run.messages:
        if "planned" in message or "finished" in message:
            continue
        key = result_key(message)
        if not is_result(message):
            complaints.append(f"a malformed line for {' '.join(key)}")
        elif key in results:
            complaints.append(f"two results for {' '.join(key)}")
        else:
            results[key] = message
    ended = ending(run, limit)
    checks = []
    for entry in planned:
        found = results.pop(result_key(entry), {})
        checks.append(found or _lost(entry, ended))
    complaints += [f"a result that was not planned: {' '.join(key)}" for key in results]
    seen = {entry["id"] for entry in planned}
    absent = [step for step in steps if step not in seen]
    checks += [
        _lost({"id": step, "name": suite}, f"no check of {step} was planned; {ended}")
        for step in absent
    ]
    announced = {result_key(entry) for entry in planned}
    checks += [
        _lost({"id": step, "name": name}, f"it was not planned; {ended}")
        for step, name in wanted
        if (step, name) not in announced
    ]
    if not any("finished" in message for message in run.messages):
        complaints.append(f"the checks did not say that they are finished; {ended}")
    if complaints and not absent:
        checks.append(_lost({"id": steps[0], "name": suite}, "; ".join(complaints)))
    return planned, checks


def ending(run: ContainerRun, limit: float) -> str:
    """How a container ended, in words."""
    if run.timed_out:
        return f"the container was stopped at the time limit of {limit:g} s"
    if run.out_of_memory:
        return f"the out-of-memory killer struck; the container ended with {run.exit_status}"
    if run.exit_status == KILLED:
        return "the container was killed from outside"
    return f"the container ended with exit status {run.exit_status}"


def _lost(entry: Mapping[str, str], found: str) -> dict[str, Any]:
    return {
        "id": entry["id"],
        "name": entry["name"],
        "status": "error",
        "expected": "one result for every planned check",
        "found": f"no result: {found}",
        "fix": "look at the end of the checks' log; use the check archive of this collection, and "
        "raise the memory or time limit if one was reached",
        "seconds": 0.0,
        "evidence": {},
    }


def is_result(check: Any) -> bool:
    return (
        isinstance(check, dict)
        and all(name in check for name in FIELDS)
        and check["status"] in STATUSES
        and isinstance(check["evidence"], dict)
        and isinstance(check["seconds"], (int, float))
        and bool(check["found"])
    )
