# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Dockerfile builds on: the images that it names, after its arguments are filled in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.stt.engine.plugins.module_utils._build_parser import (
    BLANKS,
    Instruction,
    escape_token,
    instructions,
    json_words,
    split_name,
    triggered,
)
from ansible_collections.stt.engine.plugins.module_utils._build_remote import Environment
from ansible_collections.stt.engine.plugins.module_utils._build_words import (
    WordError,
    Words,
    split,
    split_flags,
)
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError

SCRATCH = "scratch"

_NESTED = r"[^{}]*(?:\$\{[^{}]*\}[^{}]*)*"
_ONE_VARIABLE = re.compile(rf"\$(?:(\w+)|\{{(\w+)(?::?-{_NESTED})?\}})")
_ARCHITECTURES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64"}
# What a variant is called when nobody names it.
_USUAL_VARIANTS = (("amd64", "v1"), ("arm64", "v8"))


@dataclass
class Stage:
    """One ``FROM``: the words as written, with its arguments filled in, and what follows.

    ``parent`` is the index of the stage that it builds on; None when that is an image.
    ``used`` are the global arguments that its reference was made of.
    """

    name: str
    written: str
    reference: str
    parent: int | None
    used: frozenset[str]
    start: Instruction
    body: list[Instruction] = field(default_factory=list)


@dataclass(frozen=True)
class Dockerfile:
    """The images that building one target needs.

    ``base`` is what the target finally rests on; ``base_argument`` is the build argument
    that this reference consists of, or None when it is written out. ``images`` are the others,
    ``arguments`` the names of the build arguments that reach the target. ``stages`` are all.
    """

    base: str
    base_argument: str | None
    images: tuple[str, ...]
    arguments: frozenset[str]
    stages: tuple[Stage, ...] = ()


