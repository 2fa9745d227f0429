# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs inside the tools environment: asks a hub through huggingface_hub.

Its source is handed to that environment's Python, so it imports nothing of the collection.
Parameters come as JSON on standard input, the answer goes as one JSON line to standard output.
"""

from __future__ import annotations

import email.utils
import json
import os
import ssl
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

RETRIED_STATUS = (408, 429, 500, 502, 503, 504)


def ask(parameters: dict[str, Any]) -> dict[str, Any]:
    """Resolve the revision and list its tree; a failure is an answer with ``error``."""
    # Settings are read from the environment while these are imported.
    os.environ["HF_HUB_DISABLE_XET"] = "1"
    import httpx2
    from huggingface_hub import HfApi, set_client_factory
    from huggingface_hub.hf_api import RepoFile

    endpoint: str = parameters["endpoint"]
    last: dict[str, Any] = {}

    def before(request: Any) -> None:
        # The library switches time limits off for its own requests.
        request.extensions["timeout"] = httpx2.Timeout(parameters["inactivity"]).as_dict()
        # A page of the listing may name another host for the next: the token stays here.
        if _origin(str(request.url)) != _origin(endpoint):
            request.headers.pop("authorization", None)

    def after(response: Any) -> None:
        last.update(
            status=response.status_code,
            type=response.headers.get("content-type", ""),
            url=str(response.url).split("?", maxsplit=1)[0],
            retry_after=response.headers.get("retry-after"),
            code=response.headers.get("x-error-code"),
        )

    def client() -> Any:
        return httpx2.Client(
            event_hooks={"request": [before], "response": [after]},
            follow_redirects=True,
            timeout=parameters["inactivity"],
            proxy=parameters["proxy"],
            trust_env=False,
            verify=ssl.create_default_context(cafile=parameters["ca_bundle"]),
        )

    set_client_factory(client)
    api = HfApi(endpoint=endpoint, token=parameters["token"] or False)
    repository: str = parameters["repository"]

    def listing() -> dict[str, Any]:
        last.clear()
        info = api.model_info(repository, revision=parameters["revision"])
        last["step"] = "tree"
        entries = api.list_repo_tree(repository, recursive=True, revision=info.sha)
        files = [
            {
                "path": entry.path,
                "size": entry.size,
                "git_sha1": entry.blob_id,
                "sha256": entry.lfs.sha256 if entry.lfs else None,
            }
            for entry in entries
            if isinstance(entry, RepoFile)
        ]
        return {"commit": info.sha, "files": files}

    return _repeat(listing, last, time.monotonic() + parameters["patience"])


def _repeat(
    listing: Callable[[], dict[str, Any]], last: dict[str, Any], deadline: float
) -> dict[str, Any]:
    """Ask again after failures that pass by themselves, as long as the deadline allows."""
    pause = 0.5
    while True:
        try:
            return listing()
        except Exception as error:
            failure = {**last, "class": type(error).__name__, "text": str(error), **_cause(error)}
        asked = _seconds(last.get("retry_after"))
        wait = max(pause, asked)
        passing = failure["kind"] in ("silent", "unreachable") or (
            failure["kind"] == "http" and failure.get("status") in RETRIED_STATUS
        )
        if not passing or time.monotonic() + wait > deadline:
            return {"error": {**failure, "wait": asked if passing else 0.0}}
        time.sleep(wait)
        pause = min(8.0, pause * 2)


def _cause(error: Exception) -> dict[str, Any]:
    """Tell apart what the message alone cannot: where in the way to the hub it failed."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        return {"kind": "http"}
    if isinstance(error, ValueError | KeyError | TypeError | AttributeError):
        return {"kind": "answer"}
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text or "SSL:" in text or "[SSL" in text:
        return {"kind": "tls"}
    if isinstance(error, httpx2.ConnectTimeout | httpx2.ReadTimeout):
        return {"kind": "silent"}
    if isinstance(error, httpx2.TransportError | OSError):
        return {"kind": "unreachable"}
    return {"kind": "other"}


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _seconds(value: Any) -> float:
    """What Retry-After asks for, in seconds or as a date; 0 without a usable value."""
    try:
        return max(0.0, float(value))
    except (TypeError, ValueError):
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, AttributeError):
        return 0.0


def main() -> None:
    """Answer one question."""
    answers = os.dup(1)
    # Whatever a library prints must not mix with the answer.
    os.dup2(2, 1)
    answer = ask(json.load(sys.stdin))
    with os.fdopen(answers, "w", encoding="utf-8") as stream:
        json.dump(answer, stream)


if __name__ == "__main__":
    main()
