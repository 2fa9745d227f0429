# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools that are compared: our module, `hf download` and curl, each run as its users do."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.bench.place import CHECKOUT, PATTERNS, REPOSITORY, WEIGHTS
from tests.bench.processes import Run, Watch, job_pid, kill_group, run
from tests.integration.model_lab import RUNNER, HubProcess

# Longer than any run here; what takes longer hangs.
LIMIT = 600.0


@dataclass(frozen=True)
class Fetched:
    """One run of a tool: where its files lie, what it took, and what was wrong."""

    directory: Path
    run: Run
    peak_memory_bytes: int
    processor_seconds: float
    problem: str
    result: Mapping[str, Any]

    @classmethod
    def by(cls, run: Run, directory: Path) -> Fetched:
        """What one process has done by itself."""
        used = run.processor_seconds
        return cls(directory, run, run.peak_memory_bytes, used, run.problem, {})


def stream_settings() -> tuple[int, int]:
    """Number of streams and bytes of a chunk that the module takes when told nothing."""
    source = CHECKOUT / "plugins" / "modules" / "stt_model_fetch.py"
    text = source.read_text(encoding="utf-8").partition('DOCUMENTATION = r"""')[2]
    options = yaml.safe_load(text.partition('"""')[0])["options"]
    return int(options["streams"]["default"]), int(options["chunk_bytes"]["default"])


def check_tools() -> None:
    """Refuse to compare with another version than the pinned one, or without curl."""
    lock = (CHECKOUT / "requirements" / "tools.txt").read_text(encoding="utf-8")
    pinned = re.search(r"(?m)^huggingface-hub==(\S+)", lock)
    found = importlib.metadata.version("huggingface_hub")
    if pinned is None or pinned[1] != found:
        raise SystemExit(
            f"huggingface_hub: found {found}; needed {pinned and pinned[1]}, as "
            "requirements/tools.txt pins it; fix: make lock, make setup"
        )
    if shutil.which("curl") is None:
        raise SystemExit(
            "curl: not found; needed to compare with; fix: install it (Debian: apt-get install "
            "curl; RHEL: dnf install curl)"
        )


def peer_versions() -> dict[str, str]:
    """The versions of what ours is compared with."""
    curl = run(["curl", "--version"], limit=60).output.split()[1]
    return {"huggingface_hub": importlib.metadata.version("huggingface_hub"), "curl": curl}


class Ours:
    """stt_model_fetch in a process of its own, with the defaults that an operator gets."""

    def __init__(self, hub: HubProcess, commit: str, root: Path) -> None:
        self.root = root
        self.jobs = root / "jobs"
        self.parameters: dict[str, Any] = {
            "endpoint": hub.url,
            "repository": REPOSITORY,
            "commit": commit,
            "root": str(root),
            "tools_python": sys.executable,
        }

    def fetch(self, **changes: Any) -> Fetched:
        """One call of the module, from the start of its process to its end."""
        arguments = {**self.parameters, **changes, "_ansible_check_mode": False}
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / ".collections")}
        with Watch(lambda: job_pid(self.jobs)) as job:
            try:
                done = run(
                    [sys.executable, "-c", RUNNER],
                    data=json.dumps(["stt_model_fetch", arguments]),
                    environment=environment,
                    limit=LIMIT,
                )
            except BaseException:
                # An interrupted benchmark leaves no job behind.
                if pid := job_pid(self.jobs):
                    kill_group(pid)
                raise
        result = _result(done)
        problem = str(result.get("msg", "")) if result.get("failed") else done.problem
        place = self.root / "models" / REPOSITORY.replace("/", "_") / self.parameters["commit"]
        # The module's own process lists the files and waits while the job has them.
        return Fetched(
            directory=place,
            run=done,
            peak_memory_bytes=max(job.peak_bytes, done.peak_memory_bytes),
            processor_seconds=job.processor_seconds + done.processor_seconds,
            problem=problem,
            result={**result, "job_bytes": job.peak_bytes},
        )


class Hf:
    """`hf download` of the pinned huggingface_hub into a directory, without Xet."""

    def __init__(self, hub: HubProcess, commit: str, directory: Path) -> None:
        self.directory = directory
        program = Path(sys.executable).with_name("hf")
        include = [part for pattern in PATTERNS for part in ("--include", pattern)]
        target = ["--revision", commit, "--local-dir", str(directory)]
        self.command = [str(program), "download", REPOSITORY, *include, *target]
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
            "HF_ENDPOINT": hub.url,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            # A home of its own: no token, no cache that another run has filled.
            "HF_HOME": str(directory.with_name(f"{directory.name}-home")),
        }

    def fetch(self) -> Fetched:
        """One call of the command."""
        done = run(self.command, environment=self.environment, limit=LIMIT)
        return Fetched.by(done, self.directory)


class Curl:
    """Plain curl of the one large file: no list of files, no other file, no hash."""

    def __init__(self, hub: HubProcess, commit: str, directory: Path) -> None:
        self.directory = directory
        self.url = f"{hub.url}/{REPOSITORY}/resolve/{commit}/{WEIGHTS}"

    def fetch(self) -> Fetched:
        """One call of the command."""
        self.directory.mkdir(parents=True)
        command = ["curl", "-fsS", "-o", str(self.directory / WEIGHTS), self.url]
        done = run(command, limit=LIMIT)
        return Fetched.by(done, self.directory)


def _result(done: Run) -> dict[str, Any]:
    try:
        return dict(json.loads(done.output))
    except ValueError:
        return {"failed": True, "msg": done.problem or f"no result: {done.output[:300]}"}
