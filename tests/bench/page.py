# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table and the machine in docs/benchmarks.md, written between two markers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bench.figures import Result
from tests.bench.place import CHECKOUT
from tests.bench.table import markdown, replace_between

PAGE = CHECKOUT / "docs" / "benchmarks.md"
END = "<!-- end of bench-model -->"
BEGIN = "<!-- begin of bench-model: written by make bench-model ARGS=--markdown -->"


def write_page(result: Result) -> Path:
    """Put the result between the markers of the page."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(replace_between(page, BEGIN, END, content(result)), encoding="utf-8")
    return PAGE


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
    machine, peers = facts["machine"], facts["peers"]
    extensions = "with" if machine["sha_instructions"] else "without"
    return (
        f"Measured with {facts['weight_bytes']:,} bytes of weights, {facts['streams']} streams and "
        f"chunks of {facts['chunk_bytes']:,} bytes, against huggingface_hub "
        f"{peers['huggingface_hub']} and curl {peers['curl']}, on {machine['cores']} cores "
        f"({machine['processor']}, {extensions} SHA instructions), {machine['memory_gb']} GB "
        f"memory, {machine['disk']}, kernel {machine['kernel']}, Python {machine['python']}; "
        f"load before the run {machine['load_before']}; whole run {facts['seconds']} s."
    )
