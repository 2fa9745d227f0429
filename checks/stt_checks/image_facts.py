# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine that runs containers knows of the image and of its base, as the checks are told.

An entry of the base's files is ``l:<target>`` for a link and ``f:<size>:<sha256>:<s>`` for a file,
the last part ``s`` when it runs with its owner's rights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Base:
    """The image that everything else was added to."""

    name: str
    identities: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    # Of each package manager, its packages with their versions.
    packages: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    # The names, without tags, under which the host knows it.
    repositories: tuple[str, ...] = ()

    @property
    def distributions(self) -> frozenset[str]:
        """Python distributions that were there before, by their normalised names."""
        found = (DISTRIBUTION.search(path) for path in self.files)
        return frozenset(normalised(match.group(1)) for match in found if match)


@dataclass(frozen=True)
class Image:
    """The judged image's configuration."""

    architecture: str = ""
    user: str = ""
    ports: tuple[int, ...] = ()
    layers: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    # The commands that made it, the oldest first.
    history: tuple[str, ...] = ()


DISTRIBUTION = re.compile(r"/([^/]+?)-[^/-]+\.(?:dist|egg)-info/(?:METADATA|PKG-INFO)$")


def normalised(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def image_of(document: Mapping[str, Any] | None) -> Image | None:
    """The image that a specification describes; None when it describes none."""
    if document is None:
        return None
    return Image(
        architecture=str(document.get("architecture", "")),
        user=str(document.get("user", "")),
        ports=tuple(int(port) for port in document.get("ports", ())),
        layers=tuple(document.get("layers", ())),
        labels=dict(document.get("labels", {})),
        environment=dict(document.get("environment", {})),
        history=tuple(document.get("history", ())),
    )


def base_of(document: Mapping[str, Any] | None) -> Base | None:
    """The base that a specification describes; None when it describes none."""
    if document is None:
        return None
    return Base(
        name=str(document["name"]),
        identities=tuple(document.get("identities", ())),
        layers=tuple(document.get("layers", ())),
        files=dict(document.get("files", {})),
        packages=dict(document.get("packages", {})),
        labels=dict(document.get("labels", {})),
        repositories=tuple(document.get("repositories", ())),
    )
