# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed build says: its step, its command, its last telling lines, and what to do."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.stt.engine.plugins.module_utils._build_dockerfile import copied_sources
from ansible_collections.stt.engine.plugins.module_utils._build_inputs import BuildRequest
from ansible_collections.stt.engine.plugins.module_utils._build_progress import Failure, brief
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError

_MISSING = re.compile(
    r'"/(?P<path>[^"]+)": not found|lstat \S*/buildkit-mount\d+/(?P<walked>.+?): no such file'
)
# As many as pip needs to say which package has which other hash than locked.
_TOLD_LINES = 4
_ADVICE = (
    # Before the version: what an index refuses, pip goes on to miss.
    (
        ("407 proxy authentication",),
        "give the build a proxy secret with the name and password that the proxy accepts",
    ),
    (
        ("401 client error", "403 client error"),
        "give the build a netrc secret with the name and password that the index accepts",
    ),
    (
        ("no matching distribution", "could not find a version"),
        "ask for a version that the package index has, or name the right index",
    ),
    (
        ("certificate verify failed", "certificate_verify_failed", "self-signed certificate"),
        "pass the company's CA bundle as a build secret; verification stays on",
    ),
    (("do not match the hashes",), "renew the lock: a package is not the one that was locked"),
    (
        ("no space left on device",),
        "free space on the file system of Docker's data root",
    ),
    (
        ("temporary failure in name resolution", "name or service not known"),
        "let the build server resolve and reach the package index, or name one that it reaches",
    ),
    (("exit code: 137", "exit code 137"), "give the build more memory: the step was killed"),
)


def build_error(tag: str, request: BuildRequest, failure: Failure, rc: int, log: Path) -> SttError:
    """The error of a failed build: its step, its command, its last telling lines, its log."""
    command = brief(failure.command)
    object_ = f"build of {tag}"
    if failure.steps:
        object_ += f", step {failure.step}/{failure.steps} {_cut(command, 120)!r}"
    missing = _not_sent(failure)
    reason = f"{', '.join(missing)} not in the build context" if missing else failure.reason
    said = [_cut(line.strip(), 1000) for line in failure.lines[-_TOLD_LINES:]]
    found = " | ".join(dict.fromkeys([_cut(reason, 400), *said]))
    return SttError(
        object_,
        found=found,
        needed="every step to succeed",
        fix=f"{_advice(request, failure, missing)} (log: {log})",
        rc=rc,
        step=f"{failure.step}/{failure.steps}" if failure.steps else "",
        command=failure.command,
        lines=failure.lines,
        log_path=str(log),
    )


def _not_sent(failure: Failure) -> list[str]:
    """The sources of a failed COPY or ADD that its own error names as missing."""
    # The error names the path or, when its directory is missing too, only that directory.
    named = _MISSING.search(failure.reason)
    if named is None:
        return []
    path = named["path"] or named["walked"]
    return [
        source
        for source in copied_sources(failure.command)
        if f"{posixpath.normpath(source)}/".startswith(f"{path}/")
    ]


def _advice(request: BuildRequest, failure: Failure, missing: Sequence[str]) -> str:
    context = request.context
    ignored = [str(context / name) for name in missing if os.path.lexists(context / name)]
    if ignored:
        return f"{', '.join(ignored)} is there but ignored: take it out of .dockerignore"
    if missing:
        wanted = ", ".join(str(context / name) for name in missing)
        return f"add {wanted} to the context or remove it from the {failure.command.split()[0]}"
    lowered = "\n".join([failure.reason, *failure.lines]).lower()
    for words, advice in _ADVICE:
        if any(word in lowered for word in words):
            return advice
    if failure.steps:
        return "correct what the lines above name in this step and run again"
    return f"correct {request.dockerfile.name} or what the message names, and run again"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."
