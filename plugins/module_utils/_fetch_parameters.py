# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of stt_model_fetch, judged before anything is asked or touched."""

from __future__ import annotations

from operator import itemgetter
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._digest import (
    canonical_json,
    sha256_hex,
)
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._fetch_model import (
    FetchSettings,
    ModelFetch,
)
from ansible_collections.stt.engine.plugins.module_utils._fetch_room import check_writable
from ansible_collections.stt.engine.plugins.module_utils._fetch_run import Waiting
from ansible_collections.stt.engine.plugins.module_utils._fetch_select import (
    Selection,
    parse_expected,
)
from ansible_collections.stt.engine.plugins.module_utils._hub import check_commit, check_repository
from ansible_collections.stt.engine.plugins.module_utils._hub_access import (
    HubAccess,
    checked_token,
    read_token,
)

_LEAST_CHUNK_BYTES = 65536
_MOST_STREAMS = 64


def make_fetch(params: dict[str, Any]) -> ModelFetch:
    """Turn the parameters into a fetch; everything that can be judged by itself is judged here."""
    check_repository(params["repository"])
    check_commit(params["commit"])
    _check_range("streams", params["streams"], 1, _MOST_STREAMS)
    _check_range("chunk_bytes", params["chunk_bytes"], _LEAST_CHUNK_BYTES, 1 << 30)
    _check_range("stall_seconds", params["stall_seconds"], 1, 86400)
    root = Path(params["root"])
    if not root.is_absolute():
        raise SttError("root", found=repr(str(root)), needed="an absolute path", fix="correct root")
    check_writable(root)
    check_writable(_jobs_root(params))
    source = Path(params["source_path"]) if params["source_path"] else None
    if source is not None and not source.is_absolute():
        raise SttError(
            "source_path",
            found=repr(str(source)),
            needed="an absolute path on the server",
            fix="correct source_path",
        )
    token = (
        checked_token(params["token"], "token")
        if params["token"]
        else read_token(params["token_file"])
    )
    access = HubAccess(
        endpoint=params["endpoint"],
        token=token,
        ca_bundle=params["ca_bundle"] or None,
        proxy=params["proxy"] or None,
    )
    selection = Selection(
        repository=params["repository"],
        commit=params["commit"],
        patterns=tuple(params["files"]),
        required=tuple(params["required_files"]),
        expected=parse_expected(params["expected_files"]),
    )
    settings = FetchSettings(
        root=root,
        access=access,
        tools_python=params["tools_python"] or None,
        source_path=source,
        streams=params["streams"],
        chunk_bytes=params["chunk_bytes"],
        stall_seconds=params["stall_seconds"],
        full=params["verify"] == "full",
        xet=params["transport"] == "xet",
    )
    return ModelFetch(selection, settings)


def _jobs_root(params: dict[str, Any]) -> Path:
    """Where the jobs are kept."""
    return Path(params["jobs_root"] or Path(params["root"]) / "jobs")


def make_waiting(params: dict[str, Any]) -> Waiting:
    """Where the job is kept and how long it is waited for."""
    names = ("repository", "commit", "root", "files", "source_path", "verify", "transport")
    expected = params["expected_files"]
    digest = sha256_hex(canonical_json(sorted(expected, key=itemgetter("path"))))
    return Waiting(
        jobs_root=_jobs_root(params),
        # Read by whoever looks into the job's directory: no token, and no proxy with a password.
        inputs={
            **{name: params[name] for name in names},
            "endpoint": params["endpoint"].rstrip("/"),
            "expected_files": f"sha256:{digest}" if expected else None,
        },
        wait=params["wait"],
        timeout=params["timeout"],
    )


def _check_range(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise SttError(
            name, found=f"{value:g}", needed=f"{least:g} to {most:g}", fix=f"correct {name}"
        )
