# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release's checks in the Test Anything Protocol, version 14."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._report import headline

# Whatever some reader takes for the end of a line, and what moves a terminal's cursor.
BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# What YAML does not allow in a file, or reads as the end of a line.
NOT_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
SURROGATE = re.compile("[\ud800-\udfff]")


def tap(report: Mapping[str, Any]) -> bytes:
    """One test point for each check; what is not green says why in a YAML block."""
    points = [*report["checks"], *([_stop(report)] if report["failure"] else [])]
    lines = ["TAP version 14", f"1..{len(points)}"]
    lines.append(f"# {_line(report['release'] or 'release')}: {_line(headline(report))}")
    for number, point in enumerate(points, 1):
        lines += _point(number, point)
    return "".join(f"{line}\n" for line in lines).encode()


def _stop(report: Mapping[str, Any]) -> dict[str, Any]:
    """A release that was stopped has one more point, so that no reader takes it for passed."""
    failure = report["failure"]
    return {
        "id": "release",
        "name": "finished",
        "status": "error",
        "found": failure["found"] or failure["msg"],
        "expected": failure["needed"] or "a release that comes to its end",
        "fix": failure["fix"],
        "seconds": 0.0,
    }


def _point(number: int, check: Mapping[str, Any]) -> Iterator[str]:
    status = check["status"]
    word = "ok" if status in ("passed", "skipped") else "not ok"
    named = f"{word} {number} - {_escape(check['id'])} {_escape(check['name'])}"
    if status == "skipped":
        yield f"{named} # SKIP {_escape(check['found'])}"
        return
    yield named
    if word == "ok":
        return
    yield "  ---"
    yield f"  severity: {'fail' if status == 'failed' else 'error'}"
    for key, field in (("found", "found"), ("needed", "expected"), ("fix", "fix")):
        yield f"  {key}: {_quoted(check[field])}"
    yield f"  seconds: {float(check['seconds']):.3f}"
    yield "  ..."


def _line(value: Any) -> str:
    return SURROGATE.sub("\ufffd", BREAKS.sub(" ", str(value))).strip()


def _escape(value: Any) -> str:
    """Text in a test point: a bare # would begin a directive."""
    return _line(value).replace("\\", "\\\\").replace("#", "\\#")


def _quoted(value: Any) -> str:
    """A text as YAML's double quotes write it, which is JSON but for a few characters."""
    text = json.dumps(SURROGATE.sub("\ufffd", str(value)), ensure_ascii=False)
    return NOT_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
