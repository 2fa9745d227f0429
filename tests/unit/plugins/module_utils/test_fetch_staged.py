# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Staged files: the map of chunks, what survives, and what a full disk says."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._fetch_staged import (
    StagedFile,
    stage_whole,
)
from ansible_collections.stt.engine.plugins.module_utils._hub import RemoteFile

CHUNK = 1000
DATA = bytes(range(256)) * 10
GIT = "aa54a33ccd2ec5b16fbdc01f1d46debf60ba7eb8"


def remote(data: bytes = DATA, path: str = "deep/model.safetensors") -> RemoteFile:
    return RemoteFile(path, len(data), GIT, hashlib.sha256(data).hexdigest())


def fill(file: StagedFile, *indexes: int, data: bytes = DATA) -> None:
    for index in indexes:
        start = index * file.chunk_bytes
        file.write(data[start : start + file.span(index)], start)
        file.mark(index)


def test_full_disk_is_said_as_such(tmp_path: Path) -> None:
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from ansible_collections.stt.engine.plugins.module_utils._errors import SttError\n"
        "from ansible_collections.stt.engine.plugins.module_utils._fetch_staged import StagedFile\n"
        "from ansible_collections.stt.engine.plugins.module_utils._hub import RemoteFile\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    StagedFile(Path(sys.argv[1]), RemoteFile('m', 9000, 'a' * 40, None), 1000).open()\n"
        "except SttError as error:\n"
        "    print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert run.stdout == (
        f"{tmp_path}/files/m: found File too large; needed room for its 9000 bytes; "
        "fix: free space on the file system of root and run again: what is there is kept\n"
    )


def test_nothing_is_written_before_open(tmp_path: Path) -> None:
    file = StagedFile(tmp_path, remote(), CHUNK)
    assert (file.chunks, file.have) == (3, 0)
    assert list(tmp_path.iterdir()) == []


def test_finished_chunks_survive_and_unfinished_do_not(tmp_path: Path) -> None:
    first = StagedFile(tmp_path, remote(), CHUNK)
    first.open()
    fill(first, 2, 0)
    first.write(b"half a chunk", CHUNK)
    first.close()
    again = StagedFile(tmp_path, remote(), CHUNK)
    assert list(again.done) == [1, 0, 1]
    assert again.have == 1000 + 560
    again.open()
    assert not again.complete
    fill(again, 1)
    assert again.complete
    assert again.hash_some(1 << 20)
    assert again.identity() == remote().identity
    again.close()


@pytest.mark.parametrize("change", ["hash", "size", "map", "file", "link"])
def test_what_was_staged_for_something_else_is_not_used(tmp_path: Path, change: str) -> None:
    first = StagedFile(tmp_path, remote(), CHUNK)
    first.open()
    fill(first, 0, 1, 2)
    first.close()
    wanted = remote()
    if change == "hash":
        wanted = remote(DATA[::-1])
    elif change == "size":
        wanted = remote(DATA[:-1])
    elif change == "map":
        path = next((tmp_path / "maps").iterdir())
        path.write_bytes(path.read_bytes()[:-1])
    elif change == "file":
        os.truncate(first.path, 1500)
    else:
        first.path.rename(tmp_path / "elsewhere")
        first.path.symlink_to(tmp_path / "elsewhere")
    again = StagedFile(tmp_path, wanted, CHUNK)
    assert again.have == 0
    again.open()
    assert not any(again.done)
    fill(again, 0, data=bytes(3000))
    again.close()
    assert change != "link" or (tmp_path / "elsewhere").read_bytes() == DATA


def test_chunks_of_another_length_go_on_being_used(tmp_path: Path) -> None:
    first = StagedFile(tmp_path, remote(), CHUNK)
    first.open()
    fill(first, 0, 2)
    first.close()
    again = StagedFile(tmp_path, remote(), 2000)
    assert (again.chunk_bytes, list(again.done), again.have) == (CHUNK, [1, 0, 1], 1560)
    again.open()
    fill(again, 1)
    assert again.hash_some(1 << 20)
    assert again.identity() == remote().identity
    again.close()


