# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check says: passed, failed with a way to mend it, or skipped with a reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

Left = TypeVar("Left")
Right = TypeVar("Right")
Status = Literal["passed", "failed", "error", "skipped"]
STATUSES: tuple[Status, ...] = ("passed", "failed", "error", "skipped")


@dataclass(frozen=True)
class Outcome:
    """How one check ended; ``found`` is a plain sentence, ``evidence`` holds JSON values."""

    status: Status
    found: str
    fix: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)


class CheckFailedError(Exception):
    """Raised inside a check to end it as failed; without ``fix`` the check's own advice is used."""

    def __init__(self, found: str, *, fix: str = "", **evidence: Any) -> None:
        self.found = found
        self.fix = fix
        self.evidence = evidence
        super().__init__(found)


def passed(found: str, **evidence: Any) -> Outcome:
    return Outcome("passed", found, evidence=evidence)


def failed(found: str, *, fix: str = "", **evidence: Any) -> Outcome:
    return Outcome("failed", found, fix, evidence)


def skipped(reason: str, **evidence: Any) -> Outcome:
    return Outcome("skipped", reason, evidence=evidence)


def require(condition: bool, found: str, *, fix: str = "", **evidence: Any) -> None:
    """End the check as failed with ``found`` unless the condition holds."""
    if not condition:
        raise CheckFailedError(found, fix=fix, **evidence)


def first_few(items: list[str], limit: int = 5) -> str:
    """A readable list that says how many were left out."""
    shown = ", ".join(items[:limit])
    return f"{shown} and {len(items) - limit} more" if len(items) > limit else shown


def pairs(left: Iterable[Left], right: Iterable[Right]) -> list[tuple[Left, Right]]:
    """Both side by side, of one length; zip(strict=True) is too new for some engine's Python."""
    first, second = list(left), list(right)
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} do not go in pairs")
    return list(zip(first, second))  # noqa: B905
