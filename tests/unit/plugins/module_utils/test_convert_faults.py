# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A full disk and the three ways to be killed are each said as what they are."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest

from ansible_collections.stt.engine.plugins.module_utils._convert_faults import (
    discard,
    disk_full_as_such,
    killed,
    oom_kills,
)
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError


def said(*, at_limit: bool, host_kills: int | None) -> str:
    error = killed("x", memory_bytes=5, at_limit=at_limit, host_kills=host_kills, status=137)
    assert error.needed and "is untouched" in error.fix
    return error.found


def test_who_killed_is_told_apart() -> None:
    assert "by the out-of-memory killer at its limit of 5" in said(at_limit=True, host_kills=1)
    host = said(at_limit=False, host_kills=2)
    assert "below its limit of 5 bytes" in host
    assert "the kernel ended 2 processes for lack of memory" in host
    for unknown in (0, None):
        outside = said(at_limit=False, host_kills=unknown)
        assert "killed from outside (exit status 137, SIGKILL)" in outside
        assert "limit of 5 bytes was not the cause" in outside


def test_the_kernels_count_is_read() -> None:
    count = oom_kills()
    assert count is not None and count >= 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_as_such(tmp_path: Path, number: int) -> None:
    with pytest.raises(SttError) as error, disk_full_as_such(tmp_path):
        raise OSError(number, os.strerror(number), str(tmp_path / "file"))
    assert error.value.object == f"file system of {tmp_path / 'file'}"
    assert "it became full" in error.value.found
    with pytest.raises(SttError, match=f"file system of {tmp_path}"), disk_full_as_such(tmp_path):
        raise OSError(number, os.strerror(number))


def test_another_error_goes_through(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), disk_full_as_such(tmp_path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_what_is_staged_is_removed_or_told_of(tmp_path: Path) -> None:
    staged, log = tmp_path / "staging", io.BytesIO()
    discard(staged, tmp_path, log)
    (staged / "model").mkdir(parents=True)
    discard(staged, tmp_path, log)
    assert not staged.exists() and log.getvalue() == b""
