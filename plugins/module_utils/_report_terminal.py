# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The closing checklist as lines of plain text, aligned where Korean letters take two columns."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._check_result import is_summary
from ansible_collections.stt.engine.plugins.module_utils._check_titles import check_label
from ansible_collections.stt.engine.plugins.module_utils._report import headline, next_step
from ansible_collections.stt.engine.plugins.module_utils._report_accepted import unheld
from ansible_collections.stt.engine.plugins.module_utils._report_checklist import (
    key,
    only_repeats,
    phase_of,
)
from ansible_collections.stt.engine.plugins.module_utils._report_quantizations import (
    quantization_table,
)
from ansible_collections.stt.engine.plugins.module_utils._report_seal import seal_lines
from ansible_collections.stt.engine.plugins.module_utils._report_self_test import (
    is_told,
    sentence,
)
from ansible_collections.stt.engine.plugins.module_utils._report_text import (
    moment,
    reason,
    size,
    text,
    took_and_planned,
)

# Not every check behind a line of this status passed: some were skipped.
PARTLY = "[~]"
MARKS = {"passed": "[✓]", "failed": "[✗]", "error": "[!]", "skipped": "[-]", "not_run": "[ ]"}
WIDE = ("W", "F")
INDENT = "  "


@dataclass(frozen=True)
class Line:
    """A line of text and the status it speaks of, for a terminal that has colours."""

    text: str
    status: str = ""


def width(line: str) -> int:
    """The columns that a text takes in a terminal."""
    return sum(
        0
        if unicodedata.combining(letter)
        else 2
        if unicodedata.east_asian_width(letter) in WIDE
        else 1
        for letter in line
    )


def pad(line: str, columns: int) -> str:
    """A text filled with spaces to a number of columns."""
    return line + " " * max(0, columns - width(line))


def checklist_lines(report: Mapping[str, Any], page: str = "") -> list[Line]:
    """The verdict, the checklist by phase, the success criteria and what to do next.

    ``page`` is the path of the readable report, if it was written.
    """
    return [Line(printable(line.text), line.status) for line in _lines(report, page)]


def printable(line: str) -> str:
    """What a check found may hold line ends and control characters: they would move the cursor."""
    return "".join(letter if letter.isprintable() else " " for letter in line)


def _lines(report: Mapping[str, Any], page: str) -> Iterator[Line]:
    language = str(report["language"])
    verdict = str(report["verdict"])
    release = report["release"] or text("no_release", language)
    yield Line(f"{text('product_short', language)} {release}")
    yield Line(f"{text('verdict', language)}: {headline(report)}", verdict)
    if report["failure"]:
        yield from _failure(report, language)
    everything = [*report["checklist"], *report["criteria"], *report["beyond"]]
    titles = [_title(phase, language) for phase in report["phases"]]
    column = max(
        *(len(INDENT) + 4 + width(_label(line, language)) for line in everything),
        *(width(title) for title in titles),
    )
    for phase, title in zip(report["phases"], titles, strict=True):
        yield Line("")
        times = took_and_planned(phase["seconds"], phase["planned_seconds"], language)
        yield Line(f"{pad(title, column)}  {times}")
        for line in report["checklist"]:
            if line["phase"] == phase["id"]:
                yield from _item(line, column, language)
    for group in ("criteria", "beyond"):
        if report[group]:
            yield Line("")
            yield Line(text(group, language))
            for line in report[group]:
                yield from _item(line, column, language)
    yield from _quantizations(report, language)
    yield from _end(report, page, language)


def _title(phase: Mapping[str, Any], language: str) -> str:
    """``Phase 1: ...``, the customer's name of R1."""
    return f"{text('phase', language)} {phase['id'][1:]}: {phase['name']}"


def _label(line: Mapping[str, Any], language: str) -> str:
    """An item with its measured size and the planned one."""
    if line["measured_bytes"] is None:
        return str(line["text"])
    plan = text("planned_size", language, planned=line["planned_size"])
    return f"{line['text']} ({size(line['measured_bytes'])}, {plan})"


