# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of one image build: copy what was hashed, build it, prove the result, tag it."""

from __future__ import annotations

import ctypes
import json
import os
import posixpath
import re
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
from ansible_collections.stt.engine.plugins.module_utils._build_dockerfile import copied_sources
from ansible_collections.stt.engine.plugins.module_utils._build_inputs import (
    BuildRequest,
    context_lines,
    copy_context,
    current_entries,
    input_digest,
)
from ansible_collections.stt.engine.plugins.module_utils._build_progress import (
    BuildProgress,
    Failure,
    Redactor,
    brief,
)
from ansible_collections.stt.engine.plugins.module_utils._digest import sha256_file
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
from ansible_collections.stt.engine.plugins.module_utils._store import remove_tree

# A Dockerfile that declares it can say in its own labels what it was built on.
BASE_DIGEST_ARGUMENT = "BASE_DIGEST"
_PR_SET_PDEATHSIG = 1
_TICK_SECONDS = 1.0
# Loaded before the fork: a process between fork and exec must not import anything.
_LIBC = ctypes.CDLL(None, use_errno=True)
_MISSING = re.compile(
    r'"/(?P<path>[^"]+)": not found|lstat \S*/buildkit-mount\d+/(?P<walked>.+?): no such file'
)
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
    images: tuple[ResolvedImage, ...]
    timeout: float


def run_build(build: Build, job: JobContext) -> dict[str, Any]:
    """Build, prove and tag the image; returns what the job remembers."""
    workspace = job.directory / "work"
    _clear(workspace)
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
        progress = _execute(build, workspace, dockerfile, job)
        image_id = _image_id(build, workspace)
        try:
            _prove(build, base, image_id)
        except SttError:
            _discard(build, image_id)
            raise
        build.docker.run(["image", "tag", image_id, build.tag])
        return {"image_id": image_id, "tag": build.tag, "steps_run": progress.ran_steps()}
    finally:
        _clear(workspace)


def _clear(workspace: Path) -> None:
    """Remove the workspace, also one that a killed build left, read-only directories included."""
    if not workspace.exists():
        return
    for folder, folders, _files in os.walk(workspace):
        for name in folders:
            entry = Path(folder, name)
            if not entry.is_symlink():
                entry.chmod(0o700)
    remove_tree(workspace, below=workspace.parent)


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
        "dockerfile": sha256_file(dockerfile),
    }
    if input_digest(copied) != build.digest:
        raise SttError(
            f"build context {request.context}",
            found="files that changed while they were read",
            needed="a context that holds still",
            fix="run again when nothing writes to it any more",
        )
    return dockerfile


def context_copy(build: Build, workspace: Path) -> Path:
    """Where the copy of the context lies: in a directory whose name no other content ever has.

    BuildKit sends only what differs from the last context in a directory of that name, on
    whatever path, and compares sizes and times alone. With one fixed time, an edit that keeps
    the size would be missed under a name that is used again.
    """
    return workspace / build.digest


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
    for image in (build.base, *build.images):
        written_out = image is not None and (image is not build.base or build.base_argument is None)
        if image is not None and written_out and image.pin != image.reference:
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
        raise build_error(build, progress.failure(), rc, job.directory / "job.log")
    return progress


def _die_with_parent() -> None:
    """Let the client end with the job: a build that nobody waits for must not go on."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def build_error(build: Build, failure: Failure, rc: int, log: Path) -> SttError:
    """The error of a failed build: its step, its command, its last telling lines, its log."""
    command = brief(failure.command)
    object_ = f"build of {build.tag}"
    if failure.steps:
        object_ += f", step {failure.step}/{failure.steps} {_cut(command, 120)!r}"
    missing = _not_sent(failure)
    reason = f"{', '.join(missing)} not in the build context" if missing else failure.reason
    said = [_cut(line.strip(), 300) for line in failure.lines[-3:]]
    found = " | ".join(dict.fromkeys([_cut(reason, 400), *said]))
    return SttError(
        object_,
        found=found,
        needed="every step to succeed",
        fix=f"{_advice(build, failure, missing)} (log: {log})",
        rc=rc,
        step=f"{failure.step}/{failure.steps}" if failure.steps else "",
        command=failure.command,
        lines=failure.lines,
        log_path=str(log),
    )


def _not_sent(failure: Failure) -> list[str]:
    """The sources of a failed COPY or ADD that its own error names as missing."""
    # The error names the path or, when its directory is missing too, only that directory.
    named = _MISSING.search(failure.reason)
    if named is None:
        return []
    path = named["path"] or named["walked"]
    return [
        source
        for source in copied_sources(failure.command)
        if f"{posixpath.normpath(source)}/".startswith(f"{path}/")
    ]


def _advice(build: Build, failure: Failure, missing: Sequence[str]) -> str:
    context = build.request.context
    ignored = [str(context / name) for name in missing if os.path.lexists(context / name)]
    if ignored:
        return f"{', '.join(ignored)} is there but ignored: take it out of .dockerignore"
    if missing:
        wanted = ", ".join(str(context / name) for name in missing)
        return f"add {wanted} to the context or remove it from the {failure.command.split()[0]}"
    lowered = "\n".join([failure.reason, *failure.lines]).lower()
    for words, advice in _ADVICE:
        if any(word in lowered for word in words):
            return advice
    if failure.steps:
        return "correct what the lines above name in this step and run again"
    return f"correct {build.request.dockerfile.name} or what the message names, and run again"


_ADVICE = (
    (
        ("no matching distribution", "could not find a version"),
        "ask for a version that the package index has, or name the right index",
    ),
    (
        ("certificate verify failed", "certificate_verify_failed", "self-signed certificate"),
        "pass the company's CA bundle as a build secret; verification stays on",
    ),
    (("do not match the hashes",), "renew the lock: a package is not the one that was locked"),
    (
        ("no space left on device",),
        "free space on the file system of Docker's data root",
    ),
    (
        ("temporary failure in name resolution", "name or service not known"),
        "let the build server resolve and reach the package index, or name one that it reaches",
    ),
    (("exit code: 137", "exit code 137"), "give the build more memory: the step was killed"),
)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."


def _image_id(build: Build, workspace: Path) -> str:
    metadata = json.loads((workspace / "metadata.json").read_bytes())
    for key in ("containerimage.digest", "containerimage.config.digest"):
        image = build.docker.image(str(metadata.get(key, ""))) if metadata.get(key) else None
        if image is not None:
            return str(image["Id"])
    raise SttError(
        f"build of {build.tag}",
        found=f"no image behind the build's metadata {sorted(metadata)}",
        needed="the image in the engine's store",
        fix="use the engine's own builder (docker buildx use default)",
    )


def _discard(build: Build, image_id: str) -> None:
    """Remove an image that failed its proof, unless a tag or an older build still names it."""
    image = build.docker.image(image_id)
    if image is not None and not image.get("RepoTags"):
        build.docker.remove_image(image_id)


def _prove(build: Build, base: ResolvedImage | None, image_id: str) -> None:
    """The new image has our label, the platform asked for, and rests on the resolved base."""
    image = build.docker.image(image_id) or {}
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
            f"image {image_id} built for {build.tag}",
            found=problem[0],
            needed=problem[1],
            fix="run again; if it stays, look for what replaces the base during the build",
        )
