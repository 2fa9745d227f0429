# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads BuildKit's rawjson progress: which step runs, what it printed, why it failed."""

from __future__ import annotations

import base64
import json
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

KEPT_LINES = 2000
SHOWN_LINES = 20
_MASK = "********"
# Shorter values would mask ordinary words; longer files are bundles of public certificates.
_SHORTEST_SECRET = 6
_LONGEST_SECRET_FILE = 16 * 1024

_STEP = re.compile(r"\[(?:(?P<stage>\S+) +)?(?P<step>\d+)/(?P<steps>\d+)\] (?P<command>.*)", re.S)
# The last three are how pip names the package whose hash is another than locked.
_TELLING = re.compile(
    r"error|failed|not found|no such file|denied|killed"
    r"|==\S+ from |expected sha256|\bgot\s+[0-9a-f]{64}",
    re.IGNORECASE,
)
# pip asks every index for every package and goes on where one has no such page.
_PASSED_OVER = re.compile(r"404 Client Error: .* - skipping$")
_EXIT = re.compile(r"exit code: (\d+)")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Redactor:
    """Replaces the values of secrets wherever a build prints them."""

    def __init__(self, files: Iterable[Path]) -> None:
        values: set[str] = set()
        for file in files:
            if file.stat().st_size > _LONGEST_SECRET_FILE:
                continue
            text = file.read_text(encoding="utf-8", errors="replace")
            for line in text.splitlines():
                values.add(line.strip())
                # netrc and key=value files: the words matter, not their line.
                values.update(re.split(r"[\s=]+", line.strip()))
                for credentials in re.findall(r"://([^/\s]+)@", line):
                    values.update(_spellings(credentials))
        words = {"machine", "default", "password", "account"}
        kept = [value for value in values - words if len(value) >= _SHORTEST_SECRET]
        ordered = sorted(kept, key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """The text with every secret value masked."""
        return text if self._values is None else self._values.sub(_MASK, text)


def _spellings(credentials: str) -> set[str]:
    """The forms in which the credentials of a URL may be printed."""
    plain = unquote(credentials)
    password, decoded = credentials.partition(":")[2], plain.partition(":")[2]
    header = base64.b64encode(plain.encode()).decode()
    return {credentials, plain, password, decoded, header}


@dataclass
class Step:
    """One vertex of the build graph."""

    name: str
    stage: str = ""
    step: int = 0
    steps: int = 0
    command: str = ""
    started: float | None = None
    completed: float | None = None
    cached: bool = False
    error: str = ""
    announced: bool = False
    finished: bool = False
    partial: dict[int, str] = field(default_factory=dict)
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))

    @property
    def label(self) -> str:
        """``[build 2/5] RUN ...``, as the build's own output names it, on one line."""
        return " ".join(self.name.split())


@dataclass(frozen=True)
class Failure:
    """Why a build failed: ``step`` is 0 when it failed outside of any step."""

    step: int
    steps: int
    command: str
    reason: str
    lines: list[str]


