# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages a file system holds, read from the databases of dpkg and apk.

The base is read with this outside of a container and the image inside of one. The database of rpm
needs rpm itself: it is compared as a file. Standard library only.
"""

from __future__ import annotations

from pathlib import Path

DPKG_STATUS = "var/lib/dpkg/status"
# Images without a shell keep a file for each package.
DPKG_STATUS_DIRECTORY = "var/lib/dpkg/status.d"
APK_INSTALLED = "lib/apk/db/installed"


def is_database(path: str) -> bool:
    """Whether a file of an image tells of packages that can be read here."""
    return path in (DPKG_STATUS, APK_INSTALLED) or (
        path.startswith(f"{DPKG_STATUS_DIRECTORY}/") and not path.endswith(".md5sums")
    )


def packages_of(path: str, text: str) -> tuple[str, dict[str, dict[str, str]]]:
    """The package manager of a database, and name to its fields of every installed package."""
    kind = "apk" if path == APK_INSTALLED else "deb"
    read = _apk if kind == "apk" else _dpkg
    return kind, dict(filter(None, map(read, text.split("\n\n"))))


def described_packages(root: Path) -> dict[str, dict[str, dict[str, str]]]:
    """For each package manager, what its database in a file system says of every package."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    places = [DPKG_STATUS, APK_INSTALLED]
    directory = root / DPKG_STATUS_DIRECTORY
    if directory.is_dir():
        places += sorted(f"{DPKG_STATUS_DIRECTORY}/{path.name}" for path in directory.iterdir())
    for place in places:
        if is_database(place) and (root / place).is_file():
            text = (root / place).read_text(encoding="utf-8", errors="replace")
            kind, packages = packages_of(place, text)
            found.setdefault(kind, {}).update(packages)
    return found


def installed_packages(root: Path) -> dict[str, dict[str, str]]:
    """For each package manager, name to version of every package."""
    return {kind: versions(packages) for kind, packages in described_packages(root).items()}


def versions(packages: dict[str, dict[str, str]]) -> dict[str, str]:
    """Only the versions."""
    return {name: fields["version"] for name, fields in packages.items()}


def _dpkg(paragraph: str) -> tuple[str, dict[str, str]] | None:
    fields = _fields(paragraph, ": ")
    if "Package" not in fields or not fields.get("Status", "installed").endswith("installed"):
        return None
    # An entry that a removed package has left is no package.
    if fields.get("Status", "").endswith(("not-installed", "half-installed")):
        return None
    return fields["Package"], {
        "version": fields.get("Version", ""),
        "architecture": fields.get("Architecture", ""),
        "licence": "",
    }


def _apk(paragraph: str) -> tuple[str, dict[str, str]] | None:
    fields = _fields(paragraph, ":")
    if "P" not in fields:
        return None
    return fields["P"], {
        "version": fields.get("V", ""),
        "architecture": fields.get("A", ""),
        "licence": fields.get("L", ""),
    }


def _fields(paragraph: str, mark: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in paragraph.splitlines():
        name, separator, value = line.partition(mark)
        if separator and name and not name[0].isspace():
            fields.setdefault(name, value.strip())
    return fields
