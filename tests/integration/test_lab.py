# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running lab: a second `up` changes nothing, and the server builds as a real one does."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.engine import Engine, find
from tests.lab.hosts import ssh_command
from tests.lab.layout import (
    BASE_IMAGE,
    BUILD_HOST,
    HUB_ADDRESS,
    HUB_LOCAL_PORT,
    HUB_NAME,
    HUB_PORT,
    Places,
    cache_root,
)
from tests.lab.shell import run

CHECKOUT = Path(__file__).resolve().parents[2]
HUB = f"http://{HUB_ADDRESS}:{HUB_PORT}"


def on_server(*command: str, text: str | None = None, timeout: float = 300) -> str:
    return run(
        ssh_command(BUILD_HOST, Places(cache_root()), *command), text=text, timeout=timeout
    ).stdout


@pytest.fixture
def tag() -> Iterator[str]:
    name = f"stt-test-{uuid.uuid4().hex[:12]}"
    yield name
    on_server(f"docker image rm --force {name} >/dev/null 2>&1; rm -rf /tmp/{name}; true")


def engine() -> Engine:
    found = find()
    assert found is not None
    return found


def test_second_up_changes_nothing() -> None:
    def started() -> dict[str, str]:
        names = (HUB_NAME, BUILD_HOST.name)
        known = {name: engine().inspect("container", name) for name in names}
        return {name: item["State"]["StartedAt"] for name, item in known.items() if item}

    before = started()
    command = [sys.executable, "-m", "tests.lab", "up"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(before) == 2
    assert started() == before


def test_ports_are_published_on_loopback_only() -> None:
    wanted = {
        HUB_NAME: {HUB_LOCAL_PORT},
        BUILD_HOST.name: {BUILD_HOST.ssh_port, BUILD_HOST.service_port},
    }
    for name, ports in wanted.items():
        container = engine().inspect("container", name)
        assert container is not None
        bindings = [b for item in container["HostConfig"]["PortBindings"].values() for b in item]
        assert {binding["HostIp"] for binding in bindings} == {"127.0.0.1"}
        assert {int(binding["HostPort"]) for binding in bindings} == ports


def test_server_has_what_a_release_needs() -> None:
    version = json.loads(on_server("docker", "version", "--format", "'{{json .Server.Version}}'"))
    assert int(version.split(".")[0]) >= 23
    assert "buildx" in on_server("docker", "buildx", "version")
    for program in ("git", "rsync", "openssl", "python3"):
        assert on_server("command", "-v", program).strip()


def test_build_in_the_server_reaches_index_and_hub(tag: str) -> None:
    dockerfile = (
        f"FROM {BASE_IMAGE}\n"
        f'RUN echo {tag} && test "$(id -u)" = 1001 && test "$PWD" = /opt/app-root/src\n'
        "RUN --mount=type=secret,id=ca,uid=1001 PIP_CERT=/run/secrets/ca "
        "pip download --quiet --no-deps --dest /tmp/fetched six\n"
        f"RUN python -c \"import urllib.request as u; u.urlopen('{HUB}/_health')\"\n"
    )
    build = (
        f"mkdir /tmp/{tag} && cat >/tmp/{tag}/Dockerfile && docker buildx build --provenance=false "
        "--progress=rawjson --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt "
        f"--metadata-file /tmp/{tag}/metadata.json --tag {tag} /tmp/{tag} 2>/tmp/{tag}/progress"
        f" || {{ tail -c 2000 /tmp/{tag}/progress >&2; exit 1; }}"
    )
    on_server(build, text=dockerfile)
    metadata = json.loads(on_server("cat", f"/tmp/{tag}/metadata.json"))
    assert metadata["containerimage.config.digest"].startswith("sha256:")
    assert on_server(f"docker run --rm {tag} id --user").strip() == "1001"


def test_base_image_has_the_id_of_its_archive() -> None:
    local = engine().inspect("image", BASE_IMAGE)
    assert local is not None
    shown = on_server("docker", "image", "inspect", "--format", "'{{.Id}}'", BASE_IMAGE)
    assert shown.strip() == local["Id"]


def test_hub_serves_the_tiny_model() -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{HUB_LOCAL_PORT}/_health") as answer:
        assert "stt-lab/whisper-tiny-en-ko" in json.load(answer)["repositories"]
