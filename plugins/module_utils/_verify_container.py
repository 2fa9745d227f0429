# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the checks in one locked-down container and brings back every line they print."""

from __future__ import annotations

import contextlib
import json
import math
import os
import selectors
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ansible_collections.stt.engine.plugins.module_utils._docker_cli import (
    OWNER,
    OWNER_LABEL,
    DockerCli,
)
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._verify_layers import Layers
from ansible_collections.stt.engine.plugins.module_utils._verify_request import (
    CACHE_IN_CONTAINER,
    LOGS_IN_CONTAINER,
    VISIBLE_DEVICES,
    VerifyRequest,
)

TEMPORARY = "rw,nosuid,nodev,size=1g,mode=1777"
# Where nothing of the image can lie, for checks that read everything that it has in /tmp too.
SCRATCH = "/checks/scratch"
# What shows that the checks of isolation can fail is started with none of it.
SURROUNDINGS = "surroundings"
ISOLATION = ("--read-only", "--network=none")
# The host's network is there on every engine; a bridge may be switched off.
WRONG_ISOLATION = ("--network=host",)
HIDDEN_DEVICES = "-1"
# Threads count too: a host with many cores starts hundreds of them.
PIDS_LIMIT = 8192
LABEL = f"{OWNER_LABEL}={OWNER}"
# Which installation on this host a container belongs to: several may use one engine.
PLACE_LABEL = "stt.engine.place"
VOLUMES = {"cache": CACHE_IN_CONTAINER, "logs": LOGS_IN_CONTAINER}
MAXIMUM_LINE = 16 << 20
# What the checks call it when a recording puts their end off; a day of it in all.
MORE = "more_seconds"
MOST_MORE = 86400.0
# What docker run itself exits with when the container cannot be made or its command not be run.
CANNOT_START = (125, 126, 127)
KILLED = 137
TAIL_LINES = 20
REMOVE_SECONDS = 60.0


