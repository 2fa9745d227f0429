# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hub in a process of its own with a small model, and modules run as Ansible runs them."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
REPOSITORY = "lab/whisper"
WEIGHTS = f"{REPOSITORY}/model.safetensors"
CHUNK = 1_000_000
STREAMS = 4
RUNNER = """
import importlib, json, sys
from ansible.module_utils.testing import patch_module_args
name, arguments = json.load(sys.stdin)
module = importlib.import_module("ansible_collections.stt.engine.plugins.modules." + name)
with patch_module_args(arguments):
    module.main()
"""


def make_repository(root: Path) -> Path:
    """A model of 20 MB with the files that a Whisper model has, the same on every run."""
    model = root / REPOSITORY
    model.mkdir(parents=True)
    source = random.Random(20)
    for name in ("config", "generation_config", "preprocessor_config", "tokenizer_config"):
        (model / f"{name}.json").write_text(json.dumps({"name": name}))
    (model / "tokenizer.json").write_text(json.dumps({"noise": source.randbytes(60_000).hex()}))
    (model / "merges.txt").write_text("#version: 0.2\n")
    (model / "README.md").write_text("not fetched\n")
    (model / "pytorch_model.bin").write_bytes(b"not fetched either")
    (model / "model.safetensors").write_bytes(source.randbytes(20_000_123))
    return model


FETCHED = (
    "config.json",
    "generation_config.json",
    "merges.txt",
    "model.safetensors",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)


class HubProcess:
    """The lab's hub in a process of its own, told what to do over HTTP."""

    def __init__(self, repositories: Path, *options: str) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.lab.hub", "--repos", str(repositories)),
                *("--port", "0", "--quiet", *options),
            ],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("hub: http://"), line
        self.url = line.split()[1]

    def __enter__(self) -> HubProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.communicate(timeout=20)

    def _call(self, path: str, order: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if order is None else json.dumps(order).encode()
        request = urllib.request.Request(f"{self.url}{path}", data=data)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return dict(json.load(answer))

    def fault(self, action: str, **settings: Any) -> None:
        """Put a fault in force."""
        self._call("/_control", {"add": {"action": action, **settings}})

    def reset(self) -> None:
        """End all faults and begin the counts at zero."""
        self._call("/_control", {"clear": True, "clear_stats": True})

    def stats(self) -> dict[str, Any]:
        """What was asked for since the last reset."""
        return self._call("/_stats")

    def sent(self, name: str) -> int:
        """Bytes of a file of the repository that were sent since the last reset."""
        paths = self.stats()["paths"]
        return sum(counts.get("bytes", 0) for path, counts in paths.items() if path.endswith(name))

    def commit(self) -> str:
        """The commit that main names."""
        return str(self._call(f"/api/models/{REPOSITORY}/revision/main")["sha"])


def start_module(
    name: str, params: dict[str, Any], *, check: bool = False
) -> subprocess.Popen[str]:
    """Start a module in a process of its own; its parameters travel through standard input."""
    arguments = {**params, "_ansible_check_mode": check, "_ansible_diff": True}
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / ".collections")}
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps([name, arguments]))
    process.stdin.close()
    process.stdin = None
    return process


def end_module(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a module and return its result; ``failed`` is in it when it failed."""
    output, complaints = process.communicate(timeout=120)
    try:
        return dict(json.loads(output))
    except ValueError:
        raise AssertionError(f"{process.returncode}: {output}{complaints}") from None


def run_module(name: str, params: dict[str, Any], *, check: bool = False) -> dict[str, Any]:
    """Run a module to its end."""
    return end_module(start_module(name, params, check=check))


def snapshot(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything below a directory, with mode and time: what an independent reader sees."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(root))] = (status.st_mode, status.st_mtime_ns, content)
    return found


class Case:
    """One server directory and the parameters of a fetch to it."""

    def __init__(self, hub: HubProcess, root: Path) -> None:
        self.root = root
        self.params: dict[str, Any] = {
            "endpoint": hub.url,
            "repository": REPOSITORY,
            "commit": hub.commit(),
            "root": str(root),
            "tools_python": sys.executable,
            "streams": STREAMS,
            "chunk_bytes": CHUNK,
            "stall_seconds": 10,
        }
        self.path = root / "models" / "lab_whisper" / self.params["commit"]
        hub.reset()

    def fetch(self, *, check: bool = False, **changes: Any) -> dict[str, Any]:
        return run_module("stt_model_fetch", {**self.params, **changes}, check=check)

    def ok(self, *, check: bool = False, **changes: Any) -> dict[str, Any]:
        result = self.fetch(check=check, **changes)
        assert not result.get("failed"), result
        return result

    def message(self, **changes: Any) -> str:
        result = self.fetch(**changes)
        assert result.get("failed") is True, result
        assert {"object", "found", "needed", "fix"} <= result.keys()
        return str(result["msg"])

    def check_published(self, repository: Path) -> None:
        found = {path.name: path.read_bytes() for path in self.path.iterdir()}
        assert found == {name: (repository / name).read_bytes() for name in FETCHED}

    def check_nothing_published(self) -> None:
        models = self.root / "models"
        assert not models.exists() or not any(models.rglob("*"))

    def job(self) -> dict[str, Any]:
        path = next((self.root / "jobs").iterdir()) / "state.json"
        return dict(json.loads(path.read_text()))

    def wait_for_bytes(self, count: int) -> int:
        """Wait until the job has so many bytes; returns its process id."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            state = self.job()
            assert state["status"] == "running", state
            if state["pid"] and state["progress"].get("bytes", 0) >= count:
                return int(state["pid"])
            time.sleep(0.02)
        raise AssertionError("the job did not get on")
