# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one page that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ansible_collections.stt.engine.plugins.module_utils._report import headline, next_step
from ansible_collections.stt.engine.plugins.module_utils._report_accepted import unheld
from ansible_collections.stt.engine.plugins.module_utils._report_quantizations import (
    quantization_table,
)
from ansible_collections.stt.engine.plugins.module_utils._report_seal import seal_lines
from ansible_collections.stt.engine.plugins.module_utils._report_self_test import sentence
from ansible_collections.stt.engine.plugins.module_utils._report_text import (
    duration,
    is_told,
    moment,
    planned,
    reason,
    size,
    text,
    took_and_planned,
)
from ansible_collections.stt.engine.plugins.plugin_utils import _report_charts as charts
from ansible_collections.stt.engine.plugins.plugin_utils import _report_sections as sections
from ansible_collections.stt.engine.plugins.plugin_utils._report_transcripts import transcripts

TEMPLATES = Path(__file__).parent / "report"
STYLE = "style.css"


def page(report: Mapping[str, Any]) -> str:
    """The whole page."""
    language = str(report["language"])
    groups = sections.check_groups(report, language)
    return render(
        "report.html.j2",
        language,
        report=report,
        took=lambda phase: took_and_planned(phase["seconds"], phase["planned_seconds"], language),
        phase_title=partial(charts.phase_title, language=language),
        headline=headline(report),
        next_step=next_step(report),
        notes=[*unheld(report), *seal_lines(report)],
        kind=_kind(report),
        facts=_facts(report, language),
        counts=charts.counts_bar(report, language),
        problems=sections.problems(report, language),
        warnings=sections.warnings(report, language),
        skips=sections.skips(report, language),
        checklist=sections.lines(report, "checklist", language),
        criteria=sections.lines(report, "criteria", language),
        beyond=sections.lines(report, "beyond", language),
        timeline=charts.timeline(report, language),
        bars=charts.bars(report, language),
        quantizations=quantization_table(report) if report["quantizations"] else None,
        transcripts=transcripts(report, language),
        groups=groups,
        self_test=sections.self_test(report, language),
        self_test_sentence=sentence(report),
        identity=sections.identity(report, language),
        files=sections.files(report, language),
    )


def render(template: str, language: str, **values: Any) -> str:
    """One of the templates in a language, with these values."""
    return (
        _environment()
        .get_template(template)
        .render(
            language=language,
            t=lambda key, **named: text(key, language, **named),
            duration=partial(duration, language=language),
            reason=partial(reason, language=language),
            is_told=partial(is_told, language=language),
            **values,
        )
    )


@cache
def _environment() -> jinja2.Environment:
    """The templates: whatever is put in is escaped, and what is not there is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # Our own file, so nothing in it is escaped.
    style = Markup((TEMPLATES / STYLE).read_text(encoding="utf-8"))
    environment.globals.update(size=size, moment=moment, style=style)
    return environment


def _kind(report: Mapping[str, Any]) -> str:
    """How the verdict is drawn: passed without a GPU is not the whole proof."""
    if report["verdict"] == "failed":
        return "failed"
    return "passed" if report["gpu"] == "proven" else "partial"


def _facts(report: Mapping[str, Any], language: str) -> list[dict[str, str]]:
    """What a reader asks first: label, value and a smaller line below."""
    least, most = (sum(phase["planned_seconds"][n] for phase in report["phases"]) for n in (0, 1))
    image, models = report["image"], report["models"]
    facts = [
        (
            "took",
            duration(report["seconds"], language) if report["started"] else "",
            planned((least, most), language),
        ),
        ("image", size(image["size"]) if "size" in image else "", report["tag"]),
        (
            "models",
            ", ".join(size(model["bytes"]) for model in models),
            ", ".join(model["quantization"] or text("original", language) for model in models),
        ),
        ("gpu", text(f"gpu_{report['gpu']}", language), ""),
        ("host", report["host"], moment(report["started"]) if report["started"] else ""),
    ]
    return [
        {"label": text(key, language), "value": value, "detail": detail}
        for key, value, detail in facts
        if value
    ]
