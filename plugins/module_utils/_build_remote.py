# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an ADD takes from elsewhere: it must say which content that is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ansible_collections.stt.engine.plugins.module_utils._build_parser import BLANKS, json_words
from ansible_collections.stt.engine.plugins.module_utils._build_words import (
    WordError,
    Words,
    split,
    split_flags,
)
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError

_GIT = re.compile(
    r"(?:git|ssh)://|https?://[^?#]*\.git(?:[?#]|$)|[A-Za-z0-9_-]+@[A-Za-z0-9.-]+:", re.IGNORECASE
)
_HTTP = re.compile(r"https?://", re.IGNORECASE)
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_PINNED_GIT = re.compile(
    rf"#{_COMMIT.pattern}(?::|$)|[?&](?:checksum|commit)={_COMMIT.pattern}(?:[&#]|$)"
)


class Environment:
    """The variables of one stage, as far as its Dockerfile says them."""

    def __init__(
        self,
        name: str,
        build_args: Mapping[str, str],
        inherited: Mapping[str, str],
        escape: str = "\\",
    ) -> None:
        self._name = name
        self._build_args = build_args
        self._inherited = inherited
        self._escape = escape
        self._values: dict[str, str] = {}
        self._unset: set[str] = set()

    def copy(self) -> Environment:
        """The same for a stage that builds on this one."""
        other = Environment(self._name, self._build_args, self._inherited, self._escape)
        other._values, other._unset = dict(self._values), set(self._unset)
        return other

    def follow(self, name: str, rest: str) -> None:
        """Go on by one instruction; raises for an ADD of content that nobody named."""
        if name == "ARG":
            for word in split(rest, self._escape):
                self._declare(*word.partition("="))
        elif name == "ENV":
            self._set(rest)
        elif name == "ADD":
            self._check(rest)

    def _declare(self, argument: str, equals: str, default: str) -> None:
        if argument in self._build_args:
            self._values[argument] = self._build_args[argument]
        elif equals:
            self._assign(argument, default)
        elif argument in self._inherited:
            self._values[argument] = self._inherited[argument]
        else:
            self._unset.add(argument)

    def _set(self, rest: str) -> None:
        words = split(rest, self._escape)
        if words and "=" not in words[0]:
            key, *text = BLANKS.split(rest, maxsplit=1)
            self._assign(key, "".join(text))
            return
        before = dict(self._values)
        for word in words:
            name, _equals, value = word.partition("=")
            # All values of one instruction see the variables before it.
            self._assign(name, value, before)

    def _assign(self, name: str, text: str, seen: Mapping[str, str] | None = None) -> None:
        filled, known = self._fill(text, self._values if seen is None else seen)
        if known:
            self._values[name] = filled
        else:
            self._values.pop(name, None)

    def _fill(self, text: str, values: Mapping[str, str]) -> tuple[str, bool]:
        """The text filled in, and whether every variable in it has a value here."""
        try:
            words = Words(text, values, escape=self._escape)
        except WordError:
            return "", False
        return words.result, words.missing <= self._unset

    def _check(self, rest: str) -> None:
        flags, rest = split_flags(rest, self._escape)
        checksum = ""
        for flag in flags:
            if flag.startswith("--checksum="):
                checksum = self._fill(flag[len("--checksum=") :], self._values)[0]
        words = json_words(rest)
        for word in (BLANKS.split(rest) if words is None else words)[:-1]:
            source, known = self._fill(word, self._values)
            self._judge(source, checksum)
            if not known and word.lstrip("\"'").startswith("$"):
                raise self._refusal(
                    word,
                    "a variable whose value the Dockerfile does not say",
                    "set the variable in the Dockerfile (ARG or ENV), or write the path out",
                )

    def _judge(self, source: str, checksum: str) -> None:
        if _GIT.match(source):
            if not _PINNED_GIT.search(source) and not _COMMIT.fullmatch(checksum):
                raise self._refusal(
                    source,
                    "a git repository without a full commit",
                    "write the commit's 40 digits behind the address (ADD https://.../x.git#COMMIT)",
                )
        elif _HTTP.match(source) and not _SHA256.fullmatch(checksum):
            raise self._refusal(
                source,
                "a download without a checksum",
                "write ADD --checksum=sha256:... with the file's sha256sum, or bring the file "
                "with the context",
            )

    def _refusal(self, source: str, found: str, fix: str) -> SttError:
        return SttError(
            f"{self._name}, ADD {re.sub(r'//[^/@]*@', '//', source).partition('?')[0]}",
            found=found,
            needed="content that the Dockerfile names, so that a release is made of what is known",
            fix=fix,
        )


def check_triggers(name: str, triggers: Sequence[tuple[str, str]]) -> None:
    """Refuse the same in what a base image makes every build do."""
    environment = Environment(name, {}, {})
    for trigger in triggers:
        environment.follow(*trigger)
