# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that the hub can be told to show, and what it has counted.

A fault is `{"action": ..., "path": glob, "method": "GET|HEAD|POST|*", "value": ..., "count": n,
"skip": n, ...}`. `path` is compared with the request's path and, for a file of a repository, with
owner/name/file; the default `*` is every request. `count` is how many requests it spoils (default:
all), `skip` how many matching ones pass before. Actions:

rate      value bytes per second, for each connection
cut       close the connection after value bytes (below 1: that fraction of the body)
stall     send nothing more for value seconds (default 3600) after `after` bytes or fraction
corrupt   flip the byte at offset value of the file
delay     wait value seconds before the answer
status    answer with status value; with `retry_after` seconds if given
missing   the file is gone from listings, and 404 EntryNotFound
html      a web page with status 200 in place of the answer
redirect  302 to value; without value to the hub's storage on its second port, as real hubs do
token     401 without a bearer token, 403 GatedRepo with another than value
branch    `main` of the repository owner/name is commit value (40 hex)
xet       list Xet hashes, without the token route that belongs to them
no_range  ignore Range and send the whole file with status 200
drop      close the connection without an answer
headers   leave out the answer's headers named in the list value
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from .hub_files import COMMIT

Value = int | float | str | list[str] | None
NUMBERS = {"rate", "cut", "stall", "corrupt", "delay", "status"}
OPTIONAL_VALUE = {"stall", "redirect"}
NO_VALUE = {"missing", "html", "xet", "no_range", "drop"}
TEXTS = {"token", "branch", "redirect"}
ACTIONS = NUMBERS | NO_VALUE | TEXTS | {"headers"}
FIELDS = {"action", "path", "method", "value", "count", "skip", "after", "retry_after"}
METHODS = ("*", "GET", "HEAD", "POST")
DEFAULT_STALL = 3600.0


class FaultError(ValueError):
    """A fault description that cannot be understood."""


