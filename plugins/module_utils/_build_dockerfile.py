# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Dockerfile builds on: the images that it names, after its arguments are filled in."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError

SCRATCH = "scratch"

_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(\S+)\s*$")
# As the engine reads it: a word of its own, so that a shell's 1<<2 is none.
_HEREDOC = re.compile(
    r"(?:^|\s)\d*<<(?P<dash>-?)(?P<quote>[\"']?)(?P<word>[^\s<\"']+)(?P=quote)(?=\s|$)"
)
# Whatever might be one: used where it is safe to see too many.
_LIKE_HEREDOC = re.compile(r"<<(?P<dash>-?)\s*(?:\"([^\"]+)\"|'([^']+)'|([^\s<\"']+))?")
_VARIABLE = re.compile(
    r"\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?:(?P<operator>:[-+])(?P<word>[^}]*))?\})"
)
_ONE_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::-[^}]*)?\})")


@dataclass(frozen=True)
class Stage:
    """One ``FROM``: the words as written and with its arguments filled in."""

    name: str
    written: str
    reference: str


@dataclass(frozen=True)
class Dockerfile:
    """The images a Dockerfile needs.

    ``base`` is what the wanted stage finally rests on; ``base_argument`` is the build argument
    that this reference consists of, or None when it is written out. ``images`` are the others,
    ``arguments`` the names of all build arguments that are declared anywhere.
    """

    base: str
    base_argument: str | None
    images: tuple[str, ...]
    arguments: frozenset[str]


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Instruction and arguments, line continuations joined, comments and here-documents dropped."""
    lines = text.removeprefix("\ufeff").splitlines()
    escape = _escape(lines)
    position = 0
    while position < len(lines):
        line = lines[position].strip()
        position += 1
        if not line or line.startswith("#"):
            continue
        parts = []
        while line.endswith(escape):
            parts.append(line[:-1])
            line = ""
            while position < len(lines):
                line = lines[position].strip()
                position += 1
                if line and not line.startswith("#"):
                    break
                line = ""
        parts.append(line)
        word, _space, rest = " ".join(part.strip() for part in parts).partition(" ")
        name = word.upper()
        if name in ("RUN", "COPY", "ADD"):
            for heredoc in _HEREDOC.finditer(rest):
                end = _terminator(lines, position, heredoc["word"], chomp=bool(heredoc["dash"]))
                position = position if end is None else end + 1
        yield name, rest.strip()


def _terminator(lines: Sequence[str], start: int, word: str, *, chomp: bool) -> int | None:
    """The line that ends a here-document; None when none does."""
    for number in range(start, len(lines)):
        line = lines[number].rstrip("\r")
        if (line.lstrip("\t") if chomp else line) == word:
            return number
    return None


def meaning(text: str) -> str:
    """The Dockerfile without the comments and empty lines that change nothing in an image.

    Every other byte stays. Where a here-document may be, everything does.
    """
    lines = text.split("\n")
    kept = _directives(lines) | _in_heredocs(lines)
    return "\n".join(
        line
        for number, line in enumerate(lines)
        if number in kept or not (line.strip() == "" or line.lstrip().startswith("#"))
    )


def _directives(lines: Sequence[str]) -> set[int]:
    """The comments at the top that tell the engine how to read the file."""
    count = 0
    while count < len(lines) and _DIRECTIVE.match(lines[count].removeprefix("\ufeff").strip()):
        count += 1
    return set(range(count))


def _in_heredocs(lines: Sequence[str]) -> set[int]:
    """Every line from one that looks like the start of a here-document to its end."""
    inside: set[int] = set()
    for number, line in enumerate(lines):
        position = number + 1
        for found in _LIKE_HEREDOC.finditer(line):
            word = next((group for group in found.groups()[1:] if group), "")
            end = _terminator(lines, position, word, chomp=bool(found["dash"])) if word else None
            # Not understood: nothing below is left out.
            position = len(lines) if end is None else end + 1
        if position > number + 1:
            inside.update(range(number, position))
    return inside


def _escape(lines: list[str]) -> str:
    for line in lines:
        directive = _DIRECTIVE.match(line.strip())
        if directive is None:
            break
        if directive[1].lower() == "escape":
            return directive[2]
    return "\\"


def expand(text: str, values: Mapping[str, str]) -> str:
    """Fill in ``$NAME``, ``${NAME}``, ``${NAME:-default}`` and ``${NAME:+other}``."""

    def value(match: re.Match[str]) -> str:
        found = values.get(match["plain"] or match["name"], "")
        if match["operator"] == ":-":
            return found or match["word"]
        if match["operator"] == ":+":
            return match["word"] if found else ""
        return found

    return _VARIABLE.sub(value, text)


def read_dockerfile(
    text: str, build_args: Mapping[str, str], target: str = "", name: str = "Dockerfile"
) -> Dockerfile:
    """Find the images that building ``target`` (default: the last stage) starts from."""
    values: dict[str, str] = {}
    stages: list[Stage] = []
    copied: list[str] = []
    declared: set[str] = set()
    for instruction, rest in instructions(text):
        if instruction == "ARG":
            for argument, default in _arguments(rest):
                declared.add(argument)
                if not stages:
                    values[argument] = build_args.get(argument, expand(default, values))
        elif instruction == "FROM":
            stages.append(_stage(rest, values))
        elif instruction in ("COPY", "ADD", "RUN"):
            copied += _sources(instruction, rest)
    if not stages:
        raise SttError(
            name,
            found="no FROM instruction",
            needed="a Dockerfile with at least one stage",
            fix="give the Dockerfile of the engine in dockerfile",
        )
    names = {stage.name.lower() for stage in stages if stage.name}
    root = _root(stages, target, name)
    variable = _ONE_VARIABLE.fullmatch(root.written)
    images = {stage.reference for stage in stages if stage.reference.lower() not in names}
    images |= {image for image in copied if image.lower() not in names and not image.isdigit()}
    return Dockerfile(
        base=root.reference,
        base_argument=(variable[1] or variable[2]) if variable else None,
        images=tuple(sorted(images - {root.reference, SCRATCH, ""})),
        arguments=frozenset(declared),
    )


def declared_arguments(text: str) -> frozenset[str]:
    """The names of all build arguments that are declared anywhere."""
    return frozenset(
        argument
        for instruction, rest in instructions(text)
        if instruction == "ARG"
        for argument, _default in _arguments(rest)
    )


def _arguments(rest: str) -> Iterator[tuple[str, str]]:
    try:
        words = shlex.split(rest)
    except ValueError:
        # The engine refuses it with the line's number.
        words = rest.split()
    for word in words:
        argument, _equals, default = word.partition("=")
        yield argument, default


def _stage(rest: str, values: Mapping[str, str]) -> Stage:
    words = [word for word in rest.split() if not word.startswith("--")]
    named = len(words) == 3 and words[1].upper() == "AS"
    written = words[0].strip("\"'") if words else ""
    return Stage(words[2] if named else "", written, expand(written, values))


def _sources(instruction: str, rest: str) -> list[str]:
    """Images that an instruction takes files from; arguments of a stage are not followed."""
    if instruction == "RUN":
        flags = re.findall(r"--mount=(\S+)", rest)
        found = [part[5:] for flag in flags for part in flag.split(",") if part.startswith("from=")]
    else:
        found = re.findall(r"--from=(\S+)", rest)
    return [image for image in found if "$" not in image]


def copied_sources(instruction: str) -> list[str]:
    """What a COPY or ADD takes from the build context, without patterns, URLs and other stages."""
    name, _space, rest = instruction.partition(" ")
    if name.upper() not in ("COPY", "ADD") or "--from=" in rest or "<<" in rest:
        return []
    words = re.sub(r"--\S+\s+", "", rest).strip()
    if words.startswith("["):
        try:
            paths = [str(word) for word in json.loads(words)]
        except ValueError:
            return []
    else:
        paths = words.split()
    plain = (path.lstrip("/") for path in paths[:-1] if not re.search(r"[*?\[]|://", path))
    return [path for path in plain if path]


def _root(stages: list[Stage], target: str, name: str) -> Stage:
    """Follow the wanted stage through stages that it builds on, to the first real image."""
    index = len(stages) - 1
    if target:
        wanted = [i for i, stage in enumerate(stages) if stage.name.lower() == target.lower()]
        if not wanted:
            known = ", ".join(stage.name for stage in stages if stage.name) or "none has a name"
            raise SttError(
                f"{name} target {target}",
                found=f"no such stage ({known})",
                needed="a stage of this Dockerfile",
                fix="correct target",
            )
        index = wanted[-1]
    while True:
        reference = stages[index].reference.lower()
        earlier = [i for i in range(index) if stages[i].name.lower() == reference]
        if not reference or not earlier:
            return stages[index]
        index = earlier[-1]
