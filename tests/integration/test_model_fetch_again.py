# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_model_fetch after damage, after kills, and several at once."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.bench import caught
from tests.integration.model_lab import (
    CHUNK,
    FETCHED,
    REPOSITORY,
    STREAMS,
    WEIGHTS,
    Case,
    HubProcess,
    end_module,
    start_module,
)

pytest_plugins = ["tests.integration.model_fixtures"]

TOKENIZER = f"{REPOSITORY}/tokenizer.json"


@pytest.mark.fault("corrupt byte on disk with the old mtime")
def test_damage_on_disk_is_found_and_only_that_is_fetched(
    case: Case, hub: HubProcess, repository: Path
) -> None:
    case.ok()
    victim = case.path / "config.json"
    status = victim.stat()
    victim.chmod(0o644)
    victim.write_bytes(b"?" + victim.read_bytes()[1:])
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    (case.path / "model.safetensors").unlink()
    (case.path / "stranger.json").write_text("{}")
    kept = (case.path / "tokenizer.json").stat().st_ino
    hub.reset()
    predicted = case.ok(check=True)
    reason = (
        "the content of config.json is damaged; model.safetensors is missing; "
        "stranger.json does not belong to it"
    )
    size = (repository / "model.safetensors").stat().st_size + status.st_size
    assert (predicted["reason"], predicted["bytes_planned"]) == (reason, size)
    result = case.ok()
    assert (result["changed"], result["reason"]) == (True, reason)
    assert result["bytes_downloaded"] == size
    case.check_published(repository)
    assert (case.path / "tokenizer.json").stat().st_ino == kept
    assert hub.sent("tokenizer.json") == 0
    assert case.ok()["changed"] is False


@pytest.mark.fault("truncated file on disk")
def test_truncated_file_is_found_and_only_that_is_fetched(
    case: Case, hub: HubProcess, repository: Path, record_property: caught.Record
) -> None:
    case.ok()
    victim = case.path / "model.safetensors"
    status = victim.stat()
    os.truncate(victim, 19_000_000)
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    hub.reset()
    result = case.ok()
    caught.recovered(record_property, "stt_model_fetch", str(result["reason"]))
    assert result["reason"] == (f"model.safetensors has 19000000 bytes instead of {status.st_size}")
    assert result["bytes_downloaded"] == hub.sent("model.safetensors") == status.st_size
    case.check_published(repository)


@pytest.mark.fault("two runs at once")
def test_two_repairs_at_once_while_a_reader_has_the_model(
    case: Case, hub: HubProcess, repository: Path
) -> None:
    case.ok()
    victim = case.path / "model.safetensors"
    victim.chmod(0o644)
    with victim.open("r+b") as stream:
        stream.write(b"damaged")
    damaged = victim.read_bytes()
    hub.fault("rate", path=WEIGHTS, value=4_000_000)
    places = [{**case.params, "jobs_root": str(case.root / f"jobs-{name}")} for name in "ab"]
    with victim.open("rb") as reader:
        both = [start_module("stt_model_fetch", {**params, "verify": "full"}) for params in places]
        while any(process.poll() is None for process in both):
            # A file of a published model is there at every moment, damaged or whole.
            assert victim.stat().st_size == len(damaged)
            time.sleep(0.01)
        assert reader.read() == damaged
    results = [end_module(process) for process in both]
    assert [result.get("failed") for result in results] == [None, None], results
    case.check_published(repository)
    assert sorted(result["bytes_downloaded"] for result in results) == [0, len(damaged)]
    assert case.ok(verify="full")["changed"] is False


def rot(case: Case, name: str) -> None:
    """Damage a file; the manifest with the new stamp stands for a damage that moves none."""
    victim = case.path / name
    with victim.open("r+b") as stream:
        stream.seek(12_345_678)
        stream.write(b"rotten")
    manifest_path = case.path.with_name(f"{case.path.name}.manifest.json")
    manifest = json.loads(manifest_path.read_text())
    status = victim.stat()
    stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    manifest["stamps"][name] = stamp
    manifest_path.write_text(json.dumps(manifest))


def test_full_verification_finds_what_moves_no_time(
    case: Case, hub: HubProcess, repository: Path
) -> None:
    """A bit that rots on the disk moves no stamp."""
    case.ok()
    rot(case, "model.safetensors")
    size = (case.path / "model.safetensors").stat().st_size
    assert case.ok()["changed"] is False
    hub.reset()
    result = case.ok(verify="full")
    assert result["reason"] == "the content of model.safetensors is damaged"
    assert result["bytes_downloaded"] == hub.sent("model.safetensors") == size
    case.check_published(repository)
    assert case.ok(verify="full")["changed"] is False


def test_repair_by_the_second_job_is_no_failure(
    case: Case, hub: HubProcess, repository: Path
) -> None:
    """The job that runs when the call comes does not look for what verify=full finds."""
    case.ok()
    rot(case, "model.safetensors")
    (case.path / "tokenizer.json").unlink()
    hub.fault("rate", path=TOKENIZER, value=60_000)
    assert case.ok(wait=False)["job"]["status"] == "running"
    result = case.ok(verify="full")
    assert result["changed"] is True
    case.check_published(repository)
    assert case.ok(verify="full")["changed"] is False


