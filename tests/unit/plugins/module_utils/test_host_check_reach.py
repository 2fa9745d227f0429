# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reaching URLs: real sockets and real TLS on the loopback interface."""

from __future__ import annotations

import http.server
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._host_check_reach import (
    ask,
    ask_all,
    public_url,
    slug,
    trust,
)

PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the status in the path; as a proxy it asks for a password."""

    def do_HEAD(self) -> None:
        status = 407 if self.path.startswith("http:") else int(self.path.strip("/") or 200)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_CONNECT(self) -> None:
        self.send_error(407)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def serve(context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def refused(url: str, **options: float) -> SttError:
    with pytest.raises(SttError) as caught:
        ask(url, trust(""), **options)
    return caught.value


def test_what_is_no_url() -> None:
    for url in ("ftp://example.com", "example.com", "https://"):
        assert refused(url).needed == "http://HOST or https://HOST"


def test_refused_connection() -> None:
    error = refused("http://127.0.0.1:1/")
    assert str(error).startswith(
        "endpoint http://127.0.0.1:1/: found Connection refused (without a proxy); needed an HTTP "
        "answer; fix: open the way in the firewall"
    )


def test_name_that_does_not_resolve() -> None:
    found = refused("https://host.invalid/").found
    assert found.startswith("a name that does not resolve: ")


def test_silence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert refused(f"http://127.0.0.1:{port}/", timeout=0.3).found == (
            "no answer within 0.3 s (without a proxy)"
        )


def test_plain_text_where_tls_is_expected() -> None:
    with serve() as port:
        assert refused(f"https://127.0.0.1:{port}/").found.startswith("no TLS: ")


@pytest.mark.parametrize("status", [200, 302, 401, 404, 503])
def test_any_status_is_an_answer(status: int) -> None:
    with serve() as port:
        answer = ask(f"http://127.0.0.1:{port}/{status}", trust(""))
        assert (answer.status, answer.proxy) == (status, "")


def test_proxy_that_wants_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as port:
        for scheme in ("http", "https"):
            monkeypatch.setenv(f"{scheme}_proxy", f"http://user:hush@localhost:{port}")
            error = refused(f"{scheme}://example.com/")
            assert "localhost" in error.found
            assert "407" in error.found or "user and password" in error.found
            assert "hush" not in str(error)


def test_private_authority(tmp_path: Path) -> None:
    certificate, key = tmp_path / "ca.pem", tmp_path / "key.pem"
    request = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
    subprocess.run(
        [
            *("openssl", *request.split(), "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serve(context) as port:
        url = f"https://localhost:{port}/200"
        error = refused(url)
        assert error.found.startswith("a certificate that this host does not trust: self")
        assert "name it in ca_bundle (docker_host_ca_bundle in the inventory)" in error.fix
        assert ask(url, trust(str(certificate))).status == 200
        # The bundle does not make a wrong name right.
        with pytest.raises(SttError, match="a certificate that this host does not trust"):
            ask(url.replace("localhost", "127.0.0.1"), trust(str(certificate)))


def test_bundle_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(SttError, match="found nothing there; needed a file of PEM certificates"):
        trust(str(tmp_path / "none.pem"))
    (tmp_path / "junk.pem").write_text("junk")
    with pytest.raises(SttError, match="found no certificates"):
        trust(str(tmp_path / "junk.pem"))


def test_all_are_asked_and_keep_their_order() -> None:
    with serve() as port:
        answers = ask_all(
            [f"http://127.0.0.1:{port}/404", "http://127.0.0.1:1/", f"http://127.0.0.1:{port}/"],
            trust(""),
        )
    first, second, third = answers
    assert not isinstance(first, SttError)
    assert isinstance(second, SttError)
    assert not isinstance(third, SttError)
    assert (first.status, third.status) == (404, 200)
    assert ask_all([], trust("")) == []


def test_names_and_shown_urls() -> None:
    assert slug("https://u:p@Registry.Access.redhat.com:443/x") == "registry_access_redhat_com_443"
    assert public_url("https://u:p@h/x@y") == "https://h/x@y"
