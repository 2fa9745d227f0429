# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses unknown variables, malformed values and an empty group before anything is touched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleError, AnsibleValueOmittedError
from ansible.utils.vars import load_extra_vars

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._inputs import (
    CannotEvaluateError,
    LeftOutError,
    Problem,
    Role,
    collect,
    judge_extras,
    judge_group,
    judge_variables,
    read_roles,
)
from ansible_collections.stt.engine.plugins.module_utils._inputs_clips import judge_own_clips
from ansible_collections.stt.engine.plugins.plugin_utils._controller_action import (
    ControllerAction,
)

# Not resolved: the collection is where it was loaded from, even through a link.
ROLES = Path(__file__).parents[2] / "roles"


class ActionModule(ControllerAction):
    """Reads variables on the controller; connects to nothing and changes nothing."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "group": {"type": "str"},
        "hosts": {"type": "int", "default": 0},
        "roles": {"type": "list", "elements": "str", "default": []},
        "patterns": {"type": "dict", "default": {}},
        "extras": {"type": "dict", "default": {}},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return what was judged; failed, with one sentence for each problem, if there is any."""
        errors, hosts = self._judge(arguments)
        result = {
            "changed": False,
            "hosts": hosts,
            "problems": [_fields(error) for error in errors],
        }
        if errors:
            result.update(failed=True, msg="\n".join(str(error) for error in errors))
        return result

    def _judge(self, arguments: dict[str, Any]) -> tuple[list[SttError], list[str]]:
        variables = self.variables
        roles = read_roles(ROLES)
        needed = _known_roles(arguments["roles"], roles)
        groups = {str(name): list(hosts) for name, hosts in variables.get("groups", {}).items()}
        group = arguments["group"]
        errors = judge_extras(load_extra_vars(self._loader).items(), arguments["extras"])
        hosts: list[str] = []
        if group in groups.get("all", []):
            groups[group] = [group]
        if group is not None:
            sources = [str(source) for source in variables.get("ansible_inventory_sources", [])]
            group_error = judge_group(group, arguments["hosts"], groups, sources)
            errors += [group_error] if group_error else []
            hosts = groups.get(group, [])
        problems: dict[str, list[Problem]] = {}
        for host in hosts or [str(variables.get("inventory_hostname", "localhost"))]:
            # Without a group's hosts the task's own variables still hold what -e gave.
            source = variables["hostvars"][host] if hosts else variables
            value_of = self._values(source)
            problems[host] = judge_variables(
                roles, source, value_of, needed=needed, patterns=arguments["patterns"]
            )
            problems[host] += judge_own_clips(source, value_of)
        return errors + collect(problems), list(problems)

    def _values(self, source: Mapping[str, Any]) -> Callable[[str], Any]:
        """What evaluates a variable of a host, templates and all that is in it."""

        def value_of(name: str) -> Any:
            try:
                return self._templar.template(source[name])
            except AnsibleValueOmittedError as error:
                raise LeftOutError from error
            except AnsibleError as error:
                raise CannotEvaluateError(str(error)) from error

        return value_of


def _fields(error: SttError) -> dict[str, str]:
    return {
        "object": error.object,
        "found": error.found,
        "needed": error.needed,
        "fix": error.fix,
    }


def _known_roles(names: list[str], roles: list[Role]) -> list[str]:
    """The names, when each is one of our roles."""
    known = [role.name for role in roles]
    for name in names:
        if name not in known:
            raise SttError(
                "stt_inputs parameter roles",
                found=name,
                needed=f"names of roles of this collection ({', '.join(known)})",
                fix="correct the name",
            )
    return names
