# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two sealed releases, as a document, as lines and as a page."""

from __future__ import annotations

import copy
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.action.stt_release_compare import pair
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._report_terminal import width
from ansible_collections.stt.engine.plugins.module_utils._report_text import LANGUAGES
from ansible_collections.stt.engine.plugins.plugin_utils._compare import compare
from ansible_collections.stt.engine.plugins.plugin_utils._compare_html import page
from ansible_collections.stt.engine.plugins.plugin_utils._compare_terminal import (
    comparison_lines,
    marked,
)
from ansible_collections.stt.engine.plugins.plugin_utils._compare_text import WORDS
from tests.unit.plugins.two_releases import NEW_LAYER, NEW_TEXT, documents, two


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    older, newer = two(tmp_path_factory.mktemp("two"))
    return compare(documents(older), documents(newer))


def test_of_one_release_alone_no_other_can_be_named(tmp_path: Path) -> None:
    older, newer = (one.release for one in two(tmp_path))
    with pytest.raises(SttError, match=f"-e from=ID \\(there are: {newer.name}\\)"):
        pair(older.parent, "", older.name)
    shutil.rmtree(newer)
    with pytest.raises(SttError, match="fix: make another release first"):
        pair(older.parent, "", "")


def printed(found: dict[str, Any], language: str = "en", path: str = "") -> list[str]:
    return [line.text for line in comparison_lines(found, language, path)]


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html.split("</style>")[1]).split())


def test_packages_are_told_by_their_bills_of_materials(found: dict[str, Any]) -> None:
    assert found["packages"] == {
        "same": 1,
        "changes": [
            {"kind": "pypi", "name": "anyio", "before": None, "after": "4.16.0"},
            {"kind": "pypi", "name": "click", "before": "8.5.1", "after": None},
            {"kind": "pypi", "name": "torch", "before": "2.8.0", "after": "2.8.1"},
        ],
    }


def test_layers_are_told_by_their_content(found: dict[str, Any]) -> None:
    layers = found["layers"]
    assert (layers["new"], layers["new_bytes"], layers["shared"]) == ([NEW_LAYER], 2_100_000, 8)
    assert [layer["size"] for layer in layers["gone"]] == [41_200]


def test_only_new_model_files_count_as_bytes(found: dict[str, Any]) -> None:
    changes = found["files"]["changes"]
    assert found["files"]["same"] == 6
    assert [(row["model"], row["path"], row["before"]) for row in changes] == [
        ("float32", "config.json", None),
        ("float32", "parts/one.json", None),
        ("float32", "weights of the model.bin", None),
    ]
    models = sum(row["after"]["size"] for row in changes)
    assert found["bytes"] == {
        "layers_uncompressed": 2_100_000,
        "models": models,
        "total": 2_100_000 + models,
    }
    assert found["quantizations"] == {"from": ["int8_float16"], "to": ["int8_float16", "float32"]}


def test_a_file_that_only_lies_elsewhere_needs_no_bytes(tmp_path: Path) -> None:
    older, newer = (documents(one) for one in two(tmp_path))
    moved = copy.deepcopy(dict(older.predicate))
    moved["models"][1]["quantization"] = "int8"
    told = compare(older, type(older)(moved, newer.report, newer.sbom, "signature"))
    assert len(told["files"]["changes"]) == 6
    assert told["bytes"]["models"] == 0


def test_checks_that_ended_otherwise_are_told(found: dict[str, Any]) -> None:
    assert found["checks"] == [
        {"name": "R1.1/memory", "before": "passed", "after": "skipped"},
        {"name": "R5.9/quantization_float32", "before": None, "after": "passed"},
    ]


def test_transcripts_are_told_clip_by_clip(found: dict[str, Any]) -> None:
    told = found["transcripts"]
    (row,) = told["changes"]
    assert (row["clip"], row["checks"]) == ("en-order.flac", ["R5.5/faster_whisper_texts"])
    assert row["after"]["text"] == NEW_TEXT
    assert (told["compared"], told["added"], told["removed"]) == (5, ["noise.mp3"], [])


