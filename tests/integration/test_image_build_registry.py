# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_image_build with a base from a registry that the build server reaches, or no longer does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.build_host import BuildHost

# A read-only registry over what docker save wrote: enough of the protocol to pull from.
REGISTRY = """
import http.server, json, pathlib, sys

root = pathlib.Path(sys.argv[1])

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind, _, name = self.path.rpartition("/")
        media = "application/octet-stream"
        if self.path == "/v2/":
            data = b"{}"
        else:
            if kind.endswith("/manifests"):
                index = json.loads((root / "index.json").read_bytes())
                media = index["manifests"][0]["mediaType"]
                if not name.startswith("sha256:"):
                    name = index["manifests"][0]["digest"]
            blob = root / "blobs" / name.replace(":", "/")
            if not blob.is_file():
                return self.send_error(404)
            data = blob.read_bytes()
            self.send_response(200)
            self.send_header("Docker-Content-Digest", name)
        if self.path == "/v2/":
            self.send_response(200)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    do_HEAD = do_GET

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
pathlib.Path(sys.argv[2]).write_text(str(server.server_port))
server.serve_forever()
"""


class Registry:
    """A registry on the build server's loopback that serves one image at a time."""

    def __init__(self, host: BuildHost) -> None:
        self._host = host
        self._root = f"{host.directory}/registry"
        host.put({"server.py": REGISTRY}, "registry")
        host.ssh(f"mkdir {self._root}/data")
        self._pid = host.ssh(
            f"setsid python3 {self._root}/server.py {self._root}/data {self._root}/port "
            ">/dev/null 2>&1 </dev/null & echo $!"
        ).strip()
        for _attempt in range(50):
            port = host.ssh(f"cat {self._root}/port 2>/dev/null || true").strip()
            if port:
                break
            time.sleep(0.1)
        self.reference = f"127.0.0.1:{port}/{host.prefix}/base:1"

    def publish(self, content: str) -> str:
        """Serve an image with this content under the tag; returns its digest."""
        host, name = self._host, f"{self._host.prefix}-seed:1"
        host.put({"Dockerfile": "FROM scratch\nCOPY seed /seed\n", "seed": content}, "seed")
        host.ssh(
            f"docker build -q -t {name} {host.directory}/seed && rm -rf {self._root}/data/* && "
            f"docker save {name} | tar -C {self._root}/data -xf - && docker rmi {name}"
        )
        index = json.loads(host.ssh(f"cat {self._root}/data/index.json"))
        return str(index["manifests"][0]["digest"])

    def stop(self) -> None:
        """End the registry's process."""
        self._host.ssh(f"kill {self._pid} 2>/dev/null; true")


@pytest.fixture
def host() -> Iterator[BuildHost]:
    host = BuildHost()
    try:
        yield host
    finally:
        host.clean()


@pytest.fixture
def registry(host: BuildHost) -> Iterator[Registry]:
    registry = Registry(host)
    try:
        yield registry
    finally:
        registry.stop()
        host.ssh(
            f"docker image ls --digests --format '{{{{.Repository}}}}@{{{{.Digest}}}}' "
            f"'*/{host.prefix}/base' | xargs -r docker image rm --force >/dev/null"
        )


def test_base_from_a_registry(host: BuildHost, registry: Registry) -> None:
    host.put({"Dockerfile": "ARG BASE_IMAGE\nFROM $BASE_IMAGE\nCOPY x /x\n", "x": "1"})
    base: dict[str, Any] = {"base": registry.reference}
    first = registry.publish("one")

    predicted = host.build(check=True, **base)
    assert predicted["base_digest"] == first
    assert host.ssh(f"docker image ls -q '*/{host.prefix}/base'") == ""
    built = host.build(**base)
    assert (built["status"], built["base_digest"]) == ("built", first)
    assert built["input_digest"] == predicted["input_digest"]
    assert len(built["layers"]) == 2
    assert host.build(**base)["changed"] is False

    second = registry.publish("two")
    moved = host.build(check=True, **base)
    assert moved["base_digest"] == second
    assert moved["reason"] == "no image of these inputs: changed base digest"
    # The lock's digest holds what the tag no longer means.
    pinned = {**base, "base_digest": first}
    assert host.build(**pinned)["image_id"] == built["image_id"]

    registry.stop()
    offline = host.build(**pinned)
    assert (offline["changed"], offline["image_id"]) == (False, built["image_id"])
    failed = host.build(**base)
    assert failed["object"] == f"base image {registry.reference}"
    assert failed["found"].startswith("not on this host, and its registry says:")
    # A digest that is nowhere is found out when it is needed, and named.
    failed = host.build(**{**base, "base_digest": second})
    assert failed["object"] == f"base image {registry.reference[:-2]}@{second}"
    assert failed["found"].startswith("it cannot be pulled: ")
