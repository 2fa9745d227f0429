# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of all quantizations of a release, side by side: rows of the report and its table.

Nothing is ranked: which of size, speed, memory and agreement counts is the operator's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._report_text import size, text

STEP = "R5.9"
PREFIX = "quantization_"
FIGURES = (
    "computed_in",
    "device",
    "bytes",
    "load_seconds",
    "real_time_factor",
    "peak_memory_bytes",
    "gpu_memory_bytes",
    "encoder_cosine",
    "text_agreement",
)
UNKNOWN = "-"

Cell = Callable[[Mapping[str, Any]], str]


def quantization_rows(checks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each conversion that was compared, the served one first; none for a single one.

    What was not measured, because a check failed before or the device has no such thing, is null.
    """
    rows = [
        {
            "quantization": str(check["name"]).removeprefix(PREFIX),
            "served": check["evidence"].get("served") is True,
            "status": check["status"],
            **{name: check["evidence"].get(name) for name in FIGURES},
        }
        for check in checks
        if check["id"] == STEP and str(check["name"]).startswith(PREFIX)
    ]
    rows.sort(key=lambda row: not row["served"])
    return rows if len(rows) > 1 else []


def quantization_table(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The table's heads and cells in the report's language; GPU memory only where it was told."""
    language = str(report["language"])
    rows: Sequence[Mapping[str, Any]] = report["quantizations"]
    columns = _columns(language)
    if all(row["gpu_memory_bytes"] is None for row in rows):
        del columns["gpu_memory"]
    heads = [text(key, language) for key in columns]
    return heads, [[cell(row) for cell in columns.values()] for row in rows]


def _columns(language: str) -> dict[str, Cell]:
    return {
        "quantization": lambda row: _name(row, language),
        "computed_in": _computed,
        "size": lambda row: size(row["bytes"]),
        "load_time": lambda row: _seconds(row["load_seconds"], language),
        "real_time_factor": lambda row: _number(row["real_time_factor"], 4),
        "main_memory": lambda row: size(row["peak_memory_bytes"]),
        "gpu_memory": lambda row: size(row["gpu_memory_bytes"]),
        "encoder_cosine": lambda row: _not_more(row["encoder_cosine"], 6),
        "text_agreement": lambda row: _share(row["text_agreement"]),
        "result": lambda row: text(str(row["status"]), language),
    }


def _name(row: Mapping[str, Any], language: str) -> str:
    name = str(row["quantization"])
    return f"{name} ({text('served', language)})" if row["served"] else name


def _computed(row: Mapping[str, Any]) -> str:
    return f"{row['computed_in']}, {row['device']}" if row["computed_in"] else UNKNOWN


def _seconds(value: Any, language: str) -> str:
    unit = "초" if language == "ko" else " s"
    return UNKNOWN if value is None else f"{float(value):.2f}{unit}"


def _number(value: Any, digits: int) -> str:
    return UNKNOWN if value is None else f"{float(value):.{digits}f}"


def _not_more(value: Any, digits: int) -> str:
    """Cut, not rounded: what is not quite 1 must not read as 1."""
    if value is None:
        return UNKNOWN
    exact = Decimal(repr(min(float(value), 1.0)))
    return str(exact.quantize(Decimal(1).scaleb(-digits), ROUND_FLOOR))


def _share(value: Any) -> str:
    return UNKNOWN if value is None else f"{100 * Decimal(_not_more(value, 4)):.2f} %"
