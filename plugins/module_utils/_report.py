# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One report from one result set: what all of the report's files and the terminal show."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._phases import parse, timestamp
from ansible_collections.stt.engine.plugins.module_utils._release_verdict import Judgement, judge
from ansible_collections.stt.engine.plugins.module_utils._report_accepted import listen
from ansible_collections.stt.engine.plugins.module_utils._report_checklist import (
    BEYOND,
    CRITERIA,
    NOT_RUN,
    PHASES,
    Decision,
    Item,
    decide,
    gpu_state,
    required_steps,
)
from ansible_collections.stt.engine.plugins.module_utils._report_quantizations import (
    quantization_rows,
)
from ansible_collections.stt.engine.plugins.module_utils._report_seal import put_seal
from ansible_collections.stt.engine.plugins.module_utils._report_self_test import put_together
from ansible_collections.stt.engine.plugins.module_utils._report_text import text

FORMAT = 1
CHECKLIST_ID = "R6.3"
CHECKLIST_NAME = "checklist"
KEYS = (
    "release",
    "tag",
    "host",
    "started",
    "finished",
    "phases",
    "checks",
    "planned",
    "self_test",
    "seal",
    "image",
    "models",
    "failure",
    "versions",
    "lock",
    "logs",
    "files",
)
IMAGE_KEYS = (
    "tag",
    "image_id",
    "input_digest",
    "base",
    "base_digest",
    "cuda",
    "variant",
    "layers",
    "size",
    "reason",
)
FAILURE_KEYS = ("phase", "task", "object", "found", "needed", "fix", "msg", "log_path")


def build_report(results: Mapping[str, Any], *, language: str, now: datetime) -> dict[str, Any]:
    """The report of a result set.

    A result set has the keys of ``KEYS``; all may be missing but ``checks``. A release that was
    stopped says so by ``failure``: its verdict is failed, and what it did not reach is ``not_run``.
    """
    _refuse_unknown(results)
    failure = _failure(results.get("failure"))
    stopped = failure is not None
    # The closing checklist is a planned check too; its result is made here.
    wanted = (set(results.get("planned") or []) | set(required_steps())) - {CHECKLIST_ID}
    checks = judge(results.get("checks") or []).checks
    checklist = _checklist(checks, language, stopped)
    criteria = _lines(CRITERIA, checks, language, stopped)
    # A stopped release has no closing checklist: it never came to it.
    final = judge(checks) if stopped else judge([*checks, _closing(checklist + criteria)], wanted)
    finished = str(results.get("finished") or timestamp(now))
    phases = _phases(results.get("phases") or [], final, finished, language, stopped)
    started = str(
        results.get("started") or min((p["started"] for p in phases if p["started"]), default="")
    )
    image = {key: value for key, value in (results.get("image") or {}).items() if key in IMAGE_KEYS}
    models = [_model(model) for model in results.get("models") or []]
    report = {
        "format": FORMAT,
        "release": results.get("release") or None,
        "tag": str(results.get("tag") or ""),
        "host": str(results.get("host") or ""),
        "language": language,
        "verdict": "failed" if stopped else final.verdict,
        "gpu": gpu_state(final.checks),
        "started": started,
        "finished": finished,
        "seconds": _seconds_between(started, finished),
        "counts": final.counts,
        "phases": phases,
        "checklist": checklist,
        "criteria": criteria,
        "beyond": _lines(BEYOND, checks, language, stopped),
        "checks": final.checks,
        "self_test": put_together(results.get("self_test") or []),
        "seal": put_seal(results.get("seal"), phases),
        "failure": failure and {"phase": failure["phase"] or _last_phase(phases), **_rest(failure)},
        "image": image,
        "models": models,
        "quantizations": quantization_rows(final.checks),
        "versions": {
            str(key): str(value) for key, value in (results.get("versions") or {}).items()
        },
        "lock": dict(results.get("lock") or {}),
        "logs": [_link(path, "log") for path in results.get("logs") or []],
        "files": [_link(path, "file") for path in sorted(results.get("files") or [])],
        "tasks": None,
    }
    _measure(report)
    return report


