# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads, compares and writes the release lock on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible.utils.display import Display

from ansible_collections.stt.engine.plugins.module_utils import _accepted_transcripts as transcripts
from ansible_collections.stt.engine.plugins.module_utils._lock import (
    compare,
    describe,
    diff,
    read_lock,
    refuse,
    write_lock,
)
from ansible_collections.stt.engine.plugins.plugin_utils._controller_action import (
    ControllerAction,
)


class ActionModule(ControllerAction):
    """Keeps one lock file."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "path": {"type": "path", "required": True},
        "state": {"type": "str", "choices": ["read", "present"], "default": "read"},
        "inputs": {"type": "dict", "default": {}},
        "expected_outputs": {"type": "dict", "default": {}},
        "accepted_transcripts": {"type": "dict", "default": {}},
        "language": {"type": "str", "choices": sorted(transcripts.READ), "default": "en"},
        "update": {"type": "bool", "default": False},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the lock, what moved against it and whether it was (or would be) written."""
        path = Path(arguments["path"])
        update = arguments["update"]
        accepted = transcripts.read_record(arguments["accepted_transcripts"])
        lock = read_lock(path)
        found = (arguments["inputs"], arguments["expected_outputs"])
        comparison = compare(lock, *found, replace=update, accepted_transcripts=accepted)
        present = arguments["state"] == "present"
        if present and comparison.drift and not update:
            raise refuse(path, comparison)
        given = any((*found, accepted))
        changed = present and given and comparison.merged != lock
        if changed and not self._task.check_mode:
            write_lock(path, comparison.merged)
        if present and accepted:
            for line in transcripts.lines(accepted, arguments["language"]):
                Display().display(line)
        kept = comparison.merged if present else lock
        result: dict[str, Any] = {
            "changed": changed,
            "path": str(path),
            "exists": lock.exists,
            "inputs": kept.inputs,
            "expected_outputs": kept.expected_outputs,
            "accepted_transcripts": kept.accepted_transcripts,
            "drift": comparison.drift,
            "additions": comparison.additions,
        }
        if comparison.drift:
            result["msg"] = describe(comparison.drift)
        if changed or comparison.drift:
            whole = compare(lock, *found, replace=True, accepted_transcripts=accepted)
            result["diff"] = diff(path, lock, whole.merged)
        return result
