# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending of answers, with the faults that strike while a body is under way."""

from __future__ import annotations

import json
import re
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .hub_faults import Fault

if TYPE_CHECKING:
    from .hub import HubServer

OWN_PAGES = ("/_control", "/_stats", "/_health")
RANGE = re.compile(r"bytes=(\d*)-(\d*)")
BLOCK = 1 << 18


class EndedError(Exception):
    """The answer is over: nothing more is sent on this connection."""


class Answering(BaseHTTPRequestHandler):
    """One connection of a client, able to send files and refusals."""

    protocol_version = "HTTP/1.1"
    server_version = "stt-lab-hub"
    timeout = 120
    # Every answer has a length, so a client's small requests need not wait for more data.
    disable_nagle_algorithm = True

    @property
    def hub(self) -> HubServer:
        """The server with its repositories, faults and counts."""
        return cast("HubServer", self.server)

    def setup(self) -> None:
        """Take the connection; nothing is known of a request yet."""
        super().setup()
        self.route = ""
        self.names: tuple[str, ...] = ()
        self.left_out: set[str] = set()

    def log_message(self, format: str, *args: Any) -> None:
        """Print a line for each request when the hub is verbose."""
        if self.hub.verbose:
            super().log_message(format, *args)

    def _take(self, action: str) -> Fault | None:
        return self.hub.faults.take(action, self.names, self.command)

    def _send_file(self, source: Path, etag: str, headers: dict[str, str]) -> None:
        size = source.stat().st_size
        headers = {**headers, "Accept-Ranges": "bytes"}
        start, end, status = 0, size, 200
        asked = RANGE.fullmatch(self.headers.get("Range", "").strip())
        condition = self.headers.get("If-Range")
        if asked and condition in (None, etag) and (asked[1] or asked[2]):
            if self._take("no_range"):
                del headers["Accept-Ranges"]
            else:
                start, end = _range(asked[1], asked[2], size)
                if start >= end:
                    self._reply(416, b"", "text/plain", {"Content-Range": f"bytes */{size}"})
                    return
                status = 206
                headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        if self.headers.get("If-None-Match") == etag:
            self._head(304, {**headers, "Content-Length": "0"})
            return
        kind = "application/json" if source.suffix == ".json" else "application/octet-stream"
        self._head(status, {**headers, "Content-Type": kind, "Content-Length": str(end - start)})
        if self.command != "HEAD":
            self._send_body(source, start, end)

    def _send_body(self, source: Path, start: int, end: int) -> None:
        length = end - start
        rate = self._take("rate")
        cut = self._take("cut")
        stall = self._take("stall")
        flip = self.hub.faults.take(
            "corrupt", self.names, self.command, when=lambda fault: start <= fault.number < end
        )
        stop = length if cut is None else _position(cut.number, length)
        pause = -1 if stall is None else _position(stall.after, length)
        began, sent = time.monotonic(), 0
        with source.open("rb") as stream:
            stream.seek(start)
            while sent < stop:
                if stall is not None and sent >= pause:
                    self._sleep(stall.number)
                    raise EndedError
                size = min(BLOCK, stop - sent)
                if stall is not None:
                    size = min(size, pause - sent)
                if rate is not None:
                    size = min(size, max(1, int(rate.number / 20)))
                block = stream.read(size)
                if not block:
                    raise EndedError
                if flip is not None and 0 <= (at := int(flip.number) - start - sent) < len(block):
                    block = block[:at] + bytes([block[at] ^ 0xFF]) + block[at + 1 :]
                self.wfile.write(block)
                sent += len(block)
                self.hub.stats.sent(self.route, len(block))
                if rate is not None:
                    self._sleep(began + sent / rate.number - time.monotonic())
        if stop < length:
            raise EndedError

    def _sleep(self, seconds: float) -> None:
        """Wait, but not longer than the hub lives."""
        if seconds > 0 and self.hub.ending.wait(seconds):
            raise EndedError

    def _refuse(
        self, status: int, code: str | None, message: str, extra: dict[str, str] | None = None
    ) -> None:
        headers = {**(extra or {}), "X-Error-Message": message}
        if code is not None:
            headers["X-Error-Code"] = code
        self._reply_json(status, {"error": message}, headers)

    def _reply_json(self, status: int, value: Any, extra: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode() + b"\n"
        self._reply(status, body, "application/json; charset=utf-8", extra)

    def _reply(
        self, status: int, body: bytes, kind: str, extra: dict[str, str] | None = None
    ) -> None:
        headers = {**(extra or {}), "Content-Type": kind, "Content-Length": str(len(body))}
        self._head(status, headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        if self.route not in OWN_PAGES:
            self.hub.stats.answered(status)
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in self.left_out:
                self.send_header(name, value)
        self.end_headers()


def _range(first: str, last: str, size: int) -> tuple[int, int]:
    """Return start and end (exclusive) of a Range request."""
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1 if last else size)


def _position(value: float, length: int) -> int:
    """Return a byte count: below 1 the value is a fraction of the length."""
    return min(length, int(value * length) if 0 < value < 1 else int(value))
