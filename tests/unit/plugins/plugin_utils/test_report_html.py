# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The readable page: well formed, alone in the world, complete and accessible in both languages."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import jinja2
import pytest

from ansible_collections.stt.engine.plugins.module_utils._check_result import failure_message
from ansible_collections.stt.engine.plugins.module_utils._report import FAILURE_KEYS, build_report
from ansible_collections.stt.engine.plugins.module_utils._report_text import reason
from ansible_collections.stt.engine.plugins.plugin_utils._report_html import page, render
from tests.unit.plugins.release_samples import (
    check,
    passed_on_cpu,
    passed_on_gpu,
    passed_with_quantizations,
    real,
    real_on_gpu,
    real_with_wrong_texts,
    self_tested,
    stopped_in_r5,
)

NOW = datetime(2026, 1, 31, 9, 0, 0, tzinfo=UTC)
VOID = {"meta", "rect", "line", "path", "circle", "br", "link", "img", "hr"}
RESULTS = {
    "cpu": passed_on_cpu(),
    "gpu": passed_on_gpu(),
    "quantizations": passed_with_quantizations(),
    "stopped": stopped_in_r5(),
    "real": real("passed"),
    "real on a gpu": self_tested(real_on_gpu()),
    "real with wrong texts": real_with_wrong_texts(),
    "really stopped": real("stopped"),
    "empty": {},
    "stopped at once": {"failure": {"msg": "the inventory group build is empty"}},
}
PASSED = {"cpu", "gpu", "quantizations", "real", "real on a gpu"}
SAMPLES = pytest.mark.parametrize("sample", RESULTS)
LANGUAGES = pytest.mark.parametrize("language", ["ko", "en"])


