# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image adds to its base is found, whatever was done to a file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from stt_checks.image_files import AddedFiles, added_files, kept_files

from tests.unit.elf_files import AARCH64, elf

NOTHING: frozenset[str] = frozenset()


def base_of(root: Path) -> dict[str, str]:
    """The files below a directory, as the host lists those of a base."""
    listed = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            listed[name] = f"l:{path.readlink()}"
        elif path.is_file():
            rights = "s" if path.stat().st_mode & 0o6000 else ""
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            listed[name] = f"f:{path.stat().st_size}:{digest}:{rights}"
    return listed


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "usr" / "lib").mkdir(parents=True)
    (root / "usr" / "lib" / "libold.so.1").write_bytes(elf())
    (root / "usr" / "lib" / "libold.so").symlink_to("libold.so.1")
    (root / "usr" / "bin").mkdir()
    (root / "usr" / "bin" / "tool").write_text("#!/bin/sh\n")
    (root / "usr" / "bin" / "tool").chmod(0o755)
    return root


def replace_in_place(path: Path) -> None:
    """Other bytes of the same length, and the old time: only a hash tells."""
    before = path.stat()
    path.write_bytes(bytes(reversed(path.read_bytes())))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def relink(path: Path) -> None:
    path.unlink()
    path.symlink_to("gone.so.2")


def test_an_image_that_is_its_base_adds_nothing(root: Path) -> None:
    found = added_files(root, base_of(root), NOTHING)
    assert (found.files, found.links, found.elf, found.unreadable) == ([], [], [], [])
    assert found.base_files == 3


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda root: (root / "etc.conf").write_text("x"), "etc.conf"),
        (lambda root: (root / "usr/bin/tool").write_text("#!/bin/sh\nexit 1\n"), "usr/bin/tool"),
        (lambda root: replace_in_place(root / "usr/bin/tool"), "usr/bin/tool"),
        (lambda root: (root / "usr/bin/tool").chmod(0o4755), "usr/bin/tool"),
        (lambda root: (root / "usr/lib/new").symlink_to("libold.so.1"), "usr/lib/new"),
        (lambda root: relink(root / "usr/lib/libold.so"), "usr/lib/libold.so"),
    ],
    ids=["new", "longer", "same size and time", "owner's rights", "new link", "other target"],
)
def test_every_change_is_an_addition(root: Path, change: Callable[[Path], None], path: str) -> None:
    base = base_of(root)
    change(root)
    found = added_files(root, base, NOTHING)
    assert [*(one.path for one in found.files), *(one.path for one in found.links)] == [path]
    assert found.base_files == len(base) - (path in base)


def test_links_are_followed_inside_of_the_image_only(root: Path) -> None:
    links = {"a.so": "usr/lib/libold.so.1", "b.so": "/usr/lib/libold.so.1", "c.so": "/etc/passwd"}
    for name, target in links.items():
        (root / name).symlink_to(target)
    found = added_files(root, base_of(root / "usr"), NOTHING)
    assert {link.path: link.dangling for link in found.links if "/" not in link.path} == {
        "a.so": False,
        "b.so": False,
        "c.so": True,
    }


def test_programs_are_told_from_other_files_by_their_content(root: Path) -> None:
    base = base_of(root)
    (root / "no-suffix").write_bytes(elf({"libc.so.6": ["GLIBC_2.34"]}, machine=AARCH64))
    (root / "text.so").write_text("INPUT(libc.so.6)")
    (root / "cut.so").write_bytes(elf()[:40])
    found = {one.path: one for one in added_files(root, base, NOTHING).elf}
    assert set(found) == {"no-suffix", "cut.so"}
    assert found["no-suffix"].needs == (("libc.so.6", "GLIBC_2.34"),)
    assert found["no-suffix"].machine_name == "aarch64"
    assert "outside of the file's 40 bytes" in found["cut.so"].problem


def test_what_is_mounted_over_the_image_is_not_its_own(root: Path) -> None:
    mounted = frozenset({str(root / "usr"), str(root / "hosts")})
    (root / "hosts").write_text("127.0.0.1 localhost")
    (root / "own").write_text("x")
    assert [one.path for one in added_files(root, {}, mounted).files] == ["own"]


def test_what_was_found_is_read_as_it_was_kept_or_is_not_there(root: Path, tmp_path: Path) -> None:
    (root / "new.so").write_bytes(elf({"libc.so.6": ["GLIBC_2.28"]}))
    (root / "link").symlink_to("nowhere")
    found = added_files(root, {}, NOTHING)
    assert kept_files(tmp_path) is None
    assert kept_files(None) is None
    found.gone = ["usr/lib/libz.so.1"]
    found.cut = list(found.links)
    found.keep(tmp_path)
    assert kept_files(tmp_path) == found
    assert isinstance(found, AddedFiles)
