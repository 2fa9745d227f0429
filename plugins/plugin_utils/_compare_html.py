# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A comparison of two releases as one page that needs nothing else, in the report's style."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._report_text import size
from ansible_collections.stt.engine.plugins.plugin_utils import _compare_text as words
from ansible_collections.stt.engine.plugins.plugin_utils._report_html import render
from ansible_collections.stt.engine.plugins.plugin_utils._report_transcripts import difference

TEMPLATE = "compare.html.j2"
TOTALS = {
    "bytes_layers": "layers_uncompressed",
    "bytes_models": "models",
    "bytes_total": "total",
}


def page(found: Mapping[str, Any], language: str) -> str:
    """The whole page."""
    return render(
        TEMPLATE,
        language,
        found=found,
        w=partial(words.word, language=language),
        heads=[(key, found[key], words.head(found[key], language)) for key in ("from", "to")],
        totals=[(words.word(key, language), size(found["bytes"][n])) for key, n in TOTALS.items()],
        tables=_tables(found, language),
        layers=words.layer_counts(found["layers"], language),
        quantizations=[", ".join(found["quantizations"][key]) for key in ("from", "to")],
        transcripts=[_transcript(row, language) for row in found["transcripts"]["changes"]],
        transcript_counts=words.word(
            "transcript_counts",
            language,
            compared=found["transcripts"]["compared"],
            changed=len(found["transcripts"]["changes"]),
        ),
    )


def _tables(found: Mapping[str, Any], language: str) -> list[dict[str, Any]]:
    """What differs by name: each table with a sentence of counts and its rows."""
    packages, files = found["packages"], found["files"]
    rows: dict[str, tuple[str, list[dict[str, Any]]]] = {
        "packages": (
            words.counts(packages["changes"], packages["same"], language),
            packages["changes"],
        ),
        "files": (
            words.counts(files["changes"], files["same"], language),
            [
                {
                    "name": words.file_named(row, language),
                    "before": words.file_told(row["before"]),
                    "after": words.file_told(row["after"]),
                }
                for row in files["changes"]
            ],
        ),
        "versions": ("", found["versions"]),
        "checks": (
            "",
            [
                {
                    "name": words.check_named(row["name"], language),
                    "before": words.status(row["before"], language),
                    "after": words.status(row["after"], language),
                }
                for row in found["checks"]
            ],
        ),
    }
    return [{"key": key, "told": told, "rows": listed} for key, (told, listed) in rows.items()]


def _transcript(row: Mapping[str, Any], language: str) -> dict[str, Any]:
    before, after = row["before"], row["after"]
    references = [one["expected"] for one in (before, after)]
    return {
        "clip": row["clip"],
        "language": after["language"],
        "labels": [words.check_named(check, language) for check in row["checks"]],
        "statuses": ["passed" if one["good"] else "failed" for one in (before, after)],
        "parts": list(difference(before["text"], after["text"], after["language"])),
        "references": references if references[0] != references[1] else [],
    }
