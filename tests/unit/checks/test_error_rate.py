# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random
import unicodedata

import pytest
from stt_checks.error_rate import (
    character_error_rate,
    edit_distance,
    letters,
    normalise,
    word_error_rate,
)


@pytest.mark.parametrize(
    ("left", "right", "distance"),
    [
        ("", "", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("abc", "abc", 0),
        ("kitten", "sitting", 3),
        ("flaw", "lawn", 2),
        ("ab", "ba", 2),
    ],
)
def test_known_distances(left: str, right: str, distance: int) -> None:
    assert edit_distance(left, right) == distance
    assert edit_distance(right, left) == distance


def test_distance_is_a_metric() -> None:
    chance = random.Random(3)
    words = ["".join(chance.choices("ab", k=chance.randint(0, 6))) for _turn in range(12)]
    for left in words:
        for middle in words:
            direct = edit_distance(left, middle)
            assert (direct == 0) == (left == middle)
            for right in words:
                assert edit_distance(left, right) <= direct + edit_distance(middle, right)


def test_rates_are_shares_of_the_reference() -> None:
    assert word_error_rate("the order is late", "the order was late") == 0.25
    assert word_error_rate("one two", "one two three four") == 1.0
    assert character_error_rate("abcd", "abxd") == 0.25
    assert character_error_rate("ab", "abcdef") == 2.0
    assert character_error_rate("", "") == 0.0
    assert character_error_rate("", "thank you") == 1.0
    assert word_error_rate("something", "") == 1.0


def test_only_white_space_and_composition_are_normalised() -> None:
    korean = "잠시만 기다려 주세요."
    assert normalise("  a \n b\t") == "a b"
    assert character_error_rate(korean, unicodedata.normalize("NFD", korean)) == 0.0
    assert character_error_rate("Yes.", "yes.") > 0.0
    assert character_error_rate("Yes.", "Yes") > 0.0


def test_what_nobody_sees_is_not_held_against_a_text() -> None:
    """As it comes out of editors and word processors with a text that was typed there."""
    assert normalise("\ufeff잠시만\u200b 기다려\u00a0주세요.\u2060") == "잠시만 기다려 주세요."
    assert word_error_rate("\ufeff잠시만 기다려", "잠시만 기다려") == 0.0


def test_a_space_counts_as_a_character_and_splits_words() -> None:
    """Korean may be spaced in several right ways: who types texts sets the limits for it."""
    joined, spaced = "세시에 만나요", "세 시에 만나요"
    assert character_error_rate(spaced, joined) == 1 / 8
    assert word_error_rate(spaced, joined) == 2 / 3
    assert character_error_rate("3시", "세 시") == 1.0


def test_letters_are_what_two_decoders_must_agree_on() -> None:
    assert letters(" Good morning, you! ") == "goodmorningyou"
    assert letters("세 시에, 만나요.") == letters("세시에 만나요") == "세시에만나요"
    assert letters(unicodedata.normalize("NFD", "세시")) == "세시"
    assert letters(" ... ♪ ") == ""
