# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's build server as tests use it: commands over SSH, modules over Ansible, own names."""

from __future__ import annotations

import io
import json
import os
import secrets
import shlex
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.lab.hosts import ssh_command
from tests.lab.layout import BASE_IMAGE, BUILD_HOST, Places, cache_root

CHECKOUT = Path(__file__).resolve().parents[2]
BASE = BASE_IMAGE
# Bounded: nothing that these tests start takes longer on two busy cores.
TIMEOUT = 300


class BuildHost:
    """One test's corner of the build server: a directory and an image name of its own."""

    def __init__(self) -> None:
        self.prefix = f"stt-test-{secrets.token_hex(4)}"
        self.directory = f"/tmp/{self.prefix}"
        self._places = Places(cache_root())

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
        command = [
            str(Path(sys.executable).with_name("ansible")),
            "lab-build",
            f"--inventory={CHECKOUT / 'inventory/lab'}",
            f"--module-name=stt.engine.{name}",
            f"--args={json.dumps(dict(arguments))}",
            *(["--check"] if check else []),
        ]
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
        }
        done = subprocess.run(
            command,
            cwd=CHECKOUT,
            env=environment,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
        try:
            plays = json.loads(done.stdout)["plays"]
            result: dict[str, Any] = plays[0]["tasks"][0]["hosts"]["lab-build"]
        except (ValueError, LookupError) as exc:
            raise AssertionError(
                f"ansible said {done.stdout.decode()} {done.stderr.decode()}"
            ) from exc
        if result.get("unreachable"):
            raise AssertionError(f"{result['msg']} (is the lab up? make lab-up)")
        return result

    def build(self, *, check: bool = False, **overrides: Any) -> dict[str, Any]:
        """Run stt_image_build on this test's context."""
        arguments: dict[str, Any] = {
            "context": f"{self.directory}/context",
            "base": BASE,
            "repository": self.prefix,
            "jobs_root": f"{self.directory}/jobs",
            "timeout": TIMEOUT,
            **overrides,
        }
        return self.module("stt_image_build", arguments, check=check)

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