@dataclass
class ContainerRun:
    """What came out of the container."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    noise: list[str] = field(default_factory=list)
    exit_status: int = -1
    out_of_memory: bool = False
    timed_out: bool = False
    seconds: float = 0.0
    # By how much the checks have put the end off, for recordings that take long to hear.
    more_seconds: float = 0.0


@dataclass(frozen=True)
class Part:
    """One of the containers of a phase, by what distinguishes it.

    ``everything`` is for checks that read every file of the image: they may, as root, and nothing
    is mounted over the image's own directories. ``only`` are the checks to run, by id and name, and
    ``layers`` what it gets to see of the image's layers. With ``self_test`` faults are planted for
    the checks: within this container, or by starting it wrongly.
    """

    image_id: str
    name: str = ""
    everything: bool = False
    only: tuple[tuple[str, str], ...] = ()
    python: str = "python3"
    layers: Layers = field(default_factory=Layers)
    self_test: str = ""

    @property
    def wrong(self) -> bool:
        """Whether it is to be everything that a container of checks must not be."""
        return self.self_test == SURROUNDINGS


class CheckContainer:
    """One container of checks; whatever happens, it and its volumes are removed at the end."""

    def __init__(self, docker: DockerCli, request: VerifyRequest, part: Part) -> None:
        self.docker = docker
        self.request = request
        self.part = part
        self.name = f"{request.container}-{part.name}" if part.name else request.container
        self.place = str(request.checks.parent)

    def run(self, specification: Mapping[str, Any], *, gpu: bool, log: IO[bytes]) -> ContainerRun:
        """Start the checks and follow them to their end or the time limit."""
        self._refuse_foreign()
        self.remove()
        try:
            for name in self._volumes():
                self.docker.run(["volume", "create", "--label", LABEL, self._volume(name)])
            return self._follow(json.dumps(specification).encode(), gpu, log)
        finally:
            self.remove()

    def remove(self) -> None:
        """Remove the container of this name and its volumes, also those a killed run has left."""
        self.docker.remove_container(self.name)
        for name in VOLUMES:
            self._remove_volume(self._volume(name))

    def _refuse_foreign(self) -> None:
        """Leave a container alone that runs for another installation on this host."""
        found = self.docker.container(self.name) or {}
        place = ((found.get("Config") or {}).get("Labels") or {}).get(PLACE_LABEL)
        running = bool((found.get("State") or {}).get("Running"))
        if running and place not in (None, self.place):
            raise SttError(
                f"container {self.name}",
                found=f"it runs with the checks of {place}",
                needed="a name that no other installation on this host uses now",
                fix="wait for its end, or choose another container name",
            )

    def arguments(self, *, gpu: bool) -> list[str]:
        """The arguments of docker run; nothing of the host can be written from inside."""
        request, part = self.request, self.part
        suffix = ":ro,z" if self._selinux() else ":ro"
        arguments = [
            "run",
            "--interactive",
            f"--name={self.name}",
            f"--label={LABEL}",
            f"--label={PLACE_LABEL}={self.place}",
            *(WRONG_ISOLATION if part.wrong else ISOLATION),
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            f"--memory={request.memory_bytes}",
            f"--memory-swap={request.memory_bytes}",
            f"--pids-limit={PIDS_LIMIT}",
            "--ulimit=core=0",
            "--log-driver=none",
            "--no-healthcheck",
            f"--env=CUDA_VISIBLE_DEVICES={HIDDEN_DEVICES if part.wrong else VISIBLE_DEVICES}",
        ]
        if gpu:
            arguments += ["--gpus=all", "--env=NVIDIA_DRIVER_CAPABILITIES=compute,utility"]
        if part.everything or part.wrong:
            arguments += ["--user=0", f"--env=TMPDIR={SCRATCH}", f"--tmpfs={SCRATCH}:{TEMPORARY}"]
            arguments.append("--tmpfs=/tmp:ro" if part.wrong else "--cap-add=DAC_OVERRIDE")
        else:
            arguments += [f"--user={request.uid}", f"--tmpfs=/tmp:{TEMPORARY}"]
        for place, path in request.mounts().items():
            arguments.append(f"--volume={path}:{place}{suffix}")
        for place, path in part.layers.mounts.items():
            marked = ":ro" if part.layers.of_engine else suffix
            arguments.append(f"--volume={path}:{place}{marked}")
        for name, place in self._volumes().items():
            writable = ":ro" if part.wrong else ""
            arguments.append(f"--volume={self._volume(name)}:{place}{writable}")
        return [*arguments, f"--entrypoint={part.python}", part.image_id, *self._command()]

    def _command(self) -> list[str]:
        only = [f"--only={step}/{name}" for step, name in self.part.only]
        mode = [f"--self-test={self.part.self_test}"] if self.part.self_test else []
        return ["/checks/checks.pyz", f"--phase={self.request.phase}", "--spec=-", *only, *mode]

    def _volumes(self) -> Mapping[str, str]:
        return {} if self.part.everything else VOLUMES

    def _follow(self, specification: bytes, gpu: bool, log: IO[bytes]) -> ContainerRun:
        argv = [self.docker.docker, *self.arguments(gpu=gpu)]
        log.write(f"$ {shlex.join(argv)}\n".encode())
        log.flush()
        begin = log.tell()
        run = ContainerRun()
        started = time.monotonic()
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self.docker.environment,
            )
        except OSError as error:
            raise self.docker.not_runnable(error) from error
        with process:
            try:
                self._communicate(process, specification, started + self.request.timeout, run)
            finally:
                # Killing the client would leave the container behind: the engine is asked first.
                if process.poll() is None:
                    self.docker.run(["kill", self.name], check=False)
                    self._end(process)
        run.seconds = round(time.monotonic() - started, 3)
        run.exit_status = process.returncode
        self._read_state(run, Path(str(log.name)), begin)
        return run

    def _communicate(
        self, process: subprocess.Popen[bytes], given: bytes, deadline: float, run: ContainerRun
    ) -> None:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both pipes were asked for")
        # A client that ended at once tells why by its exit status and message.
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(given)
            process.stdin.close()
        pending = b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while True:
                left = deadline + run.more_seconds - time.monotonic()
                if left <= 0 or not selector.select(left):
                    run.timed_out = True
                    return
                chunk = os.read(process.stdout.fileno(), 1 << 16)
                if not chunk:
                    break
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    take(line, run)
                if len(pending) > MAXIMUM_LINE:
                    raise SttError(
                        f"container {self.name}",
                        found=f"a line of more than {MAXIMUM_LINE} bytes",
                        needed="one JSON line a check",
                        fix="use the check archive of this collection",
                    )
        take(pending, run)
        process.wait()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(REMOVE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _read_state(self, run: ContainerRun, log: Path, begin: int) -> None:
        found = self.docker.container(self.name)
        state = (found or {}).get("State") or {}
        run.out_of_memory = bool(state.get("OOMKilled"))
        if run.exit_status in CANNOT_START and not run.messages:
            raise self._start_error(run, log, begin, str(state.get("Error", "")))

    def _start_error(self, run: ContainerRun, log: Path, begin: int, reason: str) -> SttError:
        with log.open("rb") as stream:
            stream.seek(begin)
            said = stream.read().decode("utf-8", "replace").strip()
        text = reason or (said.splitlines()[-1] if said else "no message")
        fix = "mend what docker's message names"
        if "could not select device driver" in said or "nvidia" in said.lower():
            fix = (
                "install the NVIDIA container toolkit on this host (nvidia-ctk runtime configure, "
                "then restart Docker), or set the GPU policy of this host to absent"
            )
        elif "executable file not found" in said or run.exit_status != CANNOT_START[0]:
            fix = "use an engine image: it has python3 on its PATH, or its command names it"
        return SttError(
            f"container {self.name} of image {self.part.image_id}",
            found=f"docker run ends with exit status {run.exit_status}: {text}",
            needed="a container that starts",
            fix=fix,
            stderr=said[-4000:],
        )

    def _volume(self, name: str) -> str:
        return f"{self.name}-{name}"

    def _remove_volume(self, name: str) -> None:
        done = self.docker.run(["volume", "inspect", name], check=False)
        if done.rc != 0:
            return
        labels = (done.json()[0].get("Labels")) or {}
        if labels.get(OWNER_LABEL) != OWNER:
            raise SttError(
                f"volume {name}",
                found=f"no label {LABEL}",
                needed="a volume made by this collection",
                fix="remove the volume by hand if it is yours, or choose another container name",
            )
        self.docker.run(["volume", "rm", name])

    def _selinux(self) -> bool:
        done = self.docker.run(["info", "--format", "{{json .SecurityOptions}}"])
        return any("selinux" in str(option) for option in done.json() or [])


def tail(path: Path, lines: int = TAIL_LINES) -> list[str]:
    """The last lines of a log."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - (64 << 10)))
        return stream.read().decode("utf-8", "replace").splitlines()[-lines:]


