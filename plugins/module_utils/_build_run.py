# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of one image build: copy what was hashed, build it, prove the result, tag it."""

from __future__ import annotations

import ctypes
import json
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._build_base import ResolvedImage, pull
from ansible_collections.stt.engine.plugins.module_utils._build_debris import (
    WORKSPACE,
    clear_workspace,
    discard,
)
from ansible_collections.stt.engine.plugins.module_utils._build_dockerfile import (
    Stage,
    declared_arguments,
    pinned_text,
    shadowed,
)
from ansible_collections.stt.engine.plugins.module_utils._build_faults import build_error
from ansible_collections.stt.engine.plugins.module_utils._build_inputs import (
    BuildRequest,
    context_lines,
    copy_context,
    current_entries,
    dockerfile_digest,
    input_digest,
    read_text,
    unused_arguments,
)
from ansible_collections.stt.engine.plugins.module_utils._build_parser import (
    instructions,
    triggered,
)
from ansible_collections.stt.engine.plugins.module_utils._build_progress import (
    BuildProgress,
    Redactor,
)
from ansible_collections.stt.engine.plugins.module_utils._build_remote import check_triggers
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import (
    BASE_DIGEST_LABEL,
    INPUT_DIGEST_LABEL,
    OWNER,
    OWNER_LABEL,
    DockerCli,
)
from ansible_collections.stt.engine.plugins.module_utils._dockerignore import walk
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._jobs import JobContext

# A Dockerfile that declares it can say in its own labels what it was built on.
BASE_DIGEST_ARGUMENT = "BASE_DIGEST"
_PR_SET_PDEATHSIG = 1
_TICK_SECONDS = 1.0
# Loaded before the fork: a process between fork and exec must not import anything.
_LIBC = ctypes.CDLL(None, use_errno=True)
# They would change the build behind the back of its inputs.
_FOREIGN_SETTINGS = (
    "SOURCE_DATE_EPOCH",
    "DOCKER_BUILDKIT",
    "DOCKER_DEFAULT_PLATFORM",
    "BUILDX_BUILDER",
    "BUILDX_METADATA_PROVENANCE",
    "BUILDX_NO_DEFAULT_ATTESTATIONS",
    "BUILDKIT_PROGRESS",
)


@dataclass(frozen=True)
class Build:
    """Everything that one build needs; nothing is asked for again later."""

    docker: DockerCli
    builder: str
    request: BuildRequest
    document: Mapping[str, Any]
    digest: str
    tag: str
    base: ResolvedImage | None
    base_argument: str | None
    declared: frozenset[str]
    stages: tuple[Stage, ...]
    images: tuple[ResolvedImage, ...]
    timeout: float


def run_build(build: Build, job: JobContext) -> dict[str, Any]:
    """Build, prove and tag the image; returns what the job remembers."""
    workspace = job.directory / WORKSPACE
    clear_workspace(workspace)
    workspace.mkdir(mode=0o700)
    try:
        job.progress(step=0, steps=0, name="copy the context")
        dockerfile = _copy_inputs(build, workspace)
        base = build.base
        for image in (base, *build.images):
            if image is not None and not image.local:
                job.progress(name=f"pull {image.pin}")
                pulled = pull(
                    build.docker,
                    image,
                    platform=build.request.platform,
                    timeout=build.timeout,
                )
                base = pulled if image is base else base
        _refuse_hidden_inputs(build, base)
        progress = _execute(build, workspace, dockerfile, job)
        made = _image(build, workspace)
        image_id = str(made["Id"])
        try:
            _prove(build, base, made)
        except SttError:
            discard(build.docker, image_id)
            raise
        build.docker.run(["image", "tag", image_id, build.tag])
        return {"image_id": image_id, "tag": build.tag, "steps_run": progress.ran_steps()}
    finally:
        clear_workspace(workspace)


