# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges what an operator gave: variables known, values of their kind, the group not empty."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._yaml_text import (
    YamlTextError,
    load,
    plain,
)

Option = Mapping[str, Any]
SHOWN_CHARACTERS = 80

# The inventory variables that all roles share; a role has its own view of each.
SHARED: dict[str, Option] = {
    "stt_root": {"type": "path"},
    "stt_language": {"type": "str", "choices": ["ko", "en"]},
    "stt_self_test": {"type": "bool"},
}
SHARED_PREFIX = "stt_"
# What is given with -e to one playbook and means nothing to another.
PLAYBOOKS = ("from", "hosts", "release", "to")
# Docker separates mount options by commas and colons; what lies below the root may be removed.
ROOT = re.compile(r"(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)+/?")


@dataclass(frozen=True)
class Role:
    """A role's public variables: those of every entry point, and those that main insists on."""

    name: str
    options: Mapping[str, Option]
    required: frozenset[str] = field(default_factory=frozenset)

    @property
    def prefix(self) -> str:
        return f"{self.name}_"


@dataclass(frozen=True)
class Problem:
    """One sentence about one variable, and the hosts it concerns."""

    variable: str
    found: str
    needed: str
    fix: str

    def error(self, hosts: Sequence[str]) -> SttError:
        """The problem as an error; ``hosts`` is empty when it concerns all of them."""
        place = f" on {', '.join(hosts)}" if hosts else ""
        return SttError(
            f"{self.variable}{place}", found=self.found, needed=self.needed, fix=self.fix
        )


class CannotEvaluateError(Exception):
    """A value whose template cannot be evaluated; the message says why."""


class LeftOutError(Exception):
    """A value that is the omit placeholder: as good as not given."""


def read_roles(directory: Path) -> list[Role]:
    """The roles below a directory that have a meta/argument_specs.yml."""
    return [
        _read_role(file.parent.parent.name, file)
        for file in sorted(directory.glob("*/meta/argument_specs.yml"))
    ]


def _read_role(name: str, file: Path) -> Role:
    try:
        entries = load(file.read_text(encoding="utf-8"))["argument_specs"]
        options: dict[str, Option] = {}
        # main last: where two entry points describe a variable, main's word counts.
        for entry in sorted(entries, key=lambda entry: (entry == "main", entry)):
            options.update(entries[entry].get("options", {}))
        required = {
            option
            for option, spec in entries.get("main", {}).get("options", {}).items()
            if spec.get("required")
        }
    except (YamlTextError, KeyError, TypeError, AttributeError) as error:
        raise SttError(
            str(file),
            found=f"a file that describes no arguments ({type(error).__name__}: {error})",
            needed="argument_specs with entry points and their options",
            fix="install the collection again, or correct the file",
        ) from error
    return Role(name, options, frozenset(required))


def unknown(variable: str, roles: Iterable[Role]) -> Problem | None:
    """The problem of a variable that looks like one of ours but is read by none of our roles."""
    owners = [role for role in roles if variable.startswith(role.prefix)]
    if not owners:
        return _unknown_shared(variable)
    if any(variable in role.options for role in owners):
        return None
    # The longest prefix is the role that was meant, should one role's name begin another's.
    owner = max(owners, key=lambda role: len(role.prefix))
    # The prefix is alike in any case: only what follows it can be near or far.
    ends = [name.removeprefix(owner.prefix) for name in owner.options]
    near = difflib.get_close_matches(variable.removeprefix(owner.prefix), ends, n=1, cutoff=0.6)
    return Problem(
        variable,
        found=f"a variable that the role {owner.name} does not know",
        needed=f"a variable of roles/{owner.name}/meta/argument_specs.yml",
        fix=f"did you mean {owner.prefix}{near[0]}?"
        if near
        else f"remove it; the role knows {_names(owner)}",
    )


def _unknown_shared(variable: str) -> Problem | None:
    """A slip in a shared name; other names that begin alike are the operator's own business."""
    if variable in SHARED or not variable.startswith(SHARED_PREFIX):
        return None
    near = difflib.get_close_matches(variable, SHARED, n=1, cutoff=0.8)
    if not near:
        return None
    return Problem(
        variable,
        found="a variable that nothing reads",
        needed=f"one of {', '.join(sorted(SHARED))}",
        fix=f"did you mean {near[0]}?",
    )