class _Reader:
    """A Dockerfile's global arguments and stages, for one set of build arguments."""

    def __init__(self, text: str, build_args: Mapping[str, str], name: str, platform: str) -> None:
        self.name = name
        self.escape = escape_token(text)
        self.build_args = build_args
        self.stages: list[Stage] = []
        self.values = {**platform_arguments(platform)}
        self.values.update({key: build_args[key] for key in self.values if key in build_args})
        self.declared: set[str] = set()
        self._behind: dict[str, set[str]] = {}
        for instruction in instructions(text):
            if instruction.name == "FROM":
                self.stages.append(self._stage(instruction))
            elif self.stages:
                self.stages[-1].body.append(instruction)
            elif instruction.name == "ARG":
                self._declare(instruction.rest)

    def _fill(self, text: str, where: str) -> Words:
        try:
            return Words(text, self.values, escape=self.escape)
        except WordError as exc:
            raise SttError(
                f"{self.name}, {where}",
                found=str(exc),
                needed="what the engine can fill in",
                fix="correct it, or give the argument that it asks for in build_args",
            ) from exc

    def _asked(self, words: Words) -> set[str]:
        """The arguments that a text is made of, those without a value too."""
        return words.used | (words.missing & self.declared)

    def _declare(self, rest: str) -> None:
        for argument, default in declarations(rest, self.escape):
            self.declared.add(argument)
            if argument in self.build_args:
                self.values[argument] = self.build_args[argument]
            elif default is not None:
                words = self._fill(default, f"ARG {argument}")
                before = self._behind.get(argument, set())
                self._behind[argument] = self._asked(words) | (
                    before if argument in words.used else set()
                )
                self.values[argument] = words.result

    def _stage(self, start: Instruction) -> Stage:
        words = [word for word in BLANKS.split(start.rest) if not word.startswith("--")]
        named = len(words) == 3 and words[1].upper() == "AS"
        filled = self._fill(words[0] if words else "", f"FROM {start.rest}")
        reference = filled.result
        return Stage(
            name=words[2] if named else "",
            written=words[0].strip("\"'") if words else "",
            reference=reference,
            parent=self.find(reference),
            used=frozenset(self._asked(filled)),
            start=start,
        )

    def find(self, name: str) -> int | None:
        """The last stage of a name among those that were read so far."""
        found = [i for i, stage in enumerate(self.stages) if stage.name.lower() == name.lower()]
        return found[-1] if found and name else None

    def target(self, target: str) -> int:
        """The index of the wanted stage, by default the last one."""
        index = self.find(target) if target else len(self.stages) - 1
        if index is None:
            known = ", ".join(stage.name for stage in self.stages if stage.name)
            raise SttError(
                f"{self.name} target {target}",
                found=f"no such stage ({known or 'none has a name'})",
                needed="the name of a stage of this Dockerfile",
                fix="correct target; a stage gets a name by FROM ... AS NAME",
            )
        return index

    def root(self, index: int) -> Stage:
        """Follow the wanted stage through stages that it builds on, to the first real image."""
        parent = self.stages[index].parent
        return self.stages[index] if parent is None else self.root(parent)

    def reach(self, target: int) -> tuple[list[Stage], set[str]]:
        """The stages that the target needs, in their order, and the images they take from."""
        reached: set[int] = set()
        images: set[str] = set()
        waiting = [target]
        while waiting:
            index = waiting.pop()
            if index in reached:
                continue
            reached.add(index)
            stage = self.stages[index]
            if stage.parent is None:
                images.add(stage.reference)
            else:
                waiting.append(stage.parent)
            for source in self._sources(stage):
                if isinstance(source, str) and "$" in source:
                    continue  # The engine fills in nothing there, and refuses it.
                # A later stage's name is no image either: the engine refuses that.
                other = source if isinstance(source, int) else self.find(source)
                if other is None:
                    images.add(str(source))
                elif other < len(self.stages):
                    waiting.append(other)
        return [self.stages[index] for index in sorted(reached)], images

    def _sources(self, stage: Stage) -> Iterator[str | int]:
        """What a stage takes files from: names, and the numbers of stages."""
        for instruction in stage.body:
            name, rest = triggered(instruction.name, instruction.rest)
            flags, _rest = split_flags(rest, self.escape)
            for flag in flags:
                if name == "COPY" and flag.startswith("--from="):
                    source = flag[len("--from=") :]
                    yield int(source) if source.isdecimal() else source
                elif name == "RUN" and flag.startswith("--mount="):
                    for part in flag[len("--mount=") :].split(","):
                        key, _equals, value = part.partition("=")
                        if key.strip('"').lower() == "from":
                            yield value.strip('"')

    def arguments(self, stages: Sequence[Stage]) -> frozenset[str]:
        """The arguments that these stages declare, and those that their values are made of."""
        names: set[str] = set()
        for stage in stages:
            names |= stage.used
            for instruction in stage.body:
                name, rest = triggered(instruction.name, instruction.rest)
                if name == "ARG":
                    names |= {argument for argument, _default in declarations(rest, self.escape)}
        waiting = list(names)
        while waiting:
            behind = self._behind.get(waiting.pop(), set()) - names
            names |= behind
            waiting += behind
        return frozenset(names)

    def environment(self) -> Environment:
        """What the stages' variables are made of."""
        return Environment(self.name, self.build_args, self.values, self.escape)


def read_dockerfile(
    text: str,
    build_args: Mapping[str, str],
    target: str = "",
    name: str = "Dockerfile",
    platform: str = "linux/amd64",
) -> Dockerfile:
    """Find the images that building ``target`` (default: the last stage) starts from.

    Refuses what the target would take from elsewhere without saying which content it is.
    """
    reader = _Reader(text, build_args, name, platform)
    if not reader.stages:
        raise SttError(
            name,
            found="no FROM instruction",
            needed="a Dockerfile with at least one stage",
            fix="give the Dockerfile of the engine in dockerfile",
        )
    wanted = reader.target(target)
    root = reader.root(wanted)
    reached, images = reader.reach(wanted)
    _check_additions(reader, reached)
    variable = _ONE_VARIABLE.fullmatch(root.written)
    argument = (variable[1] or variable[2]) if variable else None
    return Dockerfile(
        base=root.reference,
        base_argument=argument if argument in reader.declared else None,
        images=tuple(sorted(images - {root.reference, SCRATCH, ""})),
        arguments=reader.arguments(reached),
        stages=tuple(reader.stages),
    )


