# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The readable page: well formed, alone in the world, complete in both languages."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._report import build_report
from ansible_collections.stt.engine.plugins.plugin_utils._report_html import (
    difference,
    page,
    timeline,
)
from tests.unit.plugins.release_samples import (
    check,
    passed_on_cpu,
    passed_on_gpu,
    passed_with_quantizations,
    stopped_in_r5,
)

NOW = datetime(2026, 1, 31, 9, 0, 0, tzinfo=UTC)
VOID = {"meta", "rect", "br", "link", "img", "hr"}
RESULTS = {
    "cpu": passed_on_cpu(),
    "gpu": passed_on_gpu(),
    "quantizations": passed_with_quantizations(),
    "stopped": stopped_in_r5(),
    "empty": {},
    "stopped at once": {"failure": {"msg": "the inventory group build is empty"}},
}
SAMPLES = pytest.mark.parametrize("sample", RESULTS)
LANGUAGES = pytest.mark.parametrize("language", ["ko", "en"])


class Reader(HTMLParser):
    """Notes elements and text, and fails on an element that is not closed where it must be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and data.strip():
            self.text.append(" ".join(data.split()))


def made(results: dict[str, Any], language: str = "en") -> tuple[str, Reader]:
    html = page(build_report(results, language=language, now=NOW))
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return html, reader


@LANGUAGES
@SAMPLES
def test_the_page_needs_nothing_else(sample: str, language: str) -> None:
    html, reader = made(RESULTS[sample], language)
    assert not {"script", "link", "img", "iframe"} & set(reader.tags)
    assert not re.search(r"(?:https?:)?//[a-z]", html.split("</style>")[1])
    assert "url(" not in html
    assert "@import" not in html
    assert all(not link.startswith(("/", "http")) and ".." not in link for link in reader.links)
    assert len(reader.ids) == len(set(reader.ids))


@LANGUAGES
@SAMPLES
def test_the_first_words_tell_what_it_is_how_it_ended_and_what_to_do(
    sample: str, language: str
) -> None:
    html, reader = made(RESULTS[sample], language)
    assert f'<html lang="{language}">' in html
    verdict = {"cpu": 1, "gpu": 1, "quantizations": 1}.get(sample, 0)
    words = {"ko": ["실패", "통과"], "en": ["Failed", "Passed"]}[language][verdict]
    first = reader.text[:8]
    assert any(text.startswith("stt.engine") for text in first)
    assert any(text.startswith(words) for text in first)
    steps = {"ko": ("배포", "운영"), "en": ("deploy", "production", "CUDA checks must pass")}
    assert any(word in text for text in first for word in steps[language])


@SAMPLES
def test_no_word_of_the_other_language_is_left(sample: str) -> None:
    _unused, reader = made(RESULTS[sample], "en")
    korean = [text for text in reader.text if re.search("[가-힣]", text)]
    assert all("안녕하세요" in text for text in korean)
    _unused, reader = made(RESULTS[sample], "ko")
    assert not {"passed", "failed", "skipped", "not run", "Found", "Fix"} & set(reader.text)


def test_what_is_not_green_comes_before_the_checklist_and_only_once() -> None:
    html, reader = made(stopped_in_r5())
    assert reader.text.index("What is not green") < reader.text.index("Closing checklist")
    boxes = html.split('<div class="box">')[1:]
    assert len(boxes) == 2
    assert "The error that stopped the release" in boxes[0]
    assert "R5.6" in boxes[1]
    assert "What is not green" not in made(passed_on_cpu())[1].text


def test_a_checklist_that_is_not_complete_is_told_when_nothing_else_is() -> None:
    results = passed_on_cpu()
    results["checks"] = [one for one in results["checks"] if one["id"] != "R1.3"]
    html, _unused = made(results)
    assert html.count('<div class="box">') == 1
    assert "R1.3" in html.split('<div class="box">')[1]


def test_what_checks_found_cannot_change_the_page() -> None:
    results = passed_on_cpu()
    attack = '<script>alert(1)</script>" onload="x'
    results["checks"].append(check("R1.1", "x", "failed", attack, fix=attack, expected=attack))
    results["checks"][-1]["evidence"] = {
        "transcripts": [{"clip": attack, "expected": attack, "text": "x", "good": False}]
    }
    results["release"] = attack
    results["logs"] = ["logs/<b> x.log"]
    html, reader = made(results)
    assert "script" not in reader.tags
    assert "<script" not in html
    assert reader.links[0] == "logs/%3Cb%3E%20x.log"


def test_transcripts_mark_what_differs() -> None:
    html, _unused = made(stopped_in_r5())
    assert "please <del>send</del> <ins>lend</ins> two boxes of paper to <del>the</del> second" in (
        " ".join(html.split())
    )
    assert "(no speech)" in html


@pytest.mark.parametrize(
    ("expected", "found", "parts"),
    [
        ("", "", []),
        ("a b", "a b", [("same", "a b")]),
        ("a b", "", [("lost", "a b")]),
        ("", "a", [("came", "a")]),
        ("a b c", "a x c", [("same", "a"), ("lost", "b"), ("came", "x"), ("same", "c")]),
        ("하나 둘", "하나 셋", [("same", "하나"), ("lost", "둘"), ("came", "셋")]),
    ],
)
def test_the_difference_of_two_texts(
    expected: str, found: str, parts: list[tuple[str, str]]
) -> None:
    assert [(part["kind"], part["text"]) for part in difference(expected, found)] == parts


def test_the_time_line_shows_what_ran_side_by_side() -> None:
    rows = timeline(build_report(passed_on_cpu(), language="en", now=NOW), "en")["rows"]
    assert [row["label"][:2] for row in rows] == ["R1", "R2", "R3", "R4", "R5", "R6"]
    build, fetch = rows[1], rows[2]
    assert build["left"] < fetch["left"] < build["left"] + build["width"]
    assert all(row["left"] >= 0 and row["left"] + row["width"] <= 100.01 for row in rows)
    assert (rows[0]["left"], rows[1]["value"]) == (0.0, "2 m 41 s")


def test_a_phase_of_no_length_can_still_be_seen() -> None:
    moment = "2026-01-31T08:00:00.000Z"
    results = {
        "phases": [{"id": "R1", "started": moment, "finished": moment, "changed": False}],
        "finished": moment,
    }
    (row,) = timeline(build_report(results, language="en", now=NOW), "en")["rows"]
    assert row["width"] > 0
    assert row["left"] + row["width"] <= 100


def test_layers_and_models_are_bars_and_small_layers_are_counted() -> None:
    html, reader = made(passed_on_cpu())
    assert "3 more small layers" in reader.text
    assert html.count("<rect") == 6 + 6 + 2
    assert "Layer 3 sha256:" in " ".join(reader.text)


def test_digests_versions_and_logs_are_all_there() -> None:
    results = passed_on_cpu()
    html, reader = made(results)
    for value in (
        results["image"]["image_id"],
        results["image"]["base_digest"],
        results["models"][0]["commit"],
        results["models"][1]["files"][0]["sha256"],
        results["lock"]["sha256"],
        "5.23.0",
    ):
        assert value in html
    assert reader.links[:4] == results["logs"]
    assert set(reader.links[4:]) == {"report.json", "junit.xml", "manifest.json"}
    assert "manifest.json" not in made(stopped_in_r5())[1].links


def test_several_quantizations_are_one_table_with_the_served_one_named() -> None:
    html, reader = made(passed_with_quantizations())
    assert 'id="quantizations"' in html
    at = reader.text.index("int8_float16 (served)")
    assert reader.text[at : at + 4] == [
        "int8_float16 (served)",
        "int8_float32, cpu",
        "6.80 MB",
        "0.05 s",
    ]
    assert html.count('data-label="Encoder cosine"') == 3
    assert 'id="quantizations"' not in made(passed_on_cpu())[0]
