# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the bytes of a model come from: a hub over HTTP ranges."""

from __future__ import annotations

import base64
import email.utils
import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Protocol
from urllib.parse import quote, unquote, urljoin, urlsplit

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._hub import (
    LONGEST_WAIT_SECONDS,
    RemoteFile,
)
from ansible_collections.stt.engine.plugins.module_utils._hub_access import HubAccess, port_of

BLOCK_BYTES = 256 * 1024
_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_PASSING_STATUS = (408, 425, 429, 500, 502, 503, 504)


class PassingError(Exception):
    """A failure that may pass by itself; ``wait`` is the time that the server asked for."""

    def __init__(self, text: str, wait: float = 0.0) -> None:
        self.wait = wait
        super().__init__(text)


class NoRangesError(Exception):
    """The server sends whole files only."""


class Source(Protocol):
    """Something that streams a part of a file; each worker has its own."""

    def stream(self, file: RemoteFile, start: int, end: int) -> Iterator[bytes]:
        """The bytes in blocks; raises PassingError, NoRangesError or SttError."""

    def abort(self) -> None:
        """Break off a stream that another thread waits for."""


class HubSource:
    """One client of a hub, with its own kept connections.

    ``locations`` remembers, shared by all clients, where a file was redirected to.
    """

    def __init__(
        self,
        access: HubAccess,
        repository: str,
        commit: str,
        timeout: float,
        locations: dict[str, str],
    ) -> None:
        self._access = access
        self._tls = access.tls()
        self._base = f"{access.endpoint}/{repository}/resolve/{commit}/"
        self._model = f"{repository}@{commit[:12]}"
        self._commit = commit
        self._timeout = timeout
        self._locations = locations
        self._connections: dict[tuple[str, str | None, int, str | None], HTTPConnection] = {}
        self._socket: socket.socket | None = None

    def stream(self, file: RemoteFile, start: int, end: int) -> Iterator[bytes]:
        """The bytes from start to end over HTTP, checked against what the tree said."""
        ranged = (start, end) != (0, file.size)
        try:
            response = self._open(file, f"bytes={start}-{end - 1}" if ranged else None)
            try:
                self._check(response, file, start, end, ranged)
                left = end - start
                while left:
                    block = response.read1(min(BLOCK_BYTES, left))
                    if not block:
                        raise PassingError(f"connection closed {left} bytes before the end")
                    left -= len(block)
                    yield block
                if response.length == 0:
                    # Says to the connection that it is free for the next request.
                    response.read()
            finally:
                if not response.isclosed():
                    # What was not read must not be taken for the next answer.
                    self._drop_all()
                    response.close()
        except ssl.SSLCertVerificationError as error:
            raise self._tls_error(error) from error
        except (OSError, http.client.HTTPException) as error:
            self._drop_all()
            raise PassingError(f"{type(error).__name__}: {error}".rstrip(": ")) from error

    def abort(self) -> None:
        """Break the connection in use, so that the thread that reads from it wakes up."""
        current = self._socket
        if current is not None:
            with suppress(OSError):
                current.shutdown(socket.SHUT_RDWR)

    def _open(self, file: RemoteFile, asked_range: str | None) -> HTTPResponse:
        """Ask for the file where it was found before, or through the hub; follow redirects."""
        known = self._locations.get(file.path)
        origin = self._base + quote(file.path)
        url = known or origin
        for _hop in range(_MOST_REDIRECTS + 1):
            response = self._request(url, asked_range)
            if url == origin:
                self._check_origin(response, file)
            if response.status not in _REDIRECTS:
                break
            target = urljoin(url, response.headers.get("Location", ""))
            response.read()
            before, after = urlsplit(url).scheme, urlsplit(target).scheme
            if after not in ("http", "https") or (before == "https" and after != "https"):
                raise self._error(
                    file,
                    f"a redirect from {before} to {after}",
                    "https all the way" if before == "https" else "http or https",
                )
            url = target
        else:
            raise self._error(file, f"more than {_MOST_REDIRECTS} redirects", "the file")
        if response.status in (200, 206):
            if url != origin:
                self._locations[file.path] = url
        elif known is not None:
            # An address in storage is valid for a time only: ask the hub for a new one.
            self._locations.pop(file.path, None)
            self._drop_all()
            wait = _retry_after(response.headers.get("Retry-After"))
            raise PassingError(f"HTTP {response.status} from storage", wait)
        return response

    def _request(self, url: str, asked_range: str | None) -> HTTPResponse:
        headers = {"User-Agent": "stt.engine", "Accept-Encoding": "identity"}
        if asked_range:
            headers["Range"] = asked_range
        if self._access.token and self._access.same_origin(url):
            headers["Authorization"] = f"Bearer {self._access.token}"
        parts = urlsplit(url)
        proxy = self._access.proxy_for(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if proxy and parts.scheme == "http":
            target = f"http://{parts.netloc}{target}"
            headers.update(_proxy_headers(proxy))
        key = (parts.scheme, parts.hostname, port_of(parts), proxy)
        kept = self._connections.get(key)
        if kept is not None:
            try:
                return self._send(kept, target, headers)
            except (http.client.HTTPException, ConnectionError):
                # A server may close a kept connection at any time; only a fresh one counts.
                kept.close()
        fresh = self._connections[key] = self._connect(url, proxy)
        return self._send(fresh, target, headers)

    def _send(self, link: HTTPConnection, target: str, headers: dict[str, str]) -> HTTPResponse:
        if link.sock is None:
            link.connect()
        self._socket = link.sock
        link.request("GET", target, headers=headers)
        return link.getresponse()

    def _connect(self, url: str, proxy: str | None) -> HTTPConnection:
        parts = urlsplit(url)
        through = urlsplit(proxy) if proxy else parts
        host, port = through.hostname or "", through.port or port_of(through)
        if parts.scheme == "http":
            return HTTPConnection(host, port, timeout=self._timeout)
        link = HTTPSConnection(host, port, timeout=self._timeout, context=self._tls)
        if proxy:
            link.set_tunnel(parts.hostname or "", port_of(parts), headers=_proxy_headers(proxy))
        return link

    def _drop_all(self) -> None:
        for link in self._connections.values():
            link.close()
        self._connections.clear()

    def _check_origin(self, response: HTTPResponse, file: RemoteFile) -> None:
        """What the hub says about the file must be what the tree said."""
        commit = response.headers.get("X-Repo-Commit")
        if commit and commit != self._commit:
            raise self._error(file, f"commit {commit}", f"commit {self._commit}")
        etag = (response.headers.get("X-Linked-ETag") or "").removeprefix("W/").strip('"')
        if file.sha256 and len(etag) == 64 and etag != file.sha256:
            raise self._error(file, f"sha256 {etag} announced", f"sha256 {file.sha256}")

    def _check(
        self, response: HTTPResponse, file: RemoteFile, start: int, end: int, ranged: bool
    ) -> None:
        status = response.status
        kind = response.headers.get("Content-Type", "")
        if status in _PASSING_STATUS:
            wait = _retry_after(response.headers.get("Retry-After"))
            if wait > LONGEST_WAIT_SECONDS:
                raise self._error(
                    file, f"HTTP {status}, to be asked again in {wait:.0f} s", "the file's content"
                )
            raise PassingError(f"HTTP {status}", wait)
        if status in (401, 403):
            raise SttError(
                f"{file.path} of {self._model}",
                found=f"HTTP {status} {response.headers.get('X-Error-Code', '')}".rstrip(),
                needed="access to the repository's files",
                fix="give a token of an account that was granted access, in token_file",
            )
        if status in (200, 206) and kind.startswith("text/html"):
            raise SttError(
                f"{file.path} of {self._model}",
                found=f"a web page (HTTP {status}, {kind})",
                needed=f"the file's {file.size} bytes",
                fix="a sign-in page or a proxy answers in the hub's place: sign the server in, "
                "set proxy, or name a mirror in endpoint",
            )
        if status not in (200, 206):
            code = response.headers.get("X-Error-Code", "")
            raise self._error(
                file, f"HTTP {status} {code}".rstrip(), "the file that the tree lists"
            )
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise self._error(file, f"content encoded as {encoding}", "the file's own bytes")
        length = response.headers.get("Content-Length", str(file.size))
        if status == 200 and length != str(file.size):
            raise self._error(file, f"{length} bytes", f"{file.size} bytes")
        if status == 200 and ranged:
            raise NoRangesError
        wanted = f"bytes {start}-{end - 1}/{file.size}"
        if status == 206 and response.headers.get("Content-Range") != wanted:
            given = response.headers.get("Content-Range")
            raise self._error(file, f"the range {given!r}", f"the range {wanted!r}")

    def _error(self, file: RemoteFile, found: str, needed: str) -> SttError:
        return SttError(
            f"{file.path} of {self._model}",
            found=f"{found} from {self._access.endpoint}",
            needed=needed,
            fix="check endpoint: the hub or mirror must serve this very commit; then run again",
        )

    def _tls_error(self, error: ssl.SSLCertVerificationError) -> SttError:
        return SttError(
            f"model hub {self._access.endpoint}",
            found=f"a certificate that cannot be verified ({error.verify_message})",
            needed="a certificate signed by an authority that this server trusts",
            fix="name the company's CA file in ca_bundle; verification cannot be switched off",
        )


def _proxy_headers(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    if not parts.username:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _retry_after(value: str | None) -> float:
    """Seconds to wait, from a number or a date; 0 without a usable value."""
    if not value:
        return 0.0
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0
