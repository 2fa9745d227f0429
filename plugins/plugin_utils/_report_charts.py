# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The charts of the report: what is drawn, in percent of the width, and what it says in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._phases import parse
from ansible_collections.stt.engine.plugins.module_utils._report_text import duration, size, text

# The distances between two marks of a time axis that people read at a glance, in seconds.
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
MOST_STEPS = 5
# A mark nearer to the end than this has no room for its words.
LAST_MARK = 92.0
# Narrower bars cannot be seen.
NARROWEST = 0.6
# Below this share of the largest layer a bar says nothing.
SMALL_LAYER_BYTES = 1_000_000
DIGEST_SHOWN = 19

Chart = dict[str, Any]
Span = tuple[float, float]


def timeline(report: Mapping[str, Any], language: str) -> Chart:
    """The bars of the phases that began, on one axis from the first to the last moment."""
    begun = [phase for phase in report["phases"] if phase["started"]]
    if not begun:
        return {"rows": []}
    start = min(parse(phase["started"]) for phase in begun)
    spans = [
        (
            (parse(phase["started"]) - start).total_seconds(),
            (parse(phase["finished"]) - start).total_seconds(),
        )
        for phase in begun
    ]
    whole = max(max(end for _begin, end in spans), 0.001)
    rows = [
        _phase_row(phase, span, whole, language) for phase, span in zip(begun, spans, strict=True)
    ]
    shared = side_by_side(begun, spans)
    return {
        "rows": rows,
        "bands": [_placed(span, whole) for span, _names in shared],
        "marks": _marks(whole, language),
        "summary": "; ".join(row["summary"] for row in rows),
        "note": _shared_note(shared, language),
    }


def _phase_row(phase: Mapping[str, Any], span: Span, whole: float, language: str) -> Chart:
    label = phase_title(phase, language)
    words = [duration(phase["seconds"], language)]
    if phase["status"] == "failed":
        words.append(text("failed", language))
    elif phase["changed"]:
        words.append(text("changed", language))
    summary = text(
        "timeline_summary",
        language,
        phase=label,
        offset=duration(span[0], language),
        took=", ".join(words),
    )
    kind = "failed" if phase["status"] == "failed" else "made" if phase["changed"] else "same"
    return {
        "label": label,
        "value": " · ".join(words),
        "kind": kind,
        "summary": summary,
        **_placed(span, whole),
    }


def phase_title(phase: Mapping[str, Any], language: str) -> str:
    """``Phase 1: ...``, the customer's name of R1."""
    return f"{text('phase', language)} {phase['id'][1:]}: {phase['name']}"


def _placed(span: Span, whole: float) -> dict[str, float]:
    width = max((span[1] - span[0]) / whole * 100, NARROWEST)
    return {
        "left": round(min(span[0] / whole * 100, 100 - width), 2),
        "width": round(width, 2),
    }


def side_by_side(
    phases: Sequence[Mapping[str, Any]], spans: Sequence[Span]
) -> list[tuple[Span, list[str]]]:
    """The stretches of time in which several phases ran, and which."""
    moments = sorted({moment for span in spans for moment in span})
    shared: list[tuple[Span, list[str]]] = []
    for begin, end in pairwise(moments):
        names = [
            str(phase["id"])
            for phase, span in zip(phases, spans, strict=True)
            if span[0] <= begin and end <= span[1]
        ]
        if len(names) < 2:
            continue
        if shared and shared[-1][1] == names and shared[-1][0][1] == begin:
            shared[-1] = ((shared[-1][0][0], end), names)
        else:
            shared.append(((begin, end), names))
    return shared


def _shared_note(shared: Sequence[tuple[Span, list[str]]], language: str) -> str:
    if not shared:
        return text("one_by_one", language)
    told = [
        " + ".join(f"{text('phase', language)} {name[1:]}" for name in names)
        + f" ({duration(end - begin, language)})"
        for (begin, end), names in shared
    ]
    return text("side_by_side", language, spans=", ".join(told))


def _marks(whole: float, language: str) -> list[Chart]:
    """The marks of the axis: few, at round times, with room for their words."""
    step = _distance(whole)
    places = [number * step for number in range(int(whole / step) + 1)]
    return [
        {"left": round(place / whole * 100, 2), "label": _mark(place, language)}
        for place in places
        if place / whole * 100 <= LAST_MARK
    ]


def _distance(whole: float) -> float:
    """The smallest round distance that needs few marks."""
    fitting = [step for step in STEPS if whole / step <= MOST_STEPS]
    return fitting[0] if fitting else whole / MOST_STEPS


def _mark(seconds: float, language: str) -> str:
    whole = round(seconds)
    hour, minute, second = ("시간", "분", "초") if language == "ko" else (" h", " min", " s")
    if whole < 60:
        return f"{whole}{second}"
    if whole < 3600 and whole % 60 == 0:
        return f"{whole // 60}{minute}"
    if whole % 3600 == 0:
        return f"{whole // 3600}{hour}"
    return duration(whole, language)


def bars(report: Mapping[str, Any], language: str) -> list[Chart]:
    """The sizes of the image's layers, and of the models."""
    layers = list(report["image"].get("layers") or [])
    groups = []
    if layers:
        shown = [
            (f"{text('layer', language)} {number}", short(layer.get("diff_id", "")), layer["size"])
            for number, layer in enumerate(layers, 1)
            if int(layer["size"]) >= SMALL_LAYER_BYTES
        ]
        small = len(layers) - len(shown)
        title = text("image_layers", language, total=size(report["image"].get("size")))
        rest = text("empty_layers", language, count=small) if small else ""
        groups.append(_group(title, shown, "layer", rest))
    if report["models"]:
        models = [
            (
                model["quantization"] or text("original", language),
                model["repository"],
                model["bytes"],
            )
            for model in report["models"]
        ]
        groups.append(_group(text("models", language), models, "model", ""))
    return groups


def _group(title: str, sizes: Sequence[tuple[str, str, int]], kind: str, rest: str) -> Chart:
    largest = max((int(count) for _label, _detail, count in sizes), default=0) or 1
    rows = [
        {
            "label": label,
            "detail": detail,
            "kind": kind,
            "left": 0,
            "width": round(max(int(count) / largest * 100, NARROWEST), 2),
            "value": size(count),
        }
        for label, detail, count in sizes
    ]
    summary = "; ".join(f"{row['label']} {row['value']}" for row in rows)
    return {"title": title, "rows": rows, "rest": rest, "summary": summary, "kind": kind}


def counts_bar(report: Mapping[str, Any], language: str) -> list[Chart]:
    """How the checks ended, as parts of one bar; what did not occur is left out."""
    counts = report["counts"]
    total = sum(counts.values()) or 1
    parts: list[Chart] = []
    left = 0.0
    for status in ("failed", "error", "skipped", "passed"):
        if counts[status]:
            width = counts[status] / total * 100
            words = text(f"count_{status}", language, count=counts[status])
            placed = {"left": round(left, 2), "width": round(width, 2)}
            parts.append({"status": status, "words": words, **placed})
            left += width
    return parts


def short(digest: Any) -> str:
    """A digest as people compare it at a glance."""
    return str(digest)[:DIGEST_SHOWN]
