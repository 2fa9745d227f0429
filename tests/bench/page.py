# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table and the machine in docs/benchmarks.md, written between two markers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench.figures import Result
from tests.bench.place import CHECKOUT
from tests.bench.table import markdown, replace_between

PAGE = CHECKOUT / "docs" / "benchmarks.md"


def write_page(name: str, text: str, page: Path = PAGE) -> Path:
    """Put a benchmark's text between its markers on a page."""
    before = page.read_text(encoding="utf-8")
    page.write_text(replace_between(before, *markers(name), text), encoding="utf-8")
    return page


def markers(name: str) -> tuple[str, str]:
    """Between which lines the page holds what a benchmark wrote."""
    begin = f"<!-- begin of {name}: written by make {name} ARGS=--markdown -->"
    return begin, f"<!-- end of {name} -->"


def on_machine(machine: Mapping[str, Any], seconds: float) -> str:
    """The machine that a run was measured on, and how long it took."""
    extensions = "with" if machine["sha_instructions"] else "without"
    return (
        f"{machine['cores']} cores ({machine['processor']}, {extensions} SHA instructions), "
        f"{machine['memory_gb']} GB memory, {machine['disk']}, kernel {machine['kernel']}, "
        f"Python {machine['python']}; load before the run {machine['load_before']}; "
        f"whole run {seconds} s."
    )


def content(result: Result) -> str:
    """The table, the machine and the conditions of one run."""
    facts = result.facts
    missed = [line for line in result.lines if line.reached is False]
    said = "; ".join(f"{line.label} / {line.peer_name or 'limit'}" for line in missed)
    return "\n\n".join(
        [
            markdown(result.lines),
            f"Medians of {facts['runs']} rounds, in brackets the least and the most. "
            f"{len(result.samples) - len(result.failed)} runs were valid, "
            f"{len(result.failed)} failed. Goals missed: {said or 'none'}.",
            _conditions(facts),
        ]
    )


def _conditions(facts: dict[str, Any]) -> str:
    peers = facts["peers"]
    return (
        f"Measured with {facts['weight_bytes']:,} bytes of weights, {facts['streams']} streams and "
        f"chunks of {facts['chunk_bytes']:,} bytes, against huggingface_hub "
        f"{peers['huggingface_hub']} and curl {peers['curl']}, on "
        f"{on_machine(facts['machine'], facts['seconds'])}"
    )
