# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a release's report on the controller and prints the closing checklist."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.stt.engine.plugins.module_utils import _release_files as files
from ansible_collections.stt.engine.plugins.module_utils._digest import sha256_hex
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._release_manifest import FILE_NAME
from ansible_collections.stt.engine.plugins.module_utils._release_sign import Signer
from ansible_collections.stt.engine.plugins.module_utils._report import (
    build_report,
    render,
    same_but_for_times,
)
from ansible_collections.stt.engine.plugins.module_utils._report_junit import junit
from ansible_collections.stt.engine.plugins.module_utils._report_tap import tap
from ansible_collections.stt.engine.plugins.module_utils._report_terminal import (
    checklist_lines,
)
from ansible_collections.stt.engine.plugins.module_utils._report_text import LANGUAGES
from ansible_collections.stt.engine.plugins.module_utils._store import write_atomically
from ansible_collections.stt.engine.plugins.module_utils._yaml_text import plain
from ansible_collections.stt.engine.plugins.plugin_utils._controller_action import (
    ControllerAction,
    show_lines,
)
from ansible_collections.stt.engine.plugins.plugin_utils._report_html import page
from ansible_collections.stt.engine.plugins.plugin_utils._report_index import (
    FILE,
    index,
    releases_root,
)

HISTORY = "history"
COLOURS = {
    "passed": "COLOR_OK",
    "failed": "COLOR_ERROR",
    "error": "COLOR_ERROR",
    "skipped": "COLOR_SKIP",
}


class ActionModule(ControllerAction):
    """Makes the report's files of one result set, and the page about all releases."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "dest": {"type": "path", "required": True},
        "results": {"type": "dict", "required": True},
        "language": {"type": "str", "choices": list(LANGUAGES), "default": "en"},
        "print": {"type": "bool", "default": True},
        "index": {"type": "bool", "default": True},
        "key_file": {"type": "path", "no_log": False},
        "openssl": {"type": "str", "default": "openssl"},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the verdict and the printed lines."""
        directory = Path(arguments["dest"])
        results = plain(arguments["results"], "results")
        report = build_report(results, language=arguments["language"], now=datetime.now(UTC))
        paths = {
            "json": directory / "report.json",
            "html": directory / "report.html",
            "junit": directory / "junit.xml",
            "tap": directory / "report.tap",
        }
        existing = _read(paths["json"])
        contents = {
            "json": render(report),
            "html": page(report).encode("utf-8", "replace"),
            "junit": junit(report),
            "tap": tap(report),
        }
        lines = checklist_lines(report, str(paths["html"]))
        # In check mode hardly any check has run: a checklist would only frighten.
        if not self._task.check_mode:
            key = arguments["key_file"]
            signer = Signer(Path(key), arguments["openssl"]) if key else None
            if existing is not None:
                _keep(paths["json"], existing, signer)
            _write(paths, contents)
            if arguments["index"]:
                _write_index(releases_root(directory), arguments["language"])
            if arguments["print"]:
                show_lines(lines, COLOURS)
        return {
            "changed": existing is None or not same_but_for_times(existing, report),
            "release": report["release"] or "",
            "verdict": report["verdict"],
            "gpu": report["gpu"],
            "counts": report["counts"],
            "checklist": [line.text for line in lines],
            "paths": {kind: str(path) for kind, path in paths.items()},
        }


def _read(path: Path) -> dict[str, Any] | None:
    """The report of an earlier run, or None when there is none that can be read."""
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    return content if isinstance(content, dict) else None


def _unwritable(directory: Path, error: OSError) -> SttError:
    return SttError(
        f"release report {directory}",
        found=f"a place that cannot be written ({error.strerror})",
        needed=f"permission and space to write in {directory}",
        fix="choose another directory for releases, or make room",
    )


def _keep(path: Path, existing: dict[str, Any], signer: Signer | None) -> None:
    """Keep the report of an earlier run by the time at which that run began.

    In a sealed release only one that its list vouches for: any other was left by a run that was
    killed, or edited, and must not be sealed with this one.
    """
    directory = path.parent
    began = str(existing.get("started") or existing.get("finished") or "unknown")
    kept = directory / HISTORY / f"{began.replace(':', '').replace('/', '_')}.json"
    try:
        data = path.read_bytes()
        if (directory / FILE_NAME).exists():
            listed = files.signed_before(directory, signer) or {}
            if listed.get(path.name) != sha256_hex(data):
                return
        kept.parent.mkdir(exist_ok=True)
        if not kept.exists():
            write_atomically(kept, data)
    except OSError as error:
        raise _unwritable(directory, error) from error


def _write(paths: dict[str, Path], contents: dict[str, bytes]) -> None:
    """Write the files; report.json, which machines trust, comes last."""
    directory = paths["json"].parent
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for kind in ("html", "junit", "tap", "json"):
            write_atomically(paths[kind], contents[kind])
    except OSError as error:
        raise _unwritable(directory, error) from error


def _write_index(root: Path, language: str) -> None:
    try:
        write_atomically(root / FILE, index(root, language).encode("utf-8", "replace"))
    except OSError as error:
        raise _unwritable(root, error) from error