def _copy_inputs(build: Build, workspace: Path) -> Path:
    """Copy context and Dockerfile and prove that they are what the digest was made of."""
    request = build.request
    copy = context_copy(build, workspace)
    copy_context(request.context, current_entries(request), copy, request.epoch)
    dockerfile = workspace / "dockerfile" / request.dockerfile.name
    dockerfile.parent.mkdir()
    shutil.copyfile(request.dockerfile, dockerfile)
    # An empty ignore file of the Dockerfile's own: the copy holds nothing that is to be ignored.
    dockerfile.with_name(dockerfile.name + ".dockerignore").touch()
    copied = {
        **build.document,
        "context": context_lines(copy, walk(copy, [])),
        "dockerfile": dockerfile_digest(read_text(dockerfile)),
    }
    if input_digest(copied) != build.digest:
        raise SttError(
            f"build context {request.context}",
            found="files that changed while they were read",
            needed="a context that holds still",
            fix="run again when nothing writes to it any more",
        )
    pin_shadowed(build, dockerfile)
    return dockerfile


def pin_shadowed(build: Build, dockerfile: Path) -> None:
    """Pin in the copy what no option can: an image whose name is also a stage's.

    As a named build context it would stand in place of that stage.
    """
    pins = {
        image.reference: image.pin
        for image in _written_out(build)
        if shadowed(build.stages, image.reference)
    }
    if pins:
        text = pinned_text(read_text(dockerfile), build.stages, pins)
        dockerfile.write_bytes(text.encode("utf-8", "surrogateescape"))


def _written_out(build: Build) -> list[ResolvedImage]:
    """The images that the Dockerfile names itself and that are to be built from by digest."""
    base = build.base if build.base_argument is None else None
    return [
        image
        for image in (base, *build.images)
        if image is not None and image.pin != image.reference
    ]


def context_copy(build: Build, workspace: Path) -> Path:
    """Where the copy of the context lies: in a directory whose name no other content ever has.

    BuildKit sends only what differs from the last context in a directory of that name, on
    whatever path, and compares sizes and times alone. With one fixed time, an edit that keeps
    the size would be missed under a name that is used again.
    """
    return workspace / build.digest


def _refuse_hidden_inputs(build: Build, base: ResolvedImage | None) -> None:
    """Refuse what the base's own triggers would take from elsewhere: arguments, and downloads."""
    if base is None:
        return
    image = build.docker.image(base.pin) or {}
    triggers = "\n".join((image.get("Config") or {}).get("OnBuild") or [])
    check_triggers(
        f"ONBUILD of base image {base.reference}",
        [triggered(entry.name, entry.rest) for entry in instructions(triggers)],
    )
    unused = unused_arguments(build.request, build.declared)
    hidden = sorted(declared_arguments(triggers).intersection(unused))
    if hidden:
        raise SttError(
            f"build argument {hidden[0]}",
            found=f"only an ONBUILD instruction of base image {base.reference} declares it",
            needed="an ARG in the Dockerfile, so that its value counts as an input",
            fix=f"add ARG {hidden[0]} to {build.request.dockerfile.name}, or leave it out",
        )


def build_command(build: Build, workspace: Path, dockerfile: Path) -> list[str]:
    """The arguments for docker; secrets are files, their content is never an argument."""
    request = build.request
    words = ["buildx", "build", "--builder", build.builder, "--load"]
    words += ["--progress=rawjson", "--provenance=false", "--platform", request.platform]
    words += ["--file", str(dockerfile), "--metadata-file", str(workspace / "metadata.json")]
    if request.target:
        words += ["--target", request.target]
    arguments = dict(request.build_args)
    if build.base is not None and build.base_argument is not None:
        arguments[build.base_argument] = build.base.pin
    if build.base is not None and BASE_DIGEST_ARGUMENT in build.declared:
        arguments.setdefault(BASE_DIGEST_ARGUMENT, build.base.digest)
    for image in _written_out(build):
        if not shadowed(build.stages, image.reference):
            words += ["--build-context", f"{image.reference}=docker-image://{image.pin}"]
    labels = {
        **request.labels,
        OWNER_LABEL: OWNER,
        INPUT_DIGEST_LABEL: build.digest,
        BASE_DIGEST_LABEL: build.base.digest if build.base else "scratch",
    }
    for option, values in (("--build-arg", arguments), ("--label", labels)):
        for name, value in values.items():
            words += [option, f"{name}={value}"]
    for identifier, path in request.secrets.items():
        words += ["--secret", f"id={identifier},src={path}"]
    return [*words, str(context_copy(build, workspace))]


