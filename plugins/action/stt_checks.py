# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns statements into check results on the controller."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.stt.engine.plugins.module_utils._check_result import (
    evaluate,
    failure_message,
    sentence,
    verdict,
)
from ansible_collections.stt.engine.plugins.module_utils._yaml_text import plain
from ansible_collections.stt.engine.plugins.plugin_utils._controller_action import (
    ControllerAction,
)

CHECK_OPTIONS: dict[str, Any] = {
    "id": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "that": {"type": "list", "elements": "bool", "required": True},
    "expected": {"type": "str", "required": True},
    "found": {"type": "str", "required": True},
    "fix": {"type": "str", "required": True},
    "seconds": {"type": "float", "default": 0.0},
    "evidence": {"type": "dict", "default": {}},
    "skip_reason": {"type": "str", "default": ""},
}


class ActionModule(ControllerAction):
    """Evaluates statements; fails when any of them does not hold."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "checks": {"type": "list", "elements": "dict", "default": [], "options": CHECK_OPTIONS},
        "results": {"type": "list", "elements": "dict", "default": []},
        "kept": {"type": "bool", "default": False},
        "log_path": {"type": "str", "default": ""},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return one result for each statement."""
        checks = plain(arguments["results"])
        checks += [evaluate(check) for check in plain(arguments["checks"])]
        judged = verdict(checks)
        if judged != "passed" and checks and arguments["kept"]:
            return _short(checks, arguments["log_path"])
        result = {"changed": False, "checks": checks, "verdict": judged}
        if judged != "passed":
            result["failed"] = True
            result["msg"] = "\n".join(
                sentence(check) for check in checks if check["status"] not in ("passed", "skipped")
            )
        return result


def _short(checks: list[dict[str, Any]], log_path: str) -> dict[str, Any]:
    """A failure without the results: Ansible prints all that a failed task returns."""
    phase = str(checks[0]["id"]).partition(".")[0]
    return {
        "changed": False,
        "failed": True,
        "verdict": "failed",
        "msg": failure_message(phase, checks),
        "log_path": log_path,
    }
