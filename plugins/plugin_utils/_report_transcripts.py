# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transcripts of a release by clip: the reference text, and what came where it differs."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._check_titles import check_label
from ansible_collections.stt.engine.plugins.module_utils._report_text import text

# These are written without spaces, or with a grammar of endings: a word is too much to mark.
BY_CHARACTER = ("ko", "ja", "zh")

Row = dict[str, Any]


def transcripts(report: Mapping[str, Any], language: str) -> dict[str, Any] | None:
    """Who transcribed, and a row for each clip; those with a wrong text come first."""
    references = _references(report["checks"])
    sources = []
    rows: dict[tuple[str, str], Row] = {}
    for check in report["checks"]:
        entries = _entries(check)
        if entries:
            label = check_label(check, language)
            sources.append(
                {
                    "id": check["id"],
                    "label": label,
                    "status": check["status"],
                    "count": text("clip_count", language, count=len(entries)),
                }
            )
            for entry in entries:
                clip = str(entry.get("clip", ""))
                wanted = str(entry.get("expected") or "")
                if not wanted and "unknown" in entry:
                    wanted = references.get(clip, "")
                _add(rows, {**entry, "clip": clip, "expected": wanted}, label)
    if not rows:
        return None
    finished = [_finish(row, language) for row in rows.values()]
    finished.sort(key=lambda row: row["status"] != "failed")
    return {"sources": sources, "rows": finished}


def _entries(check: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries = check["evidence"].get("transcripts")
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, Mapping)]


def _references(checks: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What clips of unknown text were held against: the first text that another decoder gave."""
    held: dict[str, str] = {}
    for check in checks:
        for entry in _entries(check):
            if "unknown" in entry and entry.get("expected"):
                held.setdefault(str(entry.get("clip", "")), str(entry["expected"]))
    return held


def _add(rows: dict[tuple[str, str], Row], entry: Mapping[str, Any], label: str) -> None:
    clip, wanted = entry["clip"], entry["expected"]
    new: Row = {
        "clip": clip,
        "expected": wanted,
        "language": "",
        "accepted": "",
        "texts": {},
        "good": 0,
        "count": 0,
    }
    row = rows.setdefault((clip, wanted), new)
    row["language"] = row["language"] or str(
        entry.get("language_expected") or entry.get("language") or ""
    )
    row["accepted"] = row["accepted"] or str(entry.get("accepted") or "")
    row["count"] += 1
    row["good"] += bool(entry.get("good"))
    heard = str(entry.get("text") or "")
    if heard == wanted and entry.get("good"):
        return
    rate = entry.get("cer", entry.get("wer"))
    shown = f"{rate:.1%}" if isinstance(rate, (int, float)) else ""
    row["texts"].setdefault((heard, bool(entry.get("good")), shown), []).append(label)


def _finish(row: Row, language: str) -> Row:
    """A row as it is shown; the texts that are the reference's are only counted."""
    good, count = row["good"], row["count"]
    heard = [
        {
            "labels": labels,
            "status": "passed" if fits else "failed",
            "parts": list(difference(row["expected"], words, row["language"])),
            "empty": not words.strip(),
            "rate": rate,
        }
        for (words, fits, rate), labels in row["texts"].items()
    ]
    said = text("some_good", language, good=good, count=count)
    if good == count and not heard:
        said = text("all_same", language, count=count)
    return {
        "clip": row["clip"],
        "expected": row["expected"],
        "language": row["language"],
        "accepted": _accepted(row["accepted"], language),
        "silent": not row["expected"] and not heard,
        "status": "passed" if good == count else "failed",
        "said": said,
        "heard": heard,
    }


def _accepted(since: str, language: str) -> str:
    """That a reference text was heard once and accepted by a person, and when."""
    if not since:
        return ""
    if not since[:1].isdigit():
        return text("accepted_now", language)
    return text("accepted_since", language, when=since[:10])


def difference(expected: str, found: str, language: str = "") -> Iterator[dict[str, str]]:
    """Two texts in parts: ``same``, ``lost`` (only expected) and ``came`` (only found).

    By words, in some languages by characters; the parts that are kept, put together, are the texts.
    """
    glue = "" if language in BY_CHARACTER else " "
    wanted = list(expected) if not glue else expected.split()
    given = list(found) if not glue else found.split()
    matcher = difflib.SequenceMatcher(None, wanted, given, autojunk=False)
    for tag, first, last, begin, end in matcher.get_opcodes():
        if tag == "equal":
            yield _part("same", wanted[first:last], glue)
            continue
        if first < last:
            yield _part("lost", wanted[first:last], glue)
        if begin < end:
            yield _part("came", given[begin:end], glue)


def _part(kind: str, tokens: Sequence[str], glue: str) -> dict[str, str]:
    return {"kind": kind, "text": glue.join(tokens), "glue": glue}
