# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One call of stt_model_fetch: look, plan, start or attach to the job, wait, and tell."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._fetch_model import ModelFetch, Plan
from ansible_collections.stt.engine.plugins.module_utils._fetch_room import disk_error, refusal
from ansible_collections.stt.engine.plugins.module_utils._jobs import Job, JobState

_POLL_SECONDS = 0.05
# What decides which bytes a job brings and by what it judges them.
_TELLING = ("source_path", "endpoint", "transport", "files", "expected_files")


@dataclass(frozen=True)
class Waiting:
    """Where the job is kept, what its directory says of its inputs, and how it is waited for."""

    jobs_root: Path
    inputs: dict[str, Any]
    wait: bool
    timeout: float | None


def run_fetch(fetch: ModelFetch, waiting: Waiting, *, check_mode: bool) -> dict[str, Any]:
    """See what is to do, do it, and return the module's result."""
    began = time.monotonic()
    before = [_line(file.as_dict()) for file in fetch.published.files()]
    result: dict[str, Any] = {
        "changed": False,
        "path": str(fetch.published.directory),
        "commit": fetch.selection.commit,
        "bytes_downloaded": 0,
        "bytes_resumed": 0,
        "bytes_planned": 0,
        "repeated": [],
        "reason": "",
        "trust": "",
    }
    job = Job(waiting.jobs_root, "fetch", fetch.key, waiting.inputs)
    result["log_path"] = job.kept_log()
    reason = fetch.needs_fetch()
    # Twice, because the job that runs at first may not have looked for all that this call does.
    for _attempt in range(2):
        if reason is None:
            break
        result.update(changed=True, reason=result["reason"] or reason)
        attached = not check_mode and job.state().status == "running"
        if not attached:
            plan = fetch.plan()
            result.update(bytes_planned=plan.bytes_planned, trust=plan.trust)
            if plan.why and plan.why not in result["reason"]:
                result["reason"] += f" ({plan.why})"
            if check_mode:
                return _finish(result, _planned(plan), before, began)
            _start(job, fetch)
        _check_inputs(job, waiting.inputs)
        if not waiting.wait:
            state = job.state()
            if state.status == "running":
                files = [] if attached else _planned(plan)
                result.update(job=_job(state), log_path=state.log_path)
                return _finish(result, files, before, began)
        state = _ended(job, waiting.timeout)
        result.update({**(state.result or {}), "log_path": state.log_path})
        reason = fetch.needs_fetch()
    if reason is not None:
        raise SttError(
            fetch.selection.name,
            found=f"still not as it should be after the fetch: {reason}",
            needed="a model that stays as it was published",
            fix=f"see what else writes to {fetch.published.directory}",
        )
    if not check_mode:
        fetch.refresh_stamps()
    result["trust"] = fetch.published.trust()
    return _finish(result, [file.as_dict() for file in fetch.published.files()], before, began)


def _start(job: Job, fetch: ModelFetch) -> None:
    try:
        job.start(fetch.work)
    except OSError as error:
        raise disk_error(error.filename or job.directory, error) from error


def _check_inputs(job: Job, inputs: dict[str, Any]) -> None:
    """Refuse a job that does something else than this call would, or did until this moment."""
    state = job.state()
    recorded = json.loads((job.directory / "inputs.json").read_bytes())
    differences = [
        f"{name} {json.dumps(recorded.get(name))} (this call: {json.dumps(inputs[name])})"
        for name in _TELLING
        if recorded.get(name) != inputs[name]
    ]
    if differences:
        end = f", or end it first: kill {state.pid}; what it fetched is kept" if state.pid else ""
        raise SttError(
            f"job {job.name}",
            found=f"it runs with other inputs: {'; '.join(differences)}",
            needed="one job at a time for a commit in one place",
            fix=f"wait for its end and run again{end}",
            job=_job(state),
        )


def _ended(job: Job, timeout: float | None) -> JobState:
    """Wait for the job; its failure is raised as it was in the job."""
    state = job.wait(timeout, _POLL_SECONDS)
    failure = job.failure(state)
    refused = refusal(job.directory) if state.status == "lost" else None
    if refused is not None:
        # The job could not even write down why it ended.
        failure = disk_error(f"file system of {job.directory}", refused)
    if failure is not None:
        failure.details.setdefault("log_tail", job.log_tail())
        raise failure
    if state.status == "running":
        raise SttError(
            f"job {job.name}",
            found=f"it still runs after {timeout:g} s: {state.progress}",
            needed="its end",
            fix="run again to attach to it, or give more timeout",
            job=_job(state),
        )
    return state


def _finish(
    result: dict[str, Any], files: list[dict[str, Any]], before: list[str], began: float
) -> dict[str, Any]:
    result["files"] = files
    result.setdefault("seconds", round(time.monotonic() - began, 3))
    result["diff"] = {
        "before": "".join(before),
        "after": "".join(_line(file) for file in files),
        "before_header": f"{result['path']} (published)",
        "after_header": f"{result['path']} (wanted)",
    }
    return result


def _planned(plan: Plan) -> list[dict[str, Any]]:
    return [
        {"path": file.path, "size": file.size, "sha256": plan.whole.get(file.path, file.sha256)}
        for file in plan.wanted
    ]


def _line(file: dict[str, Any]) -> str:
    return f"{file['path']} {file['size']} {file['sha256'] or 'by git hash'}\n"


def _job(state: JobState) -> dict[str, Any]:
    return {"status": state.status, "progress": state.progress, "log_path": state.log_path}
