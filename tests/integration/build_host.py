# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's build server as tests use it: commands over SSH, modules over Ansible, own names."""

from __future__ import annotations

import io
import json
import os
import secrets
import shlex
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.lab.hosts import ssh_command
from tests.lab.layout import BASE_IMAGE, BUILD_HOST, Places, cache_root

CHECKOUT = Path(__file__).resolve().parents[2]
BASE = BASE_IMAGE
# Bounded: nothing that these tests start takes longer on two busy cores.
TIMEOUT = 300


class UnreachableError(AssertionError):
    """The connection to the build server was refused or lost."""


class BuildHost:
    """One test's corner of the build server: a directory and an image name of its own."""

    def __init__(self) -> None:
        self.prefix = f"stt-test-{secrets.token_hex(4)}"
        self.directory = f"/tmp/{self.prefix}"
        self._places = Places(cache_root())
        # More options for Ansible, such as another way to the server.
        self.connection: list[str] = []

    def ssh(self, script: str, data: bytes | None = None) -> str:
        """Run a shell script on the server; returns what it printed."""
        return self.ssh_bytes(script, data).decode()

    def ssh_bytes(self, script: str, data: bytes | None = None) -> bytes:
        """Run a shell script on the server; returns what it printed, byte for byte."""
        command = ssh_command(BUILD_HOST, self._places, f"sh -c {shlex.quote(script)}")
        done = subprocess.run(
            command, input=data, capture_output=True, timeout=TIMEOUT, check=False
        )
        if done.returncode != 0:
            raise AssertionError(
                f"{script!r} on the lab's build server ended with {done.returncode}: "
                f"{done.stderr.decode()} (is the lab up? make lab-up)"
            )
        return done.stdout

    def put(self, files: Mapping[str, str | bytes], below: str = "context") -> str:
        """Write files into a directory of this test; returns the directory's path."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for name, content in files.items():
                data = content.encode() if isinstance(content, str) else content
                info = tarfile.TarInfo(name)
                info.size, info.mode, info.mtime = len(data), 0o644, int(time.time())
                archive.addfile(info, io.BytesIO(data))
        return self.unpack(packed.getvalue(), below)

    def unpack(self, archive: bytes, below: str) -> str:
        """Unpack a tar archive, modes as they are, into a directory of this test."""
        directory = f"{self.directory}/{below}"
        self.ssh(f"mkdir -p {directory} && tar -C {directory} -xpf -", archive)
        return directory

    def module(
        self, name: str, arguments: Mapping[str, Any], *, check: bool = False
    ) -> dict[str, Any]:
        """Run a module over SSH through Ansible; returns its result, failed or not."""
        return self._read(self._ansible(_module(name, arguments, check=check)))[0]

    def begin(self, name: str, arguments: Mapping[str, Any]) -> subprocess.Popen[bytes]:
        """Start Ansible with a module and leave it running, in a process group of its own."""
        return self._ansible(_module(name, arguments, check=False))

    def finish(self, running: subprocess.Popen[bytes]) -> dict[str, Any]:
        """Wait for what begin() started; returns the module's result."""
        return self._read(running)[0]

    def play(self, tasks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Run tasks one after another in a playbook of their own; returns their results.

        A failed task is a result like any other.
        """
        play = {
            "hosts": "lab-build",
            "gather_facts": False,
            "tasks": [{"ignore_errors": True, **task} for task in tasks],
        }
        with tempfile.TemporaryDirectory() as folder:
            playbook = Path(folder) / "play.json"
            playbook.write_text(json.dumps([play]))
            return self._read(self._ansible(["ansible-playbook", str(playbook)]))

    def _ansible(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
        }
        program = str(Path(sys.executable).with_name(command[0]))
        return subprocess.Popen(
            [program, *command[1:], f"--inventory={CHECKOUT / 'inventory/lab'}", *self.connection],
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def _read(self, running: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
        try:
            said, complaints = running.communicate(timeout=TIMEOUT)
        except BaseException:
            kill_group(running)
            raise
        try:
            tasks = json.loads(said)["plays"][0]["tasks"]
            results: list[dict[str, Any]] = [task["hosts"]["lab-build"] for task in tasks]
        except (ValueError, LookupError) as exc:
            raise AssertionError(f"ansible said {said.decode()} {complaints.decode()}") from exc
        lost = [result["msg"] for result in results if result.get("unreachable")]
        if lost or not results:
            raise UnreachableError(f"{lost or 'no result'} (is the lab up? make lab-up)")
        return results

    def build(self, *, check: bool = False, **overrides: Any) -> dict[str, Any]:
        """Run stt_image_build on this test's context."""
        return self.module("stt_image_build", self.build_arguments(**overrides), check=check)

    def build_arguments(self, **overrides: Any) -> dict[str, Any]:
        """What stt_image_build is asked for on this test's context."""
        return {
            "context": f"{self.directory}/context",
            "base": BASE,
            "repository": self.prefix,
            "jobs_root": f"{self.directory}/jobs",
            "timeout": TIMEOUT,
            **overrides,
        }

    def put_dockerfile(self, *lines: str, **files: str) -> None:
        """Write a context whose Dockerfile has these lines on top of the lab's base."""
        # A variable of this test alone, so that no step comes from another run's cache.
        own = f"ENV TEST={self.prefix}"
        text = "\n".join(("ARG BASE_IMAGE", "FROM ${BASE_IMAGE}", "USER 0", own, *lines, ""))
        self.put({"Dockerfile": text, **files})

    def job_state(self) -> dict[str, Any]:
        """What the one job of this test has written of itself."""
        state: dict[str, Any] = json.loads(self.ssh(f"cat {self.directory}/jobs/*/state.json"))
        return state

    def until(self, script: str, seconds: float = 60) -> None:
        """Wait until a shell script on the server succeeds."""
        rounds = int(seconds / 0.2)
        self.ssh(
            f"for round in $(seq {rounds}); do if {script}; then exit 0; fi; sleep 0.2; done; "
            f"echo {shlex.quote(f'{script}: not within {seconds} s')} >&2; exit 1"
        )

    def images(self) -> list[str]:
        """The tags of this test's images, as docker itself lists them."""
        listed = self.ssh(f"docker image ls --format '{{{{.Tag}}}}' {self.prefix}")
        return sorted(listed.split())

    def clean(self) -> None:
        """Remove this test's images and directory, and nothing else."""
        tagged = f"docker image ls --format '{{{{.Repository}}}}:{{{{.Tag}}}}' '{self.prefix}*'"
        labelled = f"docker image ls --quiet --filter label=stt.engine.test={self.prefix}"
        remove = "xargs -r docker image rm --force >/dev/null"
        self.ssh(f"{tagged} | {remove}; {labelled} | {remove}; rm -rf {self.directory}")


def kill_group(running: subprocess.Popen[bytes]) -> None:
    """Kill a process and everything in its group, and take its end."""
    with suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    running.communicate()


def _module(name: str, arguments: Mapping[str, Any], *, check: bool) -> list[str]:
    return [
        *("ansible", "lab-build", f"--module-name=stt.engine.{name}"),
        f"--args={json.dumps(dict(arguments))}",
        *(["--check"] if check else []),
    ]