def test_file_that_was_made_ready_for_publishing_is_gone_on_with(tmp_path: Path) -> None:
    first = StagedFile(tmp_path, remote(), CHUNK)
    first.open()
    fill(first, 0, 1, 2)
    first.close()
    first.path.chmod(0o444)
    again = StagedFile(tmp_path, remote(), CHUNK)
    again.open()
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o644
    assert again.hash_some(1 << 20)
    again.close()


def test_file_that_came_another_way_is_judged_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "arrived").write_bytes(DATA)
    stage_whole(tmp_path, remote(), tmp_path / "arrived", CHUNK)
    file = StagedFile(tmp_path, remote(), CHUNK)
    assert (file.have, len(file.done)) == (len(DATA), 3)
    file.open()
    assert file.hash_some(1 << 20)
    assert file.identity() == remote().identity
    file.close()


@pytest.mark.parametrize("path", ["x" * 300, "file/below"])
def test_name_that_the_disk_refuses_is_said_as_such(tmp_path: Path, path: str) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "file").touch()
    file = StagedFile(tmp_path, remote(path=path), CHUNK)
    with pytest.raises(SttError, match="needed a place to write its 2560 bytes; fix: see what"):
        file.open()
    file.close()


def test_hash_follows_what_is_there_in_sequence(tmp_path: Path) -> None:
    file = StagedFile(tmp_path, remote(), CHUNK)
    file.open()
    assert not file.hashable
    fill(file, 1)
    assert not file.hashable
    fill(file, 0)
    assert file.hashable
    assert not file.hash_some(1 << 20)
    assert not file.hashable
    fill(file, 2)
    assert not file.hash_some(100)
    assert file.hash_some(1 << 20)
    assert file.sha256() == hashlib.sha256(DATA).hexdigest()
    file.reset()
    assert file.have == 0
    assert not file.hashable
    fill(file, 0, 1, 2)
    assert file.hash_some(1 << 20)
    assert file.identity() == remote().identity
    file.close()


def test_small_file_is_named_by_its_git_blob(tmp_path: Path) -> None:
    file = StagedFile(tmp_path, RemoteFile("c.json", 2, "9e26df", None), CHUNK)
    file.open()
    fill(file, 0, data=b"{}")
    assert file.hash_some(10)
    assert file.identity() == "git:9e26dfeeb6e641a33dae4961196235bdb965b21b"
    file.close()


def test_empty_file_is_complete_at_once(tmp_path: Path) -> None:
    file = StagedFile(tmp_path, RemoteFile("e", 0, "", hashlib.sha256().hexdigest()), CHUNK)
    file.open()
    assert file.hashable
    assert file.hash_some(1)
    assert file.identity() == file.remote.identity
    file.discard()
    assert not file.path.exists()


def test_content_lost_behind_the_map_is_an_error(tmp_path: Path) -> None:
    file = StagedFile(tmp_path, remote(), CHUNK)
    file.open()
    fill(file, 0, 1, 2)
    os.truncate(file.path, 500)
    with pytest.raises(OSError, match="Input/output error"):
        file.hash_some(1 << 20)
    file.close()


def test_errors_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    file = StagedFile(tmp_path, remote(path="x"), CHUNK)
    file.open()
    os.close(file._file)
    with pytest.raises(SttError, match=f"{tmp_path}/files/x: found Bad file descriptor; "):
        file.write(b"x", 0)
    file._file = -1
    file.close()


def test_finished_chunk_is_never_written_again(tmp_path: Path) -> None:
    """A server without ranges sends it once more, and its bytes may have been hashed."""
    file = StagedFile(tmp_path, remote(), CHUNK)
    file.open()
    fill(file, 0, 2)
    assert not file.hash_some(1 << 20)
    file.write(bytes(len(DATA)), 0)
    assert file.path.read_bytes() == DATA[:1000] + bytes(1000) + DATA[2000:]
    file.write(DATA[500:2500], 500)
    assert file.path.read_bytes() == DATA
    file.mark(1)
    assert file.hash_some(1 << 20)
    assert file.identity() == remote().identity
    file.reset()
    file.write(bytes(len(DATA)), 0)
    assert file.path.read_bytes() == bytes(len(DATA))
    file.close()
