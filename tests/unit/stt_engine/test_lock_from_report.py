# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report of pip becomes a lock, or is refused for what it would leave open."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from locks.lock_from_report import LockError, lock_files, part_of, pins_of

from tests.unit.stt_engine.service_process import DOCKER

DIGEST = "a" * 64


def entry(name: str, version: str = "1", **changes: Any) -> dict[str, Any]:
    """One entry of a report of pip."""
    return {
        "metadata": {"name": name, "version": version},
        "download_info": {
            "url": f"https://index.example/{name}.whl",
            "archive_info": {"hashes": {"sha256": DIGEST}},
        },
        **changes,
    }


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("nvidia-cudnn-cu12", "cuda-cudnn"),
        ("nvidia-cusparse-cu12", "cuda-math"),
        ("nvidia-cusparselt-cu12", "cuda-rest"),
        ("triton", "triton"),
        ("torchaudio", "torch"),
        ("torchcodec", "packages"),
        ("numpy", "packages"),
    ],
)
def test_the_part_of_a_package(name: str, part: str) -> None:
    assert part_of(name) == part


def test_names_are_normalized_and_sorted() -> None:
    report = {"version": "1", "install": [entry("PyYAML"), entry("huggingface_hub")]}

    text = lock_files(pins_of(report))["packages.txt"]

    assert [line for line in text.splitlines() if "==" in line] == [
        "huggingface-hub==1 \\", "pyyaml==1 \\",
    ]  # fmt: skip


def test_the_base_image_keeps_its_setuptools() -> None:
    report = {"version": "1", "install": [entry("setuptools"), entry("h11")]}

    assert [pin.name for pin in pins_of(report)] == ["h11"]


def test_the_older_spelling_of_a_hash() -> None:
    old = {"url": "https://index.example/h11.whl", "archive_info": {"hash": f"sha256={DIGEST}"}}
    report = {"version": "1", "install": [entry("h11", download_info=old)]}

    assert pins_of(report)[0].sha256 == DIGEST


@pytest.mark.parametrize(
    ("report", "message"),
    [
        ({}, "not a report of"),
        ({"version": "2", "install": []}, "not a report of"),
        ({"version": "1", "install": []}, "an empty report"),
        ({"version": "1", "install": [entry("a"), entry("A")]}, "a is in the report twice"),
        ({"version": "1", "install": [{"x": 1}]}, "an entry without name and version"),
        (
            {
                "version": "1",
                "install": [entry("a", download_info={"url": "git+x", "vcs_info": {}})],
            },
            "a did not resolve to a wheel",
        ),
        (
            {
                "version": "1",
                "install": [
                    entry("a", download_info={"url": "https://x/a.whl", "archive_info": {}})
                ],
            },
            "the index states no sha256 for a",
        ),
        (
            {
                "version": "1",
                "install": [
                    entry(
                        "a",
                        download_info={
                            "url": "https://x/a.tar.gz",
                            "archive_info": {"hashes": {"sha256": DIGEST}},
                        },
                    )
                ],
            },
            "a did not resolve to a wheel",
        ),
    ],
)
def test_a_report_that_cannot_become_a_lock(report: dict[str, Any], message: str) -> None:
    with pytest.raises(LockError, match=message):
        pins_of(report)


def run_script(script: Path, report: Path, lock: Path) -> subprocess.CompletedProcess[str]:
    """Run the command on a report."""
    return subprocess.run(
        [sys.executable, str(script), "--report", str(report), "--dest", str(lock)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_lock_from_a_report_file(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"version": "1", "install": [entry("triton"), entry("h11")]}))
    script = DOCKER / "locks" / "lock_from_report.py"

    run = run_script(script, report, tmp_path / "lock")

    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith(": 2 packages in 6 files\n")
    assert "triton==1" in (tmp_path / "lock" / "triton.txt").read_text()
    assert "==" not in (tmp_path / "lock" / "torch.txt").read_text()
    report.write_text("{")
    assert run_script(script, report, tmp_path).returncode == 1
