# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds an image's labels against what is inside and against what the caller built it as."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator, Mapping

from .image_facts import Base, Image
from .settings import Expected

PREFIX = "stt.engine."
OCI = "org.opencontainers.image."
# The labels that name a version of a package; every other one names something else.
PACKAGES = ("torch", "torchaudio", "ctranslate2", "faster-whisper", "transformers")
VARIANT, CUDA, OS = f"{PREFIX}variant", f"{PREFIX}cuda", f"{PREFIX}os"
VARIANTS = ("full", "slim")
BASE_DIGESTS = (f"{PREFIX}base-digest", f"{OCI}base.digest")
BASE_NAME = f"{OCI}base.name"
CUDA_TEXT = re.compile(r"cu\d{2,}")
# What every image of this collection says of itself, whatever is in it.
TITLE = {"name": "stt-engine", f"{OCI}title": "stt-engine"}
LICENCES = {f"{OCI}licenses": "GPL-3.0-or-later AND LicenseRef-packages"}
VERSIONS = ("version", f"{OCI}version")
REVISIONS = ("vcs-ref", f"{OCI}revision")
HUB = ("docker.io/library/", "index.docker.io/library/", "docker.io/")


def wrong_labels(image: Image, base: Base, expected: Expected, os_names: set[str]) -> Iterator[str]:
    """Every label of this collection's own image that is not true, and every one that lacks."""
    told = image.labels
    yield from _wrong_versions(told)
    yield from _wrong_variant(told)
    if not CUDA_TEXT.fullmatch(told.get(CUDA, "")):
        yield f"label {CUDA} says {_said(told, CUDA)}, which is no CUDA version such as cu129"
    if not told.get(OS):
        yield f"label {OS} says nothing"
    yield from _wrong_os(told, expected, os_names)
    yield from wrong_base(told, base, expected)
    yield from _unlike(told, _as_built(expected))


def wrong_base(told: Mapping[str, str], base: Base, expected: Expected) -> Iterator[str]:
    """Labels, any engine's, that tell of another base than the image was built on."""
    for label in BASE_DIGESTS:
        digest = told.get(label, "")
        known = {*base.identities, expected.base_digest or ""}
        if digest and digest not in known:
            yield f"label {label} says {digest}, the base {base.name} is {base.identities[0]}"
    name = told.get(BASE_NAME, "")
    if not name:
        return
    if expected.base is not None:
        yield from _unlike(told, {BASE_NAME: expected.base})
    elif base.repositories and repository(name) not in base.repositories:
        known_as = " and ".join(base.repositories)
        yield f"label {BASE_NAME} says {name}, the base is known as {known_as}"


def repository(reference: str) -> str:
    """The reference without tag and digest, in the short form that Docker lists."""
    head, slash, tail = reference.partition("@")[0].rpartition("/")
    name = head + slash + tail.partition(":")[0]
    for prefix in HUB:
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name


def _as_built(expected: Expected) -> dict[str, str]:
    """What the labels of an image have to say that the caller has built."""
    if expected.variant is None:
        return {}
    wanted = {VARIANT: expected.variant, **TITLE, **LICENCES}
    if expected.cuda_label is not None:
        wanted[CUDA] = expected.cuda_label
    if expected.base is not None:
        wanted[BASE_NAME] = expected.base
    if expected.base_digest is not None:
        wanted |= dict.fromkeys(BASE_DIGESTS, expected.base_digest)
    for labels, value in ((VERSIONS, expected.version), (REVISIONS, expected.revision)):
        if value is not None:
            wanted |= dict.fromkeys(labels, value)
    return wanted


def _unlike(told: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[str]:
    for label, value in wanted.items():
        if told.get(label, "") != value:
            yield f"label {label} says {_said(told, label)}, this image was built as {value!r}"


def _said(told: Mapping[str, str], label: str) -> str:
    return repr(told[label]) if told.get(label) else "nothing"


def _wrong_versions(told: Mapping[str, str]) -> Iterator[str]:
    for package in PACKAGES:
        label = f"{PREFIX}{package}"
        version = told.get(label, "")
        found = _installed(package)
        same = found == version if "+" in version else found.partition("+")[0] == version
        if not same:
            yield (
                f"label {label} says {version or 'nothing'}, "
                f"installed is {found or 'nothing of that name'}"
            )


def _wrong_variant(told: Mapping[str, str]) -> Iterator[str]:
    variant, torch = told.get(VARIANT, ""), bool(_installed("torch"))
    if variant not in VARIANTS:
        yield f"label {VARIANT} says {variant!r}, which is no variant of this collection"
    elif (variant == "full") != torch:
        yield f"label {VARIANT} says {variant}, and torch is {'' if torch else 'not '}there"


def _wrong_os(told: Mapping[str, str], expected: Expected, names: set[str]) -> Iterator[str]:
    said = {f"label {OS} says": told.get(OS, ""), "this release is for": expected.os or ""}
    for sentence, name in said.items():
        if name and name not in names:
            yield f"{sentence} {name}, /etc/os-release says {' or '.join(sorted(names))}"


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
