# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instructions of a Dockerfile, and what in its text changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ansible_collections.stt.engine.plugins.module_utils._build_words import WordError, Words

# What the engine takes for space, in Go's words; Python's own set is a larger one.
_SPACE = "\t\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
BLANKS = re.compile(r"[\t\v\f\r ]+")
_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(.+?)\s*$")
_KNOWN_DIRECTIVES = ("syntax", "escape", "check")
_HEREDOC = re.compile(r"\d*<<(-?)\s*([^<]+)")
# Whatever might be one: used where it is safe to see too many.
_LIKE_HEREDOC = re.compile(
    r"<<(?P<dash>-?)\s*(?:(?:\"([^\"]+)\"|'([^']+)'|([^\s<\"'\\]+))(?=\s|$))?"
)


class Instruction(NamedTuple):
    """One instruction: its name, what follows, and the lines that it takes up.

    ``bodies`` are the lines of its here-documents; ``lines`` are those before them.
    """

    name: str
    rest: str
    lines: range
    bodies: range


def instructions(text: str) -> Iterator[Instruction]:
    """Every instruction, continuations joined, comments and here-documents left out."""
    lines = text.removeprefix("\ufeff").split("\n")
    escape = escape_token(text)
    continued = re.compile(rf"(?:(?<=[^{re.escape(escape)}])|^){re.escape(escape)}[ \t]*$")
    position = 0
    while position < len(lines):
        start = position
        line = lines[position].rstrip("\r").lstrip(_SPACE)
        position += 1
        if not line or line.startswith("#"):
            continue
        joined, found = continued.subn("", line)
        while found and position < len(lines):
            line = lines[position].rstrip("\r")
            position += 1
            if line.strip(_SPACE) and not line.lstrip(_SPACE).startswith("#"):
                line, found = continued.subn("", line)
                joined += line
        word, rest = split_name(joined)
        if not word:
            continue
        end = position
        for name, chomp in _heredocs(word, rest):
            last = _terminator(lines, position, name, chomp=chomp)
            position = position if last is None else last + 1
        yield Instruction(word, rest, range(start, end), range(end, position))


def split_name(line: str) -> tuple[str, str]:
    """An instruction's name and the rest of its line."""
    word, *rest = BLANKS.split(line.strip(_SPACE), maxsplit=1)
    return word.upper(), rest[0].strip(_SPACE) if rest else ""


def triggered(name: str, rest: str) -> tuple[str, str]:
    """What an ONBUILD makes a later build do; any other instruction as it is."""
    return split_name(rest) if name == "ONBUILD" else (name, rest)


def json_words(text: str) -> list[str] | None:
    """The words of an instruction's JSON form; None when it is not in that form."""
    if not text.startswith("["):
        return None
    try:
        return [str(word) for word in json.loads(text)]
    except ValueError:
        return None


def _heredocs(name: str, rest: str) -> Iterator[tuple[str, bool]]:
    """The words that end the instruction's here-documents, and whether leading tabs go."""
    name, rest = triggered(name, rest)
    if name not in ("RUN", "COPY", "ADD") or "<<" not in rest or json_words(rest) is not None:
        return
    try:
        # The escape here is a backslash, whatever the Dockerfile's own is.
        words = Words(rest, {}, raw=True).words
    except WordError:
        return
    for word in words:
        found = _HEREDOC.fullmatch(word)
        if found is not None:
            names = Words(found[2], {}).words
            if len(names) == 1:
                yield names[0], bool(found[1])


def _terminator(lines: Sequence[str], start: int, word: str, *, chomp: bool) -> int | None:
    """The line that ends a here-document; None when none does."""
    for number in range(start, len(lines)):
        line = lines[number].rstrip("\r")
        if (line.lstrip("\t") if chomp else line) == word:
            return number
    return None


def meaning(text: str) -> str:
    """The Dockerfile without the comments and empty lines that change nothing in an image.

    Every other byte stays. Where a here-document may be, everything does.
    """
    lines = text.split("\n")
    kept = _directives(lines) | _in_heredocs(lines)
    for instruction in instructions(text):
        kept.update(instruction.bodies)
    return "\n".join(
        line
        for number, line in enumerate(lines)
        if number in kept or not (line.strip(_SPACE) == "" or line.lstrip(_SPACE).startswith("#"))
    )


def _directives(lines: Sequence[str]) -> set[int]:
    """The comments at the top that tell the engine how to read the file."""
    count = 0
    while count < len(lines) and _DIRECTIVE.match(lines[count].removeprefix("\ufeff").strip()):
        count += 1
    return set(range(count))


def _in_heredocs(lines: Sequence[str]) -> set[int]:
    """Every line from one that looks like the start of a here-document to its end."""
    inside: set[int] = set()
    for number, line in enumerate(lines):
        position = number + 1
        for found in _LIKE_HEREDOC.finditer(line):
            word = next((group for group in found.groups()[1:] if group), "")
            end = _terminator(lines, position, word, chomp=bool(found["dash"])) if word else None
            # Not understood: nothing below is left out.
            position = len(lines) if end is None else end + 1
        if position > number + 1:
            inside.update(range(number, position))
    return inside


def escape_token(text: str) -> str:
    """The character that joins lines and takes a quote's or a variable's meaning away."""
    for line in text.removeprefix("\ufeff").split("\n"):
        directive = _DIRECTIVE.match(line.strip(_SPACE))
        if directive is None or directive[1].lower() not in _KNOWN_DIRECTIVES:
            break
        if directive[1].lower() == "escape":
            # The engine refuses any other.
            return "`" if directive[2] == "`" else "\\"
    return "\\"
