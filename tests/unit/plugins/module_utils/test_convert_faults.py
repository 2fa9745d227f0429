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
    out_of_memory,
)
from ansible_collections.stt.engine.plugins.module_utils._convert_run import ConverterContainer
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
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


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("MemoryError", ""),
        ("MemoryError", "std::bad_alloc"),
        ("_ArrayMemoryError", "Unable to allocate 1.2 GiB for an array with shape (51866, 1280)"),
        ("RuntimeError", "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        ("OSError", "[Errno 12] Cannot allocate memory"),
    ],
)
def test_memory_that_is_refused_is_said_as_such(kind: str, message: str) -> None:
    answer = {"kind": kind, "message": message}
    error = out_of_memory("x", answer, memory_bytes=5, status=1)
    assert error is not None
    assert "ran out of memory, with a limit of 5 bytes" in error.found
    assert kind in error.found
    assert "memory_bytes" in error.fix and "is untouched" in error.fix
    container = ConverterContainer(DockerCli("/no/such/docker"), "image", "key", 5)
    state = {"StartedAt": "2026-01-01"}
    failure = container._failure(Path("x"), Path("y"), 1, state, answer, None)
    assert "ran out of memory" in failure.found


def test_another_error_of_the_converter_is_not_taken_for_memory() -> None:
    answer = {"kind": "ValueError", "message": "the memory of a model is no number"}
    assert out_of_memory("x", answer, memory_bytes=5, status=1) is None


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
