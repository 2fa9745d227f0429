# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs CTranslate2's converter inside the engine image, bounded and without a network."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils import _convert_payload
from ansible_collections.stt.engine.plugins.module_utils._convert_faults import (
    UNTOUCHED,
    disk_full,
    killed,
    oom_kills,
    out_of_memory,
)
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import (
    OWNER,
    OWNER_LABEL,
    DockerCli,
)
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._jobs import JobContext

# Read at import: the archive that a module is carried in is gone when its job still runs.
PAYLOAD = inspect.getsource(_convert_payload).encode()
SOURCE_IN_CONTAINER = "/source"
DESTINATION_IN_CONTAINER = "/destination"
# A directory of its own: the converter removes and makes the one that it writes to.
OUTPUT = "model"
# The image's own user; the staging directory is lent to it for the conversion.
USER = 2000
LABEL = f"{OWNER_LABEL}={OWNER}"
VERSION_SECONDS = 120.0
KILLED = 137
# What docker's client ends with when it could not run a container, or could not stay with it.
NOT_RUN = 125
NEVER = "0001-"


def converter_versions(docker: DockerCli, image_id: str) -> dict[str, str]:
    """Ask an image for the versions of its converter; takes a second."""
    done = docker.run(
        ["run", "--rm", "--interactive", *_hardening(), image_id, "-", "--versions"],
        input=PAYLOAD,
        timeout=VERSION_SECONDS,
        check=False,
    )
    answer = _answer(done.stdout)
    versions = answer.get("versions") if done.rc == 0 else None
    missing = [
        name for name in ("ctranslate2", "transformers", "torch") if not (versions or {}).get(name)
    ]
    if not isinstance(versions, dict) or missing:
        raise SttError(
            f"image {image_id}",
            found=f"no {' and no '.join(missing) or 'answer'} in it"
            if done.rc == 0
            else f"exit status {done.rc}: {done.error_text[-500:] or 'no message'}",
            needed="an engine image with ctranslate2, transformers and torch",
            fix="convert with the full variant of the engine image",
            stderr=done.error_text[-4000:],
        )
    return {str(name): str(version).partition("+")[0] for name, version in versions.items()}