def readable(value: Any) -> Any:
    """The same as every reader of a report takes it, whichever characters and numbers are in it.

    None stands for each number that JSON has not, NaN and the infinities; half a surrogate pair,
    which no encoding can write, becomes the words of its escape.
    """
    if isinstance(value, dict):
        return {readable(name): readable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [readable(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return None if isinstance(value, float) and not math.isfinite(value) else value


def take(line: bytes, run: ContainerRun) -> None:
    """Sort a line that a container printed: a message of ours, or noise."""
    if not line.strip():
        return
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if isinstance(message, dict) and MORE in message:
        run.more_seconds = min(MOST_MORE, run.more_seconds + float(message[MORE]))
    elif isinstance(message, dict):
        run.messages.append(readable(message))
    else:
        run.noise.append(line.decode("utf-8", "replace")[:2000])


def result_key(entry: Mapping[str, Any]) -> tuple[str, str]:
    """What names a check."""
    return str(entry.get("id")), str(entry.get("name"))


def planned_of(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The announced checks; empty when there was no announcement."""
    for message in messages:
        if isinstance(message.get("planned"), list):
            return [
                {"id": str(entry.get("id")), "name": str(entry.get("name"))}
                for entry in message["planned"]
                if isinstance(entry, dict)
            ]
    return []
