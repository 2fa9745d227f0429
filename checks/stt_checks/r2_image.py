# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R2.5: the image's configuration and labels say what is true."""

from __future__ import annotations

import pwd
from pathlib import Path

from .image_facts import Base, Image
from .image_labels import OCI, PREFIX, wrong_base, wrong_labels
from .lacks import ANOTHER_ENGINE
from .outcome import Outcome, failed, first_few, passed, require, skipped
from .r2_gate import ENGINE, STEP, of_base, of_image
from .registry import Progress, Registry
from .settings import Settings

registry = Registry()

OS_RELEASE = Path("/etc/os-release")


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
    expected="every label that names a version, an OS, a variant, CUDA or a base names what is "
    "inside, and nothing else than this image was built as",
    fix="build the image again; labels come from the build arguments that its lock belongs to",
    part=ENGINE,
)
@of_base
def labels(settings: Settings, _progress: Progress, image: Image, base: Base) -> Outcome:
    if settings.foreign:
        # What it took over from its base speaks of the base.
        own = {key: value for key, value in image.labels.items() if base.labels.get(key) != value}
        wrong = list(wrong_base(own, base, settings.expected))
        require(not wrong, first_few(wrong), labels=wrong)
        return skipped(ANOTHER_ENGINE)
    names = os_names(OS_RELEASE.read_text(encoding="utf-8"))
    wrong = list(dict.fromkeys(wrong_labels(image, base, settings.expected, names)))
    require(not wrong, first_few(wrong), labels=wrong)
    judged = {key: value for key, value in image.labels.items() if key.startswith((PREFIX, OCI))}
    return passed(f"{len(judged)} labels say what is inside", labels=judged)


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