def _execute(build: Build, workspace: Path, dockerfile: Path, job: JobContext) -> BuildProgress:
    progress = BuildProgress(Redactor(build.request.secrets.values()))
    words = build_command(build, workspace, dockerfile)
    argv = [build.docker.docker, *words]
    job.log.write(f"$ {shlex.join(argv)}\n".encode())
    environment = {
        name: value
        for name, value in build.docker.environment.items()
        if name not in _FOREIGN_SETTINGS
    }
    expired = threading.Event()
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            preexec_fn=_die_with_parent,
        )
    except OSError as exc:
        raise build.docker.not_runnable(exc) from exc

    ended = threading.Event()

    def watch() -> None:
        """Keep the written progress fresh while a step is silent, and stop at the timeout."""
        began = time.monotonic()
        while not ended.wait(_TICK_SECONDS):
            elapsed = time.monotonic() - began
            job.progress(elapsed=round(elapsed, 1))
            if elapsed > build.timeout and not expired.is_set():
                expired.set()
                process.terminate()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        for raw in process.stderr or ():
            lines = progress.feed(raw)
            if lines:
                job.log.write(("\n".join(lines) + "\n").encode())
                job.progress(**progress.state())
        rc = process.wait()
    finally:
        ended.set()
        if process.poll() is None:
            process.kill()
            process.wait()
        watcher.join()
    if expired.is_set():
        raise SttError(
            f"build of {build.tag}",
            found=f"no end within {build.timeout:g} s",
            needed="a build within the timeout",
            fix="see in the log which step is slow; raise timeout if it only needs longer",
            log_path=str(job.directory / "job.log"),
        )
    if rc != 0:
        raise build_error(
            build.tag, build.request, progress.failure(), rc, job.directory / "job.log"
        )
    return progress


def _die_with_parent() -> None:
    """Let the client end with the job: a build that nobody waits for must not go on."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _image(build: Build, workspace: Path) -> dict[str, Any]:
    metadata = json.loads((workspace / "metadata.json").read_bytes())
    for key in ("containerimage.digest", "containerimage.config.digest"):
        image = build.docker.image(str(metadata.get(key, ""))) if metadata.get(key) else None
        if image is not None:
            return image
    raise SttError(
        f"build of {build.tag}",
        found=f"no image behind the build's metadata {sorted(metadata)}",
        needed="the image in the engine's store",
        fix="use the engine's own builder (docker buildx use default)",
    )


def _prove(build: Build, base: ResolvedImage | None, image: Mapping[str, Any]) -> None:
    """The new image has our label, the platform asked for, and rests on the resolved base."""
    labels = image.get("Config", {}).get("Labels") or {}
    platform = f"{image.get('Os')}/{image.get('Architecture')}"
    layers: Sequence[str] = image.get("RootFS", {}).get("Layers") or []
    problem = None
    if labels.get(INPUT_DIGEST_LABEL) != build.digest:
        problem = ("another input digest in its label", f"{INPUT_DIGEST_LABEL}={build.digest}")
    elif not f"{build.request.platform}/".startswith(f"{platform}/"):
        problem = (f"platform {platform}", f"platform {build.request.platform}")
    elif base is not None and tuple(layers[: len(base.layers)]) != base.layers:
        problem = (
            "layers that do not begin with the base's",
            f"the layers of {base.reference} ({base.digest})",
        )
    if problem is not None:
        raise SttError(
            f"image {image['Id']} built for {build.tag}",
            found=problem[0],
            needed=problem[1],
            fix="run again; if it stays, look for what replaces the base during the build",
        )
