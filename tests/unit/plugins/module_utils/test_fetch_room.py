# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fetch refuses before it begins, and what it says of a disk that refuses it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._fetch_room import (
    ballast,
    check_places,
    check_space,
    check_writable,
    disk_error,
    refusal,
)

NOBODY = 65534


def said_to_a_user_without_rights(path: Path) -> str:
    """What ``check_writable`` says in a process of a user who owns nothing."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            check_writable(path)
        except SttError as error:
            os.write(writing, str(error).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as stream:
        text = stream.read()
    assert os.waitpid(child, 0)[1] == 0, text
    return text


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/etc/stt", "/etc"),
        ("/etc", "/etc"),
        ("/proc/1/root/opt/stt", "/proc/1/root/opt/stt"),
    ],
)
def test_place_without_permission(path: str, place: str) -> None:
    assert said_to_a_user_without_rights(Path(path)) == (
        f"{path}: found no permission to write in {place}; "
        "needed a directory that this user can write; "
        "fix: run with become, or choose another place"
    )


def test_place_below_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch(mode=0o755)
    with pytest.raises(SttError) as caught:
        check_writable(file / "stt")
    assert str(caught.value) == (
        f"{file}/stt: found {file}, which is no directory; "
        "needed a directory that this user can write; "
        "fix: run with become, or choose another place"
    )


def test_place_that_can_be_made(tmp_path: Path) -> None:
    check_writable(tmp_path / "not" / "yet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_disk_and_used_up_quota(number: int) -> None:
    assert str(disk_error("/opt/stt/x", OSError(number, ""), 5)) == (
        f"/opt/stt/x: found {os.strerror(number)}; needed room for its 5 bytes; "
        "fix: free space on the file system of root and run again: what is there is kept"
    )


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO, errno.EACCES])
def test_disk_that_refuses_to_write(number: int) -> None:
    assert str(disk_error("/opt/stt/x", OSError(number, ""))) == (
        f"/opt/stt/x: found {os.strerror(number)}; needed a place to write it; "
        "fix: see what the file system of root refuses, then run again: what is there is kept"
    )


def test_more_than_there_is_room_for(tmp_path: Path) -> None:
    check_space(tmp_path, 1, "model m")
    with pytest.raises(SttError) as caught:
        check_space(tmp_path, 1 << 60, "model m")
    assert str(caught.value).endswith(
        f" bytes free; needed {1 << 60} bytes for model m; "
        "fix: free space there, or put root on a larger file system"
    )
    assert refusal(tmp_path) is None


@pytest.mark.parametrize("place", ["staging", "staging/model-1", "staging/model-1/files"])
def test_linked_staging_place(tmp_path: Path, place: str) -> None:
    staging, models = tmp_path / "staging" / "model-1", tmp_path / "models"
    check_places(staging, models)
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).symlink_to(tmp_path)
    with pytest.raises(SttError) as caught:
        check_places(staging, models)
    assert str(caught.value) == (
        f"{tmp_path / place}: found a symbolic link; needed a directory of its own below root; "
        "fix: remove the link"
    )


def test_ballast_is_given_back_also_after_a_failure(tmp_path: Path) -> None:
    place = tmp_path / "staging" / "model-1.room"

    def fail() -> None:
        with ballast(place):
            assert place.stat().st_blocks > 0
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert not place.exists()
