# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the containers that a phase needs and puts their results together."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import IO, Any

from ansible_collections.stt.engine.plugins.module_utils._accepted_transcripts import CHECK
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._verify_base import BaseImage, read_base
from ansible_collections.stt.engine.plugins.module_utils._verify_collect import (
    GATES_OF_ENGINE,
    GATES_OF_FILES,
    STEPS,
    SUITE,
    collect,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_container import (
    CheckContainer,
    ContainerRun,
    Part,
    result_key,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_layers import layers_of
from ansible_collections.stt.engine.plugins.module_utils._verify_request import (
    EXPECTED_AS_BUILT,
    VerifyRequest,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_subject import (
    Subject,
    describe_subject,
    environment_of,
    exposed_ports,
    specification,
)

GATES = STEPS["R2"][0]
FILES = "files"
ENGINE = "engine"
REFERENCE = "reference"
# What a check says in its evidence that the image need not have, and lacks.
LACKS = "lacks"
# Where no text is known, what the engine makes of a clip is held against transformers there.
HEARD_BY = {
    ("R5.5", "faster_whisper_texts"): "faster-whisper of the engine image",
    ("R5.5", "faster_whisper_batched"): "the batched pipeline of the engine image",
    ("R5.7", "service_transcribes"): "the service of the engine image",
}
# They are about the judged image; the reference image is held against its own labels.
OF_THE_IMAGE = frozenset({"torch", "torchaudio", "cuda", "user", "uid", "port", *EXPECTED_AS_BUILT})
# A Python distribution's own description: by it the checks know what the base brought.
DESCRIPTIONS = (".dist-info/METADATA", ".egg-info/PKG-INFO")
SHORT_ID = 12
Check = dict[str, Any]


@dataclass
class Judged:
    """What was planned, one result for each, and how the containers ended."""

    planned: list[dict[str, str]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    runs: list[ContainerRun] = field(default_factory=list)

    def add(self, other: Judged) -> None:
        """Put another container's results behind these."""
        self.planned += other.planned
        self.checks += other.checks
        self.runs += other.runs

    def most(self, figure: str) -> int | None:
        """The highest of a figure that each container's end tells."""
        told = [
            message["finished"].get(figure)
            for run in self.runs
            for message in run.messages
            if isinstance(message.get("finished"), dict)
        ]
        return max((value for value in told if value is not None), default=None)


@dataclass
class PhaseRun:
    """One phase on one image; all its containers together have the request's time."""

    docker: DockerCli
    request: VerifyRequest
    subject: Subject
    gpu: bool
    log: IO[bytes]
    started: float = field(default_factory=time.monotonic)
    # By how much its containers have put the end off.
    more_seconds: float = 0.0

    def judge_image(self, image: Mapping[str, Any], base: BaseImage) -> Judged:
        """Phase R2: what the image adds to its base, then what is installed in it."""
        judged = Judged()
        with self.image_parts(image, base) as parts:
            for part, document, gates in parts:
                judged.add(self._run(part, document, [(GATES, name) for name in gates]))
        return judged

    @contextmanager
    def image_parts(
        self, image: Mapping[str, Any], base: BaseImage
    ) -> Iterator[list[tuple[Part, Mapping[str, Any], Sequence[str]]]]:
        """The containers of phase R2: what each is, is told and has to judge."""
        container = f"{self.request.container}-base"
        content = read_base(self.docker, base, container, self.time_left())
        document = {
            **self._document(self.subject),
            "image": describe_image(self.docker, image),
        }
        told = {
            "name": base.name,
            "identities": list(base.identities),
            "layers": list(base.layers),
            "labels": dict(base.labels),
            "repositories": list(base.repositories),
            "packages": content.packages,
        }
        few = {path: one for path, one in content.files.items() if path.endswith(DESCRIPTIONS)}
        image_id, python = self.subject.image_id, self.subject.python
        with ExitStack() as stack:
            layers = stack.enter_context(layers_of(self.docker, image, len(base.layers)))
            files = {"part": FILES, "base": {**told, "files": content.files}}
            engine = {"part": ENGINE, "base": {**told, "files": few}}
            yield [
                (
                    Part(image_id, FILES, everything=True, python=python, layers=layers),
                    {**document, **layers.told, **files},
                    GATES_OF_FILES,
                ),
                (Part(image_id, python=python), {**document, **engine}, GATES_OF_ENGINE),
            ]

    def judge_models(self, reference: Mapping[str, Any] | None) -> Judged:
        """Phases R4 and R5; what the image has no packages for is judged in the reference image."""
        judged = self._run(
            Part(self.subject.image_id, python=self.subject.python),
            self._document(self.subject),
            wanted_checks(self.request, self.subject),
        )
        keys = lacking_keys(judged.checks)
        if reference is None or not keys:
            return judged
        expected = {
            name: value for name, value in self.request.expected.items() if name not in OF_THE_IMAGE
        }
        other = describe_subject(replace(self.request, expected=expected), reference)
        part = Part(other.image_id, REFERENCE, only=tuple(keys), python=other.python)
        document = {**self._document(other), "heard": heard_texts(judged.checks)}
        found = self._run(part, document, keys)
        judged.checks = in_place(judged.checks, found.checks, other.image_id)
        judged.runs += found.runs
        return judged

    def _document(self, subject: Subject) -> dict[str, Any]:
        return specification(self.request, subject, gpu_given=self.gpu)

    def _run(
        self, part: Part, document: Mapping[str, Any], wanted: Sequence[tuple[str, str]]
    ) -> Judged:
        request = replace(self.request, timeout=self.time_left())
        run = CheckContainer(self.docker, request, part).run(document, gpu=self.gpu, log=self.log)
        steps = list(dict.fromkeys(step for step, _name in part.only)) or STEPS[request.phase]
        suite = f"{SUITE}_{part.name}" if part.name else SUITE
        self.more_seconds += run.more_seconds
        limit = self.request.timeout + self.more_seconds
        planned, checks = collect(steps, run, limit, wanted, suite)
        return Judged(planned, checks, [run])

    def seconds(self) -> float:
        """How long it has taken."""
        return round(time.monotonic() - self.started, 3)

    def time_left(self) -> float:
        """What all containers that are yet to come may take together."""
        # Never nothing: whoever is late is told by the container that is stopped at once.
        return max(1.0, self.request.timeout + self.more_seconds - self.seconds())


def wanted_checks(request: VerifyRequest, subject: Subject) -> list[tuple[str, str]]:
    """The checks that must be planned beside those of every step, by step and name."""
    if request.phase == "R2":
        return [(GATES, name) for name in (*GATES_OF_FILES, *GATES_OF_ENGINE)]
    return [*subject.comparison(), *([CHECK] if request.accept_transcripts else ())]


def lacking_keys(checks: Sequence[Check]) -> list[tuple[str, str]]:
    """The checks that were skipped, or held against less, for want of packages in the image."""
    return [
        result_key(check)
        for check in checks
        if check["status"] in ("skipped", "passed") and check["evidence"].get(LACKS)
    ]


def heard_texts(checks: Sequence[Check]) -> dict[str, dict[str, str]]:
    """What the engine's own programs heard in clips of unknown text, by clip and by program."""
    heard: dict[str, dict[str, str]] = {}
    for check in checks:
        program = HEARD_BY.get(result_key(check))
        for entry in check["evidence"].get("transcripts") or () if program else ():
            if entry.get("unknown") and entry.get("text"):
                heard.setdefault(entry["clip"], {})[str(program)] = entry["text"]
    return heard


def in_place(checks: Sequence[Check], others: Sequence[Check], image_id: str) -> list[Check]:
    """The results with those of a reference image in the places of the same checks."""
    short = image_id.removeprefix("sha256:")[:SHORT_ID]
    told = {
        result_key(check): {
            **check,
            "found": f"in the reference image {short}: {check['found']}",
            "evidence": {**check["evidence"], "image": image_id},
        }
        for check in others
    }
    placed = []
    for check in checks:
        other = told.pop(result_key(check), None)
        if other is not None and check["status"] == "passed":
            other["evidence"]["in_engine_image"] = check["evidence"]
        placed.append(other or check)
    return [*placed, *told.values()]


def describe_image(docker: DockerCli, image: Mapping[str, Any]) -> dict[str, Any]:
    """The judged image's configuration, as the checks are told."""
    config: Mapping[str, Any] = image.get("Config") or {}
    return {
        "architecture": str(image.get("Architecture", "")),
        "user": str(config.get("User") or ""),
        "ports": exposed_ports(config),
        "layers": list((image.get("RootFS") or {}).get("Layers") or ()),
        "labels": dict(config.get("Labels") or {}),
        "environment": environment_of(config),
        "history": _history(docker, str(image["Id"])),
    }


def _history(docker: DockerCli, image_id: str) -> list[str]:
    """The commands that made an image, the oldest first."""
    form = ["--no-trunc", "--format", "{{json .CreatedBy}}"]
    done = docker.run(["image", "history", *form, image_id])
    return [str(json.loads(line)) for line in reversed(done.text.splitlines())]
