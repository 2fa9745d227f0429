# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The release lock: read, compared and written as one small sorted file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._accepted_transcripts import complaint
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._store import write_atomically
from ansible_collections.stt.engine.plugins.module_utils._yaml_text import (
    YamlTextError,
    dump,
    load,
    plain,
)

SECTIONS = ("inputs", "expected_outputs")
# What a person has accepted; it never drifts, and a lock without it is whole.
TRANSCRIPTS = "accepted_transcripts"
KEYS = (*SECTIONS, TRANSCRIPTS)
ACCEPT = "-e release_lock_update=true"
HEADER = f"""\
# The release lock: what a release is made of (inputs) and what must come out (expected_outputs).
# Recordings whose text nobody has typed may have what was heard in them accepted
# (accepted_transcripts): docs/clips.md says how.
# Written by stt.engine and obeyed by every run. Commit it beside the inventory it belongs to.
# When something moved on purpose, accept it: ansible-playbook release.yml -i INVENTORY {ACCEPT}
---
"""
SHOWN_CHARACTERS = 100
ABSENT = "nothing"


@dataclass(frozen=True)
class Lock:
    """A lock's content; ``exists`` is false when there is no file yet."""

    exists: bool
    inputs: dict[str, Any] = field(default_factory=dict)
    expected_outputs: dict[str, Any] = field(default_factory=dict)
    accepted_transcripts: dict[str, Any] = field(default_factory=dict)

    @property
    def sections(self) -> dict[str, dict[str, Any]]:
        return {"inputs": self.inputs, "expected_outputs": self.expected_outputs}

    @property
    def content(self) -> dict[str, dict[str, Any]]:
        """Every key of the file."""
        return {**self.sections, TRANSCRIPTS: self.accepted_transcripts}


@dataclass(frozen=True)
class Comparison:
    """What a release found, held against its lock."""

    drift: list[dict[str, Any]]
    additions: list[str]
    merged: Lock