class Reader(HTMLParser):
    """Notes elements and texts, and fails on an element that is not closed where it must be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str]]] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[tuple[str, str, tuple[str, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self.open.append((tag, attributes))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        tags = tuple(tag for tag, _attributes in self.open)
        if "style" not in tags and data.strip():
            languages = [
                attributes["lang"] for _tag, attributes in self.open if "lang" in attributes
            ]
            self.words.append((" ".join(data.split()), languages[-1], tags))

    def values(self, name: str) -> list[str]:
        return [attributes[name] for _tag, attributes in self.elements if name in attributes]

    @property
    def text(self) -> list[str]:
        return [text for text, _language, _tags in self.words]

    @property
    def tags(self) -> list[str]:
        return [tag for tag, _attributes in self.elements]


def made(results: dict[str, Any], language: str = "en") -> tuple[str, Reader]:
    html = page(build_report(results, language=language, now=NOW))
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return html, reader


def section(html: str, name: str) -> str:
    """The section with this heading."""
    (part,) = [one for one in html.split("<section") if f'<h2 id="{name}">' in one]
    return part.split("</section>")[0]


@LANGUAGES
@SAMPLES
def test_the_page_needs_nothing_else(sample: str, language: str) -> None:
    html, reader = made(RESULTS[sample], language)
    assert not {"script", "link", "img", "iframe", "object", "embed"} & set(reader.tags)
    assert not any(name.startswith("on") for _tag, given in reader.elements for name in given)
    assert "url(" not in html
    assert "@import" not in html
    links = reader.values("href") + reader.values("src")
    assert all(not link.startswith(("/", "http")) and ".." not in link for link in links)


@LANGUAGES
@SAMPLES
def test_the_page_can_be_read_without_seeing_it(sample: str, language: str) -> None:
    html, reader = made(RESULTS[sample], language)
    assert f'<html lang="{language}">' in html
    assert [tag for tag in reader.tags if tag in ("header", "nav", "main", "footer")] == [
        *("header", "nav", "main", "footer"),
    ]
    headings = [int(tag[1]) for tag in reader.tags if re.fullmatch("h[1-6]", tag)]
    assert (headings[0], headings.count(1)) == (1, 1)
    steps = [after - before for before, after in itertools.pairwise(headings)]
    assert max(steps) <= 1
    identifiers = reader.values("id")
    assert len(identifiers) == len(set(identifiers))
    named = [name for value in reader.values("aria-labelledby") for name in value.split()]
    assert set(named) <= set(identifiers)
    assert {link[1:] for link in reader.values("href") if link.startswith("#")} <= set(identifiers)
    assert all(
        given.get("scope") in ("col", "row") for tag, given in reader.elements if tag == "th"
    )
    drawings = [given for tag, given in reader.elements if tag == "svg"]
    charts = [given for given in drawings if given.get("role") == "img"]
    assert all(given.get("aria-hidden") == "true" for given in drawings if given not in charts)
    told = {tags[-1]: text for text, _language, tags in reader.words if "svg" in tags}
    assert not charts or (told["title"] and told["desc"])


@LANGUAGES
@SAMPLES
def test_the_first_words_tell_how_it_ended_and_what_to_do(sample: str, language: str) -> None:
    _html, reader = made(RESULTS[sample], language)
    words = {"ko": ["실패", "통과"], "en": ["Failed", "Passed"]}[language][sample in PASSED]
    first = reader.text[1:7]
    assert first[2].startswith(words)
    steps = {"ko": ("배포", "운영"), "en": ("deploy", "production", "CUDA checks must pass")}
    assert any(word in text for text in first for word in steps[language])


# What is called the same in both languages.
SAME = re.compile(
    r"Phase|Docker|buildx|CUDA|PyTorch|Python|Whisper|OpenAI|Faster|CTranslate|LD_LIBRARY_PATH|"
    r"transformers|torchaudio|torch|float|JUnit|SBOM|CycloneDX|cuda|model\.bin|glibc|libstdc|sudo|"
    r"release\.yml|stt_self_test=true|"
    r"git fetch|reset|Ansible|stt\.engine|stt-lab/whisper-tiny-en-ko|greedy|health|"
    r"R\d\.\d/\w+|\w+\.(?:json|txt|safetensors)",
    re.IGNORECASE,
)


@SAMPLES
def test_no_word_of_the_other_language_is_left(sample: str) -> None:
    """What checks say in English is marked as English; names are the same everywhere."""
    _html, reader = made(RESULTS[sample], "en")
    korean = [
        text
        for text, language, _tags in reader.words
        if re.search("[가-힣]", text) and language != "ko"
    ]
    # What a check found may quote what was heard.
    assert all("gave" in text for text in korean)
    _html, reader = made(RESULTS[sample], "ko")
    given = build_report(RESULTS[sample], language="ko", now=NOW)
    names = [str(given[key]) for key in ("release", "tag", "host") if given.get(key)]
    # Translated one by one, with the names that they quote.
    said = [check[key] for check in given["checks"] for key in ("found", "expected", "fix")]
    translated = {" ".join(reason(sentence, "ko").split()) for sentence in said}
    for text, language, tags in reader.words:
        if language == "ko" and not {"code", "a"} & set(tags) and text not in translated:
            for name in names:
                text = text.replace(name, "")
            assert not re.findall(r"[A-Za-z]{4,}", SAME.sub("", text)), text


@pytest.mark.parametrize("sample", ["real", "really stopped"])
def test_a_korean_reader_is_told_what_was_needed_and_what_to_do(sample: str) -> None:
    _html, reader = made(RESULTS[sample], "ko")
    english = {text for text, language, _tags in reader.words if language == "en"}
    failed = [one for one in RESULTS[sample]["checks"] if one["status"] in ("failed", "error")]
    needed = {one["expected"] for one in RESULTS[sample]["checks"]}
    assert not english & (needed | {one["fix"] for one in failed})


def test_a_failed_task_is_told_by_its_phase() -> None:
    html, _reader = made(stopped_in_r5(), "ko")
    task = '<code lang="en">R5 | Run the checks in one container</code>'
    assert f"Phase 5: 모델 로드 테스트 {task}" in html


def test_a_text_without_its_language_is_an_error_and_no_key_on_the_page() -> None:
    with pytest.raises(KeyError):
        made({**passed_on_cpu()}, "fr")
    with pytest.raises(jinja2.UndefinedError):
        render("report.html.j2", "en")


def test_what_is_not_green_comes_before_the_checklist_and_only_once() -> None:
    html, reader = made(stopped_in_r5())
    assert reader.text.index("What must be mended") < reader.text.index("Closing checklist")
    boxes = section(html, "problems").split('<div class="box')[1:]
    assert len(boxes) == 2
    assert "The error that stopped the release" in boxes[0]
    assert all(word in boxes[1] for word in ("R5.6", "Found", "Expected", "Fix"))
    assert 'id="problems"' not in made(passed_on_cpu())[0]


def test_a_message_that_only_repeats_its_checks_is_not_shown_twice() -> None:
    html, _reader = made(real("stopped"))
    part = section(html, "problems")
    assert part.count("original 10.07 MB, int8_float16 6.61 MB") == 1
    assert "The checks below failed and stopped the release." in part
    assert "Run again with whisper_model_verify=full." in part


def test_a_summary_names_the_checks_and_points_to_them() -> None:
    results = real_with_wrong_texts()
    bad = [one for one in results["checks"] if one["status"] == "failed"]
    results["failure"] = {"task": "R5 | Stop", "msg": failure_message("R5", results["checks"])}
    html, reader = made(results)
    first = section(html, "problems").split('<div class="box')[1]
    assert bad[0]["found"] not in first
    for one in bad:
        anchor = f"problem-{one['id']}-{one['name']}"
        assert f'href="#{anchor}"' in first
        assert anchor in reader.values("id")


def test_warnings_and_skips_say_why_before_the_checklist() -> None:
    html, _reader = made(real("passed"), "ko")
    assert html.index('id="attention"') < html.index('id="checklist"')
    part = section(html, "attention")
    assert part.count("권장 여유 공간 100.0 GB보다 작음") == 2
    assert part.count("이 서버에 GPU가 없음") == 1
    assert "CUDA 사용 가능 <code>R4.3 cuda_available</code>" in part
    assert "attention" not in made(real_on_gpu())[1].values("id")


@pytest.mark.parametrize(("language", "words"), [("ko", "일부 통과"), ("en", "in part")])
def test_what_was_skipped_in_part_has_no_tick(language: str, words: str) -> None:
    def marks(results: dict[str, Any]) -> list[str]:
        part = section(made(results, language)[0], "checklist")
        return [line for line in part.split("<li>")[1:] if words in line]

    results = passed_on_gpu()
    assert marks(results) == []
    (other,) = [one for one in results["checks"] if one["name"] == "models_hashes"]
    other.update(status="skipped", found="no list of files was given")
    (line,) = marks(results)
    assert '<span class="badge in_part">' in line
    assert "badge passed" not in line
    assert "no list of files was given" in line


def test_a_checklist_that_is_not_complete_is_told_when_nothing_else_is() -> None:
    results = passed_on_cpu()
    results["checks"] = [one for one in results["checks"] if one["id"] != "R1.3"]
    html, _reader = made(results)
    part = section(html, "problems")
    assert part.count('<div class="box') == 1
    assert "R1.3" in part


HOSTILE = '<script>alert(1)</script>" onload="x\' &amp; </style><b>'


@LANGUAGES
def test_nothing_that_was_found_can_change_the_page(language: str) -> None:
    results = passed_with_quantizations()
    attack = HOSTILE
    results["checks"].append(check("R1.1", attack, "failed", attack, fix=attack, expected=attack))
    results["checks"][-1]["evidence"] = {
        "transcripts": [
            {"clip": attack, "expected": attack, "text": "x", "language": attack, "good": False}
        ]
    }
    results["checks"].append(check("R1.1", "memory", evidence={"warning": attack}, found=attack))
    results["checks"].append(check("R1.1", "gpu", "skipped", attack))
    results["checks"].append(check("R5.9", f"quantization_{attack}", evidence={"bytes": 1}))
    results["failure"] = dict.fromkeys(FAILURE_KEYS, attack)
    results.update(release=attack, tag=attack, host=attack)
    results["image"].update(image_id=attack, tag=attack)
    results["models"][0].update(repository=attack, commit=attack)
    results["models"][0]["files"][0].update(path=attack, sha256=attack)
    results.update(versions={attack: attack}, lock={attack: {attack: attack}})
    results.update(logs=["logs/<b> x.log"], files=["<i>.txt"])
    html, reader = made(results, language)
    _html, plain = made(passed_with_quantizations(), language)
    assert {"script", "b", "i"} & set(reader.tags) == {"b"}
    assert reader.tags.count("b") == plain.tags.count("b")
    assert "<script" not in html
    assert not any(name.startswith("on") for _tag, given in reader.elements for name in given)
    assert "logs/%3Cb%3E%20x.log" in reader.values("href")
    assert "%3Ci%3E.txt" in reader.values("href")
    assert html.count("</style>") == 1


def test_transcripts_show_the_reference_and_mark_what_differs() -> None:
    html, _reader = made(stopped_in_r5())
    part = " ".join(section(html, "transcripts").split())
    assert (
        "please <del>send</del> <ins>lend</ins> two boxes of paper to <del>the</del> second" in part
    )
    assert "Faster-Whisper transcribes · Error rate" in part or "What came: Faster-Whisper" in part
    assert part.index("en-order.flac") < part.index("ko-greeting.flac")
    assert "(no speech)" in part


def test_a_korean_text_is_marked_by_its_letters() -> None:
    html, _reader = made(real_with_wrong_texts(), "ko")
    part = section(html, "transcripts")
    assert "내일 오<del>후</del><ins>전</ins> 세 시에 회의<del>가</del> 있습니다." in part
    assert "(아무 말도 전사되지 않음)" in part


def test_layers_and_models_are_bars_and_small_layers_are_counted() -> None:
    html, reader = made(passed_on_cpu())
    assert "3 more small layers" in reader.text
    assert section(html, "sizes").count('<rect class="bar') == 6 + 2
    assert section(html, "timeline").count('<rect class="bar') == 6


def test_digests_versions_files_and_logs_are_all_there() -> None:
    results = {**passed_on_cpu(), "files": ["sbom.cdx.json", "verify.sh"]}
    html, reader = made(results)
    part = section(html, "identity")
    for value in (
        results["image"]["image_id"],
        results["image"]["base_digest"],
        results["image"]["layers"][1]["diff_id"],
        results["models"][0]["commit"],
        results["models"][1]["files"][0]["sha256"],
        results["lock"]["sha256"],
        "5.23.0",
    ):
        assert value in part
    links = [link for link in reader.values("href") if not link.startswith("#")]
    assert links[-4:] == results["logs"]
    assert links[:-4] == [
        *("report.json", "junit.xml", "report.tap"),
        *("manifest.json", "sbom.cdx.json", "verify.sh"),
    ]
    assert "bill of materials (CycloneDX)" in html
    assert "manifest.json" not in made(stopped_in_r5())[1].values("href")


def test_the_images_own_checks_stand_alone() -> None:
    html, _reader = made(passed_on_cpu(), "ko")
    part = section(html, "checks")
    titles = re.findall(r'<h3 id="checks-\d+">([^<]*)</h3>', part)
    assert titles[1:4] == [
        "Phase 2: Docker 이미지 빌드",
        "이미지 자체 검사 (R2.5)",
        "Phase 3: 모델 다운로드",
    ]


def test_several_quantizations_are_one_table_with_the_served_one_named() -> None:
    html, reader = made(passed_with_quantizations())
    assert 'id="quantizations"' in html
    at = reader.text.index("int8_float16 (served)")
    assert reader.text[at : at + 3] == ["int8_float16 (served)", "float32", "int8"]
    at = reader.text.index("Computed in")
    assert reader.text[at : at + 2] == ["Computed in", "int8_float32, cpu"]
    assert 'id="quantizations"' not in made(passed_on_cpu())[0]
