# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of checks: each says what it proves, what it needs and how long it may take."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from .lacks import lacking
from .outcome import Outcome
from .settings import Settings


class Progress(Protocol):
    """Says what a check is doing right now, and by how many seconds that puts off its deadline."""

    def __call__(self, doing: str, seconds: float = 0.0, /) -> None: ...


Body = Callable[[Settings, Progress], Outcome]


@dataclass(frozen=True)
class Check:
    """One check: ``run`` gets the settings and a way to say what it is doing right now.

    ``imports`` are the heavy packages worth having loaded before the fork, and a check is skipped
    in an image that need not have them; ``deadline`` is in seconds, to
    which come those of hearing each recording; ``cuda`` marks a check that
    touches the GPU where there is one: it then gets a fresh process, because CUDA does not survive
    a fork. ``part`` names the container that it belongs in where a phase has several.
    """

    id: str
    name: str
    expected: Callable[[Settings], str]
    fix: str
    run: Body
    imports: tuple[str, ...] = ()
    deadline: float = 60.0
    cuda: bool = False
    part: str | None = None

    @property
    def key(self) -> str:
        return f"{self.id}/{self.name}"

    @property
    def phase(self) -> str:
        return self.id.split(".")[0]

    def result(self, outcome: Outcome, settings: Settings, seconds: float) -> dict[str, Any]:
        """The check result as every reader of it expects it."""
        good = outcome.status in ("passed", "skipped")
        return {
            "id": self.id,
            "name": self.name,
            "status": outcome.status,
            "expected": self.expected(settings),
            "found": outcome.found,
            "fix": "" if good else (outcome.fix or self.fix),
            "seconds": round(seconds, 3),
            "evidence": outcome.evidence,
        }


Plan = Callable[[Settings], Iterable[Check]]


class Registry:
    """Checks in the order in which they are written down.

    ``checks`` are planned in every run of their phase; a plan adds those that only some settings
    call for, one for each model that is compared, for instance.
    """

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.plans: list[Plan] = []

    def planned(self, settings: Settings) -> list[Check]:
        """Every check that these settings call for; a process started anew plans the same."""
        return [*self.checks, *(check for plan in self.plans for check in plan(settings))]

    def plan(self, plan: Plan) -> Plan:
        """Register the decorated function as a plan."""
        self.plans.append(plan)
        return plan

    def check(
        self,
        id_: str,
        name: str,
        *,
        expected: str | Callable[[Settings], str],
        fix: str,
        imports: tuple[str, ...] = (),
        deadline: float = 60.0,
        cuda: bool = False,
        part: str | None = None,
    ) -> Callable[[Body], Body]:
        """Register the decorated function as a check."""

        needs = [package for package in imports if "." not in package]

        def register(body: Body) -> Body:
            @functools.wraps(body)
            def run(settings: Settings, progress: Progress) -> Outcome:
                return lacking(settings, *needs) or body(settings, progress)

            sentence = expected if callable(expected) else lambda _settings: expected
            self.checks.append(Check(id_, name, sentence, fix, run, imports, deadline, cuda, part))
            return run

        return register
