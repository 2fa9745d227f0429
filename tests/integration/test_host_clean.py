# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is superseded goes from a real engine, and nothing that a container there still has."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.build_host import BASE, BuildHost

# From the oldest to the newest; each has an image, a model and a record of its own.
RELEASES = ("stopped", "running", "foreign", "unused", "before", "current")


def digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


class Host(BuildHost):
    """A root below which six releases were sealed, three of which containers still have."""

    def __init__(self) -> None:
        super().__init__()
        self.ids = {name: self.build_release(name) for name in RELEASES}
        self.start("running", "--detach", "sleep", "600")
        self.start("stopped", "", "true")
        # Started under a label of somebody's own, which hides the image's.
        self.start("foreign", "--detach --label stt.engine.owner=me", "sleep", "600")

    def model(self, name: str) -> str:
        return f"{self.directory}/models/some_model/{digest(name)[:40]}"

    def tag(self, name: str) -> str:
        return f"{self.prefix}:{digest(self.prefix + name)[:12]}"

    def build_release(self, name: str) -> str:
        """An image as ours are labelled, its job, its model, and the record of both."""
        key = digest(self.prefix + name)
        labels = f"LABEL stt.engine.owner=stt.engine stt.engine.input-digest={key}"
        text = f"FROM {BASE}\n{labels}\n"
        self.ssh(
            f"docker build --progress=plain --tag {self.tag(name)} - >/dev/null", text.encode()
        )
        image_id = self.ssh(f"docker image inspect --format '{{{{.Id}}}}' {self.tag(name)}").strip()
        model = self.model(name)
        manifest = {"format": 1, "files": [], "stamps": {}}
        record = {
            "release": name,
            "sequence": RELEASES.index(name) + 1,
            "image_id": image_id,
            "models": [model],
        }
        self.put({"config.json": "{}"}, model.removeprefix(f"{self.directory}/"))
        self.put(
            {
                f"{model.removeprefix(self.directory + '/')}.manifest.json": json.dumps(manifest),
                f"releases/{name}/release.json": json.dumps(record),
                f"jobs/image-build-{key[:12]}/state.json": "{}",
            },
            ".",
        )
        return image_id

    def start(self, name: str, options: str, *command: str) -> None:
        """A container of a release, as a service is started."""
        mount = f"--volume {self.model(name)}:/model:ro"
        self.ssh(
            f"docker run {options} --name {self.prefix}-{name} --network none {mount} "
            f"{self.tag(name)} {shlex.join(command)}"
        )

    def clean(self) -> None:
        names = " ".join(f"{self.prefix}-{name}" for name in RELEASES)
        tags = " ".join(self.tag(name) for name in RELEASES)
        self.ssh(f"docker rm --force {names} >/dev/null 2>&1; true")
        self.ssh(f"docker rmi --force {tags} >/dev/null 2>&1; true")
        super().clean()


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    try:
        yield host
    finally:
        host.clean()


def there(host: Host) -> dict[str, list[str]]:
    """Whose image, model and record are on the server, seen without our code."""
    tags = host.ssh(f"docker images --format '{{{{.Tag}}}}' {host.prefix}").split()
    models = host.ssh(f"ls {host.directory}/models/some_model").split()
    return {
        "images": [name for name in RELEASES if host.tag(name).rpartition(":")[2] in tags],
        "models": [name for name in RELEASES if digest(name)[:40] in models],
        "records": [name for name in RELEASES if name in host.ssh(f"ls {host.directory}/releases")],
    }


def test_what_containers_have_is_kept_however_old_it_is(host: Host) -> None:
    given: dict[str, Any] = {"root": host.directory, "keep_releases": 2, "keep_images": 1}
    done = host.module("stt_host_clean", given)
    assert not done.get("failed"), done
    mine = {host.ids["unused"], host.model("unused")}
    assert {one["name"] for one in done["removed"]} == mine
    kept = [name for name in RELEASES if name != "unused"]
    assert there(host) == {"images": kept, "models": kept, "records": list(RELEASES)}
    assert sorted(done["kept_releases"]) == sorted(kept)
    running = host.ssh(f"docker exec {host.prefix}-running cat /model/config.json")
    assert running == "{}"
