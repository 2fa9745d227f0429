# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_model_fetch while a job for the same place runs: with the same inputs, and with others."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.model_lab import WEIGHTS, Case, HubProcess, snapshot

pytest_plugins = ["tests.integration.model_fixtures"]

LOCKED = [{"path": "config.json", "size": 2, "sha256": "0" * 64}]
OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "source_path": (
        {"source_path": "/mnt/usb"},
        'source_path null (this call: "/mnt/usb")',
    ),
    "endpoint": (
        {"endpoint": "https://mirror.invalid"},
        '(this call: "https://mirror.invalid")',
    ),
    "transport": ({"transport": "xet"}, 'transport "http" (this call: "xet")'),
    "files": ({"files": ["*"]}, '(this call: ["*"])'),
    "expected_files": ({"expected_files": LOCKED}, 'expected_files null (this call: "sha256:'),
}


@pytest.mark.fault("two runs at once")
@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("wait", [True, False])
def test_job_with_other_inputs_is_not_attached_to(
    case: Case, hub: HubProcess, name: str, wait: bool
) -> None:
    changes, text = OTHERS[name]
    hub.fault("rate", path=WEIGHTS, value=1_000_000)
    case.ok(wait=False)
    pid = case.wait_for_bytes(1)
    try:
        began = time.monotonic()
        result = case.fetch(**changes, wait=wait)
        assert time.monotonic() - began < 4
    finally:
        os.kill(pid, signal.SIGKILL)
    assert result["failed"] is True
    assert result["object"].startswith("job fetch-")
    assert result["found"].startswith("it runs with other inputs: ")
    assert text in result["found"]
    assert result["found"].count("(this call: ") == 1
    assert result["fix"] == (
        f"wait for its end and run again, or end it first: kill {pid}; what it fetched is kept"
    )
    assert result["job"]["status"] == "running"


@pytest.mark.fault("two runs at once")
def test_job_with_equal_inputs_is_attached_to(
    case: Case, hub: HubProcess, repository: Path
) -> None:
    hub.fault("rate", path=WEIGHTS, value=3_000_000)
    started = case.ok(wait=False, token="hf_secret_4711")
    assert [file["path"] for file in started["files"]]
    endpoint = case.params["endpoint"]
    attached = case.ok(wait=False, endpoint=f"{endpoint}/", streams=2, stall_seconds=20)
    assert attached["job"]["status"] == "running"
    assert (attached["files"], attached["trust"]) == ([], "")
    inputs = next((case.root / "jobs").glob("*/inputs.json")).read_text()
    assert json.loads(inputs)["endpoint"] == endpoint
    assert "hf_secret_4711" not in inputs
    assert case.ok(verify="full", timeout=60)["changed"] is True
    case.check_published(repository)


def test_ended_job_binds_nobody(case: Case, repository: Path) -> None:
    case.ok()
    (case.path / "config.json").unlink()
    before = snapshot(case.root / "jobs")
    files = [{"path": "config.json", "size": 2, "sha256": "0" * 64}]
    assert "needed exactly the files of expected_files" in case.message(expected_files=files)
    assert snapshot(case.root / "jobs") == before
    brought = case.fetch(source_path=str(repository), files=["config.json"], required_files=[])
    assert brought["object"] == "source_path"
