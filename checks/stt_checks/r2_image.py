# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R2.5: the image's configuration and labels say what is true."""

from __future__ import annotations

import importlib.metadata
import pwd
from collections.abc import Iterator, Mapping
from pathlib import Path

from .image_facts import Base, Image
from .lacks import ANOTHER_ENGINE
from .outcome import Outcome, failed, first_few, passed, require, skipped
from .r2_gate import ENGINE, STEP, of_base, of_image
from .registry import Progress, Registry
from .settings import Settings

registry = Registry()

OS_RELEASE = Path("/etc/os-release")
PREFIX = "stt.engine."
# The labels that name a version of a package; every other one names something else.
PACKAGES = ("torch", "torchaudio", "ctranslate2", "faster-whisper", "transformers")
BASE_DIGEST = f"{PREFIX}base-digest"
OCI_BASE_DIGEST = "org.opencontainers.image.base.digest"


@registry.check(
    STEP,
    "user_and_port",
    expected=lambda settings: (
        f"the image runs as uid {settings.expected.uid} and exposes port {settings.expected.port}"
    ),
    fix="set USER and EXPOSE in the Dockerfile",
    part=ENGINE,
)
@of_image
def user_and_port(settings: Settings, _progress: Progress, image: Image) -> Outcome:
    wanted = settings.expected
    name = image.user.partition(":")[0]
    require(bool(name), "the image names no user, so that it would run as root")
    try:
        uid = int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid
    except KeyError:
        return failed(f"the image's user {name} has no entry in its /etc/passwd")
    require(uid == wanted.uid, f"the image runs as uid {uid}")
    exposed = ", ".join(map(str, image.ports)) or "no port"
    require(wanted.port in image.ports, f"the image exposes {exposed}")
    return passed(f"USER {image.user}, EXPOSE {exposed}", ports=list(image.ports))


@registry.check(
    STEP,
    "labels",
    expected="every label that names a version, an OS, a variant or a base names what is inside",
    fix="build the image again; labels come from the build arguments that its lock belongs to",
    part=ENGINE,
)
@of_base
def labels(settings: Settings, _progress: Progress, image: Image, base: Base) -> Outcome:
    if settings.foreign:
        return skipped(ANOTHER_ENGINE)
    wrong = [
        *_wrong_versions(image.labels),
        *_wrong_os(settings, image.labels),
        *_wrong_base(image.labels, base),
    ]
    require(not wrong, first_few(wrong), labels=wrong)
    judged = {key: value for key, value in image.labels.items() if key.startswith(PREFIX)}
    return passed(f"{len(judged)} labels say what is inside", labels=judged)


def _wrong_versions(told: Mapping[str, str]) -> Iterator[str]:
    for package in PACKAGES:
        label = f"{PREFIX}{package}"
        if label not in told:
            continue
        version = told[label]
        try:
            found = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found = ""
        same = found == version if "+" in version else found.partition("+")[0] == version
        if not same:
            yield (
                f"label {label} says {version or 'nothing'}, "
                f"installed is {found or 'nothing of that name'}"
            )
    variant, torch = told.get(f"{PREFIX}variant"), _is_installed("torch")
    if variant not in ("full", "slim"):
        yield f"label {PREFIX}variant says {variant!r}, which is no variant of this collection"
    elif (variant == "full") != torch:
        yield f"label {PREFIX}variant says {variant}, and torch is {'' if torch else 'not '}there"


def _wrong_os(settings: Settings, told: Mapping[str, str]) -> Iterator[str]:
    names = os_names(OS_RELEASE.read_text(encoding="utf-8"))
    said = {
        f"label {PREFIX}os says": told.get(f"{PREFIX}os", ""),
        "this release is for": settings.expected.os or "",
    }
    for sentence, name in said.items():
        if name and name not in names:
            yield f"{sentence} {name}, /etc/os-release says {' or '.join(sorted(names))}"


def _wrong_base(told: Mapping[str, str], base: Base) -> Iterator[str]:
    for label in (BASE_DIGEST, OCI_BASE_DIGEST):
        digest = told.get(label, "")
        if digest and digest not in base.identities:
            yield f"label {label} says {digest}, the base {base.name} is {base.identities[0]}"


def os_names(text: str) -> set[str]:
    """The names that an os-release file allows, with all or only the first of its version.

    RHEL 8.10 is rhel810 and rhel8, Debian 12 is debian12.
    """
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, mark, value = line.partition("=")
        if mark:
            fields[name.strip()] = value.strip().strip("\"'")
    version = fields.get("VERSION_ID", "").split(".")
    return {fields.get("ID", "") + version[0], fields.get("ID", "") + "".join(version)}


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
