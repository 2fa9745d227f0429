# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A company's package index and the only proxy that leads to it, each with its own credentials.

    python3 index_server.py DIRECTORY

DIRECTORY holds settings.json and, below www/, what the index serves. Ports are written to
ports.json once both listen, requests to requests.log. Runs on the lab's build server, so it needs
the standard library only.
"""

from __future__ import annotations

import base64
import http.server
import json
import selectors
import socket
import ssl
import sys
import threading
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

CHUNK = 65536


class Notes:
    """The log of both servers: one line for each request."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._path = path
        path.touch()

    def write(self, line: str) -> None:
        with self._lock, self._path.open("a") as stream:
            stream.write(f"{line}\n")


def basic(account: dict[str, str] | None) -> str:
    """The header that an account's client sends; empty when none is asked for."""
    if not account:
        return ""
    pair = f"{account['user']}:{account['password']}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


class Index(http.server.SimpleHTTPRequestHandler):
    """Serves files to who is allowed to see them."""

    authorization: str
    notes: Notes

    def do_GET(self) -> None:
        """Serve a file."""
        if self.authorization and self.headers.get("Authorization") != self.authorization:
            self.notes.write(f"index 401 {self.path}")
            self.send_response(HTTPStatus.UNAUTHORIZED)
            self.send_header("WWW-Authenticate", 'Basic realm="packages"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.notes.write(f"index 200 {self.path}")
        super().do_GET()

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep to the notes."""


class Proxy(http.server.BaseHTTPRequestHandler):
    """Opens tunnels to the index, whatever its name is elsewhere, for who is allowed to."""

    authorization: str
    notes: Notes
    name: str
    target: tuple[str, int]

    def do_CONNECT(self) -> None:
        """Open a tunnel."""
        if self.authorization and self.headers.get("Proxy-Authorization") != self.authorization:
            self.notes.write(f"proxy 407 {self.path}")
            self.send_error(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED)
            return
        if self.path != f"{self.name}:443":
            self.notes.write(f"proxy 502 {self.path}")
            self.send_error(HTTPStatus.BAD_GATEWAY)
            return
        self.notes.write(f"proxy 200 {self.path}")
        with socket.create_connection(self.target) as upstream:
            self.send_response(HTTPStatus.OK)
            self.end_headers()
            pump(self.connection, upstream)
        self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep to the notes."""


def pump(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until either side ends."""
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _events in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                data = key.fileobj.recv(CHUNK)
                if not data:
                    return
                key.data.sendall(data)


class Server(http.server.ThreadingHTTPServer):
    """A client that goes away is no event."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Speak only of what a client did not cause."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def main(directory: Path) -> None:
    """Serve until killed."""
    settings = json.loads((directory / "settings.json").read_text())
    notes = Notes(directory / "requests.log")
    shared = {"notes": notes, "authorization": basic(settings.get("index"))}
    handler = type("Handler", (Index,), shared)
    index = Server(("0.0.0.0", 0), partial(handler, directory=str(directory / "www")))
    if settings.get("certificate"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings["certificate"], settings["key"])
        index.socket = context.wrap_socket(index.socket, server_side=True)
    port = index.server_address[1]
    shared = {"notes": notes, "authorization": basic(settings.get("proxy"))}
    place = {"name": settings.get("name", ""), "target": ("127.0.0.1", port)}
    proxy = Server(("0.0.0.0", 0), type("Tunnel", (Proxy,), {**shared, **place}))
    draft = directory / "ports.part"
    draft.write_text(json.dumps({"index": port, "proxy": proxy.server_address[1]}))
    draft.replace(directory / "ports.json")
    threading.Thread(target=index.serve_forever, daemon=True).start()
    proxy.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
