# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""transport=xet: the mechanics, with the real client. The lab's hub has no Xet service.

So the library falls back to plain HTTP, or fails with the answer of the missing token route.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bench import caught
from tests.integration.model_lab import (
    CHECKOUT,
    REPOSITORY,
    WEIGHTS,
    Case,
    HubProcess,
    end_module,
    start_module,
)

pytest_plugins = ["tests.integration.model_fixtures"]


@pytest.fixture
def xet(case: Case) -> Case:
    case.params["transport"] = "xet"
    return case


@pytest.fixture(scope="module")
def without_client(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with all of this environment but the Xet client, as tools.txt makes it."""
    place = tmp_path_factory.mktemp("tools")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    site = next((place / "lib").glob("python*/site-packages"))
    for entry in Path(pytest.__file__).parents[1].iterdir():
        if not entry.name.startswith("hf_xet"):
            (site / entry.name).symlink_to(entry)
    return str(place / "bin" / "python")


def test_missing_client_is_said_before_the_first_byte(
    xet: Case, hub: HubProcess, without_client: str
) -> None:
    assert xet.message(tools_python=without_client) == (
        f"tools environment {without_client}: found no Xet client (No module named 'hf_xet'); "
        "needed hf-xet beside huggingface_hub for transport xet; "
        "fix: make the tools environment from requirements/tools-xet.txt, or "
        "set transport to http, which needs no Xet service"
    )
    assert not xet.root.exists()
    assert not [path for path in hub.stats()["paths"] if "/resolve/" in path]


def test_lock_with_the_client_differs_by_the_client_alone() -> None:
    def pins(name: str) -> set[str]:
        lines = (CHECKOUT / "requirements" / name).read_text().splitlines()
        return {line.split(" ")[0] for line in lines if line[:1].isalpha()}

    assert pins("tools.txt") < pins("tools-xet.txt")
    (more,) = pins("tools-xet.txt") - pins("tools.txt")
    assert more.startswith("hf-xet==")


def test_large_files_come_through_the_library_and_all_are_hashed(
    xet: Case, hub: HubProcess, repository: Path
) -> None:
    predicted = xet.ok(check=True)
    assert not xet.root.exists()
    result = xet.ok()
    xet.check_published(repository)
    assert (result["bytes_downloaded"], result["bytes_resumed"]) == (predicted["bytes_planned"], 0)
    assert hub.stats()["range_requests"] == 0
    assert hub.sent("model.safetensors") == (repository / "model.safetensors").stat().st_size
    assert [path.name for path in (xet.root / "staging").iterdir() if path.is_dir()] == []
    assert xet.ok()["changed"] is False


def test_wrong_content_from_the_library_is_found_and_downloaded_as_ranges(
    xet: Case, hub: HubProcess, repository: Path
) -> None:
    hub.fault("corrupt", path=WEIGHTS, value=9_876_543, count=1)
    result = xet.ok()
    xet.check_published(repository)
    assert result["repeated"] == ["model.safetensors"]
    assert hub.stats()["range_requests"] > 0


@pytest.mark.fault("mirror that leaks xetHash")
def test_mirror_that_leaks_hashes_without_a_service(
    xet: Case, hub: HubProcess, repository: Path
) -> None:
    hub.fault("xet")
    commit = xet.params["commit"]
    assert xet.message() == (
        f"{REPOSITORY}@{commit[:12]} through Xet: found HTTP 404 from "
        f"{hub.url}/api/models/{REPOSITORY}/xet-read-token/{commit} (HfHubHTTPError); "
        "needed a hub with the Xet service that it names; "
        "fix: set transport to http, which needs no Xet service: mirrors often pass Xet hashes "
        "on without the service behind them"
    )
    xet.check_nothing_published()
    xet.ok(transport="http")
    xet.check_published(repository)


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    text = subprocess.run(
        ["ps", "--no-headers", "-o", "pid", "--ppid", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return [int(line) for line in text.stdout.split()]


def ended(pid: int) -> bool:
    """Whether a process is gone; one that nobody has waited for yet counts as gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.fault("stall")
def test_silent_service_is_given_up_with_all_that_was_started(
    xet: Case, hub: HubProcess, repository: Path, record_property: caught.Record
) -> None:
    hub.fault("stall", path=WEIGHTS, after=0.5)
    message = xet.message(stall_seconds=3)
    caught.by_module(record_property, "stt_model_fetch", {"failed": True, "msg": message})
    assert "through Xet: found no new byte for 3 s at " in message
    assert "; fix: set transport to http, " in message
    xet.check_nothing_published()
    assert not list((xet.root / "staging").glob("*/xet"))
    hub.reset()
    xet.ok()
    xet.check_published(repository)


def test_killed_job_leaves_no_download_behind(xet: Case, hub: HubProcess, repository: Path) -> None:
    hub.fault("rate", path=WEIGHTS, value=2_000_000)
    process = start_module("stt_model_fetch", xet.params)
    while not (xet.root / "jobs").exists() or not any((xet.root / "jobs").glob("*/state.json")):
        assert process.poll() is None
        time.sleep(0.02)
    pid = xet.wait_for_bytes(1)
    started = children(pid)
    assert started
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while not all(ended(child) for child in started):
        assert time.monotonic() < deadline, started
        time.sleep(0.02)
    assert end_module(process)["failed"] is True
    hub.reset()
    xet.ok()
    xet.check_published(repository)


def test_token_reaches_the_hub_and_no_command_line_or_environment(
    xet: Case, hub: HubProcess, repository: Path, tmp_path: Path
) -> None:
    hub.fault("token", path=REPOSITORY, value="hf_right_4711")
    hub.fault("rate", path=WEIGHTS, value=10_000_000)
    secret = tmp_path / "token"
    secret.write_text("hf_right_4711\n")
    process = start_module("stt_model_fetch", {**xet.params, "token_file": str(secret)})
    seen = set()
    while process.poll() is None:
        for name in ("cmdline", "environ"):
            for path in Path("/proc").glob(f"[0-9]*/{name}"):
                try:
                    data = path.read_bytes()
                except (FileNotFoundError, ProcessLookupError, PermissionError):
                    # Gone, or not ours: no process that the fetch has started.
                    continue
                assert b"hf_right_4711" not in data, path
                if b"HF_XET_CHUNK_CACHE_SIZE_BYTES" in data:
                    seen.add(path)
        time.sleep(0.02)
    result = end_module(process)
    assert seen
    assert not result.get("failed"), result
    xet.check_published(repository)
