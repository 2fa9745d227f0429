# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognises what must stay secret in a text, and never repeats it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .secret_values import is_placeholder, names_a_secret

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
        r"(?i)\bauthorization\s*[:=]\s*[\"']?(?:bearer|basic|token|apikey|key|digest)\s+"
        r"(?!x+\b|your)[A-Za-z0-9+/=._~-]{8,}"
    ),
    "a registry's login": r"\"auth\"\s*:\s*\"[A-Za-z0-9+/]{8,}={0,2}\"",
    "an npm login": r"(?i)//[^\s:]+/:_(?:authToken|password|auth)\s*=\s*[^\s$]{8,}",
}
PATTERNS = {name: re.compile(pattern) for name, pattern in TOKENS.items()}
URL = re.compile(r"(?i)\b[a-z][a-z0-9+.-]*://([^\s/@:\"'<>]{0,128}):([^\s/@\"'<>]{1,256})@")


def secrets_in(text: str) -> Iterator[str]:
    """What kinds of secrets a text holds, by their well-known forms."""
    for kind, pattern in PATTERNS.items():
        if pattern.search(text):
            yield kind
    if any(_is_credential(match) for match in URL.finditer(text)):
        yield "credentials in a URL"


def secrets_in_settings(values: Mapping[str, str]) -> Iterator[str]:
    """What a set of named values, an environment for instance, holds."""
    for name, value in sorted(values.items()):
        kinds = list(secrets_in(value))
        if names_a_secret(name, value):
            kinds.append("a value that its name calls secret")
        yield from (f"{name}: {kind}" for kind in kinds)


def without_secrets(text: str) -> str:
    """A text in which none of the well-known forms can be read."""
    for pattern in PATTERNS.values():
        text = pattern.sub("***", text)
    return URL.sub(lambda match: match.group(0).replace(f":{match.group(2)}@", ":***@"), text)


def _is_credential(match: re.Match[str]) -> bool:
    name, password = match.groups()
    if password.startswith("//"):
        return False
    return not is_placeholder(password) and not is_placeholder(name or "?")