class ConverterContainer:
    """One container for one conversion; removed at the end, whatever happens."""

    def __init__(self, docker: DockerCli, image_id: str, key: str, memory_bytes: int) -> None:
        self.docker = docker
        self.image_id = image_id
        self.name = f"stt-convert-{key}"
        self.memory_bytes = memory_bytes

    def convert(
        self, source: Path, staged: Path, quantization: str, context: JobContext
    ) -> dict[str, Any]:
        """Convert ``source`` into the empty directory ``staged``; SttError says why not."""
        # One that a killed job has left.
        self.docker.remove_container(self.name)
        context.progress(step="converting")
        kills = oom_kills()
        try:
            arguments = self._arguments(source, staged, quantization, _lend(staged))
            status, output = self._run(arguments, context)
            found = self.docker.container(self.name)
        finally:
            self.docker.remove_container(self.name)
        state: Mapping[str, Any] = (found or {}).get("State") or {}
        answer = _answer(output)
        error = answer.get("error")
        if status == 0 and "files" in answer and error is None:
            _take_back(staged)
            return answer
        now = oom_kills()
        host_kills = None if now is None or kills is None else now - kills
        raise self._failure(source, staged, status, state, error, host_kills)

    def _arguments(self, source: Path, staged: Path, quantization: str, user: str) -> list[str]:
        info = self.docker.run(["info", "--format", "{{json .SecurityOptions}}"]).json() or []
        label = ",z" if any("selinux" in str(option) for option in info) else ""
        return [
            "run",
            "--interactive",
            f"--name={self.name}",
            *_hardening(user),
            f"--memory={self.memory_bytes}",
            f"--memory-swap={self.memory_bytes}",
            f"--volume={source}:{SOURCE_IN_CONTAINER}:ro{label}",
            f"--volume={staged}:{DESTINATION_IN_CONTAINER}:rw{label}",
            self.image_id,
            "-",
            f"--source={SOURCE_IN_CONTAINER}",
            f"--destination={DESTINATION_IN_CONTAINER}/{OUTPUT}",
            f"--quantization={quantization}",
        ]

    def _run(self, arguments: list[str], context: JobContext) -> tuple[int, bytes]:
        """Exit status and standard output; standard error goes to the job's log as it comes."""
        argv = [self.docker.docker, *arguments]
        try:
            done = subprocess.run(
                argv,
                input=PAYLOAD,
                stdout=subprocess.PIPE,
                stderr=context.log,
                env=self.docker.environment,
                check=False,
            )
        except OSError as error:
            raise self.docker.not_runnable(error) from error
        context.log.write(done.stdout)
        return done.returncode, done.stdout

    def _failure(
        self,
        source: Path,
        staged: Path,
        status: int,
        state: Mapping[str, Any],
        error: Any,
        host_kills: int | None,
    ) -> SttError:
        what = f"conversion of {source}"
        kind = error.get("kind") if isinstance(error, dict) else None
        if state.get("OOMKilled") or status == KILLED:
            return killed(
                what,
                memory_bytes=self.memory_bytes,
                at_limit=bool(state.get("OOMKilled")),
                host_kills=host_kills,
                status=status,
            )
        if kind == "disk_full":
            return disk_full(staged, error["message"])
        memory = (
            out_of_memory(what, error, memory_bytes=self.memory_bytes, status=status)
            if isinstance(error, dict)
            else None
        )
        if memory is not None:
            return memory
        if status == NOT_RUN and not str(state.get("StartedAt", NEVER)).startswith(NEVER):
            return SttError(
                "docker daemon",
                found="the connection to it lost while the converter ran",
                needed="a Docker daemon that stays until the end",
                fix="look at the daemon's log (journalctl -u docker), then run again; " + UNTOUCHED,
                rc=status,
            )
        if status == NOT_RUN or not state:
            said = str(state.get("Error") or "docker run could not start the container")
            return SttError(
                what,
                found=f"exit status {status}: {said}",
                needed="a container that starts",
                fix="mend what docker's message in the job's log names",
                rc=status,
            )
        message = (
            f"{kind}: {error['message']}"
            if isinstance(error, dict)
            else f"exit status {status} without a result"
        )
        return SttError(
            what,
            found=message,
            needed="a Whisper model that this image's CTranslate2 converts",
            fix="read the end of the job's log; if a file is named there, fetch the model again",
            rc=status,
        )


def _lend(directory: Path) -> str:
    """Give a directory to the container's user, and say who that is."""
    # Only root may give a directory away; anyone else lets the container run as himself.
    if os.geteuid() != 0:
        return f"{os.geteuid()}:{os.getegid()}"
    os.chown(directory, USER, USER)
    return f"{USER}:{USER}"


def _take_back(directory: Path) -> None:
    if os.geteuid() != 0:
        return
    for path in (directory, *directory.rglob("*")):
        os.chown(path, 0, 0, follow_symlinks=False)


def _hardening(user: str = f"{USER}:{USER}") -> list[str]:
    return [
        f"--label={LABEL}",
        "--read-only",
        "--tmpfs=/tmp:rw,nosuid,nodev,size=256m,mode=1777",
        "--network=none",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--pids-limit=8192",
        "--ulimit=core=0",
        "--log-driver=none",
        "--no-healthcheck",
        f"--user={user}",
        # getpass.getuser() must not need an entry in the image's passwd, nor a home there.
        "--env=USER=stt-user",
        "--env=LOGNAME=stt-user",
        "--env=HOME=/tmp",
        "--env=CUDA_VISIBLE_DEVICES=",
        # Threads that spin while they wait starve each other on a busy host.
        "--env=OMP_WAIT_POLICY=PASSIVE",
        "--env=KMP_BLOCKTIME=0",
        "--entrypoint=python3",
    ]


def _answer(output: bytes) -> dict[str, Any]:
    """The last line of the payload's output that is a JSON object; empty without one."""
    for line in reversed(output.splitlines()):
        try:
            document = json.loads(line)
        except ValueError:
            continue
        if isinstance(document, dict):
            return document
    return {}
