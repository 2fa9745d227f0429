# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that is sealed before the first fault, and held against itself after the last one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.release.conftest import Lab, everything_of, standing

# What a run that makes the same release again renews on the server: its record, with a new number.
RENEWED = ("record",)


class StandingRelease:
    """A pytest plugin: no fault may change a byte of a release that was there before."""

    def __init__(self, directory: Path, say: Callable[[str], None] = print) -> None:
        self.lab = Lab(directory)
        self.say = say
        self.release = ""
        self.before: dict[str, Any] = {}
        self.changed: list[str] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Seal it, unless no fault is planted."""
        if not session.items:
            return
        began = time.monotonic()
        self.release = standing(self.lab)
        self.before = self._seen()
        self.say(f"     release {self.release} stands after {time.monotonic() - began:.0f} s")

    def pytest_sessionfinish(self) -> None:
        """Look at it again."""
        if self.release:
            after = self._seen()
            self.changed = [name for name, seen in self.before.items() if after.get(name) != seen]

    @property
    def files(self) -> int:
        """How many files were compared, on the controller and of the models on the server."""
        models = str(self.before.get("models", ""))
        return len(self.before.get("files", ())) + len(models.splitlines())

    def _seen(self) -> dict[str, Any]:
        seen = everything_of(self.lab, self.release)
        return {name: what for name, what in seen.items() if name not in RENEWED}
