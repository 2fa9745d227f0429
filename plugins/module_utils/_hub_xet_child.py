# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs inside the tools environment for transport=xet: huggingface_hub downloads by itself.

Its source is handed to that environment's Python, so it imports nothing of the collection.
Parameters come as JSON on standard input, the answer goes as one JSON line to standard output.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import json
import os
import signal
import ssl
import sys
from typing import Any
from urllib.parse import urlsplit

PR_SET_PDEATHSIG = 1


def probe() -> dict[str, Any]:
    """Which Xet client there is."""
    try:
        importlib.import_module("hf_xet")
        return {"version": importlib.metadata.version("hf-xet")}
    except ImportError as error:
        return {"error": {"class": type(error).__name__, "text": str(error)}}


def fetch(parameters: dict[str, Any]) -> dict[str, Any]:
    """Download the files of the commit to ``directory``; a failure is an answer with ``error``."""
    # The Xet client reads these while it starts; the process's own environment stays as it was.
    proxy, bundle = parameters["proxy"], parameters["ca_bundle"]
    if proxy:
        os.environ["HTTPS_PROXY"] = os.environ["HTTP_PROXY"] = proxy
    if bundle:
        os.environ["SSL_CERT_FILE"] = bundle
    os.environ["HF_XET_CHUNK_CACHE_SIZE_BYTES"] = "0"
    import glob

    import httpx2
    from huggingface_hub import set_client_factory, snapshot_download

    endpoint: str = parameters["endpoint"]
    last: dict[str, Any] = {}

    def before(request: Any) -> None:
        request.extensions["timeout"] = httpx2.Timeout(parameters["inactivity"]).as_dict()
        if _origin(str(request.url)) != _origin(endpoint):
            request.headers.pop("authorization", None)

    def after(response: Any) -> None:
        if response.is_error:
            last.update(
                status=response.status_code,
                url=str(response.url).split("?", maxsplit=1)[0],
            )

    def client() -> Any:
        return httpx2.Client(
            event_hooks={"request": [before], "response": [after]},
            follow_redirects=True,
            timeout=parameters["inactivity"],
            proxy=proxy,
            trust_env=False,
            verify=ssl.create_default_context(cafile=bundle),
        )

    set_client_factory(client)
    try:
        snapshot_download(
            parameters["repository"],
            revision=parameters["commit"],
            endpoint=endpoint,
            token=parameters["token"] or False,
            local_dir=parameters["directory"],
            allow_patterns=[glob.escape(path) for path in parameters["paths"]],
            max_workers=1,
        )
    except Exception as error:
        return {"error": {**last, "class": type(error).__name__, "text": str(error)}}
    return {"done": True}


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _die_with_parent() -> None:
    """Be killed when the job is: nobody else would end a download that nobody waits for."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def main() -> None:
    """Answer one question."""
    _die_with_parent()
    answers = os.dup(1)
    # Whatever a library prints must not mix with the answer.
    os.dup2(2, 1)
    parameters = json.load(sys.stdin)
    answer = fetch(parameters) if parameters else probe()
    with os.fdopen(answers, "w", encoding="utf-8") as stream:
        json.dump(answer, stream)


if __name__ == "__main__":
    main()
