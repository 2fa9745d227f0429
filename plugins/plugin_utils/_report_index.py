# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One page about all kept releases: what each is, and what changed since the one before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._check_titles import check_label
from ansible_collections.stt.engine.plugins.module_utils._report_checklist import phase_of
from ansible_collections.stt.engine.plugins.module_utils._report_text import moment, size, text
from ansible_collections.stt.engine.plugins.plugin_utils._report_html import render

FILE = "index.html"
# What a release is known by.
FILES = ("report.json", "manifest.json")
FAILED = "failed"
CHECKS = "checks_changed"
DIGITS = 12

Entry = dict[str, Any]
Change = dict[str, str]


def releases_root(directory: Path) -> Path:
    """Where all releases lie, by the directory of one of them or of a failed run."""
    return directory.parent.parent if directory.parent.name == FAILED else directory.parent


def index(root: Path, language: str) -> str:
    """The page; a release that cannot be read is shown as such."""
    releases = sorted(
        (_entry(path, language) for path in _directories(root)),
        key=lambda entry: (entry["moment"], entry["name"]),
    )
    for before, entry in pairwise([None, *releases]):
        if entry is not None:
            entry["changes"] = None if before is None else _changes(before, entry, language)
    # The link to the newest is set later than this is written.
    good = [entry["name"] for entry in releases if entry["status"] == "passed" and entry["sealed"]]
    failed = [_entry(path, language) for path in reversed(_directories(root / FAILED))]
    return render(
        "index.html.j2", language, releases=releases[::-1], newest=good[-1:], failed=failed
    )


def _directories(root: Path) -> list[Path]:
    """What holds a release; links such as the newest one's are left out, and so is all else."""
    if not root.is_dir():
        return []
    return sorted(
        path
        for path in root.iterdir()
        if not path.is_symlink() and any((path / name).is_file() for name in FILES)
    )


def _entry(path: Path, language: str) -> Entry:
    report, manifest = (_read(path / name) for name in FILES)
    release = _mapping(manifest, "predicate", "release")
    sealed = str(release.get("sealed") or "")
    finished = str(report.get("finished") or "")
    image, models = _mapping(report, "image"), _list(report, "models")
    passed = report.get("verdict") == "passed"
    gpu = "proven" if report.get("gpu") == "proven" else "absent"
    failure = _mapping(report, "failure")
    return {
        "name": path.name,
        "readable": bool(report),
        "status": "passed" if passed else "failed",
        "headline": text(f"verdict_passed_{gpu}" if passed else "verdict_failed", language),
        "moment": sealed or finished,
        "sealed": _moment(sealed),
        "signed": _mapping(manifest, "predicate", "signature").get("unsigned") is False,
        "finished": _moment(finished),
        "host": str(report.get("host") or ""),
        "image": _size([image.get("size")]),
        "models": _size([one.get("bytes") for one in models if isinstance(one, Mapping)]),
        "phase": phase_of(str(failure.get("task") or ""), language),
        "stopped_at": str(failure.get("task") or failure.get("object") or ""),
        "facts": _facts(report, manifest, language),
        "changes": None,
    }


def _read(path: Path) -> dict[str, Any]:
    """A file's mapping; empty when there is none that can be read."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _mapping(value: Any, *names: str) -> Mapping[str, Any]:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _list(value: Mapping[str, Any], name: str) -> list[Any]:
    found = value.get(name)
    return found if isinstance(found, list) else []


def _moment(iso: str) -> str:
    try:
        return moment(iso) if iso else ""
    except ValueError:
        return iso


def _size(counts: list[Any]) -> str:
    known = [count for count in counts if isinstance(count, int)]
    return size(sum(known)) if known else ""


def _facts(
    report: Mapping[str, Any], manifest: Mapping[str, Any], language: str
) -> dict[str, dict[str, str]]:
    """What two releases are compared by: groups of named values."""
    image = _mapping(manifest, "predicate", "image") or _mapping(report, "image")
    inputs = _mapping(manifest, "predicate", "lock", "inputs")
    locked = _mapping(inputs, "model")
    models = [one for one in _list(report, "models") if isinstance(one, Mapping)]
    original = next((one for one in models if not one.get("quantization")), {})
    quantizations = [str(one["quantization"]) for one in models if one.get("quantization")]
    single = {
        "base": f"{image.get('base') or ''} {image.get('base_digest') or ''}".strip(),
        "cuda": image.get("cuda"),
        "engine_inputs": str(image.get("input_digest") or "")[:DIGITS],
        "repository": original.get("repository") or locked.get("repository"),
        "commit": original.get("commit") or locked.get("commit"),
        "quantization": ", ".join(quantizations),
    }
    packages = _mapping(inputs, "image", "packages")
    checks = [one for one in _list(report, "checks") if isinstance(one, Mapping)]
    return {
        **{key: {"": str(value)} for key, value in single.items() if value},
        "packages": {str(name): str(version) for name, version in packages.items()},
        CHECKS: {_check(one, language): _state(one, language) for one in checks},
    }


def _check(check: Mapping[str, Any], language: str) -> str:
    named = {"id": str(check.get("id")), "name": str(check.get("name"))}
    return f"{named['id']} {check_label(named, language)}"


def _state(check: Mapping[str, Any], language: str) -> str:
    status = check.get("status")
    known = status in ("passed", "failed", "error", "skipped")
    return text(str(status), language) if known else str(status)


def _changes(before: Entry, after: Entry, language: str) -> list[dict[str, Any]]:
    """The groups in which something differs, each with its differences."""
    groups = []
    for key in dict.fromkeys([*before["facts"], *after["facts"]]):
        old, new = before["facts"].get(key, {}), after["facts"].get(key, {})
        # What one of the two never told cannot be compared.
        if not old or not new:
            continue
        changes = [
            *_moved(old, new),
            *_only("added", new, old, key, language),
            *_only("removed", old, new, key, language),
        ]
        if changes:
            groups.append({"label": text(key, language), "changes": changes})
    return groups


def _moved(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    return [
        {"name": name, "before": old[name], "after": new[name]}
        for name in sorted(old.keys() & new.keys())
        if old[name] != new[name]
    ]


def _only(
    what: str, one: Mapping[str, str], other: Mapping[str, str], key: str, language: str
) -> list[Change]:
    """What only one of two releases has, in one line; how a check ended is told elsewhere."""
    names = sorted(one.keys() - other.keys())
    if not names:
        return []
    told = names if key == CHECKS else [f"{name} {one[name]}" for name in names]
    return [{"name": text(what, language), "before": "", "after": ", ".join(told)}]
