# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns statements into check results on the controller."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.stt.engine.plugins.module_utils._check_result import (
    evaluate,
    sentence,
    verdict,
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
}


class ActionModule(ActionBase):
    """Evaluates statements without a connection to the host."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return one result for each statement; fail when any of them does not hold."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {
                "checks": {
                    "type": "list",
                    "elements": "dict",
                    "default": [],
                    "options": CHECK_OPTIONS,
                },
                "results": {"type": "list", "elements": "dict", "default": []},
            }
        )
        checks = arguments["results"] + [evaluate(check) for check in arguments["checks"]]
        result.update(changed=False, checks=checks, verdict=verdict(checks))
        if result["verdict"] != "passed":
            result.update(
                failed=True,
                msg="\n".join(
                    sentence(check) for check in checks if check["status"] in ("failed", "error")
                ),
            )
        return result
