# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R2.5: what is inside, by name, version and licence: the parts of a bill of materials."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ._os_packages import described_packages
from .image_facts import normalised
from .outcome import CheckFailedError, Outcome, passed, require, skipped
from .r2_gate import ENGINE, NOT_CONTAINED, STEP
from .registry import Progress, Registry
from .settings import Settings

registry = Registry()

ROOT = Path("/")
RPM_DIRECTORIES = (Path("/var/lib/rpm"), Path("/usr/lib/sysimage/rpm"))
RPM_FORMAT = "%{NAME}\\t%{EPOCHNUM}\\t%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{LICENSE}\\n"
RPM_SECONDS = 60.0
LONGEST_LICENCE = 200
OSI = "License :: OSI Approved :: "
LICENCE_LINE = re.compile(r"(?m)^License:[ \t]*(\S[^\n]*)$")


@registry.check(
    STEP,
    "inventory",
    expected="every installed Python distribution and OS package tells its name and version",
    fix="build the image from a base whose package database is there and readable",
    deadline=120,
    part=ENGINE,
)
def inventory(settings: Settings, _progress: Progress) -> Outcome:
    if not settings.container:
        return skipped(NOT_CONTAINED)
    python = sorted(_python(), key=lambda one: (one["name"], one["version"]))
    system = sorted(_system(), key=lambda one: (one["kind"], one["name"], one["version"]))
    require(bool(python), "not one Python distribution is installed")
    # An image may be made without any package manager; then there is nothing to ask.
    nameless = [one for one in (*python, *system) if not one["name"] or not one["version"]]
    require(not nameless, f"{len(nameless)} entries without a name or version")
    return passed(
        f"{len(python)} Python distributions and {len(system)} OS packages",
        components=[*system, *python],
    )


def _python() -> Iterator[dict[str, str]]:
    for package in importlib.metadata.distributions():
        name = normalised(package.metadata["Name"] or "")
        yield _component(
            "pypi", name, package.version, _licence(package.metadata), f"pypi/{quote(name)}"
        )


def _licence(metadata: Any) -> str:
    """The licence that a distribution names, in the newest way that it uses."""
    for key in ("License-Expression", "License"):
        told = str(metadata.get(key) or "").strip()
        if told and "\n" not in told and len(told) <= LONGEST_LICENCE:
            return told
    classifiers = [str(one) for one in metadata.get_all("Classifier") or ()]
    return ", ".join(one[len(OSI) :] for one in classifiers if one.startswith(OSI))


def _system() -> Iterator[dict[str, str]]:
    distribution = _os_id()
    for kind, packages in described_packages(ROOT).items():
        for name, fields in packages.items():
            licence = fields["licence"] or (_debian_licence(name) if kind == "deb" else "")
            place = f"{kind}/{distribution}/{quote(name)}"
            yield _component(kind, name, fields["version"], licence, place, fields["architecture"])
    yield from _rpm(distribution)


def _rpm(distribution: str) -> Iterator[dict[str, str]]:
    database = next((path for path in RPM_DIRECTORIES if path.is_dir()), None)
    program = shutil.which("rpm")
    if database is None or not any(database.iterdir()):
        return
    if program is None:
        raise CheckFailedError(f"there is a database in {database}, and no rpm that reads it")
    with tempfile.TemporaryDirectory() as directory:
        # A copy, because rpm wants to write into its database even to read it.
        copy = Path(directory) / "rpm"
        shutil.copytree(database, copy, ignore=shutil.ignore_patterns("__db.*", ".*"))
        command = [program, "--dbpath", str(copy), "-qa", "--queryformat", RPM_FORMAT]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=RPM_SECONDS, check=False
        )
    require(done.returncode == 0, f"rpm -qa: {done.stderr.strip()[-300:]}")
    for line in done.stdout.splitlines():
        name, epoch, version, architecture, licence = line.split("\t", 4)
        # The keys that packages are signed with are kept as packages.
        if name == "gpg-pubkey":
            continue
        full = version if epoch in ("0", "(none)", "") else f"{epoch}:{version}"
        place = f"rpm/{distribution}/{quote(name)}"
        yield _component("rpm", name, full, licence, place, architecture)


def _component(
    kind: str, name: str, version: str, licence: str, place: str, architecture: str = ""
) -> dict[str, str]:
    suffix = f"?arch={quote(architecture)}" if architecture else ""
    return {
        "kind": kind,
        "name": name,
        "version": version,
        "licence": licence,
        "purl": f"pkg:{place}@{quote(version)}{suffix}",
    }


def _debian_licence(name: str) -> str:
    """The licences that a package's copyright file names; empty where it is left out or prose."""
    path = Path("/usr/share/doc") / name.partition(":")[0] / "copyright"
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    joined = " AND ".join(dict.fromkeys(match.strip() for match in LICENCE_LINE.findall(text)))
    return joined if len(joined) <= LONGEST_LICENCE else ""


def _os_id() -> str:
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    fields: Mapping[str, str] = dict(line.split("=", 1) for line in lines if "=" in line)
    return fields.get("ID", "linux").strip("\"'")
