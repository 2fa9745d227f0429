# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A message of a failure as the collectors find it, and what is wanting in one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Stands for what is only known when the message is made.
VALUE = "…"
# Stands for the same words of another message, which is judged where it is made.
PASSED_ON = "«passed on»"
FIELDS = ("object", "found", "needed", "fix")
SENTENCE = re.compile(r"found (?P<found>.+?); needed (?P<needed>.+?); fix: (?P<fix>.+)", re.DOTALL)
# Characters that leave a sentence open.
OPEN_END = re.compile(r"([,;:(-]|\b(and|or|the|a|an))$")
# What says nothing to whoever has to mend it.
HOLLOW = ("error", "unknown error", "see above", "n/a", "todo", "fix it", "contact support")


@dataclass(frozen=True)
class Message:
    """One failure: where it is written, what kind of thing says it, and the texts it can have."""

    where: str
    kind: str
    texts: Mapping[str, Sequence[str]]

    def problems(self) -> list[str]:
        """What is wanting, one line for each field."""
        return [
            f"{self.where} {self.kind}: {field}: {problem}"
            for field in FIELDS
            for problem in self._wanting(field)
        ]

    def _wanting(self, field: str) -> list[str]:
        if not self.texts.get(field):
            return ["missing"]
        return sorted({problem for text in self.texts[field] if (problem := wanting(field, text))})


def wanting(field: str, text: str) -> str:
    """Why a text will not do as this part of a message; empty when it does."""
    if PASSED_ON in text:
        return ""
    bare = text.strip()
    if not bare or bare in ("''", '""'):
        return "empty"
    if text != bare or "\n" in bare:
        return f"white space around or a line break in {bare!r}"
    if bare.lower() in HOLLOW or OPEN_END.search(bare):
        return f"an unfinished or hollow {bare!r}"
    if field == "fix" and len(words(bare)) < 2:
        return f"no advice in {bare!r}"
    return ""


def words(text: str) -> list[str]:
    """Its words; a value counts as one, but advice is never values alone."""
    found = re.findall(rf"[A-Za-z_]{{2,}}|{VALUE}", text)
    return found if any(word != VALUE for word in found) else []


def sentence(where: str, kind: str, text: str) -> Message:
    """A message that is written as one sentence: OBJECT: found ...; needed ...; fix: ..."""
    match = SENTENCE.search(text)
    if match is None:
        return Message(where, kind, {"object": (text.split(":")[0],)})
    parts = {name: (" ".join(value.split()),) for name, value in match.groupdict().items()}
    return Message(where, kind, {"object": (text[: match.start()].strip(" :"),), **parts})
