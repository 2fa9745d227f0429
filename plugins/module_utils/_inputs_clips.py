# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges a user's own clips where they lie, on the controller, before a server is asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._clips import judge_clips
from ansible_collections.stt.engine.plugins.module_utils._inputs import (
    CannotEvaluateError,
    LeftOutError,
    Problem,
)

VARIABLE = "model_check_clips"


def judge_own_clips(given: Container[str], value_of: Callable[[str], Any]) -> list[Problem]:
    """Everything that is wrong in the directory of clips that a user has named; often none."""
    if VARIABLE not in given:
        return []
    try:
        value = value_of(VARIABLE)
    except (LeftOutError, CannotEvaluateError):
        # Who judges the variables has said so, or there is nothing to say.
        return []
    if not isinstance(value, str) or not value:
        return []
    # As Ansible reads an option of the type path.
    directory = Path(os.path.expandvars(value)).expanduser()
    _entries, judgement = judge_clips(directory)
    return [
        Problem(f"{VARIABLE}: {one.object}", found=one.found, needed=one.needed, fix=one.fix)
        for one in judgement.findings
    ]