def _names(role: Role) -> str:
    return ", ".join(sorted(role.options)) or "no variables"


def malformed(variable: str, option: Option, value: Any, pattern: str | None) -> Problem | None:
    """The problem of a value that is not of its kind, or None."""
    if value is None and (option.get("required") or option.get("default") is not None):
        # Ansible takes null for a value of every kind, and it hides the role's default.
        return Problem(
            variable,
            found="null",
            needed=describe(option),
            fix=f"give {variable} a value, or remove it to have the role's default",
        )
    shown = "a hidden value" if option.get("no_log") else show(value)
    messages = (
        ArgumentSpecValidator({variable: dict(option)}).validate({variable: value}).error_messages
    )
    if messages:
        near = _near_choice(option, value)
        return Problem(
            variable,
            found=f"{shown}: {'; '.join(messages)}" if option.get("options") else shown,
            needed=describe(option),
            fix=f"did you mean {near}?" if near else f"set {variable} to such a value",
        )
    if variable == "stt_root" and not ROOT.fullmatch(str(value)):
        return Problem(
            variable,
            found=shown,
            needed="an absolute path other than /, of letters, digits, '.', '_', '-' and '/'",
            fix="set stt_root to a directory of its own, such as /opt/stt",
        )
    if option.get("type") == "path" and not means_one_place(str(value)):
        return _relative(variable, shown, str(value))
    if pattern is not None and not re.fullmatch(pattern, str(value)):
        return Problem(
            variable,
            found=shown,
            needed=f"a value of the form {pattern}",
            fix=f"set {variable} to such a value",
        )
    return None


def means_one_place(path: str) -> bool:
    """Whether a path is the same for all that read it; an empty one stands for none.

    A module on the controller starts in the playbook's directory and an action where its user is,
    and only some of them put in what a variable of the shell holds.
    """
    return not path or (path.startswith(("/", "~")) and "$" not in path)


def _relative(variable: str, shown: str, path: str) -> Problem:
    known = "" if "$" in path else f" (from where you are now it is {Path.cwd() / path})"
    return Problem(
        variable,
        found=f"{shown}, a path that depends on who reads it",
        needed="a path that begins with / or ~, without $",
        fix=f"set {variable} to the whole path{known}",
    )


def _near_choice(option: Option, value: Any) -> str | None:
    choices = [str(choice) for choice in option.get("choices") or []]
    near = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.6)
    return near[0] if near else None


def describe(option: Option) -> str:
    """What a value of an option must be, in words."""
    kind = str(option.get("type", "str"))
    if option.get("choices"):
        choices = ", ".join(str(choice) for choice in option["choices"])
        return f"one of {choices}" if kind != "list" else f"a list of {choices}"
    if kind == "list":
        return f"a list of {option['elements']}" if option.get("elements") else "a list"
    return f"a value of type {kind}"


