# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold each role's argument_specs and defaults equal, in both directions.

Usage: check_argument_specs.py [ROLES_DIRECTORY]. Exits 1 and prints one line per difference.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

ABSENT = object()


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; empty when the file is not there or holds nothing."""
    if not path.is_file():
        return {}
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ValueError(f"{path}: found {type(content).__name__}; needed a mapping")
    return content


def read_options(path: Path) -> dict[str, dict[str, Any]]:
    """The options of every entry point in an argument_specs file, by name."""
    options: dict[str, dict[str, Any]] = {}
    for entry_point in read_mapping(path).get("argument_specs", {}).values():
        options.update(entry_point.get("options") or {})
    return options


def differences(role: Path) -> list[str]:
    """One sentence for each place where the role's two lists of variables disagree."""
    specs_path = role / "meta" / "argument_specs.yml"
    defaults_path = role / "defaults" / "main.yml"
    if not specs_path.is_file():
        return [f"{role.name}: found no meta/argument_specs.yml; needed one for every role"]
    options = read_options(specs_path)
    defaults = read_mapping(defaults_path)
    found: list[str] = []
    for name in sorted({*options, *defaults}):
        if not name.startswith(f"{role.name}_"):
            found.append(f"{role.name}: {name} does not begin with {role.name}_")
        if name not in options:
            found.append(f"{role.name}: {name} is in defaults/main.yml but not in argument_specs")
            continue
        option = options[name]
        declared = option.get("default", ABSENT)
        given = defaults.get(name, ABSENT)
        if option.get("required") and (declared is not ABSENT or given is not ABSENT):
            found.append(f"{role.name}: {name} is required and yet has a default")
        elif declared is ABSENT and given is not ABSENT:
            found.append(f"{role.name}: {name} has a default that argument_specs does not name")
        elif declared is not ABSENT and given is ABSENT:
            found.append(f"{role.name}: {name} has a default that defaults/main.yml does not set")
        elif declared is not ABSENT and (declared, type(declared)) != (given, type(given)):
            found.append(
                f"{role.name}: {name} is {declared!r} in argument_specs, {given!r} in defaults"
            )
    return found


def main(arguments: list[str]) -> int:
    """Judge every role and return the exit status."""
    roles_directory = Path(arguments[0] if arguments else "roles")
    roles = sorted(path for path in roles_directory.iterdir() if path.is_dir())
    if not roles:
        print(f"{roles_directory}: found no role; needed at least one", file=sys.stderr)
        return 1
    found = [line for role in roles for line in differences(role)]
    for line in found:
        print(line)
    if not found:
        print(f"{len(roles)} roles: argument_specs and defaults agree")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
