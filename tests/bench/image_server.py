# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A build server of its own for one run: nothing of the lab's images or build cache is touched."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.bench.server import BenchServer
from tests.integration.model_lab import RUNNER
from tests.lab import engine as docker_engine
from tests.lab import images
from tests.lab.hosts import NESTED
from tests.lab.layout import BUILD_HOST, HOST_IMAGE, NETWORK, OWNER_LABEL, Places, cache_root

# Longer than the longest build from nothing on two busy cores.
LIMIT = 1800.0
READY_SECONDS = 90.0
# Runs a command on the server and prints what it said and took.
MEASURE = """
import json, os, subprocess, sys, time
order = json.load(sys.stdin)
began = time.perf_counter()
done = subprocess.run(order["argv"], input=order["input"], capture_output=True, text=True,
                      env={**os.environ, **order["environment"]})
print(json.dumps({"seconds": time.perf_counter() - began, "status": done.returncode,
                  "output": done.stdout[-20000:], "complaints": done.stderr[-4000:]}))
"""


class ThrowawayServer(BenchServer):
    """A container with its own Docker engine; it goes with everything in it at the end."""

    def __init__(self, *, containerd_store: bool = False) -> None:
        super().__init__()
        found = docker_engine.find()
        base = images.find(images.BASE, Places(cache_root()))
        if found is None or base is None or found.inspect("image", HOST_IMAGE) is None:
            raise SystemExit(
                "lab: found no Docker engine with the lab's images; needed to start a build server "
                "from them; fix: make lab-up"
            )
        self._engine = found
        self._base = base
        self._settings = Path(tempfile.mkdtemp(prefix="stt-bench-"))
        self._containerd_store = containerd_store
        self.name = self.prefix.replace("test", "bench")

    def __enter__(self) -> ThrowawayServer:
        try:
            self._start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()

    def _start(self) -> None:
        places = Places(cache_root())
        for path in places.host(BUILD_HOST).iterdir():
            shutil.copy2(path, self._settings)
        if self._containerd_store:
            daemon = self._settings / "daemon.json"
            settings = json.loads(daemon.read_text(encoding="utf-8"))
            settings["features"] = {"containerd-snapshotter": True}
            daemon.write_text(json.dumps(settings), encoding="utf-8")
        self._engine.docker(
            *("run", "--detach", "--init", "--name", self.name, "--network", NETWORK),
            *("--label", OWNER_LABEL, "--volume", "/var/lib/docker", "--volume", "/opt"),
            *("--volume", f"{self._settings}:/lab:ro", *NESTED, HOST_IMAGE),
        )
        deadline = time.monotonic() + READY_SECONDS
        asked = ("exec", self.name, "docker", "info", "--format", "{{.ServerVersion}}")
        while (done := self._engine.docker(*asked, check=False, timeout=30)).returncode != 0:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name}: no Docker engine: {done.stderr}")
            time.sleep(0.3)
        with self._base.path.open("rb") as archive:
            self._engine.docker(
                *("exec", "--interactive", self.name, "docker", "load", "--quiet"),
                stdin=archive,
                timeout=600,
            )

    def remove(self) -> None:
        """Stop the server and remove its data."""
        self._engine.docker("rm", "--force", "--volumes", self.name, check=False, timeout=600)
        shutil.rmtree(self._settings, ignore_errors=True)

    def ssh_bytes(self, script: str, data: bytes | None = None) -> bytes:
        """Run a shell script on the server; there is no SSH in between."""
        command = [self._engine.client, "exec", "--interactive", self.name, "sh", "-c", script]
        done = subprocess.run(
            command, input=data or b"", capture_output=True, timeout=LIMIT, check=False
        )
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace")
            raise AssertionError(f"{script[:200]!r} ended with {done.returncode}: {said}")
        return done.stdout

    def timed(
        self, argv: Sequence[str], data: str = "", environment: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Run a command on the server; how long it took, its status and what it said."""
        order = {"argv": list(argv), "input": data, "environment": dict(environment or {})}
        said = self.ssh(f"python3 -c {shlex.quote(MEASURE)}", json.dumps(order).encode())
        return dict(json.loads(said))

    def timed_module(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Run a module's process on the server, as Ansible would; the answer has its result."""
        answer = self.timed(
            ["python3", "-c", RUNNER],
            json.dumps([name, {"_ansible_check_mode": False, **arguments}]),
            {"PYTHONPATH": f"{self.directory}/python"},
        )
        try:
            result = json.loads(answer["output"])
        except ValueError:
            result = {"failed": True, "msg": f"no result: {answer['complaints'][-500:]}"}
        return {**answer, "result": result}

    def module(
        self, name: str, arguments: Mapping[str, Any], *, check: bool = False
    ) -> dict[str, Any]:
        """Run a module on the server; returns its result, failed or not."""
        asked = {**arguments, "_ansible_check_mode": check}
        return dict(self.timed_module(name, asked)["result"])
