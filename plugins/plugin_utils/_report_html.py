# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one page that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jinja2

from ansible_collections.stt.engine.plugins.module_utils._phases import parse
from ansible_collections.stt.engine.plugins.module_utils._report import (
    CHECKLIST_ID,
    headline,
    next_step,
)
from ansible_collections.stt.engine.plugins.module_utils._report_quantizations import (
    quantization_table,
)
from ansible_collections.stt.engine.plugins.module_utils._report_text import (
    duration,
    moment,
    reason,
    size,
    text,
    took_and_planned,
)

TEMPLATE = "report.html.j2"
COLOURS = {"passed": "#2f62a8", "skipped": "#2f62a8", "failed": "#a81e1e", "not_run": "#8792a2"}
CHANGED_COLOUR = "#7a4fa3"
TICKS = 5
# Below this share of the largest layer a bar says nothing.
SMALL_LAYER_BYTES = 1_000_000
DIGEST_SHOWN = 19

Row = dict[str, Any]


def page(report: Mapping[str, Any]) -> str:
    """The whole page."""
    language = str(report["language"])
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(TEMPLATE).render(
        report=report,
        t=lambda key, **values: text(key, language, **values),
        size=size,
        duration=partial(duration, language=language),
        took=lambda phase: took_and_planned(phase["seconds"], phase["planned_seconds"], language),
        headline=headline(report),
        next_step=next_step(report),
        finished=moment(str(report["finished"])),
        counts=_counts(report, language),
        facts=_facts(report, language),
        not_green=_not_green(report),
        skipped=_skipped(report, language),
        timeline=timeline(report, language),
        bars=_bars(report, language),
        quantizations=quantization_table(report) if report["quantizations"] else None,
        transcripts=[
            group for check in report["checks"] if (group := _transcripts(check)) is not None
        ],
        identity=_identity(report, language),
    )


def _counts(report: Mapping[str, Any], language: str) -> str:
    counts = report["counts"]
    return text("counts", language, total=sum(counts.values()), **counts)


def _facts(report: Mapping[str, Any], language: str) -> list[tuple[str, str]]:
    models = ", ".join(_model_name(model, language) for model in report["models"])
    facts = [
        ("host", report["host"]),
        ("started", moment(report["started"]) if report["started"] else ""),
        ("took", duration(report["seconds"], language) if report["started"] else ""),
        ("gpu", text(f"gpu_{report['gpu']}", language)),
        ("image", size(report["image"]["size"]) if "size" in report["image"] else ""),
        ("models", models),
        ("checks", _counts(report, language)),
    ]
    return [(text(key, language), value) for key, value in facts if value]


def _model_name(model: Mapping[str, Any], language: str) -> str:
    kind = model["quantization"] or text("original", language)
    return f"{kind} {size(model['bytes'])}"