def _check_additions(reader: _Reader, reached: Sequence[Stage]) -> None:
    """Refuse an ADD of content that its Dockerfile does not name by a digest or a commit."""
    environments: dict[int, Environment] = {}
    for stage in reached:
        if stage.parent is None:
            environment = reader.environment()
        else:
            environment = environments[stage.parent].copy()
        for instruction in stage.body:
            environment.follow(*triggered(instruction.name, instruction.rest))
        environments[reader.stages.index(stage)] = environment


def platform_arguments(platform: str) -> dict[str, str]:
    """The arguments that every Dockerfile has without declaring them."""
    machine = os.uname().machine
    result = {}
    for prefix, text in (("TARGET", platform), ("BUILD", f"linux/{machine}")):
        system, architecture, variant, *_more = [*text.split("/"), "", "", ""]
        architecture = _ARCHITECTURES.get(architecture, architecture)
        if (architecture, variant) in _USUAL_VARIANTS:
            variant = ""
        if architecture == "arm":
            variant = variant or "v7"
        parts = [part for part in (system, architecture, variant) if part]
        for key, value in (
            ("PLATFORM", "/".join(parts)),
            ("OS", system),
            ("ARCH", architecture),
            ("VARIANT", variant),
        ):
            result[f"{prefix}{key}"] = value
    return result


def declared_arguments(text: str) -> frozenset[str]:
    """The names of all build arguments that are declared anywhere."""
    escape = escape_token(text)
    found = (triggered(entry.name, entry.rest) for entry in instructions(text))
    return frozenset(
        argument
        for name, rest in found
        if name == "ARG"
        for argument, _default in declarations(rest, escape)
    )


def declarations(rest: str, escape: str) -> Iterator[tuple[str, str | None]]:
    """The arguments of an ARG with their defaults as written; None when there is none."""
    for word in split(rest, escape):
        argument, equals, default = word.partition("=")
        yield argument, default if equals else None


def copied_sources(instruction: str) -> list[str]:
    """What a COPY or ADD takes from the build context, without patterns, URLs and other stages."""
    name, rest = split_name(instruction)
    flags, rest = split_flags(rest)
    if name not in ("COPY", "ADD") or "<<" in rest:
        return []
    if any(flag.startswith("--from=") for flag in flags):
        return []
    paths = BLANKS.split(rest) if not rest.startswith("[") else json_words(rest) or []
    plain = (path.lstrip("/") for path in paths[:-1] if not re.search(r"[*?\[]|://", path))
    return [path for path in plain if path]


def shadowed(stages: Sequence[Stage], reference: str) -> bool:
    """Whether a stage has the name by which the engine would know this image."""
    name = reference
    for prefix in ("docker.io/library/", "index.docker.io/library/", "docker.io/"):
        if name.startswith(prefix):
            name = name[len(prefix) :]
            break
    name = name.removesuffix(":latest").lower()
    return any(stage.name.lower() == name for stage in stages if stage.name)


def pinned_text(text: str, stages: Sequence[Stage], pins: Mapping[str, str]) -> str:
    """The Dockerfile with other references in place of some images; every line keeps its number."""
    lines = text.split("\n")
    for stage in stages:
        if stage.parent is not None or stage.reference not in pins:
            continue
        words = BLANKS.split(stage.start.rest)
        place = sum(word.startswith("--") for word in words)
        words[place] = pins[stage.reference]
        first, *others = stage.start.lines
        lines[first] = " ".join(["FROM", *words])
        for number in others:
            lines[number] = ""
    return "\n".join(lines)
