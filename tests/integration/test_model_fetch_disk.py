# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_model_fetch on a disk that is really full, and what memory a large file takes."""

from __future__ import annotations

import errno
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._digest import sha256_file
from ansible_collections.stt.engine.plugins.module_utils._fetch_published import fetch_key
from ansible_collections.stt.engine.plugins.module_utils._fetch_room import refusal
from ansible_collections.stt.engine.plugins.module_utils._fetch_select import Selection
from ansible_collections.stt.engine.plugins.module_utils._store import file_lock
from tests.bench import caught
from tests.integration.model_lab import (
    REPOSITORY,
    WEIGHTS,
    Case,
    HubProcess,
    end_module,
    start_module,
)

pytest_plugins = ["tests.integration.model_fixtures"]

MB = 1_000_000
MOST_MEMORY = 300 << 20


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of its own, so small that it can be filled."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root")
    place = tmp_path / "disk"
    place.mkdir()
    size = getattr(request, "param", 44 * MB)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path, left: int) -> Path:
    """Take all space of a file system but ``left`` bytes, as something else might."""
    filler = disk / "something-else"
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(1 << 20))
        except OSError as error:
            assert error.errno == errno.ENOSPC
        stream.truncate(max(0, stream.tell() - left))
    return filler


def lock_of(case: Case) -> Path:
    """The lock that whoever stages this model holds."""
    key = fetch_key(case.root, Selection(REPOSITORY, case.params["commit"]))
    return case.root / "staging" / f"model-{key[:12]}.lock"


@contextmanager
def held_back(case: Case, **changes: Any) -> Iterator[subprocess.Popen[str]]:
    """A fetch that was planned and checked, and whose job waits for its turn until the end."""
    with file_lock(lock_of(case)):
        process = start_module("stt_model_fetch", {**case.params, **changes})
        states = case.root / "jobs"
        while not any(
            '"pid": null' not in path.read_text() for path in states.glob("*/state.json")
        ):
            assert process.poll() is None
            time.sleep(0.02)
        yield process


@pytest.mark.fault("disk full")
@pytest.mark.parametrize("disk", [24 * MB], indirect=True)
def test_disk_without_room_is_seen_before_the_first_byte(
    hub: HubProcess, disk: Path, record_property: caught.Record
) -> None:
    case = Case(hub, disk / "stt")
    message = case.message()
    caught.by_module(record_property, "stt_model_fetch", {"failed": True, "msg": message})
    assert message.startswith(f"file system of {case.root}: found ")
    assert f" bytes free; needed {20_120_256 + (16 << 20)} bytes for model {REPOSITORY}@" in message
    assert message.endswith("fix: free space there, or put root on a larger file system")
    assert not case.root.exists()
    assert not [path for path in hub.stats()["paths"] if "/resolve/" in path]


@pytest.mark.fault("disk full")
@pytest.mark.parametrize("left", [0, 1 << 20])
def test_disk_that_something_else_filled_after_the_check(
    hub: HubProcess, disk: Path, repository: Path, left: int, record_property: caught.Record
) -> None:
    case = Case(hub, disk / "stt")
    with held_back(case) as process:
        filler = fill(disk, left)
    result = end_module(process)
    caught.by_module(record_property, "stt_model_fetch", result)
    assert result["failed"] is True
    assert result["found"] == "No space left on device"
    assert result["fix"].startswith("free space on the file system of root and run again")
    case.check_nothing_published()
    filler.unlink()
    case.ok()
    case.check_published(repository)


@pytest.mark.fault("disk full")
def test_disk_that_fills_up_under_way(
    hub: HubProcess, disk: Path, repository: Path, record_property: caught.Record
) -> None:
    case = Case(hub, disk / "stt")
    hub.fault("rate", path=WEIGHTS, value=1 * MB)
    with held_back(case) as process:
        pass
    case.wait_for_bytes(5 * MB)
    filler = fill(disk, 0)
    result = end_module(process)
    caught.by_module(record_property, "stt_model_fetch", result)
    assert result["failed"] is True
    assert result["found"] == "No space left on device"
    case.check_nothing_published()
    filler.unlink()
    hub.reset()
    result = case.ok()
    assert result["bytes_resumed"] >= 1 * MB
    case.check_published(repository)