@dataclass
class Fault:
    """One fault and how often it may still strike."""

    action: str
    path: str = "*"
    method: str = "*"
    value: Value = None
    count: int | None = None
    skip: int = 0
    after: float = 0.0
    retry_after: int | None = None
    hits: int = 0

    @property
    def number(self) -> float:
        """The value as a number."""
        if not isinstance(self.value, int | float):
            raise FaultError(f"{self.action}: value {self.value!r} is not a number")
        return self.value

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Fault:
        """Return the fault that a JSON object describes; raises FaultError with one sentence."""
        action = raw.get("action")
        if action not in ACTIONS:
            raise FaultError(f"action {action!r} is not one of {', '.join(sorted(ACTIONS))}")
        unknown = sorted(set(raw) - FIELDS)
        if unknown:
            raise FaultError(f"{action}: unknown field {unknown[0]!r}")
        value = raw.get("value")
        _check_value(action, value)
        fault = cls(
            action=action,
            path=_text(raw, "path", "*"),
            method=_text(raw, "method", "*"),
            value=DEFAULT_STALL if action == "stall" and value is None else value,
            count=_whole(raw, "count", None),
            skip=_whole(raw, "skip", 0) or 0,
            retry_after=_whole(raw, "retry_after", None),
            after=float(raw.get("after", 0.0)),
        )
        if fault.method not in METHODS:
            raise FaultError(f"{action}: method {fault.method!r} is not one of {METHODS}")
        return fault

    def as_dict(self) -> dict[str, Any]:
        """Return the fault for GET /_control, with how often it struck."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass
class Faults:
    """The faults in force; safe for use from many threads."""

    _items: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, action: str, **settings: Any) -> Fault:
        """Put a fault in force and return it."""
        fault = Fault.parse({"action": action, **settings})
        with self._lock:
            self._items.append(fault)
        return fault

    def replace(self, raw: list[Mapping[str, Any]]) -> None:
        """Put exactly these faults in force; when one cannot be understood, nothing changes."""
        items = [Fault.parse(item) for item in raw]
        with self._lock:
            self._items[:] = items

    def clear(self) -> None:
        """End all faults."""
        self.replace([])

    def as_list(self) -> list[dict[str, Any]]:
        """Return all faults as JSON objects."""
        with self._lock:
            return [fault.as_dict() for fault in self._items]

    def take(
        self,
        action: str,
        names: tuple[str, ...],
        method: str,
        when: Callable[[Fault], bool] | None = None,
    ) -> Fault | None:
        """Return the fault that strikes this request, and count it; None when there is none."""
        with self._lock:
            for fault in self._items:
                if fault.action != action or fault.method not in ("*", method):
                    continue
                if not any(fnmatchcase(name, fault.path) for name in names):
                    continue
                if fault.count is not None and fault.hits >= fault.count:
                    continue
                if when is not None and not when(fault):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.hits += 1
                return fault
        return None

    def hidden(self, name: str) -> bool:
        """Tell whether the file owner/name/path is missing; listings do not use up the count."""
        with self._lock:
            return any(
                fault.action == "missing"
                and fnmatchcase(name, fault.path)
                and (fault.count is None or fault.hits < fault.count)
                for fault in self._items
            )


class Stats:
    """Counts of requests and bytes; safe for use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Begin again at zero; requests that are under way stay counted as open."""
        with self._lock:
            self._requests: Counter[str] = Counter()
            self._statuses: Counter[str] = Counter()
            self._paths: dict[str, Counter[str]] = {}
            self._bytes = 0
            self._ranges = 0
            self._open = getattr(self, "_open", 0)
            self._most_open = self._open

    def begin(self, method: str, path: str, *, ranged: bool, authorized: bool) -> None:
        """Count a request that arrives."""
        with self._lock:
            self._requests[method] += 1
            self._ranges += ranged
            self._paths.setdefault(path, Counter())[method] += 1
            if authorized:
                self._paths[path]["authorized"] += 1
            self._open += 1
            self._most_open = max(self._most_open, self._open)

    def end(self) -> None:
        """Note that a request is over."""
        with self._lock:
            self._open -= 1

    def answered(self, status: int) -> None:
        """Count an answer by its status."""
        with self._lock:
            self._statuses[str(status)] += 1

    def sent(self, path: str, count: int) -> None:
        """Count bytes of a body."""
        with self._lock:
            self._bytes += count
            self._paths.setdefault(path, Counter())["bytes"] += count

    def as_dict(self) -> dict[str, Any]:
        """Return the counts for GET /_stats."""
        with self._lock:
            return {
                "requests": sum(self._requests.values()),
                "methods": dict(self._requests),
                "statuses": dict(self._statuses),
                "range_requests": self._ranges,
                "bytes": self._bytes,
                "open": self._open,
                "most_open": self._most_open,
                "paths": {path: dict(counts) for path, counts in self._paths.items()},
            }


def _text(raw: Mapping[str, Any], name: str, default: str) -> str:
    value = raw.get(name, default)
    if not isinstance(value, str) or not value:
        raise FaultError(f"{name}: {value!r} is not a text")
    return value


def _whole(raw: Mapping[str, Any], name: str, default: int | None) -> int | None:
    value = raw.get(name, default)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise FaultError(f"{name}: {value!r} is not a whole number of 0 or more")


def _check_value(action: str, value: Value) -> None:
    if value is None:
        if action in NO_VALUE or action in OPTIONAL_VALUE:
            return
        raise FaultError(f"{action}: value is missing")
    if action in NO_VALUE:
        raise FaultError(f"{action}: takes no value")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if action in NUMBERS and not (is_number and float(str(value)) >= 0):
        raise FaultError(f"{action}: value {value!r} is not a number of 0 or more")
    if action in TEXTS and not isinstance(value, str):
        raise FaultError(f"{action}: value {value!r} is not a text")
    if action == "headers" and not isinstance(value, list):
        raise FaultError("headers: value is not a list of names")
    if action == "rate" and value == 0:
        raise FaultError("rate: value is bytes per second, more than 0")
    if action == "branch" and not COMMIT.fullmatch(str(value)):
        raise FaultError(f"branch: value {value!r} is not a commit of 40 hex digits")
