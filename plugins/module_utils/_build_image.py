# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides whether an image has to be built, has it built, and describes it."""

from __future__ import annotations

import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils import _build_base as base_image
from ansible_collections.stt.engine.plugins.module_utils._build_debris import sweep
from ansible_collections.stt.engine.plugins.module_utils._build_dockerfile import (
    SCRATCH,
    Dockerfile,
    read_dockerfile,
)
from ansible_collections.stt.engine.plugins.module_utils._build_inputs import (
    BuildRequest,
    change_text,
    compare,
    context_lines,
    current_entries,
    diff_text,
    input_digest,
    make_document,
    read_text,
)
from ansible_collections.stt.engine.plugins.module_utils._build_run import Build, run_build
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import (
    INPUT_DIGEST_LABEL,
    DockerCli,
    DockerVersion,
)
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._jobs import Job, JobState

JOB_KIND = "image-build"
_NO_IMAGE = "no image of these inputs"
TAG_LENGTH = 12
# What the job may need after its build was stopped: to write its end and to tidy up.
_GRACE_SECONDS = 60.0
# A build of one edited line ends within seconds.
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class BaseRequest:
    """The base image as the caller names it; everything but the reference may be empty."""

    reference: str = ""
    digest: str = ""
    archive: str = ""


@dataclass(frozen=True)
class Found:
    """An image that is there already, or why it is not; ``adopt`` only lacks its tag."""

    reason: str | None
    image_id: str = ""
    adopt: bool = False


