# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R2.5: nothing secret in what made the image, in its settings or in the files that it adds."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from .image_facts import Image
from .image_files import AddedFile, AddedFiles
from .outcome import Outcome, first_few, passed, require
from .r2_files import ROOT
from .r2_gate import FILES, STEP, of_added, of_image
from .registry import Progress, Registry
from .secret_patterns import (
    masked,
    secrets_in_command,
    secrets_in_login_file,
    secrets_in_settings,
)
from .settings import Settings

registry = Registry()

# Nothing that is secret is larger; what is larger is counted in the evidence.
LARGEST = 16 << 20
COMPILED = "__pycache__"
SECRETS = "run/secrets/"


@registry.check(
    STEP,
    "secrets",
    expected="no token, password, private key or URL with credentials in history, environment, "
    "labels and added files",
    fix="make the secret invalid where it is known, then give it to the build as a secret "
    "(--mount=type=secret), never by ARG, ENV, COPY or in a command",
    deadline=300,
    part=FILES,
)
@of_image
def secrets(settings: Settings, progress: Progress, image: Image) -> Outcome:
    found = [*_in_configuration(image)]
    body = of_added(lambda _settings, added: _judge(found, added, progress))
    return body(settings, progress)


def _judge(found: list[str], added: AddedFiles, progress: Progress) -> Outcome:
    recorded = recorded_files()
    judged = [file for file in added.files if not _is_recorded(file.path, recorded)]
    large = [file.path for file in judged if file.size > LARGEST]
    for file in judged:
        if file.size <= LARGEST:
            progress(f"reading {file.path}")
            found += [f"{kind} in {file.path}" for kind in in_file(ROOT, file)]
    require(not found, f"{len(found)} secrets: {first_few(found)}", secrets=found)
    return passed(
        f"nothing secret in history, environment, labels and {len(judged) - len(large)} files that "
        "no package brought",
        files=len(judged),
        too_large=large[:50],
    )


def _in_configuration(image: Image) -> Iterator[str]:
    for number, command in enumerate(image.history, start=1):
        for kind in dict.fromkeys(secrets_in_command(command)):
            yield f"{kind} in step {number} of the history ({masked(command)})"
    yield from (f"{kind} in the environment" for kind in secrets_in_settings(image.environment))
    yield from (f"{kind} in the labels" for kind in secrets_in_settings(image.labels))


def in_file(root: Path, file: AddedFile) -> Iterable[str]:
    """The kinds of secrets in one file."""
    text = (root / file.path).read_bytes().decode("utf-8", "replace")
    kinds = list(dict.fromkeys(secrets_in_login_file(PurePosixPath(file.path).name, text)))
    if not kinds and file.path.startswith(SECRETS) and text.strip():
        kinds.append("a file that only a secret has a reason to be")
    return kinds


def recorded_files() -> frozenset[str]:
    """The files that installed packages brought, as their records say, without the first slash."""
    return frozenset(
        # Not resolved: a package's file is where its record says, whatever it leads to.
        os.path.normpath(str(package.locate_file(file))).lstrip("/")
        for package in importlib.metadata.distributions()
        for file in package.files or ()
    )


def _is_recorded(path: str, recorded: frozenset[str]) -> bool:
    if path in recorded:
        return True
    place = PurePosixPath(path)
    # Compiled from a recorded source, by whoever installed it.
    source = str(place.parent.parent / f"{place.name.partition('.')[0]}.py")
    return place.suffix == ".pyc" and place.parent.name == COMPILED and source in recorded
