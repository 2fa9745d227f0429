# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Word and character error rate: edit distance divided by the length of the reference."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def normalise(text: str) -> str:
    """Unicode NFC, invisible characters left out, white space trimmed and joined.

    Nothing that is spoken is changed. What nobody sees (a byte order mark, a zero-width space out
    of a word processor) is not held against a text.
    """
    composed = unicodedata.normalize("NFC", text)
    return " ".join("".join(one for one in composed if not _is_invisible(one)).split())


def plain(text: str) -> str:
    """Letters, digits and single spaces in lower case: what two decoders must agree on."""
    kept = "".join(letter if letter.isalnum() else " " for letter in text.lower())
    return " ".join(kept.split())


def letters(text: str) -> str:
    """Letters and digits alone, in lower case: neither marks nor spacing count."""
    return plain(normalise(text)).replace(" ", "")


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) == "Cf"


def edit_distance(left: Sequence[str], right: Sequence[str]) -> int:
    """The fewest insertions, deletions and substitutions that turn one into the other."""
    if len(left) < len(right):
        left, right = right, left
    previous = list(range(len(right) + 1))
    for row, item in enumerate(left, start=1):
        current = [row]
        for column, other in enumerate(right, start=1):
            current.append(
                min(
                    previous[column] + 1,
                    current[column - 1] + 1,
                    previous[column - 1] + (item != other),
                )
            )
        previous = current
    return previous[-1]


def character_error_rate(reference: str, text: str) -> float:
    """0.0 for equal texts; may exceed 1.0. Without a reference any text counts as 1.0."""
    return error_rate(normalise(reference), normalise(text))


def word_error_rate(reference: str, text: str) -> float:
    """As the character error rate, in words split at white space."""
    return error_rate(normalise(reference).split(), normalise(text).split())


def error_rate(reference: Sequence[str], text: Sequence[str]) -> float:
    """The edit distance divided by the reference's length, of whatever both are made of."""
    if not reference:
        return 1.0 if text else 0.0
    return edit_distance(reference, text) / len(reference)
