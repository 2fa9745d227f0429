# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Word and character error rate: edit distance divided by the length of the reference."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def normalise(text: str) -> str:
    """Unicode NFC, white space trimmed and joined; nothing that is spoken is changed."""
    return " ".join(unicodedata.normalize("NFC", text).split())


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
    return _rate(normalise(reference), normalise(text))


def word_error_rate(reference: str, text: str) -> float:
    """As the character error rate, in words split at white space."""
    return _rate(normalise(reference).split(), normalise(text).split())


def _rate(reference: Sequence[str], text: Sequence[str]) -> float:
    if not reference:
        return 1.0 if text else 0.0
    return edit_distance(reference, text) / len(reference)
