# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate for secrets where the engine keeps its layers in containerd: it reads a saved image."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from tests.bench.image_server import ThrowawayServer
from tests.integration.build_host import BASE
from tests.integration.model_lab import RUNNER
from tests.integration.verify_host import check_archive, failing

pytestmark = pytest.mark.long

KEY = b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\n"


def write(data: bytes) -> str:
    """A step that leaves a file; its line in the history does not show what is in it."""
    return f"RUN python3 -c \"open('/srv/key', 'wb').write(bytes.fromhex('{data.hex()}'))\""


@pytest.fixture(scope="module")
def server() -> Iterator[ThrowawayServer]:
    with ThrowawayServer(containerd_store=True) as server:
        server.carry()
        server.put({"checks.pyz": check_archive()}, "checks")
        yield server


def judge(server: ThrowawayServer, *lines: str) -> dict[str, Any]:
    """The verdict on the base with these steps above it."""
    tag = f"{server.prefix}-derived"
    text = "\n".join((f"FROM {BASE}", "USER 0", *lines, ""))
    server.ssh(f"docker build --progress=plain --tag {tag} - >/dev/null", text.encode())
    arguments = {
        "phase": "R2",
        "image": tag,
        "base": BASE,
        "checks": f"{server.directory}/checks/checks.pyz",
        "container": server.prefix,
        "_ansible_check_mode": False,
    }
    run = f"PYTHONPATH={server.directory}/python python3 -c {shlex.quote(RUNNER)}"
    asked = json.dumps(["stt_image_verify", arguments])
    found: dict[str, Any] = json.loads(server.ssh(f"{run} || true", asked.encode()))
    return found


def result(done: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in done["checks"] if one["name"] == "secrets")
    return found


def test_harmless_files_that_are_gone_pass(server: ThrowawayServer) -> None:
    found = result(judge(server, write(b"harmless"), "RUN rm /srv/key"))
    assert (found["status"], found["evidence"]["removed"]) == ("passed", 1), found


@pytest.mark.parametrize("change", ["RUN rm /srv/key", write(b"harmless"), "RUN rm -r /srv"])
def test_a_secret_that_a_later_layer_hides_is_found(server: ThrowawayServer, change: str) -> None:
    done = judge(server, write(KEY), change)
    assert failing(done)["R2.5 secrets"] == (
        "1 secrets: a private key in srv/key, which a later layer removed or replaced"
    )
    assert server.ssh(f"docker container ls --all --quiet --filter name={server.prefix}") == ""
    assert server.ssh("ls -d /tmp/stt-layers-* 2>/dev/null || true") == ""
