# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R2.5: nothing secret in what made the image, in its settings, its files or its layers."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from .image_facts import Image
from .image_files import AddedFiles
from .image_layers import Hidden, judge_archive, judge_directories
from .outcome import Outcome, first_few, passed, require
from .r2_files import ROOT
from .r2_gate import FILES, STEP, of_added, of_image
from .registry import Progress, Registry
from .secret_commands import masked, secrets_in_command
from .secret_files import LARGEST, secrets_in_content
from .secret_patterns import secrets_in_settings
from .settings import Settings

registry = Registry()

COMPILED = "__pycache__"
UNTOLD = "the caller gave no layers to look at"


@registry.check(
    STEP,
    "secrets",
    expected="no token, password, private key or URL with credentials in history, environment, "
    "labels, added files and what later layers removed",
    fix="make the secret invalid where it is known, then give it to the build as a secret "
    "(--mount=type=secret), never by ARG, ENV, COPY or in a command; a step that removes a file "
    "leaves it in the layer before",
    # A whole saved image may have to be read.
    deadline=900,
    part=FILES,
)
@of_image
def secrets(settings: Settings, progress: Progress, image: Image) -> Outcome:
    found = [*_in_configuration(image)]
    body = of_added(lambda _settings, added: _judge(settings, found, added, progress))
    return body(settings, progress)


def _judge(settings: Settings, found: list[str], added: AddedFiles, progress: Progress) -> Outcome:
    recorded = recorded_files()
    judged = [file for file in added.files if not is_recorded(file.path, recorded)]
    large = [file.path for file in judged if file.size > LARGEST]
    for file in judged:
        if file.size <= LARGEST:
            progress(f"reading {file.path}")
            kinds = secrets_in_content(file.path, (ROOT / file.path).read_bytes())
            found += [f"{kind} in {file.path}" for kind in kinds]
    hidden = _in_layers(settings, recorded, progress)
    found += hidden.found
    require(not found, f"{len(found)} secrets: {first_few(found)}", secrets=found)
    return passed(
        f"nothing secret in history, environment, labels, {len(judged) - len(large)} files that "
        f"no package brought and {hidden.count} that later layers removed or replaced",
        files=len(judged),
        removed=hidden.count,
        too_large=[*large, *hidden.large][:50],
    )


def _in_layers(settings: Settings, recorded: frozenset[str], progress: Progress) -> Hidden:
    """What the layers hold that the image shows no more."""

    def brought(path: str, more: set[str]) -> bool:
        return is_recorded(path, recorded | more)

    if settings.layers is not None:
        return judge_directories(settings.layers, ROOT, brought, progress)
    require(settings.layer_archive is not None, UNTOLD, fix="run the checks by stt_image_verify")
    base = len(settings.base.layers) if settings.base is not None else 0
    return judge_archive(settings.layer_archive or Path(), ROOT, base, brought, progress)


def _in_configuration(image: Image) -> Iterator[str]:
    for number, command in enumerate(image.history, start=1):
        for kind in dict.fromkeys(secrets_in_command(command)):
            yield f"{kind} in step {number} of the history ({masked(command)})"
    yield from (f"{kind} in the environment" for kind in secrets_in_settings(image.environment))
    yield from (f"{kind} in the labels" for kind in secrets_in_settings(image.labels))


def recorded_files() -> frozenset[str]:
    """The files that installed packages brought, as their records say, without the first slash."""
    return frozenset(
        # Not resolved: a package's file is where its record says, whatever it leads to.
        os.path.normpath(str(package.locate_file(file))).lstrip("/")
        for package in importlib.metadata.distributions()
        for file in package.files or ()
    )


def is_recorded(path: str, recorded: frozenset[str]) -> bool:
    """Whether a package brought a file, or whoever installed it has compiled it."""
    if path in recorded:
        return True
    place = PurePosixPath(path)
    source = str(place.parent.parent / f"{place.name.partition('.')[0]}.py")
    return place.suffix == ".pyc" and place.parent.name == COMPILED and source in recorded
