# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether URLs answer from this host, each with its own proxy and its own authorities."""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._hub_access import HubAccess

TIMEOUT = 10.0
_PARALLEL = 8


@dataclass(frozen=True)
class Endpoint:
    """A URL that must answer, and the way to it; ``needed_for`` says to a reader what needs it.

    Without a CA bundle the host's own authorities count, without a proxy the environment's.
    """

    url: str
    ca_bundle: str = ""
    proxy: str = field(default="", repr=False)
    needed_for: str = ""

    def access(self) -> HubAccess:
        """The way to the URL's server, by the same rules as a fetch from a hub."""
        parts = _split(self.url)
        if parts is None:
            raise SttError(
                f"endpoint {public_url(self.url)}",
                found="no http or https URL",
                needed="http://HOST or https://HOST",
                fix="correct it in endpoints",
            )
        server = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        return HubAccess(server, ca_bundle=self.ca_bundle or None, proxy=self.proxy or None)


def proxy_in(path: str) -> str:
    """The proxy's address in a file that this user can read; else none, not even a part of it."""
    file = Path(path)
    if not path or not file.is_file() or not os.access(file, os.R_OK):
        return ""
    address = file.read_text(encoding="utf-8", errors="replace").strip()
    return address if re.fullmatch(r"https?://\S+", address) else ""


@dataclass(frozen=True)
class Answer:
    """What a URL said; ``proxy`` is the proxy's host when one was used."""

    status: int
    proxy: str


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An answer that points elsewhere is an answer: another host is another endpoint."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def public_url(url: str) -> str:
    """The URL without a user name and password."""
    return re.sub(r"//[^/@]*@", "//", url)


def distinct(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """Each URL once for each way to it, with all that it is needed for."""
    found: dict[Endpoint, list[str]] = {}
    for endpoint in endpoints:
        uses = found.setdefault(replace(endpoint, needed_for=""), [])
        if endpoint.needed_for and endpoint.needed_for not in uses:
            uses.append(endpoint.needed_for)
    return [replace(way, needed_for=" and ".join(uses)) for way, uses in found.items()]


def ask(endpoint: Endpoint, timeout: float = TIMEOUT) -> Answer:
    """Ask a URL once; any answer of its server is good. Raises SttError when there is none."""
    access = endpoint.access()
    # No answer needs the credentials in a URL, and no error can show what was not sent.
    url = public_url(endpoint.url)
    proxy = access.proxy_for(url) or ""
    shown = urllib.parse.urlsplit(proxy).hostname or ""
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({"http": proxy, "https": proxy} if proxy else {}),
        urllib.request.HTTPSHandler(context=access.tls()),
        _NoRedirect(),
    )
    request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "stt-engine"})
    try:
        with opener.open(request, timeout=timeout) as answer:
            return Answer(answer.status, shown)
    except urllib.error.HTTPError as exc:
        exc.close()
        if exc.code == http.client.PROXY_AUTHENTICATION_REQUIRED:
            raise _unreachable(url, "the proxy asks for a user and password", shown) from exc
        return Answer(exc.code, shown)
    except (OSError, http.client.HTTPException) as exc:
        raise _explain(url, exc, shown, timeout) from exc


def _split(url: str) -> urllib.parse.SplitResult | None:
    """The parts of a http or https URL; None for anything else."""
    try:
        parts = urllib.parse.urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if fits else None


def _explain(url: str, exc: Exception, proxy: str, timeout: float) -> SttError:
    cause: Any = getattr(exc, "reason", exc)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return SttError(
            f"endpoint {url}",
            found=f"a certificate that this host does not trust: {cause.verify_message}",
            needed="a certificate from an authority in the host's store or in ca_bundle",
            fix="copy the company's CA bundle to the host and name it in the endpoint's ca_bundle "
            "(docker_host_ca_bundle, engine_image_ca_bundle or whisper_model_ca_bundle in the "
            "inventory); verification stays on",
        )
    if isinstance(cause, TimeoutError):
        return _unreachable(url, f"no answer within {timeout:g} s", proxy)
    if isinstance(cause, socket.gaierror):
        return _unreachable(url, f"a name that does not resolve: {cause.strerror}", proxy)
    if isinstance(cause, ssl.SSLError):
        return _unreachable(url, f"no TLS: {cause.reason or cause}", proxy)
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return _unreachable(url, text or type(cause).__name__, proxy)


def _unreachable(url: str, found: str, proxy: str) -> SttError:
    way = f"through the proxy {proxy}" if proxy else "without a proxy"
    return SttError(
        f"endpoint {url}",
        found=f"{found} ({way})",
        needed="an HTTP answer",
        fix="open the way in the firewall, set the proxy (whisper_model_proxy for the hub, "
        "engine_image_proxy_file for package indexes) or http_proxy, https_proxy and no_proxy in "
        "the task's environment, or name a mirror that the host reaches",
    )


def ask_all(endpoints: Sequence[Endpoint], timeout: float = TIMEOUT) -> list[Answer | SttError]:
    """Ask all side by side; answers and errors in the order of the endpoints."""

    def one(endpoint: Endpoint) -> Answer | SttError:
        try:
            return ask(endpoint, timeout)
        except SttError as error:
            return error

    if not endpoints:
        return []
    with ThreadPoolExecutor(max_workers=min(_PARALLEL, len(endpoints))) as pool:
        return list(pool.map(one, endpoints))


def slug(url: str) -> str:
    """A name for checks: host and port of the URL in snake case."""
    parts = urllib.parse.urlsplit(url)
    return re.sub(r"[^a-z0-9]+", "_", parts.netloc.rpartition("@")[2].lower()).strip("_")
