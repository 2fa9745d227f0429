# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults that have to be planted: where each must be caught, and what must be said of it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CATALOGUE = Path(__file__).with_name("faults.toml")
# How a fault may end: the run goes on with the right content, stops, or takes nothing of it.
OUTCOMES = ("recovered", "stopped", "refused", "kept out")
STOPPED = ("stopped", "refused")
STEP = re.compile(r"\bR[1-6]\.[0-9]\b")
FORM = re.compile(r"\S.*?found \S.*?; needed \S.*?; fix: \S")


@dataclass(frozen=True)
class Fault:
    """One fault of the catalogue; an id that is planted in several ways has several."""

    id: str
    name: str
    planted: str
    at: tuple[str, ...]
    says: tuple[str, ...] = ()
    telling: bool = False

    def problem(self, said: Mapping[str, object]) -> str:
        """What is wrong with how a test says that this fault ended; empty when nothing is."""
        outcome, caught_at = str(said.get("outcome", "")), str(said.get("caught_at", ""))
        steps = STEP.findall(caught_at)
        if outcome not in OUTCOMES:
            return f"the test says {outcome or 'nothing'}; needed one of {', '.join(OUTCOMES)}"
        if not steps or not set(steps) <= set(self.at):
            return f"caught at {caught_at or 'no step'}; needed {' or '.join(self.at)}"
        message = str(said.get("message", ""))
        if outcome in STOPPED and not FORM.search(message):
            return f"the message {message[:80]!r} lacks object, found, needed or fix"
        unsaid = [words for words in self.says if words not in message]
        return f"the message does not say {', '.join(unsaid)}: {message[:200]}" if unsaid else ""


@cache
def catalogue() -> tuple[Fault, ...]:
    """Every fault with an id, in the order of the ids."""
    document = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
    return tuple(
        Fault(
            id=entry["id"],
            name=entry["name"],
            planted=entry["planted"],
            at=tuple(entry["at"]),
            says=tuple(entry.get("says", ())),
            telling=entry.get("telling", False),
        )
        for entry in document["fault"]
    )


@cache
def variations() -> tuple[str, ...]:
    """Further names that some test must plant: the same kinds of faults in other places."""
    return tuple(tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))["variations"])


def by_name() -> dict[str, Fault]:
    """The faults by the name that a test's mark gives."""
    return {fault.name: fault for fault in catalogue()}


def demanded() -> list[str]:
    """The names that have to be planted."""
    return [*(fault.name for fault in catalogue()), *variations()]


def ids(faults: Sequence[Fault]) -> list[str]:
    """The ids, each once, in their order."""
    return list(dict.fromkeys(fault.id for fault in faults))
