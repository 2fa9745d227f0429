# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What checks say, in the report's language: they speak English, and a reader may not."""

from __future__ import annotations

import re
from functools import cache

from ansible_collections.stt.engine.plugins.module_utils import (
    _check_words_end,
    _check_words_failed,
    _check_words_found,
    _check_words_heard,
    _check_words_host,
    _check_words_image,
    _check_words_model,
    _check_words_planted,
)

KOREAN: dict[str, str] = {
    **_check_words_host.KOREAN,
    **_check_words_image.KOREAN,
    **_check_words_model.KOREAN,
    **_check_words_end.KOREAN,
    **_check_words_found.KOREAN,
    **_check_words_failed.KOREAN,
    **_check_words_heard.KOREAN,
    **_check_words_planted.KOREAN,
}
HOLE = re.compile(r"\{([a-z]+)\}")
UNITS = ("B", "kB", "MB", "GB")
# A hole takes one word, so that no other sentence passes for one with a hole; these take more.
ONE_WORD = r"\S+?"
# A text may hold any word, also one that a sentence goes on with.
QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
HOLES = {
    **dict.fromkeys(("free", "left", "recommended", "size"), r"\S+(?: [kMGT]?B)?"),
    **dict.fromkeys(
        ("doing", "formats", "kind", "names", "others", "paths", "quantizations", "what", "why"),
        ".+?",
    ),
    **dict.fromkeys(("rates", "recording", "versions", "whose"), ".+?"),
    **dict.fromkeys(("heard", "wanted"), QUOTED),
}
# What one sentence says of several things.
SEPARATOR = "; "
# What a command wrote may be told as found; nobody has translated that.
LONGEST = 2000


def translated(sentence: str, language: str) -> str:
    """A sentence of a check in a language where its words are known, otherwise as it was said."""
    korean = None if language == "en" else in_korean(sentence)
    return sentence if korean is None else korean


def language_of(sentence: str, language: str) -> str:
    """The language that ``translated`` says a sentence in, for a page that marks the others."""
    return "en" if language == "en" or in_korean(sentence) is None else language


@cache
def in_korean(sentence: str) -> str | None:
    """The Korean of a sentence; None where nobody has written it."""
    if sentence in KOREAN:
        return KOREAN[sentence]
    if len(sentence) > LONGEST:
        return None
    if all(_is_name(word) for word in sentence.split()):
        return sentence
    for pattern, korean in _patterns():
        found = pattern.fullmatch(sentence)
        if found:
            return korean.format(
                **{name: _inside(text) for name, text in found.groupdict().items()}
            )
    return None


def _inside(text: str) -> str:
    """What stood in a hole: sentences of their own there are told in Korean as well."""
    return SEPARATOR.join(in_korean(part) or part for part in text.split(SEPARATOR))


def _is_name(word: str) -> bool:
    """Versions, paths, settings and figures are the same in every language; words are not."""
    bare = word.rstrip(",;:")
    return not (bare.isascii() and bare.isalpha()) or bare.isupper() or bare in UNITS


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """The sentences with holes, those of the most letters first: they say the most."""
    holed = [english for english in KOREAN if HOLE.search(english)]
    holed.sort(key=lambda english: len(HOLE.sub("", english)), reverse=True)
    return [(_pattern(english), KOREAN[english]) for english in holed]


def _pattern(english: str) -> re.Pattern[str]:
    parts = HOLE.split(english)
    texts, names = parts[::2], parts[1::2]
    holes = [*(f"(?P<{name}>{HOLES.get(name, ONE_WORD)})" for name in names), ""]
    return re.compile("".join(f"{re.escape(a)}{b}" for a, b in zip(texts, holes, strict=True)))
