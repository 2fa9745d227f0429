# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured, put into medians and ratios and held against the goals."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Sample:
    """One run of one tool; a problem makes it invalid, and its numbers are not used.

    Values are by unit, such as ``seconds`` or ``peak_memory_bytes``.
    """

    part: str
    tool: str
    turn: int
    values: dict[str, float]
    problem: str = ""

    def row(self) -> dict[str, Any]:
        """The sample for the list of rows in the JSON result."""
        row: dict[str, Any] = {"part": self.part, "tool": self.tool, "round": self.turn}
        return {**row, **self.values, "problem": self.problem}


@dataclass(frozen=True)
class Spread:
    """The median of some runs, with the least and the most."""

    median: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """The spread of the values; None of none."""
        if not values:
            return None
        return cls(statistics.median(values), min(values), max(values), len(values))


@dataclass(frozen=True)
class Line:
    """One line of the table: one value of ours, beside a peer's and held to a goal.

    ``most_ratio`` limits our median divided by the peer's, ``most`` our median and ``never_over``
    each single run of ours.
    """

    name: str
    label: str
    unit: str
    ours: Spread | None
    peer: Spread | None = None
    peer_name: str = ""
    most_ratio: float | None = None
    most: float | None = None
    never_over: float | None = None

    @property
    def ratio(self) -> float | None:
        """Our median divided by the peer's; None without both or when the peer's is 0."""
        if self.ours is None or self.peer is None or self.peer.median == 0:
            return None
        return self.ours.median / self.peer.median

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None without a goal. What was not measured is not."""
        held = [
            (self.most_ratio, self.ratio),
            (self.most, None if self.ours is None else self.ours.median),
            (self.never_over, None if self.ours is None else self.ours.most),
        ]
        asked = [(limit, value) for limit, value in held if limit is not None]
        if not asked:
            return None
        return all(value is not None and value <= limit for limit, value in asked)


@dataclass
class Result:
    """Everything that one benchmark found."""

    name: str
    lines: list[Line] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def spread(self, part: str, tool: str, value: str, scale: float = 1.0) -> Spread | None:
        """The spread of one value, scaled, over the valid runs of a tool in a part."""
        return Spread.of(
            [
                sample.values[value] * scale
                for sample in self.samples
                if (sample.part, sample.tool) == (part, tool)
                and not sample.problem
                and value in sample.values
            ]
        )

    @property
    def failed(self) -> list[Sample]:
        """The runs that did not do what they had to."""
        return [sample for sample in self.samples if sample.problem]

    def document(self) -> dict[str, Any]:
        """The JSON result: numbers of passed and failed runs, figures, ratios and rows."""
        figures: dict[str, float] = {}
        for line in self.lines:
            figures |= _named(f"{line.name}_ours", line.ours)
            figures |= _named(f"{line.name}_{line.peer_name.replace(' ', '_')}", line.peer)
        ratios = {line.name: line.ratio for line in self.lines if line.ratio is not None}
        goals = {line.name: line.reached for line in self.lines if line.reached is not None}
        return {
            "name": self.name,
            "passed": len(self.samples) - len(self.failed),
            "failed": len(self.failed),
            "figures": {name: round(value, 6) for name, value in figures.items()},
            "ratios": {name: round(ratio, 4) for name, ratio in ratios.items()},
            "goals_reached": goals,
            "facts": self.facts,
            "rows": [sample.row() for sample in self.samples],
        }


def _named(name: str, spread: Spread | None) -> dict[str, float]:
    if spread is None:
        return {}
    return {name: spread.median, f"{name}_least": spread.least, f"{name}_most": spread.most}


def rotated(tools: Sequence[str], turn: int) -> list[str]:
    """The tools in the order of one round: each round begins with another one."""
    start = turn % len(tools) if tools else 0
    return [*tools[start:], *tools[:start]]