def _not_green(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The failed and broken checks, without those that only repeat another box."""
    failure = report["failure"] or {"object": ""}
    bad = [
        check
        for check in report["checks"]
        if check["status"] in ("failed", "error")
        and f"{check['id']} {check['name']}" != failure["object"]
    ]
    told = [check for check in bad if check["id"] != CHECKLIST_ID]
    return told if told or report["failure"] else bad


def _skipped(report: Mapping[str, Any], language: str) -> list[tuple[str, list[str]]]:
    """The skipped checks by their reason."""
    reasons: dict[str, list[str]] = {}
    for check in report["checks"]:
        if check["status"] == "skipped":
            why = reason(check["found"], language)
            reasons.setdefault(why, []).append(f"{check['id']} {check['name']}")
    return list(reasons.items())


def timeline(report: Mapping[str, Any], language: str) -> dict[str, Any]:
    """The bars of the phases that began, in percent of the time from the first to the last."""
    begun = [phase for phase in report["phases"] if phase["started"]]
    if not begun:
        return {"rows": [], "ticks": [], "summary": ""}
    start = min(parse(phase["started"]) for phase in begun)
    end = max(parse(phase["finished"]) for phase in begun)
    span = max((end - start).total_seconds(), 0.001)
    rows = []
    for phase in begun:
        offset = (parse(phase["started"]) - start).total_seconds()
        width = max(phase["seconds"] / span * 100, 0.6)
        colour = CHANGED_COLOUR if phase["changed"] else COLOURS[phase["status"]]
        rows.append(
            {
                "label": f"{phase['id']} {phase['name']}",
                "left": round(min(offset / span * 100, 100 - width), 2),
                "width": round(width, 2),
                "colour": COLOURS["failed"] if phase["status"] == "failed" else colour,
                "value": duration(phase["seconds"], language),
            }
        )
    ticks = [duration(span * number / (TICKS - 1), language) for number in range(TICKS)]
    summary = ", ".join(f"{row['label']} {row['value']}" for row in rows)
    return {"rows": rows, "ticks": ticks, "summary": summary}


def _bars(report: Mapping[str, Any], language: str) -> list[dict[str, Any]]:
    layers = list(report["image"].get("layers") or [])
    groups = []
    if layers:
        shown = [
            (
                f"{text('layer', language)} {number} {_short(layer.get('diff_id', ''))}",
                int(layer["size"]),
            )
            for number, layer in enumerate(layers, 1)
            if int(layer["size"]) >= SMALL_LAYER_BYTES
        ]
        small = len(layers) - len(shown)
        title = f"{text('image', language)} {size(report['image'].get('size'))}"
        rest = text("empty_layers", language, count=small) if small else ""
        groups.append(_group(title, shown, COLOURS["passed"], rest))
    if report["models"]:
        models = [
            (
                f"{model['repository']} {model['quantization'] or text('original', language)}",
                int(model["bytes"]),
            )
            for model in report["models"]
        ]
        groups.append(_group(text("models", language), models, CHANGED_COLOUR, ""))
    return groups


def _group(title: str, sizes: Sequence[tuple[str, int]], colour: str, rest: str) -> dict[str, Any]:
    largest = max((count for _label, count in sizes), default=0) or 1
    rows = [
        {
            "label": label,
            "width": round(max(count / largest * 100, 0.4), 2),
            "colour": colour,
            "value": size(count),
        }
        for label, count in sizes
    ]
    summary = ", ".join(f"{row['label']} {row['value']}" for row in rows)
    return {"title": title, "rows": rows, "rest": rest, "summary": f"{title}: {summary}"}


def _short(digest: Any) -> str:
    """A digest as people compare it at a glance."""
    return str(digest)[:DIGEST_SHOWN]


def _transcripts(check: Mapping[str, Any]) -> dict[str, Any] | None:
    entries = check["evidence"].get("transcripts")
    if not isinstance(entries, list) or not entries:
        return None
    return {"id": check["id"], "name": check["name"], "entries": [_entry(one) for one in entries]}


def _entry(entry: Mapping[str, Any]) -> Row:
    rate = entry.get("cer", entry.get("wer"))
    return {
        "clip": str(entry.get("clip", "")),
        "status": "passed" if entry.get("good") else "failed",
        "language": str(entry.get("language_expected") or entry.get("language") or ""),
        "parts": list(difference(str(entry.get("expected") or ""), str(entry.get("text") or ""))),
        "rate": "" if rate is None else f"{float(rate):.1%}",
    }


def difference(expected: str, found: str) -> Iterator[dict[str, str]]:
    """The words of two texts: ``same``, ``lost`` (only expected) and ``came`` (only found)."""
    wanted, given = expected.split(), found.split()
    matcher = difflib.SequenceMatcher(None, wanted, given, autojunk=False)
    for tag, first, last, begin, end in matcher.get_opcodes():
        if tag == "equal":
            yield {"kind": "same", "text": " ".join(wanted[first:last])}
            continue
        if first < last:
            yield {"kind": "lost", "text": " ".join(wanted[first:last])}
        if begin < end:
            yield {"kind": "came", "text": " ".join(given[begin:end])}


def _identity(report: Mapping[str, Any], language: str) -> list[dict[str, Any]]:
    image = report["image"]
    keys = ("tag", "image_id", "input_digest", "base", "base_digest", "cuda")
    groups = [
        {
            "title": text("release", language),
            "rows": [
                (text("release", language), report["release"]),
                (text("tag", language), report["tag"]),
                (text("started", language), moment(report["started"])),
                (text("finished", language), moment(report["finished"])),
            ],
        },
        {
            "title": text("image", language),
            "rows": [(text(key, language), image[key]) for key in keys if image.get(key)],
        },
        *(_model_group(model, language) for model in report["models"]),
        {"title": text("versions", language), "rows": sorted(report["versions"].items())},
        {"title": text("lock", language), "rows": _flat(report["lock"])},
    ]
    kept = [
        {**group, "rows": [(label, value) for label, value in group["rows"] if value]}
        for group in groups
    ]
    return [group for group in kept if group["rows"]]


def _model_group(model: Mapping[str, Any], language: str) -> dict[str, Any]:
    kind = model["quantization"] or text("original", language)
    return {
        "title": f"{model['repository']} ({kind})",
        "rows": [
            (text("commit", language), model["commit"]),
            *((f"{f['path']} ({size(f['size'])})", f["sha256"]) for f in model["files"]),
        ],
    }


def _flat(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """Nested mappings as rows of dotted names; lists stay out, their files are shown above."""
    if isinstance(value, Mapping):
        rows = [_flat(item, f"{path}.{key}" if path else str(key)) for key, item in value.items()]
        return [row for part in rows for row in part]
    return [] if isinstance(value, list) else [(path, value)]
