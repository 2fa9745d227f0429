# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time and memory of processes, and the stand of the benchmark."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.bench.on_server import measure
from tests.bench.place import Model, machine
from tests.bench.processes import job_pid, run
from tests.bench.tools import stream_settings

HOLD = "import time; held = bytearray({size}); time.sleep(0.3); print(len(held))"


def test_peak_is_that_of_the_process_and_not_of_its_starter() -> None:
    size = 150_000_000
    held = bytearray(size)
    small = run([sys.executable, "-S", "-c", HOLD.format(size=1)], limit=60)
    large = run([sys.executable, "-S", "-c", HOLD.format(size=size)], limit=60)
    assert len(held) == size
    assert 1_000_000 < small.peak_memory_bytes < 100_000_000
    assert size < large.peak_memory_bytes < size + 100_000_000
    assert (large.status, large.output.strip(), large.problem) == (0, str(size), "")
    assert large.seconds >= 0.3


def test_peak_of_a_child_counts() -> None:
    size = 150_000_000
    child = HOLD.format(size=size)
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert run([sys.executable, "-c", program], limit=60).peak_memory_bytes > size


def test_processor_time_is_that_of_the_process_and_its_children() -> None:
    busy = "import time\nwhile time.process_time() < 0.5: pass"
    alone = run([sys.executable, "-S", "-c", busy], limit=60)
    assert 0.4 < alone.processor_seconds < 2
    both = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {busy!r}])\n{busy}"
    assert 0.8 < run([sys.executable, "-c", both], limit=60).processor_seconds < 4
    idle = run(["sleep", "0.3"], limit=60)
    assert idle.processor_seconds < 0.2


def test_failure_and_hang_are_problems() -> None:
    failed = run(["sh", "-c", "echo first >&2; echo last >&2; exit 3"], limit=60)
    assert failed.problem == "ended with 3: last"
    hung = run(["sleep", "600"], limit=0.2)
    assert hung.problem == "ended with -9: "
    assert hung.seconds < 60
    assert run(["cat"], data="given", limit=60).output == "given"


def test_job_is_found_by_its_state(tmp_path: Path) -> None:
    assert job_pid(tmp_path) is None
    state = tmp_path / "fetch-0123" / "state.json"
    state.parent.mkdir()
    state.write_text(json.dumps({"pid": None}))
    assert job_pid(tmp_path) is None
    state.write_text(json.dumps({"pid": 42}))
    assert job_pid(tmp_path) == 42


def test_copy_is_judged_by_its_bytes(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    for directory in (source, copy):
        directory.mkdir()
        (directory / "config.json").write_text("{}")
        (directory / "model.safetensors").write_bytes(b"weights")
    (source / "README.md").write_text("not fetched")
    model = Model("small", source)
    assert sorted(model.sha256) == ["config.json", "model.safetensors"]
    assert model.weight_bytes == 7
    assert model.wrong_with(copy) == ""
    (copy / "config.json").unlink()
    assert model.wrong_with(copy) == "not as in the repository: config.json"
    assert model.wrong_with(copy, "model.safetensors") == ""
    (copy / "model.safetensors").write_bytes(b"wEights")
    assert "model.safetensors" in model.wrong_with(copy, "model.safetensors")


def test_stream_settings_are_the_modules_defaults() -> None:
    streams, chunk_bytes = stream_settings()
    assert 1 <= streams <= 64
    assert chunk_bytes >= 65536


def test_machine_is_described_without_its_name() -> None:
    described = json.dumps(machine())
    assert os.uname().nodename not in described
    assert machine()["cores"] == os.cpu_count()


def test_command_on_the_server_is_timed_and_its_files_brought_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "made").write_bytes(b"x" * 1000)
    fake = tmp_path / "bin"
    fake.mkdir()
    # A server without a container that has the source: none is ever listed.
    (fake / "docker").write_text("#!/bin/sh\nexit 0\n")
    (fake / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake}:{os.environ['PATH']}")
    answer = measure(
        {
            "argv": ["sh", "-c", "cat; echo $SAID; sleep 0.2"],
            "input": "given ",
            "environment": {"SAID": "said"},
            "source": str(tmp_path),
            "settle": str(tmp_path),
            "limit": 60,
        }
    )
    assert (answer["status"], answer["output"]) == (0, "given said\n")
    assert answer["seconds"] >= 0.2
    assert answer["settle_seconds"] > 0
    assert answer["peak_memory_bytes"] == 0
