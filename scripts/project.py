# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write an operator's own directory: playbook, inventory, configuration and the collection itself.

Usage: project.py DIRECTORY. Nothing that exists is overwritten; everything is written or nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
TEMPLATES = CHECKOUT / "scripts" / "templates" / "project"
INVENTORY = CHECKOUT / "inventory" / "build"
# Where each template goes; a dot file is kept without its dot so that git does not obey it here.
NAMES = {
    "README.md": "README.md",
    "ansible.cfg": "ansible.cfg",
    "gitignore": ".gitignore",
    "release.yml": "release.yml",
    "compare.yml": "compare.yml",
    "verify.yml": "verify.yml",
}


class ProjectError(Exception):
    """The directory cannot be written; the message says what was found, needed and the fix."""


def collection_version() -> str:
    """The version that galaxy.yml names."""
    match = re.search(r"^version: (\S+)$", (CHECKOUT / "galaxy.yml").read_text(), re.MULTILINE)
    if match is None:
        raise ProjectError("galaxy.yml: found no version; needed one; fix: restore the file")
    return match[1]


def galaxy(*arguments: str, collections: Path) -> None:
    """Run ansible-galaxy's collection command, seeing only the given place for collections."""
    command = ["ansible-galaxy", "collection", *arguments]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections)}
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=CHECKOUT, env=environment
    )
    if done.returncode != 0:
        raise ProjectError(
            f"{' '.join(command)}: ended with {done.returncode}: {done.stderr.strip()}"
        )


def install_collection(collections: Path) -> None:
    """Build the collection from this checkout and install the archive, without a network."""
    with tempfile.TemporaryDirectory(prefix="stt-engine-archive-") as directory:
        galaxy("build", "--output-path", directory, collections=collections)
        archive = str(next(Path(directory).glob("*.tar.gz")))
        install = ["install", archive, "-p", str(collections), "--offline", "--no-deps"]
        galaxy(*install, collections=collections)


def fill(staging: Path) -> None:
    """Write the whole content of an operator's directory."""
    values = {"@VENV@": str(CHECKOUT / ".venv"), "@VERSION@": collection_version()}
    for template, name in NAMES.items():
        text = (TEMPLATES / template).read_text(encoding="utf-8")
        for mark, value in values.items():
            text = text.replace(mark, value)
        (staging / name).write_text(text, encoding="utf-8")
    shutil.copytree(INVENTORY, staging / "build")
    install_collection(staging / "collections")


def write_project(destination: Path) -> None:
    """Fill a staging directory, then move its content to a destination that has none of it."""
    wanted = [*NAMES.values(), "build", "collections"]
    existing = sorted(name for name in wanted if os.path.lexists(destination / name))
    if existing:
        raise ProjectError(
            f"{destination}: found {', '.join(existing)}; needed a directory without them, as "
            "nothing is overwritten; fix: choose another DIR, or move these away"
        )
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".stt-project-", dir=destination) as directory:
        staging = Path(directory)
        fill(staging)
        for name in wanted:
            (staging / name).rename(destination / name)


def main(arguments: list[str]) -> int:
    """Write the directory, say what comes next, and return the exit status."""
    if len(arguments) != 1 or not arguments[0]:
        print(
            "DIR: found nothing; needed a directory; fix: make project DIR=/path/to/releases",
            file=sys.stderr,
        )
        return 2
    destination = Path(arguments[0]).expanduser().absolute()
    print(f"==> Writing an operator's directory into {destination} (seconds)")
    try:
        write_project(destination)
    except (ProjectError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"    Next: name your build server in {destination}/build/hosts.yml,\n"
        "    read build/group_vars/build.yml, then\n"
        f"      export LC_ALL=C.UTF-8 PATH={CHECKOUT}/.venv/bin:$PATH\n"
        f"      cd {destination} && ansible-playbook release.yml -i build"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
