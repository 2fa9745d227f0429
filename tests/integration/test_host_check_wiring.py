# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release's variables make of R1.1: each endpoint is asked as its step will ask."""

from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.controller import CHECKOUT, Controller

KNOWN = "Basic " + base64.b64encode(b"me:hush!").decode()


class Company(http.server.BaseHTTPRequestHandler):
    """A company's package index, and its proxy, which wants a password for hub.invalid."""

    def do_HEAD(self) -> None:
        proxied = self.path.startswith("http://hub.invalid")
        known = self.headers["Proxy-Authorization"] == KNOWN
        self.send_response(407 if proxied and not known else 204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def company() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Company) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def look(directory: Path, **variables: str) -> tuple[dict[str, dict[str, Any]], str]:
    """The preflight's reachability checks by name, and all that the run printed."""
    controller = Controller(directory)
    kept = directory / "checks.json"
    roles = [
        str(CHECKOUT / "roles" / role / "defaults/main.yml")
        for role in ("docker_host", "engine_image", "whisper_model")
    ]
    preflight = {
        "ansible.builtin.import_tasks": str(CHECKOUT / "roles/docker_host/tasks/preflight.yml")
    }
    keep = {
        "ansible.builtin.copy": {
            "dest": str(kept),
            "content": "{{ docker_host_checks | to_json }}",
        }
    }
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [*roles, str(CHECKOUT / "playbooks/vars/release.yml")],
        # Docker is not there, so that the run ends in R1.1: what is asked before is judged here.
        "tasks": [{"block": [preflight], "rescue": [keep]}],
    }
    playbook = directory / "playbook.yml"
    playbook.write_text(json.dumps([play]), encoding="utf-8")
    given = {
        "docker_host_docker": str(directory / "docker"),
        "engine_source_repository": "",
        "engine_image_base": "on-the-host:1",
        **variables,
    }
    done = controller.ansible_playbook(playbook, "-vvv", f"--extra-vars={json.dumps(given)}")
    output = done.stdout + done.stderr
    assert kept.exists(), output
    checks = {check["name"]: check for check in json.loads(kept.read_text(encoding="utf-8"))}
    return {name: checks[name] for name in checks if name.startswith("reachability_")}, output


def test_the_hub_is_asked_through_its_own_proxy_and_the_index_is_not(
    tmp_path: Path, company: int
) -> None:
    index = f"http://127.0.0.1:{company}/simple"
    checks, output = look(
        tmp_path,
        whisper_model_endpoint="http://hub.invalid",
        whisper_model_proxy=f"http://me:hush%21@localhost:{company}",
        engine_image_index_url=index,
        engine_image_torch_index_url=index,
        engine_image_find_links="none",
    )
    seen = {name: (c["status"], c["expected"], c["found"]) for name, c in checks.items()}
    assert seen == {
        "reachability_hub_invalid": (
            "passed",
            "an HTTP answer from http://hub.invalid, for R3 (the model)",
            "HTTP status 204 through the proxy localhost",
        ),
        f"reachability_127_0_0_1_{company}": (
            "passed",
            f"an HTTP answer from {index}, for R2 (the engine's packages)",
            "HTTP status 204",
        ),
    }
    assert "hush" not in output


def test_each_endpoint_has_the_bundle_of_its_step(tmp_path: Path) -> None:
    """None of these files is there, and each check names its own."""
    checks, _output = look(
        tmp_path,
        whisper_model_endpoint="https://hub.invalid",
        whisper_model_ca_bundle="/none/hub.pem",
        engine_image_index_url="https://index.invalid",
        engine_image_ca_bundle="/none/index.pem",
        engine_image_base="registry.invalid/python:1",
        docker_host_ca_bundle="/none/registry.pem",
    )
    assert {name: check["status"] for name, check in checks.items()} == dict.fromkeys(
        ("reachability_hub_invalid", "reachability_index_invalid", "reachability_registry_invalid"),
        "failed",
    )
    for step in ("hub", "index", "registry"):
        assert checks[f"reachability_{step}_invalid"]["found"] == (
            f"CA bundle /none/{step}.pem: No such file or directory"
        )


def test_the_hub_is_not_asked_with_the_registrys_bundle(tmp_path: Path) -> None:
    checks, _output = look(
        tmp_path,
        whisper_model_endpoint="https://localhost:1",
        docker_host_ca_bundle="/none/registry.pem",
    )
    assert checks["reachability_localhost_1"]["found"] == (
        "endpoint https://localhost:1: Connection refused (without a proxy)"
    )


def test_a_model_brought_by_hand_needs_no_endpoint(tmp_path: Path) -> None:
    checks, _output = look(tmp_path, whisper_model_source_path="/media/model.tar")
    assert checks == {}
