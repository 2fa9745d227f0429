# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_model_fetch over every fault of the hub: the right bytes, or a clear error and no model."""

from __future__ import annotations

import base64
import http.client
import http.server
import select
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.integration.model_lab import (
    REPOSITORY,
    STREAMS,
    WEIGHTS,
    Case,
    HubProcess,
    make_repository,
)
from tests.lab.hub import Hub

TOKENIZER = f"{REPOSITORY}/tokenizer.json"
ALL = f"{REPOSITORY}/*"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repository(tmp_path_factory.mktemp("repositories"))


@pytest.fixture(scope="module")
def running_hub(repository: Path) -> Iterator[HubProcess]:
    with HubProcess(repository.parents[1]) as hub:
        yield hub


@pytest.fixture
def hub(running_hub: HubProcess) -> HubProcess:
    running_hub.reset()
    return running_hub


@pytest.fixture
def case(hub: HubProcess, tmp_path: Path) -> Case:
    return Case(hub, tmp_path / "stt")


RECOVERED: dict[str, list[dict[str, Any]]] = {
    "corrupt byte in a large file": [
        {"action": "corrupt", "path": WEIGHTS, "value": 9_876_543, "count": 1}
    ],
    "corrupt byte in a small file": [
        {"action": "corrupt", "path": TOKENIZER, "value": 7, "count": 1}
    ],
    "cut at 10 %": [{"action": "cut", "path": WEIGHTS, "value": 0.1, "count": 5}],
    "cut at 60 %": [{"action": "cut", "path": WEIGHTS, "value": 0.6, "count": 5}],
    "cut at 99 %": [{"action": "cut", "path": WEIGHTS, "value": 0.99, "count": 5}],
    "stalled connection": [{"action": "stall", "path": WEIGHTS, "after": 0.5, "count": 2}],
    "no answer": [{"action": "drop", "path": ALL, "count": 5}],
    "503": [{"action": "status", "path": ALL, "value": 503, "count": 5}],
    "429 with Retry-After": [
        {"action": "status", "path": WEIGHTS, "value": 429, "retry_after": 2, "count": 2}
    ],
    "503 while listing": [{"action": "status", "path": "/api/*", "value": 503, "count": 2}],
    "redirect to storage": [{"action": "redirect", "path": ALL}],
    "mirror that leaks Xet hashes": [{"action": "xet"}],
    "mirror without ranges": [{"action": "no_range", "path": ALL}],
    "mirror without the hub's headers": [
        {"action": "headers", "value": ["ETag", "X-Linked-ETag", "X-Linked-Size", "X-Repo-Commit"]}
    ],
    "several at once": [
        {"action": "redirect", "path": ALL},
        {"action": "corrupt", "path": WEIGHTS, "value": 100, "count": 1},
        {"action": "cut", "path": WEIGHTS, "value": 0.4, "count": 6},
        {"action": "status", "path": ALL, "value": 500, "count": 3},
        {"action": "drop", "path": ALL, "skip": 8, "count": 3},
    ],
}


@pytest.mark.parametrize("name", RECOVERED)
def test_right_bytes_in_spite_of(case: Case, hub: HubProcess, repository: Path, name: str) -> None:
    for fault in RECOVERED[name]:
        hub.fault(**fault)
    result = case.ok(stall_seconds=6)
    case.check_published(repository)
    repeated = [f["path"] for f in RECOVERED[name] if f["action"] == "corrupt"]
    assert result["repeated"] == [path.removeprefix(f"{REPOSITORY}/") for path in repeated]
    assert case.ok()["changed"] is False


STOPPED: dict[str, tuple[dict[str, Any], str]] = {
    "lasting corruption": (
        {"action": "corrupt", "path": WEIGHTS, "value": 5},
        " after 3 downloads; needed sha256:",
    ),
    "lasting corruption of a small file": (
        {"action": "corrupt", "path": TOKENIZER, "value": 5},
        " after 3 downloads; needed git:",
    ),
    "stall": (
        {"action": "stall", "path": WEIGHTS},
        "found no new byte for 2 s at ",
    ),
    "lasting 503": (
        {"action": "status", "path": ALL, "value": 503},
        "(HTTP 503); needed data from the hub; fix: check the hub and the network, then run again",
    ),
    "long Retry-After": (
        {"action": "status", "path": WEIGHTS, "value": 429, "retry_after": 3600},
        "found HTTP 429, to be asked again in 3600 s from ",
    ),
    "page in place of a file": (
        {"action": "html", "path": WEIGHTS},
        "found a web page (HTTP 200, text/html; charset=utf-8); needed the file's 20000123 bytes",
    ),
    "page in place of the list": (
        {"action": "html", "path": "/api/*"},
        "not a model hub's answer (",
    ),
    "file gone after the list": (
        {"action": "status", "path": WEIGHTS, "value": 404},
        "found HTTP 404 from ",
    ),
}