def read_lock(path: Path) -> Lock:
    """The lock in a file; a missing file is a lock that does not exist, a damaged one an error."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Lock(exists=False)
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, f"a file that cannot be read ({error})") from error
    try:
        content = load(text)
    except YamlTextError as error:
        if "<<<<<<<" in text:
            raise _damaged(path, "the marks of an unfinished merge", "finish the merge") from error
        raise _damaged(path, f"{error}") from error
    if not isinstance(content, dict) or not content:
        raise _damaged(path, "a file without content")
    strangers = sorted(str(key) for key in content if key not in KEYS)
    if strangers:
        raise _damaged(path, f"the unknown key {', '.join(strangers)}")
    for section in SECTIONS:
        if not isinstance(content.get(section, {}), dict):
            raise _damaged(path, f"{section} that is not a mapping")
    try:
        lock = Lock(True, *(plain(content.get(name, {}), name) for name in KEYS))
    except TypeError as error:
        raise _damaged(path, str(error)) from error
    wrong = complaint(lock.accepted_transcripts)
    if wrong is not None:
        raise _damaged(path, wrong)
    return lock


def _damaged(path: Path, found: str, fix: str = "restore the committed lock") -> SttError:
    return SttError(
        f"release lock {path}",
        found=found,
        needed="YAML with the keys inputs and expected_outputs",
        fix=f"{fix}, or remove the file to have the next release write a new one",
    )


def compare(
    lock: Lock,
    inputs: Mapping[str, Any],
    expected_outputs: Mapping[str, Any],
    *,
    replace: bool = False,
    accepted_transcripts: Mapping[str, Any] | None = None,
) -> Comparison:
    """Hold what a release found against its lock.

    An empty section was not looked at and stays as locked. In one that was, a key of the first
    level that the lock does not have yet is an addition; every other difference is drift.
    ``merged`` is the lock with the additions; with ``replace`` a section that moved is as found.
    Accepted transcripts stay as they are, unless a person has accepted others.
    """
    drift: list[dict[str, Any]] = []
    additions: list[str] = []
    merged: dict[str, dict[str, Any]] = {}
    for section, found in zip(SECTIONS, (inputs, expected_outputs), strict=True):
        locked = lock.sections[section]
        seen = plain(found, section)
        if not seen:
            merged[section] = locked
            continue
        new = {key: value for key, value in seen.items() if key not in locked}
        additions += [f"{section}.{key}" for key in sorted(new)]
        known = {key: value for key, value in seen.items() if key in locked}
        moved = [_entry(*difference) for difference in _differences(section, locked, known)]
        merged[section] = seen if replace and moved else {**locked, **new}
        drift += moved
    accepted = plain(accepted_transcripts or lock.accepted_transcripts, TRANSCRIPTS)
    return Comparison(
        drift, additions, Lock(True, merged["inputs"], merged["expected_outputs"], accepted)
    )


def _entry(path: str, locked: Any, found: Any) -> dict[str, Any]:
    return {
        "path": path,
        "locked": locked,
        "found": found,
        "fix": f"bring {path} back to what is locked, or accept what was found with {ACCEPT}",
    }


def _differences(path: str, locked: Any, found: Any) -> Iterator[tuple[str, Any, Any]]:
    """Each smallest place where two values differ; None stands for a key that is not there."""
    if isinstance(locked, dict) and isinstance(found, dict):
        for key in sorted(locked.keys() | found.keys()):
            yield from _differences(f"{path}.{key}", locked.get(key), found.get(key))
    elif (old := _by_name(locked)) is not None and (new := _by_name(found)) is not None:
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(f"{path}[{key}]", old.get(key), new.get(key))
    elif type(locked) is not type(found) or locked != found:
        yield path, locked, found


def _by_name(value: Any) -> dict[str, Any] | None:
    """A list of files as a mapping by their path, so that their order does not matter."""
    if not isinstance(value, list) or not value:
        return None
    if not all(isinstance(item, dict) and isinstance(item.get("path"), str) for item in value):
        return None
    named = {item["path"]: item for item in value}
    return named if len(named) == len(value) else None


def describe(drift: Sequence[Mapping[str, Any]]) -> str:
    """The drift as part of a sentence."""
    return "; ".join(
        f"{entry['path']} moved from {_show(entry['locked'])} to {_show(entry['found'])}"
        for entry in drift
    )


def _show(value: Any) -> str:
    if value is None:
        return ABSENT
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."


def refuse(path: Path, comparison: Comparison) -> SttError:
    """The error of a release that may not go on, because something moved since it was locked."""
    return SttError(
        f"release lock {path}",
        found=describe(comparison.drift),
        needed="exactly what is locked",
        fix=f"bring it back, or accept what was found with {ACCEPT} and commit the lock",
        drift=comparison.drift,
    )


def render(lock: Lock) -> str:
    """The file's text: a header that says what it is, then sorted YAML."""
    return HEADER + dump({name: section for name, section in lock.content.items() if section})


def diff(path: Path, before: Lock, after: Lock) -> dict[str, str]:
    """Both texts as Ansible's diff mode wants them."""
    return {
        "before": render(before) if before.exists else "",
        "after": render(after),
        "before_header": str(path),
        "after_header": str(path),
    }


def write_lock(path: Path, lock: Lock) -> None:
    """Replace the file as a whole, through a link to the file it means; keeps its permissions."""
    target = path.resolve()
    if not target.parent.is_dir():
        raise SttError(
            f"release lock {path}",
            found=f"no directory {target.parent}",
            needed="the directory that also holds the inventory",
            fix="correct release_lock_path",
        )
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
    try:
        write_atomically(target, render(lock).encode("utf-8"), mode)
    except OSError as error:
        raise SttError(
            f"release lock {path}",
            found=f"a place that cannot be written ({error.strerror})",
            needed=f"permission and space to write in {target.parent}",
            fix="run as the user who owns the inventory, or set release_lock_path",
        ) from error