class BuildProgress:
    """Follows a build by the lines that docker prints; ``feed`` returns lines for people."""

    def __init__(self, redact: Redactor) -> None:
        self._redact = redact
        self._steps: dict[str, Step] = {}
        self._plain: deque[str] = deque(maxlen=KEPT_LINES)
        self._current: Step | None = None
        self._document: list[str] = []

    def feed(self, raw: bytes) -> list[str]:
        """Take one line of output; returns what to write to the log.

        A status is one JSON object, on one line or, from some versions, indented over many.
        """
        text = raw.decode("utf-8", "replace").rstrip("\r\n")
        if self._document or text.startswith("{"):
            self._document.append(text)
            status = _parse(self._document)
            if status is not None:
                self._document = []
                return self._status(status)
            if text != "}":
                return []
            # Not a status after all: words of docker's own in braces.
            lines, self._document = self._document, []
        else:
            lines = [text]
        return self._words(lines)

    def _words(self, raw: Iterable[str]) -> list[str]:
        lines = [line for text in raw if (line := self._clean(text))]
        self._plain.extend(lines)
        return lines

    def _status(self, status: dict[str, Any]) -> list[str]:
        out: list[str] = []
        for vertex in status.get("vertexes") or []:
            self._update(vertex)
        for log in status.get("logs") or []:
            out += self._log(log)
        for vertex in status.get("vertexes") or []:
            out += self._announce(self._steps[vertex["digest"]])
        return out

    def state(self) -> dict[str, Any]:
        """For the job's progress: the step that runs and how many are done."""
        steps = [step for step in self._steps.values() if step.steps]
        shown: dict[str, Any] = {
            "done": sum(step.finished for step in steps),
            "total": len(steps),
        }
        step = self._current
        if step is not None:
            shown.update(
                stage=step.stage,
                step=step.step,
                steps=step.steps,
                name=_shorten(brief(step.command) or step.label, 160),
                step_started=step.started,
            )
        return shown

    def ran_steps(self) -> int:
        """How many steps were really executed, not taken from the cache."""
        return sum(
            step.finished and not step.cached and not step.error
            for step in self._steps.values()
            if step.steps and not step.command.startswith("FROM ")
        )

    def failure(self) -> Failure:
        """What went wrong, from the first step that failed for a reason of its own."""
        failed = [step for step in self._steps.values() if step.error]
        own = [step for step in failed if "context canceled" not in step.error] or failed
        if not own:
            errors = [line for line in self._plain if line.startswith("ERROR:")]
            reason = (errors or list(self._plain) or ["docker gave no reason"])[-1]
            reason = reason.removeprefix("ERROR: ").removeprefix("failed to solve: ")
            return Failure(0, 0, "", reason, telling_lines(self._plain))
        step = own[0]
        self._flush(step)
        exited = _EXIT.search(step.error)
        reason = f"exit code {exited[1]}" if exited else step.error
        return Failure(
            step.step, step.steps, step.command or step.name, reason, telling_lines(step.lines)
        )

    def _update(self, vertex: dict[str, Any]) -> None:
        step = self._steps.get(vertex["digest"])
        if step is None:
            step = self._steps[vertex["digest"]] = _make_step(self._redact(vertex.get("name", "")))
        # A vertex may complete and start again: only its last report counts.
        step.started = _time(vertex.get("started")) or step.started
        step.completed = _time(vertex.get("completed"))
        step.cached = step.cached or bool(vertex.get("cached"))
        step.error = self._clean(vertex.get("error") or "") or step.error
        if step.steps and step.started and not step.completed:
            self._current = step

    def _announce(self, step: Step) -> list[str]:
        if step.name.startswith("[internal]") and not step.error:
            return []
        out = []
        if step.started is not None and not step.announced:
            step.announced = True
            out.append(step.label)
        if step.completed is not None and not step.finished:
            step.finished = True
            out += self._flush(step)
            seconds = step.completed - (step.started or step.completed)
            ending = "cached" if step.cached else f"{seconds:.1f} s"
            ending = f"ERROR: {step.error}" if step.error else ending
            out.append(f"{_shorten(brief(step.label), 80)} | {ending}")
        return out

    def _log(self, log: dict[str, Any]) -> list[str]:
        step = self._steps.get(log.get("vertex", ""))
        if step is None:
            return []
        text = base64.b64decode(log.get("data") or "").decode("utf-8", "replace")
        # The two streams of a step are cut anywhere and must not be joined to each other.
        stream = int(log.get("stream") or 0)
        *complete, step.partial[stream] = (step.partial.get(stream, "") + text).split("\n")
        lines = [line for raw in complete if (line := self._clean(raw))]
        step.lines.extend(lines)
        return [f"    {line}" for line in lines]

    def _flush(self, step: Step) -> list[str]:
        lines = [line for raw in step.partial.values() if (line := self._clean(raw))]
        step.partial.clear()
        step.lines.extend(lines)
        return [f"    {line}" for line in lines]

    def _clean(self, text: str) -> str:
        # A progress bar rewrites its line: only its last state is of use.
        last = text.rstrip("\r\n").rpartition("\r")[2]
        return self._redact(_ESCAPES.sub("", last)).rstrip()


def brief(command: str) -> str:
    """An instruction on one line and without its mounts, which hide what it does."""
    return " ".join(re.sub(r"--mount=\S+", "", command).split())


def telling_lines(lines: Iterable[str], limit: int = SHOWN_LINES) -> list[str]:
    """The last lines that speak of an error; the very last ones when none does."""
    every = list(lines)
    telling = [line for line in every if _TELLING.search(line) and not _PASSED_OVER.search(line)]
    return (telling or every)[-limit:]


def _parse(lines: list[str]) -> dict[str, Any] | None:
    """The object that the lines hold, or None while it is not whole."""
    if lines[-1] != "}" and len(lines) > 1:
        return None
    try:
        status = json.loads("\n".join(lines))
    except ValueError:
        return None
    return status if isinstance(status, dict) else None


def _make_step(name: str) -> Step:
    match = _STEP.match(name)
    if match is None or match["stage"] == "internal":
        return Step(name)
    return Step(
        name, match["stage"] or "", int(match["step"]), int(match["steps"]), match["command"]
    )


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."


def _time(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None