def _refuse_unknown(results: Mapping[str, Any]) -> None:
    for key in sorted(set(results) - set(KEYS)):
        near = difflib.get_close_matches(key, KEYS, n=1)
        raise SttError(
            "release report",
            found=f"the unknown key {key} in the results",
            needed=f"only {', '.join(KEYS)}",
            fix=f"did you mean {near[0]}?" if near else f"remove {key}",
        )


def _failure(given: Mapping[str, Any] | None) -> dict[str, str] | None:
    if not given:
        return None
    return {key: str(given.get(key) or "") for key in FAILURE_KEYS}


def _rest(failure: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in failure.items() if key != "phase"}


def _last_phase(phases: Sequence[Mapping[str, Any]]) -> str:
    """The phase in which a release stopped: the last one that began."""
    begun = [phase for phase in phases if phase["started"]]
    return max(begun, key=lambda phase: str(phase["started"]))["id"] if begun else ""


def _checklist(
    checks: Sequence[Mapping[str, Any]], language: str, stopped: bool
) -> list[dict[str, Any]]:
    return [
        {"phase": phase.id, **line}
        for phase in PHASES
        for line in _lines(phase.items, checks, language, stopped)
    ]


def _lines(
    items: Iterable[Item], checks: Sequence[Mapping[str, Any]], language: str, stopped: bool
) -> list[dict[str, Any]]:
    decisions = [decide(item, checks, stopped=stopped, language=language) for item in items]
    return [
        _line(decision, language)
        for decision in decisions
        if decision.checks or not decision.item.optional
    ]


def _line(decision: Decision, language: str) -> dict[str, Any]:
    return {
        "item": decision.item.key,
        "text": decision.item.text[language],
        "status": decision.status,
        "note": decision.note,
        "fix": decision.fix,
        "seconds": decision.seconds,
        "checks": list(decision.checks),
        "measure": decision.item.measure,
        "measured_bytes": None,
        "planned_size": decision.item.planned,
    }


