# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a model hub is reached: its address, token, certificate authorities and proxy."""

from __future__ import annotations

import ipaddress
import os
import ssl
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError

_TOKEN_LIMIT = 4096


@dataclass(frozen=True)
class HubAccess:
    """The way to a hub; verification of TLS is always on.

    ``ca_bundle`` replaces the system's certificate authorities, ``proxy`` the one that the
    environment names. The token never appears in a representation of this object.
    """

    endpoint: str
    token: str | None = field(default=None, repr=False)
    ca_bundle: str | None = None
    proxy: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "endpoint", self.endpoint.rstrip("/"))
        parts = _split(self.endpoint)
        if (
            parts is None
            or parts.scheme not in ("http", "https")
            or not parts.hostname
            or "@" in parts.netloc
            or parts.query
            or parts.fragment
        ):
            raise SttError(
                "endpoint",
                found=repr(_without_credentials(self.endpoint)),
                needed="an address such as https://hub.example.com, without credentials or query",
                fix="correct endpoint; a token goes into token_file",
            )
        if self.token is not None and parts.scheme == "http" and not is_loopback(parts.hostname):
            raise SttError(
                "token",
                found=f"the endpoint {self.endpoint}, which is not encrypted",
                needed="https, or an address of this very host, before a token is sent",
                fix="use the https address of the hub, or leave token and token_file out",
            )
        if self.proxy is not None:
            _check_proxy(self.proxy)

    def tls(self) -> ssl.SSLContext:
        """The verifying TLS context; raises SttError when the CA bundle cannot be used."""
        try:
            return ssl.create_default_context(cafile=self.ca_bundle)
        except (OSError, ssl.SSLError) as error:
            raise SttError(
                f"CA bundle {self.ca_bundle}",
                found=_reason(error),
                needed="a readable file of PEM certificates",
                fix="correct ca_bundle; it names a file on the server itself",
            ) from error

    def proxy_for(self, url: str) -> str | None:
        """The proxy for an address, or None for the direct way; loopback is always direct."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if is_loopback(host):
            return None
        environment = urllib.request.getproxies_environment()
        if urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2], environment):
            return None
        proxy = self.proxy or environment.get(parts.scheme) or environment.get("all")
        if proxy and not self.proxy:
            proxy = proxy if "://" in proxy else f"http://{proxy}"
            _check_proxy(proxy)
        return proxy or None

    def same_origin(self, url: str) -> bool:
        """Whether an address belongs to the hub itself: only there the token may go."""
        mine, other = urlsplit(self.endpoint), urlsplit(url)
        return (mine.scheme, mine.hostname, port_of(mine)) == (
            other.scheme,
            other.hostname,
            port_of(other),
        )


def read_token(path: str | None) -> str | None:
    """The token in a file; None without a file. The file's content never reaches a message."""
    if not path:
        return None
    try:
        with Path(path).open(encoding="utf-8") as stream:
            token = stream.read(_TOKEN_LIMIT + 1).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SttError(
            f"token file {path}",
            found=_reason(error),
            needed="a readable text file that holds the token alone",
            fix="correct token_file; it names a file on the server itself",
        ) from error
    return checked_token(token, f"token file {path}")


def checked_token(token: str, source: str) -> str:
    """The token, if it can stand in a header."""
    if not token or len(token) > _TOKEN_LIMIT or not all(33 <= ord(char) < 127 for char in token):
        raise SttError(
            source,
            found="an empty text" if not token else "spaces, line breaks or unprintable characters",
            needed="one token of printable characters",
            fix="write the token alone, without quotes",
        )
    return token


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this host."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def port_of(parts: SplitResult) -> int:
    """The port of an address, by its scheme when it names none."""
    return parts.port or (443 if parts.scheme == "https" else 80)


def proxy_secrets(proxy: str | None) -> set[str]:
    """The parts of a proxy's address that no result may show."""
    parts = _split(proxy or "")
    password = parts.password if parts is not None else None
    return {password, unquote(password)} if password else set()


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        return parts if parts.port is None or parts.port > 0 else None
    except ValueError:
        return None


def _check_proxy(proxy: str) -> None:
    parts = _split(proxy)
    if parts is None or parts.scheme != "http" or not parts.hostname:
        raise SttError(
            "proxy",
            found=repr(_without_credentials(proxy)),
            needed="an address such as http://proxy.example.com:3128",
            fix="correct proxy (whisper_model_proxy), or the proxy variables of the environment",
        )


def _without_credentials(url: str) -> str:
    head, at, tail = url.rpartition("@")
    if not at:
        return url
    scheme, slashes, _credentials = head.partition("://")
    return f"{scheme}{slashes}***@{tail}" if slashes else f"***@{tail}"


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
