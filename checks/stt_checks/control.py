# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Negative controls: what is planted, and which gates then have to fail and say so.

A gate that passes whatever it is shown proves nothing. Each control plants one fault, in a copy of
what the gates look at or in their surroundings, and the gates run on it as they do in a release.
"""

from __future__ import annotations

import copy
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .outcome import Status
from .settings import Settings

# In place: within a container as production runs it. Surroundings: within one started wrongly.
Where = Literal["place", "surroundings"]
PLACE: Where = "place"
SURROUNDINGS: Where = "surroundings"


class NotPlantableError(Exception):
    """Raised while planting: this host or image has not what the fault needs, with the reason.

    ``lacks``: it is a package, which a reference image may have.
    """

    def __init__(self, reason: str, *, lacks: bool = False) -> None:
        self.lacks = lacks
        super().__init__(reason)


@dataclass(frozen=True)
class Ending:
    """How a gate has to end: its status, and a pattern of the words that name what was planted.

    ``planted`` says which of several faults is this gate's.
    """

    words: str
    status: Status = "failed"
    planted: str = ""

    def is_met(self, status: str, found: str) -> bool:
        return status == self.status and re.search(self.words, found) is not None


def fails(words: str, planted: str = "") -> Ending:
    return Ending(words, planted=planted)


def breaks(words: str) -> Ending:
    """For a gate that has no words of its own for the fault: the library's exception is shown."""
    return Ending(words, "error")


class Plant:
    """What a control may alter: a copy of the specification, files in a place of its own.

    It is made and used in a process that only this control's gates are run from, so that a control
    may also change the environment, the search path and imported modules.
    """

    def __init__(self, spec: Mapping[str, Any], settings: Settings, place: Path) -> None:
        self.spec: dict[str, Any] = copy.deepcopy(dict(spec))
        self.settings = settings
        self.place = place

    def expect(self, **values: Any) -> None:
        """Ask for something else than what is there."""
        self.spec["expected"] = {**(self.spec.get("expected") or {}), **values}

    @property
    def scratch(self) -> Path:
        """Where the checks that come before leave things to those that come after."""
        place = self.place / "scratch"
        place.mkdir(exist_ok=True)
        return place

    def own(self, directory: str) -> Path:
        """A model directory of the control's own, with links to the real one's files."""
        place = self._models() / directory
        real = self.settings.models / directory
        if not real.is_dir():
            raise NotPlantableError(f"there is no {real}")
        if not place.is_symlink():
            return place
        place.unlink()
        for folder, _folders, names in os.walk(real):
            below = place / Path(folder).relative_to(real)
            below.mkdir(parents=True, exist_ok=True)
            for name in names:
                (below / name).symlink_to(Path(folder, name))
        return place

    def file(self, directory: str, name: str, *, most: int | None = None) -> Path:
        """A copy of one model file, or of its first bytes, that the control may write."""
        path = self.own(directory) / name
        real = self.settings.models / directory / name
        if not real.is_file():
            raise NotPlantableError(f"there is no {real}")
        path.unlink()
        with real.open("rb") as source, path.open("wb") as target:
            if most is None:
                shutil.copyfileobj(source, target, 1 << 20)
            else:
                target.write(source.read(most))
        return path

    def _models(self) -> Path:
        """The root of all models: every directory is the real one until it is asked for."""
        root = self.place / "models"
        if not root.is_dir():
            settings = self.settings
            others = [one.directory for one in settings.alternatives]
            for name in (settings.ctranslate2, settings.transformers, *others):
                if (settings.models / name).is_dir():
                    (root / name).parent.mkdir(parents=True, exist_ok=True)
                    (root / name).symlink_to(settings.models / name)
            described = {
                "ctranslate2": settings.ctranslate2,
                "transformers": settings.transformers,
                **(self.spec.get("models") or {}),
            }
            self.spec["models"] = {**described, "root": str(root)}
        return root


Arrange = Callable[[Plant], None]


@dataclass(frozen=True)
class Control:
    """One fault: ``planted`` says it in words, ``gates`` how each must end that watches over it."""

    name: str
    planted: str
    gates: Mapping[str, Ending]
    arrange: Arrange
    where: Where = PLACE
    # Gates that have to run before, on the same things; how they end is not looked at.
    first: tuple[str, ...] = ()

    def planted_for(self, key: str) -> str:
        """What is planted for one gate, in words."""
        return self.gates[key].planted or self.planted

    def gates_of(self, phase: str | None, only: Sequence[str]) -> list[str]:
        """The gates of one phase, or those of them that were asked for."""
        return [
            key
            for key in self.gates
            if phase in (None, key.split(".")[0]) and (not only or key in only)
        ]


Plan = Callable[[Settings], Iterable[Control]]


class Controls:
    """Controls in the order in which they are written down, and the gates that have none."""

    def __init__(self) -> None:
        self.controls: list[Control] = []
        self.plans: list[Plan] = []
        self.without: dict[str, str] = {}

    def control(
        self,
        name: str,
        planted: str,
        gates: Mapping[str, Ending],
        where: Where = PLACE,
        first: tuple[str, ...] = (),
    ) -> Callable[[Arrange], Arrange]:
        """Register the decorated function, which plants the fault."""

        def register(arrange: Arrange) -> Arrange:
            self.controls.append(Control(name, planted, gates, arrange, where, first))
            return arrange

        return register

    def plan(self, plan: Plan) -> Plan:
        """Register a function that gives the controls which only some settings call for."""
        self.plans.append(plan)
        return plan

    def of(self, settings: Settings) -> Iterator[Control]:
        yield from self.controls
        for plan in self.plans:
            yield from plan(settings)