class ImageBuilder:
    """One image by its inputs: validate, look, and only then act."""

    def __init__(
        self,
        docker: DockerCli,
        request: BuildRequest,
        base: BaseRequest,
        *,
        repository: str,
        jobs_root: Path,
        check_mode: bool,
    ) -> None:
        self._docker = docker
        self._request = request
        self._base_request = base
        self._repository = repository
        self._jobs_root = jobs_root
        self._check_mode = check_mode
        # Asking takes as long as everything else here: both at once.
        with ThreadPoolExecutor(max_workers=1) as asking:
            self._asked: Future[DockerVersion] = asking.submit(docker.version)
            try:
                self._identify()
            except SttError:
                # An engine that is missing or too old explains what failed on it.
                self._version()
                raise
        self._version()
        self.digest = input_digest(self.document)
        self.tag = f"{repository}:{self.digest[:TAG_LENGTH]}"
        self.job = Job(jobs_root, JOB_KIND, self.digest, self.document)

    def _version(self) -> DockerVersion:
        """What answers behind the docker command; raises when it is too old."""
        return self._asked.result()

    def _identify(self) -> None:
        """Find out what the image is made of."""
        request = self._request
        self._dockerfile = self._read_dockerfile()
        self.base = self._resolve_base()
        self.images = tuple(
            base_image.resolve(self._docker, name, platform=request.platform)
            for name in self._dockerfile.images
        )
        self.document = make_document(
            request,
            context_lines(request.context, current_entries(request)),
            base={"reference": self._base_reference, "digest": self.base_digest},
            images={image.reference: image.digest for image in self.images},
            declared=self._dockerfile.arguments,
        )

    @property
    def base_digest(self) -> str:
        """The base image's digest; empty for an image that starts from nothing."""
        return self.base.digest if self.base else ""

    @property
    def _base_reference(self) -> str:
        return self._base_request.reference or self._dockerfile.base

    def _read_dockerfile(self) -> Dockerfile:
        request = self._request
        text = read_text(request.dockerfile)
        name = f"Dockerfile {request.dockerfile}"
        where = (request.target, name, request.platform)
        found = read_dockerfile(text, request.build_args, *where)
        wanted = self._base_request.reference
        if not wanted:
            if not found.base:
                raise SttError(
                    name,
                    found=f"a FROM whose {found.base_argument or 'argument'} has no value",
                    needed="a base image",
                    fix="name the image in base, or declare the argument before the first FROM",
                )
            return found
        if found.base_argument is None:
            if found.base != wanted:
                raise SttError(
                    name,
                    found=f"FROM {found.base}",
                    needed=f"FROM ${{BASE_IMAGE}}, because base is {wanted}",
                    fix="declare ARG BASE_IMAGE before FROM and use it there, or leave out base",
                )
            return found
        # Read again with the base in its place, so that other stages which use it agree.
        arguments = {**request.build_args, found.base_argument: wanted}
        return read_dockerfile(text, arguments, *where)

    def _resolve_base(self) -> base_image.ResolvedImage | None:
        reference, request = self._base_reference, self._base_request
        if reference == SCRATCH:
            return None
        if request.archive:
            predicted = self._load_base(Path(request.archive), reference)
            if predicted is not None:
                return predicted
        return base_image.resolve(
            self._docker, reference, platform=self._request.platform, pinned=request.digest
        )

    def _load_base(self, archive: Path, reference: str) -> base_image.ResolvedImage | None:
        """Load the base's archive unless its image is there; in check mode, what it would give."""
        pinned = self._base_request.digest
        config, manifest = base_image.archive_digests(archive, reference)
        digest = manifest if self._version().containerd_store else config
        present = self._docker.image(reference) or {}
        here = [entry.partition("@")[2] for entry in present.get("RepoDigests") or []]
        if digest and pinned not in ("", digest, present.get("Id"), *here):
            raise base_image.moved(reference, digest, pinned)
        # An old archive does not say what a containerd store will call its image.
        if present and digest in ("", present["Id"]):
            return None
        if self._check_mode:
            return base_image.ResolvedImage(reference, digest or config, reference, local=True)
        base_image.load(self._docker, archive, reference)
        return None

    def look(self) -> Found:
        """Whether the image of these inputs is there, and if not, why."""
        image = self._docker.image(self.tag)
        built = self._recorded_image()
        ours = self._carries_digest(image)
        if image is not None and ours and built in ("", image["Id"]):
            return Found(None, str(image["Id"]))
        names = "another image than the one that was built" if ours else "an image of other inputs"
        if built and self._carries_digest(self._docker.image(built)):
            reason = f"tag {self.tag} " + ("is missing" if image is None else f"names {names}")
            return Found(reason, built, adopt=True)
        if image is None:
            return Found(_NO_IMAGE)
        return Found(f"tag {self.tag} names {names}")

    def _carries_digest(self, image: dict[str, Any] | None) -> bool:
        labels = ((image or {}).get("Config") or {}).get("Labels") or {}
        return bool(labels.get(INPUT_DIGEST_LABEL) == self.digest)

    def _recorded_image(self) -> str:
        state = self.job.state()
        return str((state.result or {}).get("image_id", ""))

    def changes(self) -> list[dict[str, str]]:
        """What moved since the newest other image that was built here and still exists."""
        return self._changes

    @cached_property
    def _changes(self) -> list[dict[str, str]]:
        return compare(self._previous_document(), self.document)

    def reason(self, found: Found) -> str:
        """Why the image has to be made, with what moved; empty when it is there."""
        if found.reason == _NO_IMAGE and self._changes:
            return f"{found.reason}: {change_text(self._changes)}"
        return found.reason or ""

    def _previous_document(self) -> dict[str, Any] | None:
        tags = {
            tag.rpartition(":")[2]
            for image in self._docker.images()
            for tag in image.get("RepoTags") or []
            if tag.startswith(f"{self._repository}:")
        }
        records = [
            record
            for record in self._jobs_root.glob(f"{JOB_KIND}-*/inputs.json")
            if record.parent.name.removeprefix(f"{JOB_KIND}-") in tags
            and record.parent.name != self.job.name
        ]
        if not records:
            return None
        newest = max(records, key=lambda record: record.stat().st_mtime)
        document = json.loads(newest.read_bytes())
        return document if isinstance(document, dict) else None

    def adopt(self, found: Found) -> None:
        """Give a built image its tag back."""
        self._docker.run(["image", "tag", found.image_id, self.tag])

    def build(self, *, wait: bool, timeout: float) -> JobState:
        """Start the build or attach to the one that runs; raises when it failed."""
        plan = Build(
            docker=self._docker,
            builder=self._version().context,
            request=self._request,
            document=self.document,
            digest=self.digest,
            tag=self.tag,
            base=self.base,
            base_argument=self._dockerfile.base_argument,
            declared=self._dockerfile.arguments,
            stages=self._dockerfile.stages,
            images=self.images,
            timeout=timeout,
        )
        try:
            sweep(self._docker, self._jobs_root, JOB_KIND)
            state = self.job.start(lambda job: run_build(plan, job))
            # Asks the engine, which costs nothing while it builds.
            self.changes()
            if wait:
                state = self.job.wait(timeout + _GRACE_SECONDS, poll=_POLL_SECONDS)
            if state.status == "lost":
                sweep(self._docker, self._jobs_root, JOB_KIND)
        except OSError as exc:
            raise SttError(
                f"jobs directory {self._jobs_root}",
                found=f"{exc.strerror}: {exc.filename or self.job.directory}",
                needed="a directory that this user may write to",
                fix="make it and give it to the user, run with become: true, or choose another "
                "jobs_root",
            ) from exc
        error = self.job.failure(state)
        if error is not None:
            raise error
        if wait and state.status == "running":
            raise SttError(
                f"build of {self.tag}",
                found=f"still running after {timeout + _GRACE_SECONDS:g} s",
                needed="a finished build",
                fix="run again to attach to it, or look at its log",
                log_path=state.log_path,
            )
        return state

    def diff(self, changes: list[dict[str, str]]) -> dict[str, str]:
        """Ansible's form of the changes; empty sides when there is nothing to compare with."""
        return {
            "before_header": f"{self._repository} as last built",
            "after_header": self.tag,
            "before": diff_text(changes, "before"),
            "after": diff_text(changes, "after"),
        }

    def describe(self, image_id: str) -> dict[str, Any]:
        """Size and layers of an image."""
        words = ["image", "history", "--no-trunc", "--human=false", "--format", "{{json .}}"]
        with ThreadPoolExecutor(max_workers=1) as pool:
            asked = pool.submit(self._docker.run, [*words, image_id])
            image = self._docker.image(image_id)
        if image is None:
            raise SttError(
                f"image {image_id}",
                found="it has gone",
                needed=f"the image of {self.tag}",
                fix="run again, with nothing that removes images beside it",
            )
        history = asked.result()
        entries = [json.loads(line) for line in history.text.split("\n") if line]
        return {
            "image_id": image_id,
            "size": int(image["Size"]),
            "layers": layers(image["RootFS"].get("Layers") or [], entries),
        }


