# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a judge of files says: facts, and everything that is wrong. Standard library only."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, in the four words of every error."""

    object: str
    found: str
    needed: str
    fix: str

    def sentence(self) -> str:
        return f"{self.object}: found {self.found}; needed {self.needed}; fix: {self.fix}"


@dataclass
class Judgement:
    """What was found in a directory: facts as JSON values, and everything that is wrong."""

    facts: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add(self, object_: str, found: str, needed: str, fix: str) -> None:
        self.findings.append(Finding(object_, found, needed, fix))


def read_json(path: Path, judgement: Judgement, fix: str) -> Any:
    """A JSON document, or None and a finding."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        judgement.add(str(path), f"a file that is no JSON ({error})", "a JSON document", fix)
        return None


def is_integer(value: object) -> bool:
    """Whether it is a whole number; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def first_names(names: list[str], limit: int = 5) -> str:
    """A few names and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