def _closing(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """R6.3 itself: every line ticked, or skipped for a reason."""
    open_lines = [line["item"] for line in lines if line["status"] not in ("passed", "skipped")]
    skipped = [line for line in lines if line["status"] == "skipped"]
    ticked = len(lines) - len(open_lines) - len(skipped)
    found = f"{ticked} of {len(lines)} items are ticked, {len(skipped)} skipped for a reason"
    return {
        "id": CHECKLIST_ID,
        "name": CHECKLIST_NAME,
        "status": "failed" if open_lines else "passed",
        "expected": "every item of the closing checklist and the success criteria ticked",
        "found": f"{found}; open: {', '.join(open_lines)}" if open_lines else found,
        "fix": "mend what the open items' checks name, then run the release again"
        if open_lines
        else "",
        "seconds": 0.0,
        "evidence": {},
    }


def _phases(
    records: Sequence[Mapping[str, Any]],
    judgement: Judgement,
    finished: str,
    language: str,
    stopped: bool,
) -> list[dict[str, Any]]:
    """All phases of the runbook in order, whether they began or not."""
    by_id = {str(record["id"]): record for record in records}
    phases = []
    for phase in PHASES:
        record = by_id.get(phase.id)
        checks = [check for check in judgement.checks if check["id"].startswith(f"{phase.id}.")]
        ended = str(record.get("finished") or finished) if record else ""
        phases.append(
            {
                "id": phase.id,
                "name": phase.name[language],
                "status": _phase_status(record, checks, stopped),
                "started": str(record["started"]) if record else "",
                "finished": ended,
                "seconds": _seconds_between(str(record["started"]), ended) if record else None,
                "changed": bool(record.get("changed", False)) if record else False,
                "planned_seconds": list(phase.planned_seconds),
            }
        )
    return phases


def _phase_status(
    record: Mapping[str, Any] | None, checks: Sequence[Mapping[str, Any]], stopped: bool
) -> str:
    statuses = {check["status"] for check in checks}
    begun_only = record is not None and not record.get("finished")
    if statuses & {"failed", "error"} or (stopped and begun_only):
        return "failed"
    if record is None and not checks:
        return NOT_RUN
    return "skipped" if statuses == {"skipped"} else "passed"


def _seconds_between(started: str, finished: str) -> float | None:
    if not started or not finished:
        return None
    return round((parse(finished) - parse(started)).total_seconds(), 3)


def _model(given: Mapping[str, Any]) -> dict[str, Any]:
    files = [
        {"path": str(file["path"]), "size": int(file["size"]), "sha256": str(file["sha256"])}
        for file in given.get("files") or []
    ]
    quantization = str(given.get("quantization") or "")
    return {
        "format": "ctranslate2" if quantization else "transformers",
        "repository": str(given.get("repository") or ""),
        "commit": str(given.get("commit") or ""),
        "quantization": quantization,
        "path": str(given.get("path") or ""),
        "bytes": sum(file["size"] for file in files),
        "files": sorted(files, key=lambda file: file["path"]),
    }


def _link(given: Any, kind: str) -> dict[str, str]:
    """A log or another file as a link within the release's directory."""
    path = PurePosixPath(str(given))
    if path.is_absolute() or ".." in path.parts:
        raise SttError(
            "release report",
            found=f"the {kind} {given}",
            needed="a path within the release's directory, such as logs/build.log",
            fix=f"fetch the {kind} into the release's directory first",
        )
    return {"name": path.name, "path": str(path)}


def _measure(report: dict[str, Any]) -> None:
    """Put the measured sizes beside the lines that name them."""
    original = [model["bytes"] for model in report["models"] if not model["quantization"]]
    converted = [model["bytes"] for model in report["models"] if model["quantization"]]
    sizes = {
        "image": report["image"].get("size"),
        "original": sum(original) if original else None,
        "converted": sum(converted) if converted else None,
    }
    for line in report["checklist"]:
        line["measured_bytes"] = sizes.get(line.pop("measure"))
    for line in report["criteria"] + report["beyond"]:
        line.pop("measure")


def headline(report: Mapping[str, Any]) -> str:
    """The verdict in words."""
    return text(_key("verdict", report), str(report["language"]))


def next_step(report: Mapping[str, Any]) -> str:
    """What to do now, in words."""
    words = [text(_key("next", report), str(report["language"])), listen(report)]
    return " ".join(part for part in words if part)


def _key(kind: str, report: Mapping[str, Any]) -> str:
    return f"{kind}_failed" if report["verdict"] == "failed" else f"{kind}_passed_{report['gpu']}"


def render(report: Mapping[str, Any]) -> bytes:
    """The bytes of report.json.

    A lone surrogate, as undecodable output of a command leaves it, becomes its JSON escape.
    """
    try:
        content = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise SttError(
            "release report",
            found=f"what is no JSON ({error})",
            needed="finite numbers",
            fix="correct the check whose evidence has one that is not",
        ) from error
    return f"{content}\n".encode("utf-8", "backslashreplace")


def same_but_for_times(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether two reports say the same, whatever the times and figures they were measured with."""
    return _substance(before) == _substance(after)


def _substance(report: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("format", "release", "tag", "host", "verdict", "gpu", "failure", "lock", "versions")
    image = report.get("image") or {}
    return {
        **{key: report.get(key) for key in kept},
        "image": [image.get("image_id"), image.get("input_digest")],
        "models": [(model["path"], model["files"]) for model in report.get("models") or []],
        "checks": sorted(
            (check["id"], check["name"], check["status"]) for check in report.get("checks") or []
        ),
        "logs": report.get("logs"),
    }
