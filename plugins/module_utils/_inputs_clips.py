# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges a user's own clips where they lie, on the controller, before a server is asked."""

from __future__ import annotations

from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._clips import judge_clips
from ansible_collections.stt.engine.plugins.module_utils._inputs import (
    CannotEvaluateError,
    LeftOutError,
    Problem,
    means_one_place,
)

# What a release is judged by, and what a service that runs is asked for.
VARIABLES = ("model_check_clips", "release_seal_clips")


def judge_own_clips(given: Container[str], value_of: Callable[[str], Any]) -> list[Problem]:
    """Everything that is wrong in the directories of clips that a user has named; often none."""
    problems = []
    for variable in VARIABLES:
        directory = _named(variable, value_of) if variable in given else None
        if directory is None:
            continue
        _entries, judgement = judge_clips(directory)
        problems += [
            Problem(f"{variable}: {one.object}", found=one.found, needed=one.needed, fix=one.fix)
            for one in judgement.findings
        ]
    return problems


def _named(variable: str, value_of: Callable[[str], Any]) -> Path | None:
    """The directory; None where there is nothing to say, or who judges variables has said it."""
    try:
        value = value_of(variable)
    except (LeftOutError, CannotEvaluateError):
        return None
    if not isinstance(value, str) or not value or not means_one_place(value):
        return None
    try:
        return Path(value).expanduser()
    except RuntimeError:
        # Of a user whom nobody knows: no such directory.
        return Path(value)
