# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of a Dockerfile: quotes, escapes and variables as BuildKit reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SPECIAL = "@*#?-$!0"


class WordError(ValueError):
    """What BuildKit refuses: an open quote, or a substitution that it does not know."""


class Words:
    """One text, read once: ``result`` is the text filled in, ``words`` its parts.

    ``raw`` keeps quotes, escapes and unknown variables as they are written. ``used`` are the
    variables that had a value, ``missing`` those that had none.
    """

    def __init__(
        self, text: str, values: Mapping[str, str], *, escape: str = "\\", raw: bool = False
    ) -> None:
        self.used: set[str] = set()
        self.missing: set[str] = set()
        self._text = text
        self._values = values
        self._escape = escape
        self._raw = raw
        self._position = 0
        self.words: list[str] = []
        self.result = self._until("", self.words, raw_escapes=raw)

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _next(self) -> str:
        character = self._peek()
        self._position += 1
        return character

    def _until(self, stop: str, words: list[str], *, raw_escapes: bool) -> str:
        """Everything up to the stop character; an empty one means the end."""
        result, word = "", ""
        while self._peek():
            character = self._peek()
            if character == stop:
                self._position += 1
                return result
            if character in "'\"":
                part = self._quoted(raw_escapes=raw_escapes)
                word += part
            elif character == "$":
                part = self._variable()
                head, *others = re.split(r"\s+", part) if part else [""]
                word += head
                for other in others:
                    words += [word] if word else []
                    word = other
            elif character == "<":
                part = self._possible_heredoc()
                word += part
            elif character == self._escape:
                self._position += 1
                part = (character if raw_escapes else "") + self._next()
                word += part
            else:
                part = self._next()
                if part.isspace():
                    words += [word] if word else []
                    word = ""
                else:
                    word += part
            result += part
        if stop:
            raise WordError(f"no {stop} in {self._text}")
        words += [word] if word else []
        return result

    def _quoted(self, *, raw_escapes: bool) -> str:
        quote = self._next()
        result = quote if self._raw else ""
        while True:
            character = self._peek()
            if not character:
                raise WordError(f"an open {quote} in {self._text}")
            if character == quote:
                self._position += 1
                return result + (quote if self._raw else "")
            if quote == '"' and character == "$":
                result += self._variable()
                continue
            self._position += 1
            if quote == '"' and character == self._escape:
                result += character if raw_escapes else ""
                if not self._peek():
                    continue
                if self._peek() in ('"', "$", self._escape):
                    character = self._next()
            result += character

    def _possible_heredoc(self) -> str:
        """The start of a here-document takes the blanks before its word with it."""
        self._position += 1
        if self._peek() != "<":
            return "<"
        self._position += 1
        start = self._position
        while self._peek() and self._peek() in " \t\r":
            self._position += 1
        return "<<" + self._text[start : self._position]

    def _name(self) -> str:
        found = re.compile(rf"\d+|[{re.escape(_SPECIAL)}]|\w+").match(self._text, self._position)
        if found is None:
            return ""
        self._position = found.end()
        return found[0]

    def _value(self, name: str) -> str | None:
        value = self._values.get(name)
        (self.missing if value is None else self.used).add(name)
        return value

    def _variable(self) -> str:
        start = self._position
        self._position += 1
        if self._peek() != "{":
            name = self._name()
            value = self._value(name) if name else "$"
            if value is None:
                return self._text[start : self._position] if self._raw else ""
            return value
        self._position += 1
        if self._peek() in ("", "{", "}", ":"):
            raise WordError(f"bad substitution in {self._text}")
        name = self._name()
        modifier = self._next()
        filled = self._replaced(name) if modifier == "/" else self._modified(name, modifier)
        if self._raw and self._values.get(name) is None:
            return self._text[start : self._position]
        return filled

    def _modified(self, name: str, modifier: str) -> str:
        """``${NAME}`` and its forms with a word after the name."""
        if modifier == "}":
            return self._value(name) or ""
        empty_too = modifier == ":"
        if empty_too:
            modifier = self._next()
        trims = modifier in ("#", "%")
        if modifier not in ("-", "+", "?", "#", "%") or (empty_too and trims):
            raise WordError(f"bad substitution in {self._text}")
        word = self._until("}", [], raw_escapes=trims)
        value = self._value(name)
        absent = value is None or (empty_too and not value)
        if modifier == "+":
            return "" if absent else word
        if trims:
            return _trim(value or "", word, modifier)
        if not absent:
            return value or ""
        if modifier == "?" and not self._raw:
            raise WordError(f"{name}: {word or 'no value'}")
        return word

    def _replaced(self, name: str) -> str:
        """``${NAME/pattern/text}``, and with two slashes every place of it."""
        count = 1
        if self._peek() == "/":
            self._position += 1
            count = 0
        pattern = self._until("/", [], raw_escapes=True)
        text = self._until("}", [], raw_escapes=True)
        ends = []

        def replacement(match: re.Match[str]) -> str:
            # Nothing, right behind what was replaced, is no place of its own to the engine.
            again = match[0] == "" and match.start() in ends
            ends.append(match.end())
            return "" if again else text

        return re.sub(_pattern(pattern), replacement, self._value(name) or "", count=count)


def _trim(value: str, word: str, modifier: str) -> str:
    """Without what the pattern matches at the start (#) or the end (%), doubled: the longest."""
    longest = word[:1] == modifier
    pattern = re.compile(_pattern(word[1:] if longest else word), re.DOTALL)
    places = range(len(value) + 1)
    for place in places if (modifier == "#") is not longest else reversed(places):
        head, tail = value[:place], value[place:]
        if pattern.fullmatch(head if modifier == "#" else tail):
            return tail if modifier == "#" else head
    return value


def _pattern(word: str) -> str:
    """A shell's pattern as a regular expression; only ``*`` and ``?`` are special."""

    def translate(match: re.Match[str]) -> str:
        special = {"*": ".*", "?": "."}.get(match[0])
        return special or re.escape(match[1] or match[0])

    return re.sub(r"\\(.)|.", translate, word, flags=re.DOTALL)


def expand(text: str, values: Mapping[str, str], escape: str = "\\") -> str:
    """Fill in variables and take quotes and escapes away."""
    return Words(text, values, escape=escape).result


def split(text: str, escape: str = "\\") -> list[str]:
    """The words of an ARG or ENV, as they are written; an open quote goes to the end."""
    words, word, quote, position = [], "", "", 0
    while position < len(text):
        character = text[position]
        position += 1
        if character == escape and quote != "'" and position < len(text):
            character += text[position]
            position += 1
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character.isspace():
            words += [word] if word else []
            word = ""
            continue
        word += character
    return [*words, word] if word else words


def split_flags(text: str, escape: str = "\\") -> tuple[list[str], str]:
    """The options that an instruction begins with, without quotes, and the rest."""
    flags: list[str] = []
    while text.startswith("--"):
        word = split(text, escape)[0]
        text = text[len(word) :].lstrip()
        if word == "--":
            break
        flags.append(_unquoted(word, escape))
    return flags, text


def _unquoted(word: str, escape: str) -> str:
    pattern = rf"{re.escape(escape)}(.)|[\"']"
    return re.sub(pattern, lambda match: match[1] or "", word, flags=re.DOTALL)
