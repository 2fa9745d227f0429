# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build context contains once .dockerignore is applied, as BuildKit decides it.

The rules are those of the engine (the tests compare with a real one), quirks included:
``**name`` also matches ``othername``, and the last matching line wins.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError


@dataclass(frozen=True)
class Pattern:
    """One line of .dockerignore; ``keeps`` is true for a line that starts with ``!``."""

    text: str
    keeps: bool
    expression: re.Pattern[str]

    def matches(self, path: str) -> bool:
        """Whether the line names this very path (parents are the caller's business)."""
        return self.expression.fullmatch(path) is not None


def parse(text: str, origin: str = ".dockerignore") -> list[Pattern]:
    """The patterns of an ignore file; a malformed line raises SttError with its number."""
    patterns = []
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        if raw.startswith("#"):
            continue
        line = raw.strip()
        keeps = line.startswith("!")
        if keeps:
            line = line[1:].strip()
            if not line:
                raise _malformed(origin, number, raw)
        if not line:
            continue
        cleaned = posixpath.normpath(line)
        # normpath keeps a leading double slash; one or two, the pattern starts at the context.
        cleaned = cleaned.lstrip("/") or "/"
        try:
            patterns.append(Pattern(cleaned, keeps, _expression(cleaned)))
        except (re.error, ValueError) as exc:
            raise _malformed(origin, number, raw) from exc
    return patterns


def _malformed(origin: str, number: int, line: str) -> SttError:
    return SttError(
        f"{origin} line {number}",
        found=f"{line!r}",
        needed="a pattern as Docker documents it",
        fix="correct or remove the line; [ needs its ], and ! needs a pattern",
    )


def _expression(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression over whole paths with ``/`` between their parts."""
    if pattern.startswith("**") and not re.search(r"[*?\[\]\\]", pattern[2:]):
        # A plain tail after a leading ** is compared as the end of the path.
        tail = pattern[2:]
        whole = f"(?:{re.escape(tail[1:])})|" if tail.startswith("/") else ""
        return re.compile(f"{whole}.*{re.escape(tail)}", re.DOTALL)
    out = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        if char == "*":
            if pattern.startswith("**", position):
                position += 2
                if pattern.startswith("/", position):
                    position += 1
                out.append("(?:.*/)?" if position < len(pattern) else ".*")
                continue
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            end, part = _character_class(pattern, position)
            out.append(part)
            position = end
            continue
        elif char == "\\":
            position += 1
            if position == len(pattern):
                raise ValueError("nothing to escape")
            out.append(re.escape(pattern[position]))
        else:
            out.append(re.escape(char))
        position += 1
    return re.compile("".join(out), re.DOTALL)


def _character_class(pattern: str, start: int) -> tuple[int, str]:
    """The class that opens at ``start``: where it ends, and its regular expression."""
    position = start + 1
    negated = pattern.startswith("^", position)
    position += negated
    inner: list[str] = []
    while position < len(pattern) and (pattern[position] != "]" or not inner):
        char = pattern[position]
        if char == "\\":
            position += 1
            if position == len(pattern):
                raise ValueError("nothing to escape")
            inner.append("\\" + pattern[position])
        else:
            inner.append(char if char == "-" else re.escape(char))
        position += 1
    if position == len(pattern):
        raise ValueError("unclosed [")
    return position + 1, f"[{'^' if negated else ''}{''.join(inner)}]"


@dataclass(frozen=True)
class Entry:
    """One member of the context; ``target`` is where a link points, ``size`` a file's bytes."""

    path: str
    kind: Literal["file", "directory", "link"]
    mode: int
    size: int = 0
    target: str = ""


def walk(root: Path, patterns: list[Pattern]) -> list[Entry]:
    """The context's members in a fixed order, each directory before what is in it.

    A directory that is ignored still appears when something below it is kept. Sockets are
    passed over, as the engine does; other special files raise SttError.
    """
    return _walk(root, "", patterns, [])


def _walk(root: Path, folder: str, patterns: list[Pattern], inherited: list[bool]) -> list[Entry]:
    try:
        found = sorted(os.scandir(root / folder), key=lambda item: os.fsencode(item.name))
    except OSError as exc:
        raise SttError(
            f"build context {root / folder}",
            found=exc.strerror or str(exc),
            needed="a directory that can be read",
            fix="mend its path or permissions, or name it in .dockerignore",
        ) from exc
    entries: list[Entry] = []
    for item in found:
        path = f"{folder}/{item.name}" if folder else item.name
        ignored, matched = judge(path, patterns, inherited)
        if not ignored:
            _check_name(item.path)
        status = item.stat(follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            if ignored and not _may_keep_below(path, patterns):
                continue
            below = _walk(root, path, patterns, matched)
            if below or not ignored:
                entries.append(Entry(path, "directory", stat.S_IMODE(status.st_mode)))
                entries.extend(below)
        elif not ignored and not stat.S_ISSOCK(status.st_mode):
            entries.append(_leaf(Path(item.path), path, status))
    return entries


def _check_name(path: str) -> None:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise SttError(
            f"build context {os.fsencode(path)!r}",
            found="a name that is not UTF-8",
            needed="names that a build can send",
            fix="rename it or name it in .dockerignore",
        ) from exc


def _leaf(file: Path, path: str, status: os.stat_result) -> Entry:
    if stat.S_ISREG(status.st_mode):
        return Entry(path, "file", stat.S_IMODE(status.st_mode), size=status.st_size)
    if stat.S_ISLNK(status.st_mode):
        return Entry(path, "link", 0o777, target=str(file.readlink()))
    raise SttError(
        f"build context {file}",
        found="a device or named pipe",
        needed="only files, directories and links",
        fix="remove it or name it in .dockerignore",
    )


def judge(path: str, patterns: list[Pattern], inherited: list[bool]) -> tuple[bool, list[bool]]:
    """Whether a path is ignored, and which lines matched it (for the paths below it).

    ``inherited`` is what this gave for the parent directory; empty at the top.
    """
    ignored = False
    matched = [False] * len(patterns)
    for index, pattern in enumerate(patterns):
        hit = bool(inherited) and inherited[index]
        if not hit:
            # A line that could not change the answer is not looked at, and does not count
            # as a match for what is below either: so does the engine.
            if pattern.keeps != ignored:
                continue
            hit = pattern.matches(path)
        matched[index] = hit
        if hit:
            ignored = not pattern.keeps
    return ignored, matched


def _may_keep_below(path: str, patterns: list[Pattern]) -> bool:
    """Whether a ``!`` line may keep something below an ignored directory."""
    return any(
        pattern.keeps
        and (any(char in pattern.text for char in "*?[\\") or pattern.text.startswith(f"{path}/"))
        for pattern in patterns
    )
