# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a base holds is read out of its archive, and which image is the base out of labels."""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._os_packages import (
    is_database,
    packages_of,
    versions,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_base import (
    find_base,
    read_files,
)

STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u13
Description: GNU C Library
 with: a second line

Package: gone
Status: deinstall ok config-files
Version: 1

Package: never
Status: unknown ok not-installed
Version: 2
"""
APK = "P:musl\nV:1.2.5-r9\nA:x86_64\nL:MIT\nF:lib\nR:libc.so\n\nP:zlib\nV:1.3\n"


def archive(*entries: tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as made:
        for info, data in entries:
            info.size = len(data) if info.isreg() else 0
            made.addfile(info, io.BytesIO(data))
    packed.seek(0)
    return packed


def entry(
    name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, **fields: Any
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_every_kind_of_file_is_told_apart() -> None:
    content = read_files(
        archive(
            entry("usr/", kind=tarfile.DIRTYPE),
            entry("./usr/a", b"abc"),
            entry("usr/sudo", b"abc", mode=0o4755),
            entry("usr/b", kind=tarfile.LNKTYPE, linkname="./usr/a"),
            entry("usr/c", kind=tarfile.SYMTYPE, linkname="../etc/c"),
            entry("dev/null", kind=tarfile.CHRTYPE),
            entry("var/lib/dpkg/status", STATUS.encode()),
        )
    )
    assert content.files == {
        "usr/a": f"f:3:{digest(b'abc')}:",
        "usr/sudo": f"f:3:{digest(b'abc')}:s",
        "usr/b": f"f:3:{digest(b'abc')}:",
        "usr/c": "l:../etc/c",
        "var/lib/dpkg/status": f"f:{len(STATUS)}:{digest(STATUS.encode())}:",
    }
    assert content.packages == {"deb": {"libc6": "2.36-9+deb12u13"}}


def test_half_an_archive_is_no_base() -> None:
    whole = archive(entry("a", b"x" * 5000)).getvalue()
    with pytest.raises(tarfile.TarError):
        read_files(io.BytesIO(whole[:2000]))


def test_packages_are_read_of_dpkg_and_apk() -> None:
    kind, packages = packages_of("lib/apk/db/installed", APK)
    assert (kind, versions(packages)) == ("apk", {"musl": "1.2.5-r9", "zlib": "1.3"})
    assert packages["musl"] == {"version": "1.2.5-r9", "architecture": "x86_64", "licence": "MIT"}
    kind, packages = packages_of("var/lib/dpkg/status.d/libc6", STATUS)
    assert (kind, versions(packages)) == ("deb", {"libc6": "2.36-9+deb12u13"})
    assert is_database("var/lib/dpkg/status.d/libc6")
    assert not is_database("var/lib/dpkg/status.d/libc6.md5sums")
    assert not is_database("var/lib/dpkg/status-old")


class Host(DockerCli):
    """Answers for the images that are on it, by each of their names."""

    def __init__(self, *images: dict[str, Any]) -> None:
        super().__init__()
        self.there = {name: image for image in images for name in image["names"]}

    def image(self, reference: str) -> dict[str, Any] | None:
        return self.there.get(reference)


DIGEST, ID, OTHER = ("sha256:" + letter * 64 for letter in "abc")
PULLED = {
    "Id": ID,
    "RepoDigests": [f"ubi8/python@{DIGEST}"],
    "RootFS": {"Layers": ["sha256:1"]},
    "names": [f"ubi8/python@{DIGEST}", "ubi8/python:1", ID],
}
MOVED = {"Id": OTHER, "RepoDigests": [], "RootFS": {"Layers": ["sha256:2"]}}


def labelled(name: str = "", base: str = "") -> dict[str, Any]:
    labels = {"org.opencontainers.image.base.name": name, "stt.engine.base-digest": base}
    return {"Config": {"Labels": {key: value for key, value in labels.items() if value}}}


@pytest.mark.parametrize(
    ("image", "named"),
    [
        (labelled("ubi8/python:1", DIGEST), ""),
        (labelled("ubi8/python:1", ID), ""),
        (labelled(base=ID), ""),
        (labelled("ubi8/python:1"), ""),
        (labelled(), "ubi8/python:1"),
        (labelled("another:1", OTHER), ID),
    ],
)
def test_the_base_is_the_named_one_or_that_of_the_labels(image: dict[str, Any], named: str) -> None:
    base = find_base(Host(PULLED), image, named)
    assert (base.image_id, base.identities, base.layers) == (ID, (ID, DIGEST), ("sha256:1",))


@pytest.mark.parametrize(
    ("image", "named", "words"),
    [
        (labelled(), "", "found no option base, and no label"),
        (labelled("gone:1", DIGEST), "", f"needed gone:1 with digest {DIGEST}"),
        # The tag is there, and means another image by now.
        (labelled("ubi8/python:2", DIGEST), "", "found no such image on this host"),
        (labelled("ubi8/python:1", DIGEST), "gone:1", "base image gone:1: found no such image"),
    ],
)
def test_an_absent_base_is_an_error(image: dict[str, Any], named: str, words: str) -> None:
    host = Host(PULLED, {**MOVED, "names": ["ubi8/python:2"]})
    host.there.pop(f"ubi8/python@{DIGEST}")
    with pytest.raises(SttError) as error:
        find_base(host, image, named)
    assert words in str(error.value)
