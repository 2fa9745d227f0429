# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_model_fetch behind a company's proxy and certificate authority."""

from __future__ import annotations

import base64
import http.client
import http.server
import json
import select
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.integration.model_lab import (
    Case,
    HubProcess,
)
from tests.lab.hub import Hub

pytest_plugins = ["tests.integration.model_fixtures"]


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
    # As it was given, as it is, and as it is sent.
    forms = ["p%40ss", "p@ss", Proxy.password.removeprefix("Basic ")]
    assert [form for form in forms if form in json.dumps(result)] == []
    for path in case.root.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert [form for form in forms if form.encode() in content] == [], path


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
