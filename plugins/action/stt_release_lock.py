# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads, compares and writes the release lock on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

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
        "update": {"type": "bool", "default": False},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the lock, what moved against it and whether it was (or would be) written."""
        path = Path(arguments["path"])
        update = arguments["update"]
        lock = read_lock(path)
        comparison = compare(
            lock, arguments["inputs"], arguments["expected_outputs"], replace=update
        )
        present = arguments["state"] == "present"
        if present and comparison.drift and not update:
            raise refuse(path, comparison)
        given = bool(arguments["inputs"] or arguments["expected_outputs"])
        changed = present and given and comparison.merged != lock
        if changed and not self._task.check_mode:
            write_lock(path, comparison.merged)
        kept = comparison.merged if present else lock
        result: dict[str, Any] = {
            "changed": changed,
            "path": str(path),
            "exists": lock.exists,
            "inputs": kept.inputs,
            "expected_outputs": kept.expected_outputs,
            "drift": comparison.drift,
            "additions": comparison.additions,
        }
        if comparison.drift:
            result["msg"] = describe(comparison.drift)
        if changed or comparison.drift:
            accepted = compare(
                lock, arguments["inputs"], arguments["expected_outputs"], replace=True
            )
            result["diff"] = diff(path, lock, accepted.merged)
        return result
