# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page that compares two releases in a real browser: nothing cut, overlapping or fetched."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.plugin_utils._compare import compare
from ansible_collections.stt.engine.plugins.plugin_utils._compare_html import page
from tests.unit.chromium import Chromium
from tests.unit.plugins.plugin_utils.test_report_in_browser import FORMS, assert_whole
from tests.unit.plugins.two_releases import documents, two


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    browser = Chromium(tmp_path_factory.mktemp("chromium") / "profile")
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def comparisons(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    older, newer = two(tmp_path_factory.mktemp("two"))
    found = compare(documents(older), documents(newer))
    word = "averylongword" * 12
    long = copy.deepcopy(found)
    long["to"]["id"] = word
    for row in (*long["packages"]["changes"], *long["versions"], *long["checks"]):
        row.update(name=word)
    long["packages"]["changes"][-1].update(before=word, after=word)
    long["transcripts"]["changes"][0].update(clip=word)
    long["transcripts"]["changes"][0]["after"].update(text=word, expected=word, good=False)
    return {"two": found, "long words": long, "the same": compare(*[documents(older)] * 2)}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("sample", ["two", "long words", "the same"])
def test_the_page_is_whole(
    chromium: Chromium,
    comparisons: dict[str, dict[str, Any]],
    tmp_path: Path,
    sample: str,
    language: str,
    form: str,
) -> None:
    path = tmp_path / "compare.html"
    path.write_text(page(comparisons[sample], language), encoding="utf-8")
    chromium.open(path, **FORMS[form])
    assert_whole(chromium)
    assert chromium.evaluate("document.documentElement.lang") == language
