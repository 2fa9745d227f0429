# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a URL answers from this host, with its proxy settings and its trusted authorities."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError

TIMEOUT = 10.0
_PARALLEL = 8


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


def trust(ca_bundle: str) -> ssl.SSLContext:
    """The host's own authorities and those of the bundle; verification is always on."""
    context = ssl.create_default_context()
    if ca_bundle:
        file = Path(ca_bundle)
        try:
            context.load_verify_locations(cafile=file)
        except OSError as exc:
            raise SttError(
                f"CA bundle {file}",
                found="nothing there" if not file.exists() else f"no certificates ({exc})",
                needed="a file of PEM certificates on the host",
                fix="correct ca_bundle (docker_host_ca_bundle in the inventory)",
            ) from exc
    return context


def ask(url: str, context: ssl.SSLContext, timeout: float = TIMEOUT) -> Answer:
    """Ask a URL once; any answer of its server is good. Raises SttError when there is none."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SttError(
            f"endpoint {public_url(url)}",
            found="no http or https URL",
            needed="http://HOST or https://HOST",
            fix="correct it in endpoints",
        )
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme, "")
    if urllib.request.proxy_bypass(parts.hostname):
        proxy = ""
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=context), _NoRedirect()
    )
    request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "stt-engine"})
    shown = urllib.parse.urlsplit(proxy).hostname or ""
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


def _explain(url: str, exc: Exception, proxy: str, timeout: float) -> SttError:
    cause: Any = getattr(exc, "reason", exc)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return SttError(
            f"endpoint {public_url(url)}",
            found=f"a certificate that this host does not trust: {cause.verify_message}",
            needed="a certificate from an authority in the host's store or in ca_bundle",
            fix="copy the company's CA bundle to the host and name it in ca_bundle "
            "(docker_host_ca_bundle in the inventory); verification stays on",
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
        f"endpoint {public_url(url)}",
        found=f"{found} ({way})",
        needed="an HTTP answer",
        fix="open the way in the firewall, set http_proxy, https_proxy and no_proxy in the task's "
        "environment, or name a mirror that the host reaches",
    )


def ask_all(
    urls: Sequence[str], context: ssl.SSLContext, timeout: float = TIMEOUT
) -> list[Answer | SttError]:
    """Ask all URLs side by side; answers and errors in the order of the URLs."""

    def one(url: str) -> Answer | SttError:
        try:
            return ask(url, context, timeout)
        except SttError as error:
            return error

    if not urls:
        return []
    with ThreadPoolExecutor(max_workers=min(_PARALLEL, len(urls))) as pool:
        return list(pool.map(one, urls))


def slug(url: str) -> str:
    """A name for checks: host and port of the URL in snake case."""
    parts = urllib.parse.urlsplit(url)
    return re.sub(r"[^a-z0-9]+", "_", parts.netloc.rpartition("@")[2].lower()).strip("_")
