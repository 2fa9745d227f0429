# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A way to the build server's SSH port that a test can interrupt without disturbing another."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from tests.lab.layout import BUILD_HOST

_BLOCK_BYTES = 1 << 16


class Relay:
    """Hands on what arrives on a port of its own; `hold` lets nothing through, `cut` ends it."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = threading.Event()
        self._open.set()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def options(self) -> list[str]:
        """What makes Ansible go this way; the server's host key stays pinned."""
        pinned = f"[127.0.0.1]:{BUILD_HOST.ssh_port}"
        variables = {
            "ansible_port": self._listener.getsockname()[1],
            "ansible_ssh_extra_args": f"-o HostKeyAlias={pinned}",
        }
        return ["--extra-vars", json.dumps(variables)]

    def hold(self) -> None:
        """Let nothing through, as a network that drops every packet."""
        self._open.clear()

    def resume(self) -> None:
        """Hand on what has waited, and everything after it."""
        self._open.set()

    def cut(self) -> None:
        """End every connection at once, and accept no other."""
        # A thread that waits in accept() would keep the port open.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._sockets:
            # Without the orderly end of TCP: the other side gets a reset.
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.set()

    def __enter__(self) -> Relay:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut()
        for thread in self._threads:
            thread.join()

    def _start(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _address = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", BUILD_HOST.ssh_port))
                self._sockets += [near, far]
                self._start(self._hand_on, near, far)
                self._start(self._hand_on, far, near)

    def _hand_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_BLOCK_BYTES):
                self._open.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
