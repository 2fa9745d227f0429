# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the pictures of the report's pages in docs/ anew.

Usage, from the checkout: PYTHONPATH=.:.collections python -m tests.unit.pictures
"""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._report import build_report, render
from ansible_collections.stt.engine.plugins.plugin_utils._compare import compare
from ansible_collections.stt.engine.plugins.plugin_utils._compare_html import (
    page as comparison_page,
)
from ansible_collections.stt.engine.plugins.plugin_utils._report_html import page
from ansible_collections.stt.engine.plugins.plugin_utils._report_index import index
from tests.unit.chromium import Chromium
from tests.unit.plugins.release_samples import real, real_on_gpu, real_with_wrong_texts
from tests.unit.plugins.two_releases import documents, two

DOCS = Path(__file__).resolve().parents[2] / "docs"
NOW = datetime(2026, 1, 31, 9, 0, 0, tzinfo=UTC)
WIDTH = 1100
SCALE = 0.75


def main() -> None:
    """Make them all."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        browser = Chromium(directory / "profile")
        try:
            draw(browser, directory)
        finally:
            browser.close()


def draw(browser: Chromium, directory: Path) -> None:
    """A passed and a failed release, the page of all releases, and two that are compared."""
    reports = {
        ("report-passed-ko", "ko", 2990): real("passed"),
        ("report-passed-en", "en", 2990): real("passed"),
        ("report-failed-ko", "ko", 1500): real_with_wrong_texts(),
        ("report-failed-en", "en", 1500): real_with_wrong_texts(),
    }
    path = directory / "page.html"
    for (name, language, height), results in reports.items():
        path.write_text(page(build_report(results, language=language, now=NOW)), encoding="utf-8")
        browser.open(path, WIDTH)
        browser.picture(DOCS / f"{name}.png", scale=SCALE, height=height)
    releases = directory / "releases"
    older = real("passed")
    older["models"][0]["commit"] = "2b1f7a" + older["models"][0]["commit"][6:]
    older["checks"] = [one for one in older["checks"] if one["name"] != "layer_size"]
    keep(releases / "cuda128-debian12-v1.2-20f362853e04", older, "2026-11-21", "2.8.0")
    keep(releases / "cuda128-debian12-v1.2-514edd85fad0", real("passed"), "2026-11-22", "2.8.0")
    keep(releases / "cuda128-debian12-v1.2-77c0a1b2e3d4", real_on_gpu(), "2026-11-23", "2.8.1")
    keep(releases / "failed" / "20261122T183810Z", real("stopped"))
    path.write_text(index(releases, "en"), encoding="utf-8")
    browser.open(path, WIDTH)
    browser.picture(DOCS / "report-releases-en.png", scale=SCALE)
    place = directory / "two"
    place.mkdir()
    older, newer = two(place)
    found = compare(documents(older), documents(newer))
    path.write_text(comparison_page(found, "ko"), encoding="utf-8")
    browser.open(path, WIDTH)
    browser.picture(DOCS / "releases-compared-ko.png", scale=SCALE)


def keep(place: Path, results: dict[str, Any], day: str = "", torch: str = "") -> None:
    """A release as a run leaves it; without a day it was never sealed."""
    place.mkdir(parents=True)
    report = build_report(results, language="en", now=NOW)
    (place / "report.json").write_bytes(render(report))
    if day:
        predicate = {
            "release": {"sealed": f"{day}T09:30:00.000Z"},
            "signature": {"unsigned": False},
            "image": {"input_digest": place.name.rpartition("-")[2]},
            "lock": {"inputs": {"image": {"packages": {"torch": torch}}}},
        }
        content = json.dumps({"predicate": predicate})
        (place / "manifest.json").write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
