# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page in a real browser: nothing cut, nothing overlapping, nothing fetched, all readable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._report import build_report, render
from ansible_collections.stt.engine.plugins.plugin_utils._report_html import page
from ansible_collections.stt.engine.plugins.plugin_utils._report_index import index
from tests.unit.chromium import Chromium
from tests.unit.plugins.release_samples import (
    real,
    real_on_gpu,
    real_with_wrong_texts,
    self_tested,
)

NOW = datetime(2026, 1, 31, 9, 0, 0, tzinfo=UTC)
LAYOUT = (Path(__file__).parent / "layout.js").read_text(encoding="utf-8")


def with_long_words() -> dict[str, Any]:
    """Names and findings without a place to break a line, and many quantizations."""
    word = "averylongword" * 12
    results = real_on_gpu()
    results.update(release=word, host=word, tag=word, logs=[f"logs/{word}.log"], files=[word])
    results["image"].update(tag=word)
    results["versions"][word] = word
    results["models"][0].update(repository=word)
    results["models"][0]["files"][0]["path"] = word
    for number, result in enumerate(results["checks"]):
        result.update(found=word, expected=word, fix=word)
        if number % 9 == 0:
            result["status"] = "failed"
        for entry in result["evidence"].get("transcripts", []):
            entry.update(clip=word, text=word[::-1])
    for name in ("float16", "int16", "int8_bfloat16"):
        row = results["checks"][-1]
        results["checks"].append({**row, "name": f"quantization_{name}"})
    results["failure"] = dict.fromkeys(("task", "object", "found", "needed", "fix", "msg"), word)
    return self_tested(results, word)


RESULTS: dict[str, dict[str, Any]] = {
    "good": self_tested(real_on_gpu()),
    "warnings and skips": real("passed"),
    "wrong texts": real_with_wrong_texts(),
    "stopped early": real("stopped"),
    "long words": with_long_words(),
}
# Between the margins, a page of A4 is as wide as this.
PAPER_WIDTH = 695
FORMS: dict[str, dict[str, Any]] = {
    "desktop": {"width": 1280},
    "phone": {"width": 390, "phone": True},
    "paper": {"width": PAPER_WIDTH, "medium": "print"},
}
A4_POINTS = (595, 842)
SAMPLES = pytest.mark.parametrize("sample", RESULTS)
LANGUAGES = pytest.mark.parametrize("language", ["ko", "en"])


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    browser = Chromium(tmp_path_factory.mktemp("chromium") / "profile")
    yield browser
    browser.close()


def written(directory: Path, sample: str, language: str) -> Path:
    path = directory / "report.html"
    report = build_report(RESULTS[sample], language=language, now=NOW)
    path.write_text(page(report), encoding="utf-8")
    return path


@pytest.mark.parametrize("form", FORMS)
@LANGUAGES
@SAMPLES
def test_the_page_is_whole(
    chromium: Chromium, tmp_path: Path, sample: str, language: str, form: str
) -> None:
    chromium.open(written(tmp_path, sample, language), **FORMS[form])
    assert_whole(chromium)
    assert chromium.evaluate("document.documentElement.lang") == language


def assert_whole(chromium: Chromium) -> None:
    """Nothing is cut, overlaps, is pale or complained about, and nothing was asked for."""
    assert chromium.evaluate(LAYOUT) == []
    assert (
        chromium.told("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown") == []
    )
    asked = [event["request"]["url"] for event in chromium.told("Network.requestWillBeSent")]
    assert len(asked) == 1
    assert asked[0].startswith("file://")


@LANGUAGES
def test_the_paper_is_a4(chromium: Chromium, tmp_path: Path, language: str) -> None:
    chromium.open(written(tmp_path, "wrong texts", language), PAPER_WIDTH)
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", chromium.paper())
    assert len(boxes) > 3
    assert {(round(float(width)), round(float(height))) for width, height in boxes} == {A4_POINTS}


@pytest.mark.parametrize("form", FORMS)
@LANGUAGES
def test_the_page_of_all_releases_is_whole(
    chromium: Chromium, tmp_path: Path, language: str, form: str
) -> None:
    places = ("a", "b", "c", "failed/20260131T080000Z", "d")
    for name, sample in zip(places, RESULTS, strict=True):
        report = build_report(RESULTS[sample], language=language, now=NOW)
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "report.json").write_bytes(render(report))
    path = tmp_path / "index.html"
    path.write_text(index(tmp_path, language), encoding="utf-8")
    chromium.open(path, **FORMS[form])
    assert_whole(chromium)


FAULTS = {
    "wide": ("h1", "width", "2000px", "reaches from"),
    "cut": ("h1", "whiteSpace", "nowrap", "holds"),
    "overlapping": (".verdict .next", "marginTop", "-20px", "overlap"),
    "pale": ("h1", "color", "#aaaaaa", "contrast"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_layout_would_be_seen(
    chromium: Chromium, tmp_path: Path, fault: str
) -> None:
    where, setting, value, word = FAULTS[fault]
    chromium.open(written(tmp_path, "good", "en"), **FORMS["phone"])
    text = "a very long heading that has no room on a phone " if fault == "cut" else ""
    chromium.evaluate(
        f"(() => {{ const at = document.querySelector('{where}');"
        f" at.style.{setting} = '{value}'; if ('{text}') at.textContent = '{text}'; }})()"
    )
    assert any(word in sentence for sentence in chromium.evaluate(LAYOUT))


def test_a_request_would_be_seen(chromium: Chromium, tmp_path: Path) -> None:
    path = tmp_path / "asks.html"
    path.write_text('<img src="file:///nothing.png" alt=""><p>text</p>', encoding="utf-8")
    chromium.open(path, 1280)
    assert len(chromium.told("Network.requestWillBeSent")) == 2
    assert chromium.told("Log.entryAdded")