def test_inputs_are_told_without_the_packages(found: dict[str, Any]) -> None:
    assert [row["name"] for row in found["versions"]] == ["image.input_digest"]


def test_a_release_and_itself_are_the_same(tmp_path: Path) -> None:
    one = documents(two(tmp_path)[0])
    told = compare(one, one)
    assert (told["same"], told["bytes"]["total"]) == (True, 0)
    assert printed(told)[-1] == "The two are the same release: nothing differs."
    assert WORDS["nothing"]["ko"] in page(told, "ko")


def test_the_lines_are_a_diff(found: dict[str, Any]) -> None:
    lines = printed(found, path="/x/a..b.html")
    assert lines[0] == "stt.engine releases compared"
    assert lines[1].startswith(f"  From  {found['from']['id']}  (Sealed 2026-01-31 08:06:30 UTC, ")
    for line in (
        "  ~ image.input_digest  c96c6d5be8d0 -> 833d2f04e21b",
        "Packages: 1 changed, 1 added, 1 removed, 1 the same",
        "  + anyio  4.16.0",
        "  - click  8.5.1",
        "  ~ torch  2.8.0 -> 2.8.1",
        "Image layers: 1 new (2.10 MB), 8 shared (7.80 GB), 1 gone",
        f"  + {NEW_LAYER['diff_id'][:19]}  2.10 MB",
        "Model files: 0 changed, 3 added, 0 removed, 6 the same",
        "  ~ int8_float16 -> int8_float16, float32",
        "  ~ R1.1 Memory                           passed -> skipped",
        "  + R5.9 Quantization compared (float32)  passed",
        "Transcripts: 1 changed, of 5 transcriptions of clips that both have",
        "  + Clips that only the second has: noise.mp3",
        "  ~ en-order.flac  passed  (R5.5 Faster-Whisper transcribes)",
        "      please [-send-] {+lend+} two boxes of paper to the second floor {+today+}",
        "  new layers, uncompressed as the engine keeps them  2.10 MB",
        "Page: /x/a..b.html",
    ):
        assert line in lines, "\n".join(lines)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_printed_and_shown_is_the_same(found: dict[str, Any], language: str) -> None:
    shown = words(page(found, language))
    lines = printed(found, language)
    for key in ("title", "packages", "layers", "files", "bytes_layers", "bytes_total"):
        assert WORDS[key][language] in shown
        assert any(WORDS[key][language] in line for line in lines)
    for value in ("2.10 MB", "anyio", "2.8.1", "noise.mp3", found["from"]["id"]):
        assert value in shown
        assert any(value in line for line in lines)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_figures_stand_below_each_other(found: dict[str, Any], language: str) -> None:
    lines = printed(found, language)
    at = lines.index(WORDS["bytes"][language])
    assert len({width(line) for line in lines[at + 1 : at + 4]}) == 1


def test_a_korean_text_is_marked_by_its_letters() -> None:
    assert marked("두 시에 만나요", "세 시에 만나요", "ko") == "[-두-]{+세+} 시에 만나요"
    assert marked("", "", "ko") == ""


def test_nothing_that_a_release_says_becomes_markup_or_moves_the_cursor(
    found: dict[str, Any],
) -> None:
    hostile = "<b>one</b>\x1b[31m\n\u202etwo"
    told = copy.deepcopy(found)
    told["packages"]["changes"][0].update(name=hostile, after=hostile)
    told["transcripts"]["changes"][0]["after"].update(text=hostile)
    told["transcripts"]["added"] = [hostile]
    html = page(told, "en")
    assert "<b>one" not in html
    assert html.count("&lt;b&gt;one&lt;/b&gt;") >= 3
    assert all(line.isprintable() for line in printed(told, "ko"))


@pytest.mark.parametrize("key", sorted(WORDS))
def test_every_text_exists_in_both_languages(key: str) -> None:
    assert set(WORDS[key]) == set(LANGUAGES)
    korean = {
        language: any("가" <= letter <= "힣" for letter in WORDS[key][language])
        for language in LANGUAGES
    }
    assert korean == {"ko": True, "en": False}
