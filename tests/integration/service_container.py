# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service in a container of the engine image, as production runs it, on the build server."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from tests.integration.build_host import CHECKOUT
from tests.integration.verify_host import VerifyHost

ENGINE = CHECKOUT / "docker" / "stt_engine"
CLIENT = ("service_client.py", "service_uploads.py")
MODEL = "/app/models/ctranslate2_model"


class ServiceContainer:
    """One container with a network of its own; a context manager that removes both.

    With ``own_source`` the service is the checkout's, over the image's packages; else the image's.
    """

    def __init__(
        self,
        host: VerifyHost,
        image: str,
        model: str,
        name: str = "service",
        *,
        own_source: bool = True,
        tmpfs: str = "/tmp",
        memory: str = "2g",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.host = host
        self.name = f"{host.prefix}-{name}"
        # More threads than idle cores wait for each other, and other tests may be at work.
        variables = {"STT_DEVICE": "cpu", "STT_CPU_THREADS": "1", **(settings or {})}
        self._command = [
            "docker", "run", "--detach", "--name", self.name, "--network", self.name,
            "--read-only", "--tmpfs", tmpfs, "--user", "2000", "--cap-drop", "ALL",
            "--security-opt", "no-new-privileges", "--memory", memory,
            "--volume", f"{model}:{MODEL}:ro",
            *(part for name, value in variables.items() for part in ("--env", f"{name}={value}")),
        ]  # fmt: skip
        if own_source:
            files = {path.name: path.read_bytes() for path in ENGINE.glob("*.py")}
            place = host.put(files, "stt_engine")
            self._command += ["--volume", f"{place}:/app/stt_engine:ro"]
        self._command.append(image)
        self.address = ""
        self.pid = 0
        self.model: dict[str, Any] = {}

    def __enter__(self) -> ServiceContainer:
        """Start it and wait until it is healthy."""
        try:
            # Nothing but this server reaches it, and it reaches nothing.
            self.host.ssh(f"docker network create --internal {self.name}")
            self.host.ssh(shlex.join(self._command))
            look = "{{.State.Pid}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
            found = self.host.ssh(f"docker container inspect --format '{look}' {self.name}")
            pid, self.address = found.split()
            self.pid = int(pid)
            self._carry_client()
            self.model = self.do("ready")
        except BaseException as error:
            error.add_note(self.log())
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

    def _carry_client(self) -> None:
        place = CHECKOUT / "tests" / "bench"
        files = {f"tests/bench/{name}": (place / name).read_bytes() for name in CLIENT}
        self.host.put(files, "client")

    def do(self, what: str, **order: Any) -> dict[str, Any]:
        """Let the client on the server do something, and return what it saw."""
        order = {
            "do": what,
            "address": self.address,
            "clips": f"{self.host.directory}/clips",
            "container": self.name,
            "pid": self.pid,
            **order,
        }
        client = f"cd {self.host.directory}/client && python3 -B -m tests.bench.service_client"
        return dict(json.loads(self.host.ssh(f"{client} {shlex.quote(json.dumps(order))}")))

    def inspect(self) -> dict[str, Any]:
        """The container as the engine describes it."""
        return dict(json.loads(self.host.ssh(f"docker container inspect {self.name}"))[0])

    def log(self) -> str:
        """The last of what the service has written; empty when there is no container."""
        return self.host.ssh(f"docker logs --tail 200 {self.name} 2>&1 || true")

    def events(self) -> list[dict[str, Any]]:
        """The log; every line must be one JSON object."""
        return [json.loads(line) for line in self.host.ssh(f"docker logs {self.name}").splitlines()]

    def remove(self) -> None:
        """Remove the container and its network, as far as they are there."""
        self.host.ssh(
            f"docker container rm --force --volumes {self.name} >/dev/null 2>&1; "
            f"docker network rm {self.name} >/dev/null 2>&1; true"
        )
