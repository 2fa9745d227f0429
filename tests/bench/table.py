# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a benchmark, for the terminal and for the documentation."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.figures import Line, Spread

HEADER = ("figure", "ours", "peer", "ratio", "goal", "reached")
BEGIN = "<!-- begin: written by {command} -->"
END = "<!-- end -->"


def cells(line: Line) -> tuple[str, ...]:
    """One line of the table as texts."""
    peer = f"{line.peer_name} {_spread(line.peer, line.unit)}" if line.peer_name else "-"
    ratio = "-" if line.ratio is None else f"{line.ratio:.3f}"
    reached = {None: "-", True: "yes", False: "NO"}[line.reached]
    return (line.label, _spread(line.ours, line.unit), peer, ratio, _goal(line), reached)


def plain(lines: Sequence[Line]) -> str:
    """The table in columns, for the terminal."""
    rows = [HEADER, *(cells(line) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(padded)


def markdown(lines: Sequence[Line]) -> str:
    """The table in Markdown."""
    rows = [HEADER, tuple("---" for _unused in HEADER), *(cells(line) for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def replace_between(page: str, begin: str, end: str, content: str) -> str:
    """The page with other content between its two markers, each of which must be there once."""
    if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
        raise ValueError(f"page: found no single {begin!r} before a single {end!r}")
    head = page[: page.index(begin) + len(begin)]
    return f"{head}\n{content.strip()}\n{page[page.index(end) :]}"


def _spread(spread: Spread | None, unit: str) -> str:
    if spread is None:
        return "not measured"
    median, least, most = (_number(v) for v in (spread.median, spread.least, spread.most))
    between = "" if spread.count == 1 else f" ({least}-{most})"
    return f"{median}{between} {unit}"


def _goal(line: Line) -> str:
    goals = []
    if line.most_ratio is not None:
        goals.append(f"ratio <= {line.most_ratio:.2f}")
    if line.most is not None:
        goals.append(f"<= {_number(line.most)} {line.unit}")
    if line.never_over is not None:
        goals.append(f"never over {_number(line.never_over)} {line.unit}")
    return ", ".join(goals) or "-"


def _number(value: float) -> str:
    """Three digits that count; no more of a large number than its whole part."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