def layers(diff_ids: list[str], history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pair each layer with its bytes; history is newest first, as docker prints it.

    Entries without a layer of their own are those of metadata instructions, all of size 0.
    """
    sizes = [(int(entry["Size"]), str(entry["CreatedBy"])) for entry in reversed(history)]
    surplus = len(sizes) - len(diff_ids)
    for metadata_only in (True, False):
        kept = []
        for size, created_by in sizes:
            empty = size == 0 and (not metadata_only or not _makes_layer(created_by))
            if empty and surplus > 0:
                surplus -= 1
            else:
                kept.append((size, created_by))
        sizes = kept
    if len(sizes) != len(diff_ids):
        raise SttError(
            "image history",
            found=f"{len(sizes)} entries with a layer for {len(diff_ids)} layers",
            needed="one entry for each layer",
            fix="inspect the image with docker history; it was not made by a build",
        )
    return [
        {"diff_id": diff_id, "size": size}
        for diff_id, (size, _words) in zip(diff_ids, sizes, strict=True)
    ]


def _makes_layer(created_by: str) -> bool:
    return created_by.startswith(("RUN ", "COPY ", "ADD ", "WORKDIR ", "/bin/sh -c "))


def seconds_of(state: JobState, since: float) -> float:
    """How long the job took; for one that runs or is unknown, how long this call took."""
    if state.started is not None and state.finished is not None:
        return round(state.finished - state.started, 3)
    return round(time.monotonic() - since, 3)
