# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs negative controls: plants each fault, and has its gates judge it as they judge a release.

Every control gets a process of its own, forked from one that has imported the heavy packages once.
In it the same supervisor runs the same checks, each again in a process of its own.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from . import (
    catalogue,
    controls_comparison,
    controls_r2,
    controls_r4,
    controls_r5,
    controls_service,
)
from .child import PR_SET_PDEATHSIG, UNWRITABLE, write_all
from .control import Control, NotPlantableError, Plant, Where
from .lacks import LACKS
from .registry import Check
from .settings import Settings, load_settings
from .supervisor import Supervisor

CONTROLS = (
    controls_r2.controls,
    controls_r4.controls,
    controls_r5.controls,
    controls_service.controls,
    controls_comparison.controls,
)
SPECIFICATION = "spec.json"
LEFT_OUT = "left_out"

Row = dict[str, Any]
Emit = Callable[[Row], None]


def all_controls(settings: Settings) -> list[Control]:
    """Every control that these settings call for."""
    return [control for group in CONTROLS for control in group.of(settings)]


def without_control() -> dict[str, str]:
    """The gates that nothing can be planted for, with the reason."""
    return {key: reason for group in CONTROLS for key, reason in group.without.items()}


class SelfTest:
    """The controls of one phase, each row with how one gate ended on what was planted."""

    def __init__(
        self, document: Mapping[str, Any], settings: Settings, phase: str | None, program: Path
    ) -> None:
        """``document`` is the specification that gave the settings; ``program`` this archive."""
        self.document = document
        self.settings = settings
        self.phase = phase
        self.program = program

    def chosen(
        self, where: Where, named: Sequence[str] = (), only: Sequence[str] = ()
    ) -> list[tuple[Control, list[str]]]:
        """The controls to run, each with its gates."""
        found = []
        part = self.settings.part
        mine = {check.key for check in catalogue.checks(self.phase, self.settings)}
        for control in all_controls(self.settings):
            gates = control.gates_of(self.phase, only)
            # Another part of the phase is judged in another container.
            gates = [key for key in gates if part is None or key in mine]
            if control.where == where and gates and (not named or control.name in named):
                found.append((control, gates))
        return found

    def run(self, chosen: Sequence[tuple[Control, list[str]]], emit: Emit) -> None:
        """Run every control; each of its gates gets exactly one row."""
        checks = catalogue.checks(self.phase, self.settings)
        wanted = {key for _control, gates in chosen for key in gates}
        self._import([check for check in checks if check.key in wanted])
        for control, gates in chosen:
            place = Path(tempfile.mkdtemp(prefix=f"control-{control.name}-", dir=self._room()))
            try:
                self._judge(control, gates, place, emit)
            finally:
                shutil.rmtree(place)

    def _room(self) -> Path | None:
        """Where copies of models may lie: a disk where there is one, else main memory."""
        cache = self.settings.cache
        there = self.settings.container and os.access(cache, os.W_OK | os.X_OK)
        return cache if there else None

    def _import(self, checks: Sequence[Check]) -> None:
        names = dict.fromkeys(
            name
            for check in checks
            if not (check.cuda and self.settings.gpu)
            for name in check.imports
        )
        for name in names:
            # The gate that needs it says so under its own name.
            try:
                importlib.import_module(name)
            except Exception:
                sys.stderr.write(f"--- import {name}\n{traceback.format_exc()}")

    def _judge(self, control: Control, gates: Sequence[str], place: Path, emit: Emit) -> None:
        started = time.monotonic()
        left = list(gates)
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            self._life(control, gates, place, writer)
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            for line in stream:
                row = json.loads(line)
                row["seconds"] = round(time.monotonic() - started, 3)
                started = time.monotonic()
                left.remove(f"{row['id']}/{row['name']}")
                emit(row)
        _pid, status = os.waitpid(pid, 0)
        for key in left:
            emit(row_of(control, key, "error", f"its process ended with status {status}"))

    def _life(self, control: Control, gates: Sequence[str], place: Path, writer: int) -> NoReturn:
        """The life of a control's process; never returns."""
        status = 1

        def say(row: Row) -> None:
            write_all(writer, json.dumps(row).encode() + b"\n")

        try:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            for row in self._rows(control, gates, place):
                say(row)
            status = 0
        except BaseException:
            os.write(2, traceback.format_exc().encode(errors=UNWRITABLE))
        finally:
            os._exit(status)

    def _rows(self, control: Control, gates: Sequence[str], place: Path) -> Iterator[Row]:
        plant = Plant(self.document, self.settings, place)
        try:
            control.arrange(plant)
        except NotPlantableError as reason:
            for key in gates:
                row = row_of(control, key, "skipped", str(reason))
                yield {**row, LEFT_OUT: True, LACKS: reason.lacks}
            return
        specification = place / SPECIFICATION
        specification.write_text(json.dumps(plant.spec), encoding="utf-8")
        scratch = plant.scratch
        told = load_settings(plant.spec, models=None, clips=None)
        settings = replace(told, scratch=scratch)
        known = {check.key: check for check in catalogue.checks(self.phase, settings)}
        phase = [f"--phase={self.phase}"] if self.phase is not None else []
        command = [sys.executable, str(self.program), *phase, f"--spec={specification}"]
        supervisor = Supervisor(settings, [*command, f"--scratch={scratch}"])
        results: list[Row] = []
        supervisor.run([known[key] for key in control.first], results.append)
        for key in gates:
            if key in known:
                supervisor.run([known[key]], results.append)
                result = results[-1]
                row = row_of(control, key, result["status"], result["found"])
                yield {**row, LACKS: bool(result["evidence"].get(LACKS))}
            else:
                yield row_of(control, key, "error", "there is no such check")


def row_of(control: Control, key: str, status: str, found: str) -> Row:
    """How one gate ended on what one control planted."""
    step, _slash, name = key.partition("/")
    return {
        "id": step,
        "name": name,
        "control": control.name,
        "planted": control.planted_for(key),
        "status": status,
        "found": found,
        "as_planted": control.gates[key].is_met(status, found),
        LEFT_OUT: False,
        "seconds": 0.0,
    }


def document_of(settings: Settings, spec: Mapping[str, Any]) -> dict[str, Any]:
    """A specification that says by itself what the command line may have said beside it."""
    if settings.models == Path(os.devnull):
        # An image alone has no models.
        return dict(spec)
    described = {
        **(spec.get("models") or {}),
        "root": str(settings.models),
        "ctranslate2": settings.ctranslate2,
        "transformers": settings.transformers,
    }
    clips = str(settings.clips) if settings.clips is not None else None
    return {**spec, "models": described, "clips": clips}