@pytest.mark.fault("disk full")
def test_disk_that_fills_up_before_a_copy(
    hub: HubProcess, disk: Path, repository: Path, case: Case, record_property: caught.Record
) -> None:
    files = case.ok()["files"]
    offline = Case(hub, disk / "stt")
    brought = {"source_path": str(repository), "expected_files": files}
    with held_back(offline, **brought) as process:
        filler = fill(disk, 2 * MB)
    result = end_module(process)
    caught.by_module(record_property, "stt_model_fetch", result)
    assert result["failed"] is True
    assert result["found"] == "No space left on device"
    offline.check_nothing_published()
    filler.unlink()
    offline.ok(**brought)
    offline.check_published(repository)


def test_read_only_disk_is_seen_before_the_first_byte(hub: HubProcess, disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    case = Case(hub, disk / "stt")
    assert case.message() == (
        f"{case.root}: found no permission to write in {disk}; "
        "needed a directory that this user can write; "
        "fix: run with become, or choose another place"
    )
    assert hub.stats()["requests"] == 0
    refused = refusal(disk)
    assert refused is not None
    assert refused.errno == errno.EROFS


def test_staging_on_another_file_system_is_seen_before_the_first_byte(
    case: Case, hub: HubProcess, disk: Path
) -> None:
    case.root.mkdir()
    (case.root / "models").mkdir()
    (case.root / "staging").mkdir()
    subprocess.run(["mount", "--bind", str(disk), str(case.root / "staging")], check=True)
    try:
        message = case.message()
    finally:
        subprocess.run(["umount", str(case.root / "staging")], check=True)
    assert "found staging directory " in message
    assert " on another file system; needed staging and models on one file system" in message
    assert not [path for path in hub.stats()["paths"] if "/resolve/" in path]


def highest_memory(pid: int) -> int:
    """The most memory that a process ever had, watched until it ends."""
    status, most = Path(f"/proc/{pid}/status"), 0
    while status.exists():
        with suppress(FileNotFoundError, ProcessLookupError):
            # Between two looks the process may end.
            lines = status.read_text().splitlines()
            peak = [int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:")]
            most = max([most, *peak])
        time.sleep(0.02)
    return most


def test_memory_stays_flat_for_a_brought_archive(hub: HubProcess, tmp_path: Path) -> None:
    large, archive = tmp_path / "large", tmp_path / "model.tar.gz"
    with large.open("wb") as stream:
        stream.write(os.urandom(MB))
        stream.truncate(400 * MB)
    assert large.stat().st_size > MOST_MEMORY
    expected = []
    with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
        for name in ("config.json", "tokenizer.json", "preprocessor_config.json"):
            (tmp_path / name).write_text("{}")
            packed.add(tmp_path / name, arcname=name)
            expected.append({"path": name, "size": 2, "sha256": sha256_file(tmp_path / name)})
        packed.add(large, arcname="model.safetensors")
    weights = {"path": "model.safetensors", "size": 400 * MB, "sha256": sha256_file(large)}
    changes = {"source_path": str(archive), "expected_files": [*expected, weights]}
    case = Case(hub, tmp_path / "stt")
    with held_back(case, **changes) as process:
        pid = int(case.job()["pid"])
    most = highest_memory(pid)
    assert end_module(process)["bytes_downloaded"] == 400 * MB + 6
    assert sha256_file(case.path / "model.safetensors") == weights["sha256"]
    assert 10 << 20 < most < MOST_MEMORY
    print(f"highest memory {most >> 20} MiB")


def test_memory_stays_flat_for_a_large_file(tmp_path: Path) -> None:
    model = tmp_path / "repositories" / REPOSITORY
    model.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "preprocessor_config.json"):
        (model / name).write_text("{}")
    with (model / "model.safetensors").open("wb") as stream:
        stream.write(os.urandom(MB))
        stream.truncate(700 * MB)
    with HubProcess(tmp_path / "repositories") as hub:
        case = Case(hub, tmp_path / "stt")
        case.ok(wait=False, chunk_bytes=8 << 20, streams=16)
        most = highest_memory(case.wait_for_bytes(1))
        result = case.ok()
    assert result["files"][1]["size"] == 700 * MB
    # The reader would be wrong if it were less than an interpreter takes.
    assert 10 << 20 < most < MOST_MEMORY
    print(f"highest memory {most >> 20} MiB")
