# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the image's lowest own layer: the service's user and its directories.

    python3 base.py --os rhel8 --user stt-user --uid 2000

Adds no package and needs no useradd. Refuses a base that is not what the build says it is.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from image.layer import LayerError, begin, finish

PYTHON = (3, 11)
HOME = "/opt/app-root/src"
PREFIX = Path("/opt/app-root")


def os_names(os_release: str) -> set[str]:
    """Return the names that an os-release file allows, with all or only the first of its version.

    RHEL 8.10 is rhel810 and rhel8, Debian 12 is debian12.
    """
    fields = {}
    for line in os_release.splitlines():
        name, separator, value = line.partition("=")
        if separator:
            fields[name.strip()] = value.strip().strip("\"'")
    version = fields.get("VERSION_ID", "").split(".")
    return {fields.get("ID", "") + version[0], fields.get("ID", "") + "".join(version)}


def check_base(expected_os: str) -> None:
    """Refuse a base with another operating system, processor or Python than stated."""
    names = sorted(os_names(Path("/etc/os-release").read_text()))
    if expected_os not in names:
        raise LayerError(
            f"base image: found {' or '.join(names)} in /etc/os-release; needed {expected_os}; "
            "fix: set the build argument OS to what the base is, or choose another BASE_IMAGE"
        )
    if platform.machine() != "x86_64":
        raise LayerError(
            f"base image: found processor {platform.machine()}; needed x86_64; "
            "fix: build with --platform linux/amd64"
        )
    if sys.version_info[:2] != PYTHON or Path(sys.prefix) != PREFIX:
        raise LayerError(
            f"base image: found Python {platform.python_version()} in {sys.prefix}; needed "
            f"Python 3.11 in {PREFIX}; fix: choose a python-311 image of the s2i layout"
        )


def add_entry(database: Path, name: str, number: int, line: str) -> None:
    """Add a user or group unless it is there; refuse one that another name or number holds."""
    text = database.read_text()
    for entry in text.splitlines():
        fields = entry.split(":")
        if len(fields) < 3 or (fields[0] != name and fields[2] != str(number)):
            continue
        if fields[0] == name and fields[2] == str(number):
            return
        raise LayerError(
            f"{database}: found {fields[0]} with number {fields[2]}; needed {name} with number "
            f"{number}; fix: choose a base image that leaves both free"
        )
    with database.open("a") as stream:
        stream.write(("" if text.endswith("\n") or not text else "\n") + line + "\n")


def make_directory(path: Path, owner: int) -> None:
    """Make a directory that belongs to the given user and group."""
    path.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.chmod(0o755)
    os.chown(path, owner, owner)


def main(arguments: list[str] | None = None) -> int:
    """Check the base, then add user and directories."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--os", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--uid", required=True, type=int)
    options = parser.parse_args(arguments)
    since = begin()
    try:
        check_base(options.os)
        user, uid = options.user, options.uid
        add_entry(Path("/etc/group"), user, uid, f"{user}:x:{uid}:")
        account = f"{user}:x:{uid}:{uid}:Speech to text service:{HOME}:/sbin/nologin"
        add_entry(Path("/etc/passwd"), user, uid, account)
        make_directory(Path("/app"), 0)
        for name in ("/app/logs", "/app/models", f"{HOME}/.cache"):
            make_directory(Path(name), uid)
    except (LayerError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    finish(since)
    return 0


if __name__ == "__main__":
    sys.exit(main())
