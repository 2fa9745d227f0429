# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole runs of the release playbook on the lab, judged from outside."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.layout import Places, cache_root

CHECKOUT = Path(__file__).resolve().parents[2]
PLAYBOOK = "playbooks/release.yml"
HUB = "http://127.0.0.1:8289"
RECAP = re.compile(r"^lab-build\s*: (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """One run of ansible-playbook."""

    rc: int
    output: str

    @property
    def recap(self) -> dict[str, int]:
        """The build server's line of the recap."""
        match = RECAP.search(self.output)
        assert match, self.output[-4000:]
        return {name: int(value) for name, value in (word.split("=") for word in match[1].split())}


class Lab:
    """The lab's build server and the controller's side of it."""

    def __init__(self, releases: Path) -> None:
        self.releases = releases

    def play(
        self,
        *options: str,
        variables: dict[str, Any] | None = None,
        playbook: str = PLAYBOOK,
        cwd: Path = CHECKOUT,
        inventory: str = "inventory/lab",
        timeout: float = 1500,
    ) -> Run:
        """Run a playbook as its user would."""
        given = {"release_seal_directory": str(self.releases), **(variables or {})}
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")), playbook, "-i", inventory,
            "--extra-vars", json.dumps(given), *options,
        ]  # fmt: skip
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Run(done.returncode, done.stdout)

    def ssh(self, command: str) -> str:
        """Run a shell command on the build server over plain ssh."""
        places = Places(cache_root())
        return subprocess.run(
            [
                "ssh", "-i", str(places.key), "-p", "2289", "-o", "IdentitiesOnly=yes",
                "-o", f"UserKnownHostsFile={places.known_hosts}", "root@127.0.0.1", command,
            ],
            stdout=subprocess.PIPE,
            text=True,
            timeout=120,
            check=True,
        ).stdout  # fmt: skip

    def newest(self) -> Path:
        """The newest release's directory."""
        return (self.releases / "latest").resolve()

    def failed_report(self) -> dict[str, Any]:
        """The report of the newest run that failed."""
        newest = max((self.releases / "failed").iterdir())
        document: dict[str, Any] = json.loads((newest / "report.json").read_bytes())
        return document

    def report(self) -> dict[str, Any]:
        """The newest release's report."""
        document: dict[str, Any] = json.loads((self.newest() / "report.json").read_bytes())
        return document


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab, with a place for releases of this test run alone."""
    yield Lab(tmp_path_factory.mktemp("releases"))


def standing(lab: Lab) -> str:
    """The newest release, made where there is none or where its image lost its name: its id."""
    if (lab.releases / "latest").is_symlink():
        name = lab.newest().name
        there = lab.ssh(f"docker image inspect stt-engine:{name} >/dev/null 2>&1 && echo yes; true")
        if there.strip() == "yes":
            return name
    run = lab.play()
    assert run.rc == 0, run.output[-6000:]
    return lab.newest().name


def everything_of(lab: Lab, release: str) -> dict[str, Any]:
    """All that a release is: its files here, its record, image, tags and models on the server."""
    place = f"/opt/stt/releases/{release}"
    record = json.loads(lab.ssh(f"cat {place}/release.json"))
    models = " ".join(record["models"])
    tags = f"docker image inspect --format '{{{{.Id}}}} {{{{.RepoTags}}}}' {record['image_id']}"
    return {
        "newest": lab.newest().name,
        "files": {
            str(path.relative_to(lab.newest())): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(lab.newest().rglob("*"))
            if path.is_file()
        },
        "record": lab.ssh(f"find {place} -type f | sort | xargs sha256sum"),
        "models": lab.ssh(f"find {models} -type f | sort | xargs sha256sum"),
        "image": lab.ssh(tags),
    }


@pytest.fixture
def intact(lab: Lab, record_property: Callable[[str, object], None]) -> Iterator[str]:
    """A sealed release that a fault must leave as it is, byte for byte: its id."""
    release = standing(lab)
    before = everything_of(lab, release)
    assert f"stt-engine:{release}" in before["image"]
    yield release
    assert everything_of(lab, release) == before
    record_property("intact", True)


@contextmanager
def hub_fault(fault: dict[str, Any]) -> Iterator[None]:
    """Let the lab's hub show a fault."""

    def control(document: dict[str, Any]) -> None:
        request = urllib.request.Request(
            f"{HUB}/_control",
            data=json.dumps(document).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10):
            pass

    control({"faults": [fault]})
    try:
        yield
    finally:
        control({"faults": []})
