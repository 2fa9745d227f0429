# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's words and forms in both languages."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ansible_collections.stt.engine.plugins.module_utils._report_text import (
    FILES,
    LANGUAGES,
    TEXTS,
    duration,
    is_told,
    moment,
    planned,
    reason,
    size,
    text,
    took_and_planned,
)

CHECKOUT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize("key", sorted(TEXTS))
def test_every_text_exists_in_both_languages(key: str) -> None:
    assert set(TEXTS[key]) == set(LANGUAGES)
    assert all(value.strip() for value in TEXTS[key].values())


@pytest.mark.parametrize("key", sorted(TEXTS))
def test_korean_is_korean_and_english_is_not(key: str) -> None:
    same_in_both = {"phase", "gpu", "planned_size"}
    korean = any("가" <= letter <= "힣" for letter in TEXTS[key]["ko"])
    assert korean or key in same_in_both
    assert not any("가" <= letter <= "힣" for letter in TEXTS[key]["en"])


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_file_is_explained_in_both_languages(name: str) -> None:
    assert set(FILES[name]) == set(LANGUAGES)
    assert any("가" <= letter <= "힣" for letter in FILES[name]["ko"])
    assert not any("가" <= letter <= "힣" for letter in FILES[name]["en"])


def test_an_unknown_text_is_an_error() -> None:
    with pytest.raises(KeyError):
        text("nothing", "en")


@pytest.mark.parametrize(
    ("seconds", "english", "korean"),
    [
        (None, "-", "-"),
        (0, "0 s", "0초"),
        (0.04, "0.0 s", "0.0초"),
        (0.44, "0.4 s", "0.4초"),
        (9.94, "9.9 s", "9.9초"),
        (9.96, "10 s", "10초"),
        (59.4, "59 s", "59초"),
        (59.6, "1 m 00 s", "1분 00초"),
        (161, "2 m 41 s", "2분 41초"),
        (3599.7, "1 h 00 m", "1시간 00분"),
        (5430, "1 h 30 m", "1시간 30분"),
    ],
)
def test_a_time_span(seconds: float | None, english: str, korean: str) -> None:
    assert (duration(seconds, "en"), duration(seconds, "ko")) == (english, korean)


def test_planned_and_taken_time() -> None:
    assert took_and_planned(161, [1200, 2400], "en") == "took 2 m 41 s, planned 20-40 min"
    assert took_and_planned(161, [1200, 2400], "ko") == "2분 41초 걸림, 계획 20-40분"
    assert took_and_planned(None, [1200, 2400], "en") == "planned 20-40 min"
    assert (planned([300, 300], "en"), planned([300, 300], "ko")) == ("planned 5 min", "계획 5분")


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (None, "-"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (7_799_044_272, "7.80 GB"),
        (14_900_000, "14.9 MB"),
        (123_000_000_000, "123 GB"),
        (2_500_000_000_000, "2500 GB"),
    ],
)
def test_a_size(count: int | None, shown: str) -> None:
    assert size(count) == shown


def test_a_moment_is_told_in_utc() -> None:
    assert moment("2026-01-31T17:15:00.250+09:00") == "2026-01-31 08:15:00 UTC"
    assert moment("") == "-"


@pytest.mark.parametrize(
    ("english", "korean"),
    [
        ("no GPU on this host", "이 서버에 GPU가 없음"),
        ("the slim variant has no torch", "slim 이미지에 없는 패키지: torch"),
        ("this engine has no torch and no numpy", "이 엔진에 없는 패키지: torch, numpy"),
        ("no /app/stt_engine here", "이 이미지에는 /app/stt_engine이 없음"),
        ("another reason", "another reason"),
    ],
)
def test_known_reasons_are_told_in_the_reports_language(english: str, korean: str) -> None:
    assert (reason(english, "ko"), reason(english, "en")) == (korean, english)
    assert is_told(english, "ko") is (korean != english)
    assert is_told(english, "en")


def skip_reasons() -> list[str]:
    """Every sentence that a check gives as its reason for a skip, as far as it is written down."""
    found = []
    for path in sorted((CHECKOUT / "checks" / "stt_checks").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "skipped":
                given = node.args[0]
                if isinstance(given, ast.Constant):
                    found.append(str(given.value))
    return found


def test_every_reason_that_a_check_writes_down_has_its_korean() -> None:
    reasons = skip_reasons()
    assert len(reasons) > 10
    assert [one for one in reasons if not is_told(one, "ko")] == []
