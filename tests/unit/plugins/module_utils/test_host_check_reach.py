# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reaching URLs: real sockets and real TLS on the loopback interface."""

from __future__ import annotations

import base64
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
    Answer,
    Endpoint,
    ask,
    ask_all,
    distinct,
    public_url,
    slug,
)

PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


OPEN = f"Basic {base64.b64encode(b'user:o/pen').decode()}"


class Server(http.server.ThreadingHTTPServer):
    """Notes what it was asked for, and with which credentials."""

    asked: list[tuple[str, str | None]]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the status in the path; as a proxy it asks for the password ``open``."""

    def do_HEAD(self) -> None:
        proxied = self.path.startswith("http:")
        known = self.headers["Proxy-Authorization"] == OPEN
        status = (204 if known else 407) if proxied else int(self.path.strip("/") or 200)
        assert isinstance(self.server, Server)
        self.server.asked.append((self.path, self.headers["Authorization"]))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_CONNECT(self) -> None:
        assert isinstance(self.server, Server)
        self.server.asked.append((self.path, self.headers["Proxy-Authorization"]))
        self.send_error(407)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def serve(context: ssl.SSLContext | None = None) -> Iterator[int]:
    with server_of(context) as server:
        yield server.server_port


@contextmanager
def server_of(context: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.asked = []
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def refused(url: str, **options: float) -> SttError:
    with pytest.raises(SttError) as caught:
        ask(Endpoint(url), **options)
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
        answer = ask(Endpoint(f"http://127.0.0.1:{port}/{status}"))
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
        assert "name it in the endpoint's ca_bundle (docker_host_ca_bundle, " in error.fix
        assert ask(Endpoint(url, ca_bundle=str(certificate))).status == 200
        # The bundle does not make a wrong name right.
        with pytest.raises(SttError, match="a certificate that this host does not trust"):
            ask(Endpoint(url.replace("localhost", "127.0.0.1"), ca_bundle=str(certificate)))


def test_bundle_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    for name, found in (("none.pem", "No such file"), ("junk.pem", "no certificate")):
        endpoint = Endpoint("https://127.0.0.1:1/", ca_bundle=str(tmp_path / name))
        with pytest.raises(SttError) as caught:
            ask(endpoint)
        assert caught.value.object == f"CA bundle {tmp_path / name}"
        assert found.lower() in caught.value.found.lower()


def test_endpoint_with_a_proxy_of_its_own() -> None:
    with server_of() as proxy:
        address = f"http://user:o%2Fpen@localhost:{proxy.server_port}"
        answer = ask(Endpoint("http://hub.invalid/x", proxy=address))
        assert answer == Answer(204, "localhost")
        assert proxy.asked == [("http://hub.invalid/x", None)]
        with pytest.raises(SttError, match="the proxy asks for a user and password") as caught:
            ask(Endpoint("http://hub.invalid/x", proxy=address.replace("pen", "hush")))
        assert "hush" not in str(caught.value)


def test_tls_goes_through_the_proxy_of_an_endpoint() -> None:
    with server_of() as proxy:
        address = f"http://user:o%2Fpen@localhost:{proxy.server_port}"
        with pytest.raises(SttError, match=r"407.*\(through the proxy localhost\)"):
            ask(Endpoint("https://hub.invalid/", proxy=address))
        assert proxy.asked == [("hub.invalid:443", OPEN)]


def test_proxy_of_an_endpoint_goes_before_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:1")
    with server_of() as proxy:
        address = f"http://user:o%2Fpen@localhost:{proxy.server_port}"
        assert ask(Endpoint("http://hub.invalid/", proxy=address)).status == 204


def test_what_a_fetch_reaches_directly_is_reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "hub.invalid")
    dead = "http://localhost:1"
    with serve() as port:
        assert ask(Endpoint(f"http://127.0.0.1:{port}/", proxy=dead)) == Answer(200, "")
    with pytest.raises(SttError, match=r"does not resolve.*\(without a proxy\)"):
        ask(Endpoint("http://hub.invalid/", proxy=dead))


@pytest.mark.parametrize("proxy", ["socks5://user:hush@proxy.invalid:1", "https://user:hush@p:1"])
def test_proxy_that_a_fetch_cannot_use(proxy: str) -> None:
    with pytest.raises(
        SttError, match=r"proxy: found '.*\*\*\*@p.*needed an address such as http:"
    ):
        ask(Endpoint("http://hub.invalid/", proxy=proxy))
    assert "hush" not in repr(Endpoint("http://hub.invalid/", proxy=proxy))


def test_credentials_in_a_url_are_neither_sent_nor_shown() -> None:
    with server_of() as server:
        ask(Endpoint(f"http://user:hush@127.0.0.1:{server.server_port}/200"))
        assert server.asked == [("/200", None)]
    assert "hush" not in str(refused("http://user:hush@127.0.0.1:1/"))


def test_each_way_to_a_url_is_asked_once() -> None:
    url = "http://a.invalid/"
    through = Endpoint(url, proxy="http://proxy.invalid:1", needed_for="R3")
    assert distinct(
        [Endpoint(url, needed_for="R1"), through, Endpoint(url, needed_for="R2"), through]
    ) == [Endpoint(url, needed_for="R1 and R2"), through]


def test_all_are_asked_and_keep_their_order() -> None:
    with serve() as port:
        urls = (f"http://127.0.0.1:{port}/404", "http://127.0.0.1:1/", f"http://127.0.0.1:{port}/")
        first, second, third = ask_all([Endpoint(url) for url in urls])
    assert first == Answer(404, "")
    assert isinstance(second, SttError)
    assert third == Answer(200, "")
    assert ask_all([]) == []


def test_names_and_shown_urls() -> None:
    assert slug("https://u:p@Registry.Access.redhat.com:443/x") == "registry_access_redhat_com_443"
    assert public_url("https://u:p@h/x@y") == "https://h/x@y"
