# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model hub over files on disk, with faults that can be switched while it runs.

It answers what model clients ask of a hub: revision, tree (paged), refs, paths-info, and
resolve with HEAD, GET and ranges. `/wheels/` lists Python wheels for pip's --find-links.

`POST /_control` takes `{"faults": [...]}` (put exactly these in force), `{"add": {...}}`,
`{"clear": true}` and `{"clear_stats": true}`; `GET /_control` shows the faults in force and
`GET /_stats` the counts. The faults are described in hub_faults.py.

Alone:     python -m tests.lab.hub --repos DIR --port 8080
In a test: with Hub(repos=DIR) as hub: hub.faults.add("cut", path="*/model.safetensors", value=0.6)
"""

from __future__ import annotations

import argparse
import signal
import socket
import ssl
import sys
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from .hub_faults import Faults, Stats
from .hub_files import HashCache, Repositories
from .hub_handler import HubHandler

PAGE_SIZE = 1000
POLL_SECONDS = 0.05


class HubServer(ThreadingHTTPServer):
    """The listening server and what its handlers share."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self,
        address: tuple[str, int],
        repositories: Repositories,
        wheels: Path | None,
        page_size: int,
        verbose: bool,
    ) -> None:
        self.repositories = repositories
        self.wheels = wheels
        self.page_size = page_size
        self.verbose = verbose
        self.faults = Faults()
        self.stats = Stats()
        self.ending = threading.Event()
        self.storage_port = 0
        self.scheme = "http"
        super().__init__(address, HubHandler)

    def server_bind(self) -> None:
        """Bind without the reverse name look-up that http.server adds, which can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.socket.getsockname()

    def use_tls(self, certificate: Path) -> None:
        """Speak HTTPS with a PEM file that holds the private key and the certificate chain."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        # The handshake waits for the client: it belongs to the connection's thread.
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )
        self.scheme = "https"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report a handler's failure in one line; a client that went away is no failure.

        Neither is one that does not trust the certificate.
        """
        error = sys.exception()
        if isinstance(error, ConnectionError | TimeoutError | ssl.SSLError):
            return
        print(f"hub: {client_address}: {type(error).__name__}: {error}", file=sys.stderr)
        request.close()


class Hub:
    """A hub in this process, as a context manager; port 0 takes a free one.

    It listens twice: redirects to storage lead to the second port (the next one, if a port was
    chosen), because clients do not take another path of the hub itself for storage.
    """

    def __init__(
        self,
        repos: Path,
        *,
        wheels: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        page_size: int = PAGE_SIZE,
        hashes: Path | None = None,
        certificate: Path | None = None,
        verbose: bool = False,
    ) -> None:
        repositories = Repositories(repos, HashCache(hashes))
        self.server = HubServer((host, port), repositories, wheels, page_size, verbose)
        second = port + 1 if port else 0
        self.storage = HubServer((host, second), repositories, None, page_size, verbose)
        self.storage.faults = self.server.faults
        self.storage.stats = self.server.stats
        self.storage.ending = self.server.ending
        self.server.storage_port = self.storage.server_port
        if certificate is not None:
            for server in (self.server, self.storage):
                server.use_tls(certificate)
        self.faults: Faults = self.server.faults
        self.stats: Stats = self.server.stats
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
            for server in (self.server, self.storage)
        ]

    @property
    def url(self) -> str:
        """Address of the hub, without a slash at its end: what HF_ENDPOINT takes."""
        return f"{self.server.scheme}://{self.server.server_name}:{self.server.server_port}"

    def commit(self, repository: str) -> str:
        """Return the commit that `main` of a repository names, faults left aside."""
        return self.server.repositories.snapshot(repository).commit

    def __enter__(self) -> Hub:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.server.ending.set()
        for server, thread in zip((self.server, self.storage), self._threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab.hub",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--repos", type=Path, required=True, help="directory of OWNER/NAME/files")
    parser.add_argument("--wheels", type=Path, help="directory served below /wheels/")
    parser.add_argument("--host", default="127.0.0.1", help="address (default %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="port, 0: any (default %(default)s)")
    parser.add_argument("--page-size", type=int, default=PAGE_SIZE, help="entries of a tree page")
    parser.add_argument("--hashes", type=Path, help="file that keeps digests between runs")
    parser.add_argument(
        "--certificate", type=Path, help="speak HTTPS: PEM file with private key and certificate"
    )
    parser.add_argument("--quiet", action="store_true", help="no line for each request")
    options = parser.parse_args(arguments)
    if not options.repos.is_dir():
        parser.error(f"--repos: {options.repos} is not a directory")
    try:
        hub = Hub(
            options.repos,
            wheels=options.wheels,
            host=options.host,
            port=options.port,
            page_size=options.page_size,
            hashes=options.hashes,
            certificate=options.certificate,
            verbose=not options.quiet,
        )
    except OSError as error:
        parser.exit(1, f"{options.host}:{options.port}: cannot listen: {error.strerror}\n")
    signal.signal(signal.SIGTERM, lambda *_: hub.server.ending.set())
    signal.signal(signal.SIGINT, lambda *_: hub.server.ending.set())
    with hub:
        print(f"hub: {hub.url} serves {options.repos}", flush=True)
        hub.server.ending.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
