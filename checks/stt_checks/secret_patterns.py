# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognises what must stay secret in a text, and never repeats it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

# Well-known forms: each begins with a mark of its own, so that what has it can be nothing else.
TOKENS = {
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})",
    "a GitLab token": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "a package index's token": r"\bpypi-[A-Za-z0-9_-]{60,}",
    "an npm token": r"\bnpm_[A-Za-z0-9]{36}\b",
    "a Docker token": r"\bdckr_[a-z]+_[A-Za-z0-9_-]{20,}",
    "an AWS key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a Google key": r"\bAIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])",
    "a Slack token": r"\bxox[abprs]-[0-9A-Za-z-]{20,}",
    "a JSON web token": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "a private key": (
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----(?:\s|\\n|\\r)+"
        r"(?:[A-Za-z-]+: [^\n]*\n)*\s*[A-Za-z0-9+/=]{32,}"
    ),
    "an authorization header": (
        r"(?i)\bauthorization\s*[:=]\s*[\"']?(?:bearer|basic|token)\s+[A-Za-z0-9+/=._~-]{8,}"
    ),
    "a registry's login": r"\"auth\"\s*:\s*\"[A-Za-z0-9+/]{8,}={0,2}\"",
    "an npm login": r"(?i)//[^\s:]+/:_(?:authToken|password|auth)\s*=\s*[^\s$]{8,}",
}
PATTERNS = {name: re.compile(pattern) for name, pattern in TOKENS.items()}
URL = re.compile(r"(?i)\b[a-z][a-z0-9+.-]*://([^\s/@:\"'<>]{0,128}):([^\s/@\"'<>]{1,256})@")
ASSIGNMENT = re.compile(
    r"(?i)(?<![\w.-])--?([\w.-]+)[\s=]+[\"']?([^\s\"';&|]+)"
    r"|(?<![\w.-])([\w.-]+)\s*[=:]\s*[\"']?([^\s\"';&|,]+)"
)
NETRC = re.compile(r"(?i)\bmachine\s+\S+[\s\S]{0,400}?\bpassword\s+(\S+)")
SETTING = re.compile(
    r"(?im)^\s*(?:password|passwd|secret|token|aws_secret_access_key|aws_session_token)\s*[:=]\s*"
    r"(\S+)"
)
SECRET_NAME = re.compile(
    r"(?i)passw(?:or)?d|passphrase|secret|token(?!i[sz]|s(?:$|[_.-]))|api[_-]?key|access[_-]?key"
    r"|private[_-]?key|credential"
)
# Its value says where something is, or whether, and not what it is.
HARMLESS_NAME = re.compile(r"(?i)(?:file|path|dir|url|name|type|length|size|ttl|timeout|env)$")
PLACEHOLDER = re.compile(
    r"(?i)[$<{%*].*|/.*|~.*|x+|\*+|\.+|\d{1,9}|true|false|yes|no|none|null|on|off|str|bytes|secret"
    r"|required|optional|pass|passwd|password|passphrase|token|example|changeme|redacted"
)
SHORTEST = 4
SHOWN = 100


def secrets_in(text: str) -> Iterator[str]:
    """What kinds of secrets a text holds, by their well-known forms."""
    for kind, pattern in PATTERNS.items():
        if pattern.search(text):
            yield kind
    if any(_is_credential(match) for match in URL.finditer(text)):
        yield "credentials in a URL"


def secrets_in_command(command: str) -> Iterator[str]:
    """As for a text, and what it gives to names that stand for secrets."""
    yield from secrets_in(command)
    for match in ASSIGNMENT.finditer(command):
        name = match.group(1) or match.group(3)
        value = match.group(2) or match.group(4)
        if names_a_secret(name, value):
            yield f"a value of {name}"


def secrets_in_settings(values: Mapping[str, str]) -> Iterator[str]:
    """What a set of named values, an environment for instance, holds."""
    for name, value in sorted(values.items()):
        kinds = list(secrets_in(value))
        if names_a_secret(name, value):
            kinds.append("a value that its name calls secret")
        yield from (f"{name}: {kind}" for kind in kinds)


def secrets_in_login_file(name: str, text: str) -> Iterator[str]:
    """As for a text, and what files hold whose only purpose is a login."""
    yield from secrets_in(text)
    if name in ("netrc", ".netrc", "_netrc"):
        if any(not PLACEHOLDER.fullmatch(match.group(1)) for match in NETRC.finditer(text)):
            yield "a password of .netrc"
    elif name in (".pypirc", "pip.conf", "credentials", ".npmrc", "stored_tokens") and any(
        not PLACEHOLDER.fullmatch(match.group(1)) for match in SETTING.finditer(text)
    ):
        yield f"a login of {name}"


def names_a_secret(name: str, value: str) -> bool:
    """Whether a name stands for a secret and its value may be one."""
    return (
        bool(SECRET_NAME.search(name))
        and not HARMLESS_NAME.search(name)
        and len(value) >= SHORTEST
        and not PLACEHOLDER.fullmatch(value)
    )


def masked(text: str) -> str:
    """The beginning of a text in which no secret can be read."""
    for pattern in PATTERNS.values():
        text = pattern.sub("***", text)
    text = URL.sub(lambda match: match.group(0).replace(f":{match.group(2)}@", ":***@"), text)
    for match in reversed(list(ASSIGNMENT.finditer(text))):
        group = 2 if match.group(1) else 4
        if names_a_secret(match.group(group - 1), match.group(group)):
            text = text[: match.start(group)] + "***" + text[match.end(group) :]
    text = " ".join(text.split())
    return f"{text[:SHOWN]}..." if len(text) > SHOWN else text


def _is_credential(match: re.Match[str]) -> bool:
    name, password = match.groups()
    if password.startswith("//"):
        return False
    return not PLACEHOLDER.fullmatch(password) and not PLACEHOLDER.fullmatch(name or "?")
