# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of Debian 11 for tests, as an auditor's old machine has them; nothing is installed.

`python -m tests.lab.debian11` fetches and unpacks them into the cache and prints where they are.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .layout import cache_root
from .shell import LabError, run

HELPER = "/usr/lib/apt/apt-helper"
POOL = re.compile(r"^'(?P<mirror>[^']+)/dists/[^']*/InRelease' ", re.MULTILINE)
FETCH_SECONDS = 60.0
LIBRARIES = "usr/lib/x86_64-linux-gnu"


@dataclass(frozen=True)
class Package:
    """One package file, by its place in a mirror of Debian and its content."""

    path: str
    sha256: str


OPENSSL = (
    Package(
        "pool/main/o/openssl/openssl_1.1.1w-0+deb11u1_amd64.deb",
        "04873d74cbe86bad3a9901f6e57f1150040eba9891b443c5c975a72a97238e35",
    ),
    Package(
        "pool/main/o/openssl/libssl1.1_1.1.1w-0+deb11u1_amd64.deb",
        "aadf8b4b197335645b230c2839b4517aa444fd2e8f434e5438c48a18857988f7",
    ),
)
BUSYBOX = (
    Package(
        "pool/main/b/busybox/busybox_1.30.1-6+b3_amd64.deb",
        "2aa23d301b2a12064f223bb400e795358b8082ce90b1b986282195e6214bf9c8",
    ),
)


def openssl() -> Path:
    """Debian 11's openssl, 1.1.1."""
    tree = unpacked("openssl-1.1.1", OPENSSL)
    command = tree / "openssl"
    # Its libraries are in the tree; the machine's own configuration is for another version.
    script = (
        f"#!/bin/sh\nLD_LIBRARY_PATH='{tree / LIBRARIES}' OPENSSL_CONF=/dev/null"
        f" exec '{tree / 'usr/bin/openssl'}' \"$@\"\n"
    )
    if not command.is_file() or command.read_text(encoding="utf-8") != script:
        command.write_text(script, encoding="utf-8")
        command.chmod(0o755)
    return command


def busybox() -> Path:
    """Debian 11's busybox, 1.30."""
    return unpacked("busybox-1.30.1", BUSYBOX) / "bin" / "busybox"


def unpacked(name: str, packages: tuple[Package, ...]) -> Path:
    """The tree of some packages below the cache; fetched when it is not there."""
    tree = cache_root() / "debian11" / f"{name}-{packages[0].sha256[:12]}"
    if tree.is_dir():
        return tree
    tree.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tree.parent) as made:
        staging = Path(made) / "tree"
        for package in packages:
            archive = Path(made) / Path(package.path).name
            _fetch(package, archive)
            run(("dpkg-deb", "--extract", str(archive), str(staging)))
        # Two test runs at once bring the same; the later one finds the place taken.
        if not tree.exists():
            staging.rename(tree)
    return tree


def mirrors() -> list[str]:
    """The mirrors that this machine's apt is configured with."""
    listed = run(("apt-get", "update", "--print-uris"), check=False).stdout
    return list(dict.fromkeys(match["mirror"] for match in POOL.finditer(listed)))


def _fetch(package: Package, target: Path) -> None:
    """Fetch by apt itself: its mirror, its proxy, and the content's hash."""
    found = mirrors()
    said = "no mirror in apt's configuration"
    for mirror in found:
        done = run(
            (
                *(HELPER, "-o", "APT::Sandbox::User=root", "download-file"),
                *(f"{mirror}/{package.path}", str(target), f"SHA256:{package.sha256}"),
            ),
            check=False,
            timeout=FETCH_SECONDS,
        )
        if done.returncode == 0 and target.is_file():
            return
        said = " ".join((done.stderr or done.stdout).split())[-300:]
    raise LabError(
        f"{package.path}: found {said or 'no answer'}; needed a mirror of Debian that has this "
        f"file with the sha256 {package.sha256}; fix: let this machine's apt reach one, or put the "
        f"unpacked packages into {cache_root() / 'debian11'}"
    )


def main() -> None:
    """Fetch both and print the directories."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool}: not found on this machine; it needs Debian or Ubuntu")
    print(openssl())
    print(busybox())


if __name__ == "__main__":
    main()