def test_lost_manifest_costs_no_download(case: Case, hub: HubProcess, repository: Path) -> None:
    case.ok()
    case.path.with_name(f"{case.path.name}.manifest.json").unlink()
    hub.reset()
    result = case.ok()
    assert (result["changed"], result["reason"]) == (True, "its manifest is missing")
    assert result["bytes_downloaded"] == 0
    case.check_published(repository)
    assert case.ok()["changed"] is False


@pytest.mark.fault("two runs at once")
def test_two_runs_at_once_share_one_download(case: Case, hub: HubProcess, repository: Path) -> None:
    hub.fault("rate", path=WEIGHTS, value=3_000_000)
    both = [start_module("stt_model_fetch", case.params) for _unused in range(2)]
    results = [end_module(process) for process in both]
    assert [result.get("failed") for result in results] == [None, None], results
    case.check_published(repository)
    assert hub.sent("model.safetensors") == (repository / "model.safetensors").stat().st_size
    assert all(result["files"] == results[0]["files"] for result in results)


@pytest.mark.fault("two runs at once")
def test_runs_with_job_roots_of_their_own_do_not_disturb_each_other(
    case: Case, hub: HubProcess, repository: Path
) -> None:
    hub.fault("rate", path=WEIGHTS, value=3_000_000)
    places = [{**case.params, "jobs_root": str(case.root / f"jobs-{name}")} for name in "ab"]
    both = [start_module("stt_model_fetch", params) for params in places]
    results = [end_module(process) for process in both]
    assert [result.get("failed") for result in results] == [None, None], results
    case.check_published(repository)
    size = sum((repository / name).stat().st_size for name in FETCHED)
    assert sorted(result["bytes_downloaded"] for result in results) == [0, size]


def test_started_job_goes_on_and_is_attached_to(
    case: Case, hub: HubProcess, repository: Path
) -> None:
    hub.fault("rate", path=WEIGHTS, value=1_000_000)
    began = time.monotonic()
    started = case.ok(wait=False)
    assert time.monotonic() - began < 5
    assert started["changed"] is True
    assert started["job"]["status"] == "running"
    impatient = case.message(timeout=0.2)
    assert impatient.startswith("job fetch-")
    assert "found it still runs after 0.2 s: {'bytes': " in impatient
    assert impatient.endswith("fix: run again to attach to it, or give more timeout")
    attached = case.ok()
    assert attached["changed"] is True
    # Attaching asks the hub for nothing of its own: the first call asked, this one did not.
    asked = {path: n["GET"] for path, n in hub.stats()["paths"].items() if "/api/" in path}
    assert set(asked.values()) == {1}
    case.check_published(repository)
    assert case.ok(wait=False)["changed"] is False


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(2, marks=pytest.mark.fault("kill -9 early")),
        pytest.param(12, marks=pytest.mark.fault("kill -9 midway")),
        pytest.param(19, marks=pytest.mark.fault("kill -9 late")),
    ],
)
def test_killed_download_goes_on_where_it_stopped(
    case: Case, hub: HubProcess, repository: Path, chunks: int
) -> None:
    size = (repository / "model.safetensors").stat().st_size
    total = sum((repository / name).stat().st_size for name in FETCHED)
    # So many chunks arrive, the next ones stop half-way: there the job is killed.
    hub.fault("stall", path=WEIGHTS, after=0.5, skip=chunks)
    case.ok(wait=False)
    os.kill(case.wait_for_bytes(chunks * CHUNK + CHUNK // 4), signal.SIGKILL)
    sent = hub.sent("model.safetensors")
    case.check_nothing_published()
    hub.reset()
    result = case.ok()
    case.check_published(repository)
    # Which streams ask first is open: the short last chunk may be among those that arrived.
    kept = result["bytes_resumed"] - (total - size)
    assert kept in (chunks * CHUNK, (chunks - 1) * CHUNK + size % CHUNK)
    assert result["bytes_resumed"] + result["bytes_downloaded"] == total
    # What was fetched twice is at most one chunk for each stream.
    assert sent + hub.sent("model.safetensors") <= size + STREAMS * CHUNK


def test_killed_caller_does_not_end_the_job(case: Case, hub: HubProcess, repository: Path) -> None:
    hub.fault("rate", path=WEIGHTS, value=4_000_000)
    caller = start_module("stt_model_fetch", case.params)
    while not (case.root / "jobs").exists() or not any((case.root / "jobs").glob("*/state.json")):
        assert caller.poll() is None
        time.sleep(0.02)
    case.wait_for_bytes(1_000_000)
    caller.kill()
    caller.communicate(timeout=20)
    case.ok()
    case.check_published(repository)
    assert hub.sent("model.safetensors") == (repository / "model.safetensors").stat().st_size


def test_lost_job_is_said_as_such(case: Case, hub: HubProcess) -> None:
    hub.fault("rate", path=WEIGHTS, value=1_000_000)
    process = start_module("stt_model_fetch", case.params)
    while not (case.root / "jobs").exists() or not any((case.root / "jobs").glob("*/state.json")):
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(case.wait_for_bytes(100_000), signal.SIGKILL)
    result = end_module(process)
    assert result["failed"] is True
    assert "found its process gone without a result; needed the process to run" in result["msg"]
