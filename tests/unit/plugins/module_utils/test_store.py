# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Atomic writes, publishing, locks and removal on a real file system with real processes."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._store import (
    file_lock,
    free_bytes,
    publish_directory,
    remove_tree,
    staging_directory,
    write_atomically,
)

HOLD = (
    "import fcntl, sys, time\n"
    "f = open(sys.argv[1], 'a')\n"
    "fcntl.flock(f, fcntl.LOCK_EX)\n"
    "print('held', flush=True)\n"
    "time.sleep(60)\n"
)


def test_write_atomically_keeps_the_old_file_when_it_cannot_write(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.mkdir()
    (target / "inside").write_text("kept")
    with pytest.raises(OSError):
        write_atomically(target, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (target / "inside").read_text() == "kept"


def test_write_atomically_replaces_content_and_mode(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_atomically(target, b"old")
    before = target.stat().st_ino
    write_atomically(target, b"new", mode=0o444, durable=False)
    assert target.read_bytes() == b"new"
    assert target.stat().st_ino != before
    assert stat.S_IMODE(target.stat().st_mode) == 0o444
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b"])
def test_staging_directory_refuses_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a plain directory name"):
        staging_directory(tmp_path, name)


def test_publish_refuses_an_existing_destination(tmp_path: Path) -> None:
    staging = staging_directory(tmp_path, "one")
    destination = tmp_path / "models" / "one"
    destination.mkdir(parents=True)
    with pytest.raises(FileExistsError):
        publish_directory(staging, destination)
    assert staging.is_dir()


def test_publish_across_file_systems_names_the_remedy(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.fail("this test needs /dev/shm on a file system of its own")
    staging = staging_directory(tmp_path, "one")
    destination = other / f"stt-engine-test-{os.getpid()}"
    with pytest.raises(SttError) as caught:
        publish_directory(staging, destination)
    assert str(caught.value) == (
        f"{destination}: found staging directory {staging} on another file system; "
        "needed staging and destination on one file system, so that one rename publishes; "
        "fix: mount the whole of stt_root as one file system"
    )
    assert not destination.exists()


def test_publish_makes_the_whole_directory_visible(tmp_path: Path) -> None:
    staging = staging_directory(tmp_path, "one")
    assert staging == staging_directory(tmp_path, "one") == tmp_path / "staging" / "one"
    (staging / "deep").mkdir()
    (staging / "deep" / "file").write_text("content")
    publish_directory(staging, tmp_path / "models" / "name" / "commit")
    assert not staging.exists()
    assert (tmp_path / "models/name/commit/deep/file").read_text() == "content"


def test_free_bytes_of_a_path_that_does_not_exist_yet(tmp_path: Path) -> None:
    usage = os.statvfs(tmp_path)
    found = free_bytes(tmp_path / "not" / "yet" / "there")
    assert abs(found - usage.f_bavail * usage.f_frsize) < 1 << 30


def test_file_lock_gives_up_after_its_timeout_and_waits_for_the_holder(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "one"
    path.parent.mkdir()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        began = time.monotonic()
        with (
            pytest.raises(TimeoutError, match="is locked by another process"),
            file_lock(path, timeout=0.2),
        ):
            pytest.fail("the lock was given twice")
        assert 0.2 <= time.monotonic() - began < 5
    finally:
        holder.kill()
        holder.communicate()
    with file_lock(path, timeout=0) as descriptor, path.open() as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert descriptor > 2
    with file_lock(path, shared=True, timeout=0), file_lock(path, shared=True, timeout=0):
        pass


def test_remove_tree_refuses_everything_that_is_not_below(tmp_path: Path) -> None:
    root = tmp_path / "root"
    outside = tmp_path / "root-outside"
    root.mkdir()
    outside.mkdir()
    (root / "link").symlink_to(outside)
    with pytest.raises(ValueError, match="is not below"):
        remove_tree(root, below=root)
    with pytest.raises(ValueError, match="is not below"):
        remove_tree(outside, below=root)
    with pytest.raises(ValueError, match="is not below"):
        remove_tree(root / ".." / "root-outside", below=root)
    with pytest.raises(ValueError, match="is a symbolic link"):
        remove_tree(root / "link", below=root)
    assert outside.is_dir()


def test_remove_tree_removes_read_only_files(tmp_path: Path) -> None:
    tree = tmp_path / "root" / "model"
    tree.mkdir(parents=True)
    (tree / "file").write_text("x")
    (tree / "file").chmod(0o444)
    remove_tree(tree, below=tmp_path / "root")
    assert not tree.exists()