@pytest.mark.parametrize("name", STOPPED)
def test_clear_error_and_no_model_after(
    case: Case, hub: HubProcess, repository: Path, name: str
) -> None:
    fault, part = STOPPED[name]
    hub.fault(**fault)
    message = case.message(stall_seconds=2)
    assert part in message
    assert "; needed " in message
    assert "; fix: " in message
    case.check_nothing_published()
    hub.reset()
    case.ok()
    case.check_published(repository)


def test_published_model_stays_when_another_commit_cannot_be_fetched(
    case: Case, hub: HubProcess, repository: Path
) -> None:
    case.ok()
    message = case.message(commit="e" * 40)
    assert message == (
        f"model {REPOSITORY}: found no revision '{'e' * 40}' at {hub.url}; "
        "needed a branch, tag or commit of the repository; "
        "fix: correct the revision; a mirror may not hold it yet"
    )
    case.check_published(repository)
    assert case.ok()["changed"] is False


def test_retry_after_is_waited_for(case: Case, hub: HubProcess) -> None:
    hub.fault("status", path=WEIGHTS, value=429, retry_after=3, count=STREAMS)
    began = time.monotonic()
    case.ok(stall_seconds=2)
    assert time.monotonic() - began >= 3


def test_log_of_the_job_tells_what_happened(case: Case, hub: HubProcess) -> None:
    hub.fault("corrupt", path=WEIGHTS, value=5)
    result = case.fetch()
    assert result["failed"] is True
    assert any("after download 2, needed sha256:" in line for line in result["log_tail"])
    assert Path(result["log_path"]).is_file()


class Proxy(http.server.BaseHTTPRequestHandler):
    """A company's proxy: it knows where hub.invalid is, and asks for a password."""

    protocol_version = "HTTP/1.1"
    password = "Basic " + base64.b64encode(b"me:p@ss").decode()
    target = ("127.0.0.1", 0)
    refused = 0
    served = 0

    def log_message(self, format: str, *args: Any) -> None:
        del format, args

    def _let_in(self) -> bool:
        if self.headers.get("Proxy-Authorization") == self.password:
            type(self).served += 1
            return True
        type(self).refused += 1
        self.send_response(407)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def do_GET(self) -> None:
        if not self._let_in():
            return
        parts = urlsplit(self.path)
        assert parts.hostname == "hub.invalid"
        link = http.client.HTTPConnection(*self.target)
        headers = {k: v for k, v in self.headers.items() if not k.startswith("Proxy-")}
        link.request("GET", f"{parts.path}?{parts.query}", headers=headers)
        answer = link.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name not in ("Server", "Date", "Connection"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        link.close()

    def do_CONNECT(self) -> None:
        if not self._let_in():
            return
        assert self.path == "hub.invalid:443"
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        with socket.create_connection(self.target) as far:
            pairs = {self.connection: far, far: self.connection}
            while True:
                for end in select.select(list(pairs), [], [], 30)[0]:
                    data = end.recv(1 << 16)
                    if not data:
                        return
                    pairs[end].sendall(data)


@pytest.fixture
def proxy() -> Iterator[http.server.ThreadingHTTPServer]:
    Proxy.refused = Proxy.served = 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_company_proxy_with_a_password(
    case: Case,
    hub: HubProcess,
    repository: Path,
    proxy: http.server.ThreadingHTTPServer,
) -> None:
    parts = urlsplit(hub.url)
    Proxy.target = (str(parts.hostname), int(parts.port or 0))
    port = proxy.server_address[1]
    through: dict[str, Any] = {
        "endpoint": "http://hub.invalid",
        "proxy": f"http://me:p%40ss@127.0.0.1:{port}",
        "stall_seconds": 4,
    }
    refused = case.fetch(**{**through, "proxy": f"http://127.0.0.1:{port}"})
    assert refused["failed"] is True
    assert Proxy.refused > 0
    assert Proxy.served == 0
    result = case.ok(**through)
    case.check_published(repository)
    assert Proxy.served > 20
    assert "p%40ss" not in str(result)
    for path in case.root.rglob("*"):
        assert not path.is_file() or b"p%40ss" not in path.read_bytes()


def test_tls_through_a_company_proxy(
    case: Case,
    repository: Path,
    tmp_path: Path,
    proxy: http.server.ThreadingHTTPServer,
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=company", "-addext"),
            *("subjectAltName=DNS:hub.invalid", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    hub = Hub(repository.parents[1])
    hub.server.socket = context.wrap_socket(hub.server.socket, server_side=True)
    with hub:
        Proxy.target = ("127.0.0.1", hub.server.server_port)
        through: dict[str, Any] = {
            "endpoint": "https://hub.invalid",
            "proxy": f"http://me:p%40ss@127.0.0.1:{proxy.server_address[1]}",
            "token": "hf_any",
            "stall_seconds": 6,
        }
        message = case.message(**through)
        assert message.startswith("model hub https://hub.invalid: found a certificate that cannot")
        assert "name the company's CA file in ca_bundle" in message
        case.ok(**through, ca_bundle=str(certificate))
    case.check_published(repository)
