# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what a command gives away: values of names, logins of programs, texts for login files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .secret_patterns import secrets_in, without_secrets
from .secret_values import is_code, is_placeholder, is_switch, names_a_secret

# Looked ahead at and not taken, so that what stands behind one name may begin with the next.
_QUOTED = (
    r"""\\?"(?P<double>[^\s"\\][^"\n]{0,500}?)\\?"|\\?'(?P<single>[^\s'\\][^'\n]{0,500}?)\\?'"""
)
_VALUE = rf"""(?:{_QUOTED}|(?P<bare>[^\s"';&|,]+))"""
OPTION = re.compile(
    r"""(?<![\w.-])--?(?P<name>[A-Za-z][\w.-]*)["']?,?(?P<between>=|[ \t]+)"""
    rf"""(?!["']?-)(?={_VALUE})"""
)
ASSIGNMENT = re.compile(
    r"(?<!\$\{)(?<![\w.$-])(?P<name>[A-Za-z_][\w.-]*)(?:\\?[\"'])?"
    rf"(?P<between>[ \t]*(?::=|=|:)(?![=:])[ \t]*)(?={_VALUE})"
)
WORDS = re.compile(r"[A-Za-z]+")
IDENTIFIER = re.compile(r"[A-Za-z_]+(?:\.[A-Za-z_]+)*")
# The rest of one simple command, as far as its end can be seen without a shell.
_REST = r"(?:(?!&&)[^;|\n])*?"
_WORD = r"""["']?(?P<value>[^\s"';|&]+)"""
_NAMED = r"""["']?[^\s:"';|&]*:(?!//)(?P<value>[^\s"';|&]+)"""
_READERS = r"(?:--password-stdin|--with-token|chpasswd\b|passwd[ \t]+--stdin|sudo[ \t]+-S)"
LOGINS = {
    "a login for curl": (
        rf"\bcurl\b{_REST}\s(?:-[a-zA-Z]*[uU][ \t]*|--(?:proxy-)?user[ \t=]+){_NAMED}"
    ),
    "a login for a registry": (
        r"\b(?:docker|podman|nerdctl|helm|oras|crane|buildah|skopeo|regctl|az|oc|cf)\b"
        rf"{_REST}\blogin\b{_REST}\s-p(?:[ \t]+|=)?{_WORD}"
    ),
    "a login for ssh": rf"\bsshpass\b{_REST}\s-p[ \t]*{_WORD}",
    "a login for a database": rf"(?:^|[\s;&|\"'(/])(?:mysql|mariadb)\w*\b{_REST}\s-p{_WORD}",
    "a login for redis": rf"\bredis-cli\b{_REST}\s(?:-a|--pass)[ \t]+{_WORD}",
    "a passphrase": rf"(?<![\w-])pass:{_WORD}",
    "a password that is piped": (
        r"""\b(?:echo|printf)[ \t]+(?:-\w+[ \t]+)*(?:["']?%s(?:\\n)?["']?[ \t]+)?"""
        rf"""["']?(?:[\w.-]+:)?(?P<value>[^"'|;&\s]+)["']?[ \t]*\|[ \t]*[^|;&\n]*?{_READERS}"""
    ),
    "a login of .netrc": (
        r"(?i)\bmachine\s+\S+[\s\S]{0,400}?(?:\\n|\b)password\s+(?P<value>[^\s\"'\\]+)"
    ),
}
PATTERNS = {kind: re.compile(pattern) for kind, pattern in LOGINS.items()}
SET = re.compile(rf"""\bset[ \t]+["']?(?P<name>[\w./:@-]+)["']?[ \t]+{_WORD}""")
NETRC = PATTERNS["a login of .netrc"]
SHOWN = 100


@dataclass(frozen=True)
class Given:
    """A value that a command gives away, by its place there."""

    kind: str
    start: int
    end: int


def secrets_in_command(command: str) -> Iterator[str]:
    """As for a text, and what it gives to names that stand for secrets."""
    yield from secrets_in(command)
    yield from dict.fromkeys(one.kind for one in given_in(command))


def given_in(command: str) -> Iterator[Given]:
    """Every value that a name or a program's option calls secret."""
    for pattern in (OPTION, ASSIGNMENT):
        for match in pattern.finditer(command):
            if _is_given(command, match):
                start, end = _span(match)
                yield Given(f"a value of {match.group('name')}", start, end)
    for kind, pattern in PATTERNS.items():
        for match in pattern.finditer(command):
            if not is_placeholder(match.group("value")):
                yield Given(kind, *match.span("value"))
    for match in SET.finditer(command):
        if names_a_secret(match.group("name"), match.group("value")):
            yield Given(f"a value of {match.group('name')}", *match.span("value"))


def masked(text: str) -> str:
    """The beginning of a text in which no secret can be read."""
    for one in sorted(given_in(text), key=lambda one: one.start, reverse=True):
        text = text[: one.start] + "***" + text[one.end :]
    text = " ".join(without_secrets(text).split())
    return f"{text[:SHOWN]}..." if len(text) > SHOWN else text


def _span(match: re.Match[str]) -> tuple[int, int]:
    return next(match.span(name) for name in ("double", "single", "bare") if match.group(name))


def _is_given(command: str, match: re.Match[str]) -> bool:
    name, between = match.group("name"), match.group("between")
    start, end = _span(match)
    value = command[start:end]
    if match.re is OPTION and between != "=" and is_switch(name):
        return False
    if match.group("bare") and _is_expression(command, match, value, end):
        return False
    return names_a_secret(name, value)


def _is_expression(command: str, match: re.Match[str], value: str, end: int) -> bool:
    """Whether a value without quotes belongs to a program or to a sentence, and not to a shell."""
    between = match.group("between")
    if is_code(value):
        return True
    # An argument of a call, or an assignment that no shell would take.
    called = value.endswith(")") or ("=" in between and between != "=")
    if called and IDENTIFIER.fullmatch(value.rstrip(")")):
        return True
    told = ":" in between and WORDS.fullmatch(value) is not None
    return told and re.match(r"[ \t]+\w", command[end:]) is not None
