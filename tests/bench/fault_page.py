# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of docs/faults.md, written between two markers by a real run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.fault_catalogue import catalogue, variations
from tests.bench.page import on_machine
from tests.bench.place import CHECKOUT
from tests.bench.table import replace_between

PAGE = CHECKOUT / "docs" / "faults.md"
BEGIN = "<!-- begin of faults: written by make faults ARGS=--markdown -->"
END = "<!-- end of faults -->"
HEADER = ("id", "fault", "caught at", "seconds", "release before", "message")
LONGEST = 260
# What differs from run to run and says nothing.
RANDOM = (
    (r"stt-test-[0-9a-f]{8}", "stt-test"),
    (r"/tmp/pytest-of-[^/]+/pytest-[0-9]+/[^/ ]+", "/tmp/test"),
)
MOST_NAMES = 4


def write_page(result: Mapping[str, Any]) -> Path:
    """Put the table of a run between its markers on the page."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(replace_between(page, BEGIN, END, content(result)), encoding="utf-8")
    return PAGE.relative_to(CHECKOUT)


def content(result: Mapping[str, Any]) -> str:
    """The table, what else was planted, and the machine."""
    rows = result["rows"]
    others = sorted({row["fault"] for row in rows} & set(variations()))
    telling = [f"{fault.id} ({fault.name})" for fault in catalogue() if fault.telling]
    seconds = round(result["figures"]["seconds"])
    return "\n\n".join(
        [
            table(rows),
            f"{result['passed']} runs, {result['failed']} failed. A release that was sealed before "
            f"the first was the same after the last: {result['release_before']['files']} files, "
            "on controller and server, and its image with its tags. Planted as well, as variations "
            f"of these: {', '.join(others)}.",
            f"The most telling ones, in every `make test`: {', '.join(telling)}.",
            f"On {on_machine(result['machine'], seconds)}",
        ]
    )


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line for each fault of the catalogue and each test that plants it."""
    lines = [HEADER, tuple("---" for _unused in HEADER)]
    for fault in catalogue():
        lines += [cells(fault.planted, row) for row in rows if row["fault"] == fault.name]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cells(planted: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    """One line of the table as texts."""
    return (
        row["id"],
        planted,
        _plain(_where(row)),
        f"{row['run_seconds']:.1f}",
        "unchanged" if row["intact"] else "-",
        shortened(row["message"]),
    )


def _where(row: Mapping[str, Any]) -> str:
    """The step and its first checks, or how else it ended there."""
    names = [name for name in re.split(r"[;, ]+", row["caught_at"].partition(" | ")[0]) if name]
    shown = list(dict.fromkeys(names))
    more = f" and {len(shown) - MOST_NAMES} more" if len(shown) > MOST_NAMES + 1 else ""
    where = " ".join(shown[:MOST_NAMES] if more else shown) + more
    return where if row["outcome"] == "stopped" else f"{where}: {row['outcome']}"


def shortened(message: str) -> str:
    """The message's first line without what is random in it, cut where it is long."""
    line = message.strip().partition("\n")[0]
    for pattern, plain in RANDOM:
        line = re.sub(pattern, plain, line)
    cut = line if len(line) <= LONGEST else f"{line[: LONGEST - 4].rsplit(' ', 1)[0]} ..."
    return _plain(cut) or "-"


def _plain(text: str) -> str:
    """As one cell of a table in Markdown takes it."""
    return re.sub(r"([|<>*_`\\])", r"\\\1", " ".join(text.split()))