def _item(line: Mapping[str, Any], column: int, language: str) -> Iterator[Line]:
    status = str(line["status"])
    if status == "passed" and line["note"]:
        # A tick would say that everything behind it passed.
        label = f"{INDENT}{PARTLY} {_label(line, language)}"
        yield Line(f"{pad(label, column)}  {text('partly', language)}: {line['note']}", "skipped")
        return
    label = f"{INDENT}{MARKS[status]} {_label(line, language)}"
    if status == "passed":
        yield Line(label, status)
        return
    note = f": {line['note']}" if line["note"] else ""
    yield Line(f"{pad(label, column)}  {text(status, language)}{note}", status)
    if line["fix"]:
        yield Line(f"{' ' * column}  {text('fix', language)}: {line['fix']}", status)


def _quantizations(report: Mapping[str, Any], language: str) -> Iterator[Line]:
    """The figures of all quantizations, where there are several: names left, figures right."""
    if not report["quantizations"]:
        return
    heads, rows = quantization_table(report)
    columns = [max(width(cell) for cell in cells) for cells in zip(heads, *rows, strict=True)]
    yield Line("")
    yield Line(text("quantizations", language))
    for cells in (heads, *rows):
        first, *others = zip(cells, columns, strict=True)
        figures = [" " * (most - width(cell)) + cell for cell, most in others]
        yield Line(INDENT + "  ".join([pad(*first), *figures]))
    sentences = text("quantizations_note", language).split(". ")
    yield from (Line(f"{INDENT}{sentence.rstrip('.')}.") for sentence in sentences)


def _failure(report: Mapping[str, Any], language: str) -> Iterator[Line]:
    failure = report["failure"]
    task = failure["task"] or failure["phase"]
    place = ", ".join(part for part in (phase_of(task, language), task) if part)
    yield Line(f"{text('stopped', language)}{f' ({place})' if place else ''}", "failed")
    bad = [check for check in report["checks"] if check["status"] in ("failed", "error")]
    if is_summary(failure["msg"]) and only_repeats(failure, bad):
        yield from _failed_checks(report, bad, language)
        return
    named = [(field, failure[field]) for field in ("found", "needed", "fix") if failure[field]]
    if not named:
        yield from (Line(f"{INDENT}{line}", "failed") for line in failure["msg"].splitlines())
        return
    if failure["object"]:
        yield Line(f"{INDENT}{failure['object']}", "failed")
    words = {"found": "found", "needed": "expected", "fix": "fix"}
    for field, value in named:
        yield Line(f"{INDENT}{text(words[field], language)}: {reason(value, language)}", "failed")


def _failed_checks(
    report: Mapping[str, Any], bad: Sequence[Mapping[str, Any]], language: str
) -> Iterator[Line]:
    """The names of what failed; what no line of the checklist tells is told here."""
    yield Line(f"{INDENT}{text('failed_checks', language)}", "failed")
    below = {
        name
        for group in ("checklist", "criteria", "beyond")
        for line in report[group]
        for name in line["checks"]
    }
    for check in bad:
        yield Line(f"{INDENT * 2}{check_label(check, language)}", "failed")
        if key(check) in below:
            continue
        for field in ("found", "expected", "fix"):
            said = reason(str(check[field]), language)
            yield Line(f"{INDENT * 3}{text(field, language)}: {said}", "failed")


def _end(report: Mapping[str, Any], page: str, language: str) -> Iterator[Line]:
    counts = report["counts"]
    yield Line("")
    yield Line(text("counts", language, total=sum(counts.values()), **counts))
    if report["started"]:
        span = f"{moment(report['started'])} - {moment(report['finished'])}"
        yield Line(f"{text('started', language)} - {text('finished', language)}: {span}")
    yield Line(f"{text('gpu', language)}: {text('gpu_' + report['gpu'], language)}")
    if is_told(report):
        yield Line(f"{text('self_test', language)}: {sentence(report)}")
    notes = [*unheld(report), *seal_lines(report)]
    yield from (Line(f"{label}: {words}") for label, words in notes)
    yield Line(f"{text('next', language)}: {next_step(report)}", str(report["verdict"]))
    if page:
        yield Line(f"{text('report', language)}: {page}")
