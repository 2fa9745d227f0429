# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's words and forms in both languages."""

from __future__ import annotations

import pytest

from ansible_collections.stt.engine.plugins.module_utils._report_text import (
    LANGUAGES,
    TEXTS,
    duration,
    moment,
    planned,
    reason,
    size,
    text,
    took_and_planned,
)


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


def test_only_usual_reasons_are_translated() -> None:
    assert reason("a: no GPU on this host", "ko") == "a: 이 서버에 GPU가 없음"
    assert reason("no GPU on this host", "en") == "no GPU on this host"
    assert reason("another reason", "ko") == "another reason"
