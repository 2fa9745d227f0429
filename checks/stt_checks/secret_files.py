# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds secrets in the text of a file, by what files of its name are for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from .secret_commands import NETRC
from .secret_patterns import secrets_in
from .secret_values import is_placeholder, names_a_secret

NETRC_NAMES = (".netrc", "netrc", "_netrc")
LOGIN_NAMES = (".pypirc", "pip.conf", "credentials", ".npmrc", "stored_tokens")
LOGIN = re.compile(
    r"(?im)^\s*(?:password|passwd|secret|token|aws_secret_access_key|aws_session_token)\s*[:=]\s*"
    r"(\S+)"
)
# Files of names and values. Source code is none: there a name is mostly a variable's.
CONFIGURATION = re.compile(
    r"(?i)\.env(?:[.-].+)?|(?:.*[.-])?env|.*\.(?:env|ya?ml|json|ini|cfg|cnf|conf|config|toml"
    r"|properties|tfvars)|\.boto|\.s3cfg|\.npmrc|\.my\.cnf|\.?credentials|docker-?compose.*"
)
SETTING = re.compile(
    r"""(?m)(?:^|[{,])[ \t]*(?:-[ \t]+)?(?:export[ \t]+)?["']?(?P<name>[\w./:@-]+?)["']?"""
    r"""[ \t]*[:=][ \t]*(?:"(?P<double>[^"\n]{1,500})"|'(?P<single>[^'\n]{1,500})'"""
    r"""|(?P<bare>[^\s"'#,;}\]{\[][^\s,;}]*))[ \t]*(?=$|[\r,;}\]#])"""
)
COMMENT = re.compile(r"(?m)^[ \t]*(?:[#;!]|//).*$")
ELEMENT = re.compile(r"<([\w.:-]+)>\s*([^<>\s]{1,500})\s*</")
PGPASS = re.compile(r"(?m)^[^#:\n]*(?::[^:\n]*){3}:(\S+)$")
# Nothing that is secret is larger; what is larger is counted in the evidence.
LARGEST = 16 << 20
SECRETS = "run/secrets/"
# What is larger holds data.
LARGEST_CONFIGURATION = 1 << 20


def secrets_in_file(name: str, text: str) -> Iterator[str]:
    """As for a text, and what files of this name hold."""
    yield from secrets_in(text)
    if name in NETRC_NAMES:
        if any(not is_placeholder(match.group("value")) for match in NETRC.finditer(text)):
            yield "a password of .netrc"
    elif name == ".pgpass":
        if any(not is_placeholder(value) for value in PGPASS.findall(text)):
            yield "a password of .pgpass"
    elif name in LOGIN_NAMES and any(not is_placeholder(value) for value in LOGIN.findall(text)):
        yield f"a login of {name}"
    elif len(text) <= LARGEST_CONFIGURATION:
        yield from (f"a value of {name}" for name in dict.fromkeys(_named(name, text)))


def _named(name: str, text: str) -> Iterator[str]:
    """The names in a file of names and values whose values are secret."""
    if CONFIGURATION.fullmatch(name):
        for match in SETTING.finditer(COMMENT.sub("", text)):
            value = match.group("double") or match.group("single") or match.group("bare")
            if names_a_secret(match.group("name"), value):
                yield match.group("name")
    elif name.lower().endswith(".xml"):
        yield from (key for key, value in ELEMENT.findall(text) if names_a_secret(key, value))


def secrets_in_content(path: str, data: bytes) -> list[str]:
    """The kinds of secrets in a file of an image, by its place there and its content."""
    text = data.decode("utf-8", "replace")
    kinds = list(dict.fromkeys(secrets_in_file(PurePosixPath(path).name, text)))
    if not kinds and path.startswith(SECRETS) and text.strip():
        kinds.append("a file that only a secret has a reason to be")
    return kinds
