# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release's checks as JUnit XML, for a continuous integration server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from ansible_collections.stt.engine.plugins.module_utils._report import headline

# XML 1.0 has no form at all for these characters.
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
CLASS = "stt.engine"


def junit(report: Mapping[str, Any]) -> bytes:
    """One suite for each phase that has results; a check's JUnit class is its step."""
    name = str(report["release"] or "release")
    checks = list(report["checks"])
    root = ElementTree.Element("testsuites", {"name": name, **_totals(checks)})
    for phase in report["phases"]:
        mine = [check for check in checks if check["id"].startswith(f"{phase['id']}.")]
        if not mine:
            continue
        suite = ElementTree.SubElement(
            root, "testsuite", {"name": f"{phase['id']} {phase['name']}", **_totals(mine)}
        )
        if phase["started"]:
            suite.set("timestamp", phase["started"])
        for check in mine:
            _case(suite, check)
    if report["failure"]:
        _stop(root, report)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _totals(checks: list[Mapping[str, Any]]) -> dict[str, str]:
    count = {
        status: sum(check["status"] == status for check in checks)
        for status in ("failed", "error", "skipped")
    }
    return {
        "tests": str(len(checks)),
        "failures": str(count["failed"]),
        "errors": str(count["error"]),
        "skipped": str(count["skipped"]),
        "time": f"{sum(float(check['seconds']) for check in checks):.3f}",
    }


def _case(suite: ElementTree.Element, check: Mapping[str, Any]) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        {
            "classname": f"{CLASS}.{check['id']}",
            "name": _clean(check["name"]),
            "time": f"{float(check['seconds']):.3f}",
        },
    )
    status = check["status"]
    if status == "skipped":
        ElementTree.SubElement(case, "skipped", {"message": _clean(check["found"])})
    elif status in ("failed", "error"):
        tag = "failure" if status == "failed" else "error"
        element = ElementTree.SubElement(case, tag, {"message": _clean(check["found"])})
        element.text = _clean(
            f"found: {check['found']}\nneeded: {check['expected']}\nfix: {check['fix']}"
        )


def _stop(root: ElementTree.Element, report: Mapping[str, Any]) -> None:
    """A release that was stopped has one more case, so that no reader takes it for passed."""
    failure = report["failure"]
    suite = ElementTree.SubElement(
        root, "testsuite", {"name": "release", "tests": "1", "errors": "1", "failures": "0"}
    )
    case = ElementTree.SubElement(
        suite, "testcase", {"classname": f"{CLASS}.release", "name": "finished", "time": "0.000"}
    )
    error = ElementTree.SubElement(case, "error", {"message": _clean(failure["msg"])})
    error.text = _clean(f"{headline(report)}: {failure['phase']} {failure['task']}".strip())
    root.set("tests", str(int(root.get("tests", "0")) + 1))
    root.set("errors", str(int(root.get("errors", "0")) + 1))


def _clean(value: Any) -> str:
    return FORBIDDEN.sub("\ufffd", str(value))
