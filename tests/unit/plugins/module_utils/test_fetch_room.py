# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fetch refuses before it begins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._fetch_room import check_writable

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
