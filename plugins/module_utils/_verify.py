# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one phase of checks, or reuses its kept verdict, and says what came of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from ansible_collections.stt.engine.plugins.module_utils._accepted_transcripts import (
    accept,
    require_model,
)
from ansible_collections.stt.engine.plugins.module_utils._check_result import verdict
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._store import file_lock
from ansible_collections.stt.engine.plugins.module_utils._verify_base import BaseImage, find_base
from ansible_collections.stt.engine.plugins.module_utils._verify_collect import STEPS, is_result
from ansible_collections.stt.engine.plugins.module_utils._verify_container import (
    result_key,
    tail,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_parts import (
    Judged,
    PhaseRun,
    wanted_checks,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_request import (
    VerifyRequest,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_self_test import (
    plant_in_image,
    plant_in_models,
    read_record,
    show_failures,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_subject import (
    Subject,
    describe_subject,
    gpu_devices,
    reuse_key,
)

GPU_PROOF = ("R4.3", "cuda_matmul")
INVENTORY = ("R2.5", "inventory")
COMPONENTS = "components"
# What the program of checks ends with by itself: nothing failed, or something did.
ENDED = (0, 1)
GOOD = ("passed", "skipped")


@dataclass(frozen=True)
class Images:
    """What docker says of the judged image and of those that it is held against."""

    judged: Mapping[str, Any]
    base: BaseImage | None = None
    reference: Mapping[str, Any] | None = None


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
    try:
        images = _find(docker, request)
    except SttError as absent:
        if check_mode:
            return _not_yet(str(absent))
        raise
    subject = describe_subject(request, images.judged)
    if request.accept_transcripts:
        require_model(**subject.model)
    key = reuse_key(
        request,
        subject,
        base=images.base.image_id if images.base else "",
        reference=str(images.reference["Id"]) if images.reference else "",
    )
    result = read_verdict(request.reuse, key, STEPS[request.phase], wanted_checks(request, subject))
    if result is None:
        result = _judge(docker, request, images, subject, key, write_log=not check_mode)
    if request.self_test and not check_mode and result["verdict"] == "passed":
        result["self_test"] = _test_itself(docker, request, images, subject, result["checks"])
    else:
        result["self_test"] = read_record(request, subject.image_id)
    return result


def _judge(
    docker: DockerCli,
    request: VerifyRequest,
    images: Images,
    subject: Subject,
    key: Mapping[str, str],
    *,
    write_log: bool,
) -> dict[str, Any]:
    """Run the checks; what was heard and may be accepted goes with a verdict that passed."""
    result = _run(docker, request, images, subject, key, write_log=write_log)
    if request.accept_transcripts and result["verdict"] == "passed":
        result["accepted_transcripts"] = accept(
            subject.model, result["checks"], result["judged"], request.accepted_transcripts
        )
    return result


def _find(docker: DockerCli, request: VerifyRequest) -> Images:
    """The images of a request; SttError for the first that is not on this host."""
    image = docker.image(request.image)
    if image is None:
        raise SttError(
            f"image {request.image}",
            found="no such image on this host",
            needed="the engine image",
            fix="build or deliver the image first",
        )
    if request.phase == "R2":
        return Images(image, base=find_base(docker, image, request.base))
    if not request.reference_image:
        return Images(image)
    reference = docker.image(request.reference_image)
    if reference is None:
        raise SttError(
            f"reference image {request.reference_image}",
            found="no such image on this host",
            needed="this collection's image of the variant full",
            fix="build it first, or leave reference_image out",
        )
    return Images(image, reference=reference)


def read_verdict(
    path: Path | None,
    key: Mapping[str, str],
    steps: Sequence[str],
    wanted: Sequence[tuple[str, str]],
) -> dict[str, Any] | None:
    """A kept verdict that is whole, passed and about the same thing; None when there is none such.

    Whole is one with a result for every step, for every check of ``wanted``, and for exactly what
    was planned.
    """
    if path is None:
        return None
    try:
        kept = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(kept, dict) or kept.get("reuse_key") != key:
        return None
    checks = kept.get("checks")
    if not isinstance(checks, list) or not all(is_result(check) for check in checks):
        return None
    if kept.get("verdict") != "passed" or verdict(checks) != "passed":
        return None
    if not _is_whole(kept.get("planned"), checks, steps, wanted):
        return None
    return {
        **kept,
        "changed": False,
        "reused": True,
        "msg": f"{path.name}: the same content passed on this boot of the host "
        f"({kept.get('judged', 'time unknown')})",
    }


def _is_whole(
    planned: Any,
    checks: Sequence[Mapping[str, Any]],
    steps: Sequence[str],
    wanted: Sequence[tuple[str, str]],
) -> bool:
    """Whether checks are one good result for each that was planned and has to be there."""
    if not isinstance(planned, list) or not all(isinstance(entry, dict) for entry in planned):
        return False
    names = [result_key(check) for check in checks]
    return (
        all(check["status"] in GOOD for check in checks)
        and len(set(names)) == len(names)
        and sorted(names) == sorted(result_key(entry) for entry in planned)
        and {step for step, _name in names} >= set(steps)
        and set(names) >= set(wanted)
    )


def _run(
    docker: DockerCli,
    request: VerifyRequest,
    images: Images,
    subject: Subject,
    key: Mapping[str, str],
    *,
    write_log: bool,
) -> dict[str, Any]:
    gpu = bool(gpu_devices()) and request.gpu != "absent"
    started = datetime.now(UTC)
    with ExitStack() as stack:
        # Two runs of one release must not remove each other's container.
        stack.enter_context(_alone(request))
        log = stack.enter_context(_log(request, started, write_log))
        phase = PhaseRun(docker, request, subject, gpu, log)
        if images.base is not None:
            judged = phase.judge_image(images.judged, images.base)
        else:
            judged = phase.judge_models(images.reference)
        components = take_components(judged.checks)
        _write(log, judged)
        ended = all(run.exit_status in ENDED for run in judged.runs)
        last = [] if ended else tail(Path(str(log.name)))
        seconds = phase.seconds()
    statuses = {result_key(check): check["status"] for check in judged.checks}
    result: dict[str, Any] = {
        "changed": False,
        "verdict": verdict(judged.checks),
        "checks": judged.checks,
        "planned": judged.planned,
        "container": {
            "name": request.container,
            "image_id": subject.image_id,
            "exit_status": max(run.exit_status for run in judged.runs),
            "out_of_memory": any(run.out_of_memory for run in judged.runs),
        },
        "gpu": "proven" if statuses.get(GPU_PROOF) == "passed" else "absent",
        "peak_memory_bytes": judged.most("peak_memory_bytes"),
        "container_peak_bytes": judged.most("container_peak_bytes"),
        "seconds": seconds,
        "judged": started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "log_path": str(log.name) if write_log and request.logs_directory else "",
        "reused": False,
        "reuse_key": dict(key),
    }
    if request.phase == "R2":
        result[COMPONENTS] = components
    if last:
        result["log_tail"] = last
    return result


def _test_itself(
    docker: DockerCli,
    request: VerifyRequest,
    images: Images,
    subject: Subject,
    checks: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Show that the checks which have just passed can fail."""
    gpu = bool(gpu_devices()) and request.gpu != "absent"
    with ExitStack() as stack:
        stack.enter_context(_alone(request))
        log = stack.enter_context(_log(request, datetime.now(UTC), True, "-self-test"))
        phase = PhaseRun(docker, request, subject, gpu, log)
        if images.base is not None:
            found = plant_in_image(phase, images.judged, images.base)
        else:
            found = plant_in_models(phase, images.reference)
        return show_failures(phase, checks, found)


def take_components(checks: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """What is inside, out of the inventory's evidence: too long for a report of results."""
    for check in checks:
        if result_key(check) == INVENTORY:
            found: list[dict[str, str]] = check["evidence"].pop(COMPONENTS, [])
            return found
    return []


def _write(log: IO[bytes], judged: Judged) -> None:
    noise = [line for run in judged.runs for line in run.noise]
    for message in (*noise, *(json.dumps(one, ensure_ascii=False) for one in judged.checks)):
        log.write(message.encode() + b"\n")
    log.flush()


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


def _log(request: VerifyRequest, started: datetime, write: bool, kind: str = "") -> IO[bytes]:
    """A new log for every run; without a place for it, one that goes when it is closed."""
    if not write or request.logs_directory is None:
        return tempfile.NamedTemporaryFile(prefix=f"{request.container}-", suffix=".log")
    try:
        request.logs_directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        name = f"{request.phase}{kind}-{started:%Y%m%dT%H%M%S%fZ}.log"
        return (request.logs_directory / name).open("xb")
    except OSError as error:
        raise SttError(
            str(request.logs_directory),
            found=error.strerror or str(error),
            needed="a directory that takes the checks' log",
            fix="make it writable for the user that Ansible connects as, or choose another",
        ) from error


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
        "self_test": {},
    }
