# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the beginning and the end of a release's phases as facts of the host."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any, ClassVar

from ansible_collections.stt.engine.plugins.module_utils._phases import (
    PHASES,
    begin,
    finish,
    merge_checks,
)
from ansible_collections.stt.engine.plugins.module_utils._yaml_text import plain
from ansible_collections.stt.engine.plugins.plugin_utils._controller_action import (
    ControllerAction,
)

PHASES_FACT = "stt_release_phases"
CHECKS_FACT = "stt_release_checks"
RUN_FACT = "stt_release_run"


class ActionModule(ControllerAction):
    """Runs on the controller; needs no connection to the host."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "phase": {"type": "str", "required": True, "choices": list(PHASES)},
        "state": {"type": "str", "required": True, "choices": ["started", "finished"]},
        "changed": {"type": "bool", "default": False},
        "checks": {"type": "list", "elements": "dict", "default": []},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the phases and checks kept so far as facts."""
        facts = self.variables.get("ansible_facts", {})
        # A fact cache outlives the run: what another run of ansible-playbook left is not ours.
        run = str(os.getppid())
        ours = str(facts.get(RUN_FACT, "")) == run
        phases = plain(facts.get(PHASES_FACT, [])) if ours else []
        kept = plain(facts.get(CHECKS_FACT, [])) if ours else []
        checks = plain(arguments["checks"])
        phase = arguments["phase"]
        now = datetime.now(UTC)
        if arguments["state"] == "started":
            phases = begin(phases, phase, now)
        else:
            phases = finish(phases, phase, now, changed=arguments["changed"], checks=checks)
        return {
            "changed": False,
            "phases": phases,
            "ansible_facts": {
                PHASES_FACT: phases,
                CHECKS_FACT: merge_checks(kept, checks),
                RUN_FACT: run,
            },
        }