def show(value: Any) -> str:
    """A value as a sentence quotes it, cut when it is long."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."


def missing(role: Role, given: Iterable[str]) -> list[Problem]:
    """The required variables of a role that nobody gave."""
    return [
        Problem(
            variable,
            found="no value",
            needed=describe(role.options[variable]),
            fix=f"set {variable} in the inventory; the role {role.name} needs it",
        )
        for variable in sorted(role.required - set(given))
    ]


def judge_group(
    group: str, hosts: int, groups: Mapping[str, Sequence[str]], sources: Sequence[str]
) -> SttError | None:
    """The problem of a group that is not there, empty or of another size, or None.

    ``hosts`` is the exact number of hosts; 0 means one or more.
    """
    where = f" in {', '.join(sources)}" if sources else ""
    needed = f"a group {group} with {_count(hosts) if hosts else 'at least one host'}"
    missing = [source for source in sources if _is_path(source) and not Path(source).exists()]
    if missing and not groups.get(group):
        return SttError(
            f"inventory {', '.join(missing)}",
            found="no file or directory there",
            needed=f"an inventory that holds {needed}",
            fix="correct the path after -i",
        )
    if group not in groups:
        others = sorted(name for name in groups if name not in ("all", "ungrouped"))
        listed = f" (groups there: {', '.join(others)})" if others else " (no groups there)"
        near = difflib.get_close_matches(group, others, n=1, cutoff=0.6)
        hint = f"; did you mean to call {near[0]} {group}?" if near else ""
        return SttError(
            f"inventory group {group}",
            found=f"no such group{where}{listed}",
            needed=needed,
            fix=f"name the inventory with -i and put the server into the group {group}{hint}",
        )
    found = len(groups[group])
    if found == 0 or (hosts and found != hosts):
        listed = f": {', '.join(groups[group])}" if found else ""
        return SttError(
            f"inventory group {group}",
            found=f"{_count(found)}{where}{listed}",
            needed=needed,
            fix=f"put the server into the group {group}"
            if found < max(hosts, 1)
            else f"keep {_count(hosts)} in the group {group}",
        )
    return None


def _is_path(source: str) -> bool:
    """Whether a source of the inventory is a path, and not a list of hosts such as ``a,b``."""
    return bool(source) and "," not in source


def _count(number: int) -> str:
    return "no host" if number == 0 else "1 host" if number == 1 else f"{number} hosts"


def judge_variables(
    roles: Sequence[Role],
    names: Iterable[str],
    value_of: Callable[[str], Any],
    *,
    needed: Iterable[str] = (),
    patterns: Mapping[str, str] | None = None,
) -> list[Problem]:
    """Every problem of one host's variables.

    ``value_of`` gives a variable's evaluated value, or raises CannotEvaluateError or LeftOutError;
    ``needed`` names the roles whose required variables must be there;
    ``patterns`` maps variables to regular expressions.
    """
    options = {name: option for role in roles for name, option in role.options.items()}
    options.update(SHARED)
    given = sorted(str(name) for name in names)
    problems: list[Problem] = []
    for variable in given:
        problem = unknown(variable, roles)
        if problem is None and variable in options:
            problem = _judge_value(
                variable, options[variable], value_of, (patterns or {}).get(variable)
            )
        if problem is not None:
            problems.append(problem)
    for role in roles:
        if role.name in set(needed):
            problems += missing(role, given)
    return problems


def judge_extras(given: Iterable[tuple[str, Any]], allowed: Mapping[str, str]) -> list[SttError]:
    """What ``-e`` gave of the names that a playbook reads itself, or of names that are near them.

    ``allowed`` has those of this playbook, each with the form of its value.
    """
    errors = []
    for name, value in sorted(given):
        near = difflib.get_close_matches(name, allowed, n=1, cutoff=0.7)
        if name in allowed:
            if not re.fullmatch(allowed[name], str(value)):
                needed = f"a value of the form {allowed[name]}"
                fix = f"give {name} such a value"
                errors.append(SttError(name, found=show(value), needed=needed, fix=fix))
        elif name in PLAYBOOKS or near:
            needed = ", ".join(sorted(allowed)) or "none of these names"
            fix = f"did you mean {near[0]}?" if near else f"remove -e {name}=..."
            found = "a variable that this playbook does not read"
            errors.append(SttError(name, found=found, needed=needed, fix=fix))
    return errors


def _judge_value(
    variable: str, option: Option, value_of: Callable[[str], Any], pattern: str | None
) -> Problem | None:
    try:
        value = plain(value_of(variable), variable)
    except LeftOutError:
        return None
    except CannotEvaluateError as error:
        return Problem(
            variable,
            found=f"a template that cannot be evaluated ({error})",
            needed=describe(option),
            fix="define what the template refers to in the inventory, or correct the template",
        )
    except TypeError as error:
        return Problem(variable, str(error), describe(option), f"set {variable} to such a value")
    return malformed(variable, option, value, pattern)


def collect(problems: Mapping[str, Sequence[Problem]]) -> list[SttError]:
    """One error for each problem, however many hosts share it; hosts are named where not all do."""
    hosts_of: dict[Problem, list[str]] = {}
    for host, found in problems.items():
        for problem in found:
            hosts_of.setdefault(problem, []).append(host)
    return [
        problem.error([] if len(hosts) == len(problems) else sorted(hosts))
        for problem, hosts in sorted(
            hosts_of.items(), key=lambda item: (item[0].variable, item[0].found)
        )
    ]
