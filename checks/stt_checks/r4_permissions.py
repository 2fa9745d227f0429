# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R4.4: the user and what it may and may not write."""

from __future__ import annotations

import contextlib
import getpass
import os
from pathlib import Path

from .outcome import CheckFailedError, Outcome, failed, passed, require, skipped
from .registry import Progress, Registry
from .settings import Settings

registry = Registry()

PROBE = ".stt-write-probe"
CONTENT = b"written by the permission check\n"
OWNERSHIP = "in the Dockerfile create {} and give it to the user (chown 2000)"


@registry.check(
    "R4.4",
    "whoami",
    expected=lambda settings: f"the user is {settings.user or 'one with a name'}",
    fix="create the user stt-user with uid 2000 in the image",
)
def whoami(settings: Settings, _progress: Progress) -> Outcome:
    if not settings.container:
        return skipped("not run in a container")
    try:
        name = getpass.getuser()
    except (KeyError, OSError) as error:
        return failed(f"the user's name cannot be told: {error}")
    require(settings.user in (None, name), f"the user is {name}")
    return passed(f"the user is {name}, uid {os.getuid()}")


@registry.check(
    "R4.4",
    "cache_writable",
    expected=lambda settings: f"a file can be written, read and removed in {settings.cache}",
    fix=OWNERSHIP.format("/opt/app-root/src/.cache"),
)
def cache_writable(settings: Settings, _progress: Progress) -> Outcome:
    if not settings.container:
        return skipped("not run in a container")
    _write_read_remove(settings.cache)
    return passed(f"a file was written, read and removed in {settings.cache}")


@registry.check(
    "R4.4",
    "logs_writable",
    expected=lambda settings: f"a file can be written, read and removed in {settings.logs}",
    fix=OWNERSHIP.format("/app/logs"),
)
def logs_writable(settings: Settings, _progress: Progress) -> Outcome:
    if not settings.container:
        return skipped("not run in a container")
    _write_read_remove(settings.logs)
    return passed(f"a file was written, read and removed in {settings.logs}")


@registry.check(
    "R4.4",
    "elsewhere_refused",
    expected="writing anywhere else is refused",
    fix="start the container with --read-only and mount nothing writable but cache and logs",
)
def elsewhere_refused(settings: Settings, _progress: Progress) -> Outcome:
    if not settings.container:
        return skipped("not run in a container")
    places = [settings.app, Path("/"), Path("/etc"), Path("/usr"), Path("/opt")]
    package = settings.app / "stt_engine"
    if package.is_dir():
        places.append(package)
    for place in places:
        probe = place / PROBE
        try:
            probe.write_bytes(CONTENT)
        except OSError:
            continue
        with contextlib.suppress(OSError):
            probe.unlink()
        return failed(f"a file could be made in {place}")
    return passed("writing was refused in " + ", ".join(str(place) for place in places))


def _write_read_remove(directory: Path) -> None:
    probe = directory / PROBE
    try:
        probe.write_bytes(CONTENT)
        same = probe.read_bytes() == CONTENT
        probe.unlink()
    except OSError as error:
        owner = _owner(directory)
        raise CheckFailedError(
            f"{directory}: {error.strerror}{owner}, and the user is uid {os.getuid()}"
        ) from error
    require(same, f"{directory} gave back other bytes than were written")


def _owner(directory: Path) -> str:
    try:
        found = directory.stat()
    except OSError:
        return ""
    return f"; it belongs to uid {found.st_uid} with mode {found.st_mode & 0o7777:04o}"
