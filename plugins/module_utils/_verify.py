# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one phase of checks, or reuses its sealed verdict, and says what came of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from ansible_collections.stt.engine.plugins.module_utils._check_result import sentence, verdict
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._store import file_lock
from ansible_collections.stt.engine.plugins.module_utils._verify_container import (
    KILLED,
    CheckContainer,
    ContainerRun,
    planned_of,
    result_key,
    tail,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_request import (
    Phase,
    Subject,
    VerifyRequest,
    describe_subject,
    gpu_devices,
    reuse_key,
    specification,
)

# Whatever the carried archive plans: without one of these steps there is no verdict.
STEPS: Mapping[Phase, tuple[str, ...]] = {
    "R4": ("R4.1", "R4.2", "R4.3", "R4.4"),
    "R5": ("R5.1", "R5.2", "R5.3", "R5.4", "R5.5", "R5.6", "R5.7", "R5.8"),
}
FIELDS = ("id", "name", "status", "expected", "found", "fix", "seconds", "evidence")
STATUSES = ("passed", "failed", "error", "skipped")
GPU_PROOF = ("R4.3", "cuda_matmul")
SUITE = "suite_complete"


def verify(request: VerifyRequest, *, check_mode: bool) -> dict[str, Any]:
    """Judge the image and models of a request; the result's ``verdict`` says how that went."""
    missing = request.missing()
    if missing is None and not request.image:
        missing = SttError(
            "engine image", found="no image id", needed="a built image", fix="build the image first"
        )
    if missing is not None:
        if check_mode:
            return _not_yet(str(missing))
        raise missing
    docker = DockerCli(request.docker)
    docker.version(minimum_buildx=None)
    image = docker.image(request.image)
    if image is None:
        absent = SttError(
            f"image {request.image}",
            found="no such image on this host",
            needed="the engine image",
            fix="build or deliver the image first",
        )
        if check_mode:
            return _not_yet(str(absent))
        raise absent
    subject = describe_subject(request, image)
    key = reuse_key(request, subject)
    kept = read_verdict(request.reuse, key)
    if kept is not None:
        return kept
    return _run(docker, request, subject, key, write_log=not check_mode)


def read_verdict(path: Path | None, key: Mapping[str, str]) -> dict[str, Any] | None:
    """A kept verdict that passed and is about the same thing; None when there is none such."""
    if path is None:
        return None
    try:
        kept = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(kept, dict) or kept.get("reuse_key") != key:
        return None
    checks = kept.get("checks")
    if not isinstance(checks, list) or not all(_is_result(check) for check in checks):
        return None
    if kept.get("verdict") != "passed" or verdict(checks) != "passed":
        return None
    return {
        **kept,
        "changed": False,
        "reused": True,
        "msg": f"{path.name}: the same content passed on this boot of the host "
        f"({kept.get('judged', 'time unknown')})",
    }


def failure_message(phase: Phase, checks: Sequence[Mapping[str, Any]]) -> str:
    """Every check that did not pass, each with found, needed and fix."""
    bad = [dict(check) for check in checks if check["status"] in ("failed", "error")]
    return f"{phase}: {len(bad)} of {len(checks)} checks did not pass. " + " | ".join(
        sentence(check) for check in bad
    )


def collect(
    phase: Phase,
    run: ContainerRun,
    limit: float,
    wanted: Sequence[tuple[str, str]] = (),
) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
    """Planned checks and exactly one result for each; what is missing or malformed is an error.

    ``wanted`` are checks, by step and name, that this run had to plan beside every step.
    """
    planned = planned_of(run.messages)
    results: dict[tuple[str, str], dict[str, Any]] = {}
    complaints: list[str] = []
    for message in run.messages:
        if "planned" in message or "finished" in message:
            continue
        key = result_key(message)
        if not _is_result(message):
            complaints.append(f"a malformed line for {' '.join(key)}")
        elif key in results:
            complaints.append(f"two results for {' '.join(key)}")
        else:
            results[key] = message
    ending = _ending(run, limit)
    checks = []
    for entry in planned:
        found = results.pop(result_key(entry), {})
        checks.append(found or _lost(entry, ending))
    complaints += [f"a result that was not planned: {' '.join(key)}" for key in results]
    seen = {entry["id"] for entry in planned}
    absent = [step for step in STEPS[phase] if step not in seen]
    checks += [
        _lost({"id": step, "name": SUITE}, f"no check of {step} was planned; {ending}")
        for step in absent
    ]
    announced = {result_key(entry) for entry in planned}
    checks += [
        _lost({"id": step, "name": name}, f"it was not planned; {ending}")
        for step, name in wanted
        if (step, name) not in announced
    ]
    if not any("finished" in message for message in run.messages):
        complaints.append(f"the checks did not say that they are finished; {ending}")
    if complaints and not absent:
        checks.append(_lost({"id": STEPS[phase][0], "name": SUITE}, "; ".join(complaints)))
    return planned, checks


def _run(
    docker: DockerCli,
    request: VerifyRequest,
    subject: Subject,
    key: Mapping[str, str],
    *,
    write_log: bool,
) -> dict[str, Any]:
    devices = gpu_devices()
    gpu = bool(devices) and request.gpu != "absent"
    started = datetime.now(UTC)
    container = CheckContainer(docker, request, subject.image_id)
    with ExitStack() as stack:
        # Two runs of one release must not remove each other's container.
        stack.enter_context(_alone(request))
        log = stack.enter_context(_log(request, started, write_log))
        document = specification(request, subject, gpu_given=gpu)
        run = container.run(document, gpu=gpu, log=log)
        planned, checks = collect(request.phase, run, request.timeout, subject.comparison())
        for message in (*run.noise, *(json.dumps(check, ensure_ascii=False) for check in checks)):
            log.write(message.encode() + b"\n")
        log.flush()
        last = tail(Path(str(log.name))) if run.exit_status not in (0, 1) else []
    finished: dict[str, Any] = next(
        (one["finished"] for one in run.messages if "finished" in one), {}
    )
    statuses = {result_key(check): check["status"] for check in checks}
    result: dict[str, Any] = {
        "changed": False,
        "verdict": verdict(checks),
        "checks": checks,
        "planned": planned,
        "container": {
            "name": request.container,
            "image_id": subject.image_id,
            "exit_status": run.exit_status,
            "out_of_memory": run.out_of_memory,
        },
        "gpu": "proven" if statuses.get(GPU_PROOF) == "passed" else "absent",
        "peak_memory_bytes": finished.get("peak_memory_bytes"),
        "container_peak_bytes": finished.get("container_peak_bytes"),
        "seconds": run.seconds,
        "judged": started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "log_path": str(log.name) if write_log and request.logs_directory else "",
        "reused": False,
        "reuse_key": dict(key),
    }
    if last:
        result["log_tail"] = last
    return result


@contextmanager
def _alone(request: VerifyRequest) -> Iterator[None]:
    lock = request.checks.parent / f".{request.container}.lock"
    try:
        with file_lock(lock, timeout=request.timeout):
            yield
    except TimeoutError as error:
        raise SttError(
            f"container {request.container}",
            found=f"another run has been using it for {request.timeout:g} s",
            needed="one verification of a release at a time",
            fix="wait for the other run to end, or choose another container name",
        ) from error


def _log(request: VerifyRequest, started: datetime, write: bool) -> IO[bytes]:
    """A new log for every run; without a place for it, one that goes when it is closed."""
    if not write or request.logs_directory is None:
        return tempfile.NamedTemporaryFile(prefix=f"{request.container}-", suffix=".log")
    try:
        request.logs_directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        name = f"{request.phase}-{started:%Y%m%dT%H%M%S%fZ}.log"
        return (request.logs_directory / name).open("xb")
    except OSError as error:
        raise SttError(
            str(request.logs_directory),
            found=error.strerror or str(error),
            needed="a directory that takes the checks' log",
            fix="make it writable for the user that Ansible connects as, or choose another",
        ) from error


def _ending(run: ContainerRun, limit: float) -> str:
    if run.timed_out:
        return f"the container was stopped at the time limit of {limit:g} s"
    if run.out_of_memory:
        return f"the out-of-memory killer struck; the container ended with {run.exit_status}"
    if run.exit_status == KILLED:
        return "the container was killed from outside"
    return f"the container ended with exit status {run.exit_status}"


def _lost(entry: Mapping[str, str], found: str) -> dict[str, Any]:
    return {
        "id": entry["id"],
        "name": entry["name"],
        "status": "error",
        "expected": "one result for every planned check",
        "found": f"no result: {found}",
        "fix": "look at the end of the checks' log; use the check archive of this collection, and "
        "raise the memory or time limit if one was reached",
        "seconds": 0.0,
        "evidence": {},
    }


def _is_result(check: Any) -> bool:
    return (
        isinstance(check, dict)
        and all(name in check for name in FIELDS)
        and check["status"] in STATUSES
        and isinstance(check["evidence"], dict)
        and bool(check["found"])
    )


def _not_yet(reason: str) -> dict[str, Any]:
    return {
        "changed": False,
        "skipped": True,
        "skip_reason": reason,
        "msg": f"nothing to judge yet: {reason}",
        "verdict": "unknown",
        "checks": [],
        "planned": [],
        "reused": False,
        "reuse_key": {},
    }
