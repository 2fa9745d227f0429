# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which exact image a reference means, from this host, an archive or a registry."""

from __future__ import annotations

import json
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REGISTRY_TIMEOUT = 120.0


@dataclass(frozen=True)
class ResolvedImage:
    """An image reference and what it means.

    ``digest`` is the registry's where the image came from one, else the image id.
    ``pin`` is the reference to build from; ``local`` is false when it must be pulled first.
    ``layers`` are its diff ids, known when it is on this host.
    """

    reference: str
    digest: str
    pin: str
    local: bool
    layers: tuple[str, ...] = ()


def repository(reference: str) -> str:
    """The reference without tag and digest, in the short form that Docker lists."""
    name = reference.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    name = head + slash + tail.partition(":")[0]
    for prefix in ("docker.io/library/", "index.docker.io/library/", "docker.io/"):
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def check_digest(digest: str, object_: str) -> None:
    """Refuse what is no sha256 digest."""
    if not _DIGEST.fullmatch(digest):
        raise SttError(
            object_,
            found=repr(digest),
            needed="sha256: and 64 hexadecimal digits",
            fix="copy the digest from the lock, docker image inspect or the registry",
        )


def resolve(docker: DockerCli, reference: str, *, platform: str, pinned: str = "") -> ResolvedImage:
    """Find out what a reference means; ``pinned`` is the digest it has to have.

    An image on this host is preferred, as the engine prefers it. Pulls nothing.
    """
    in_reference = reference.partition("@")[2]
    for digest in (pinned, in_reference):
        if digest:
            check_digest(digest, f"digest of base image {reference}")
    if pinned and in_reference and pinned != in_reference:
        raise moved(reference, in_reference, pinned)
    wanted = pinned or in_reference
    image = docker.image(reference)
    if image is None and wanted:
        image = docker.image(f"{repository(reference)}@{wanted}")
    if image is not None:
        _check_platform(reference, image, platform)
        found = _local(reference, image, wanted)
        if found is not None:
            return found
    if wanted:
        if image is not None and not image.get("RepoDigests"):
            raise moved(reference, str(image["Id"]), wanted)
        pin = f"{repository(reference)}@{wanted}"
        return ResolvedImage(reference, wanted, pin, local=False)
    digest = registry_digest(docker, reference)
    return ResolvedImage(reference, digest, f"{repository(reference)}@{digest}", local=False)


def _local(reference: str, image: dict[str, Any], wanted: str) -> ResolvedImage | None:
    """The image on this host, unless another digest is wanted."""
    layers = tuple(image.get("RootFS", {}).get("Layers") or ())
    name = repository(reference)
    digests = [
        entry.partition("@")[2]
        for entry in image.get("RepoDigests") or []
        if entry.partition("@")[0] == name
    ]
    for digest in sorted(digests):
        if wanted in ("", digest):
            # In a containerd store the id is such a digest, by which no build finds what is here.
            by_name = image["Id"] == digest and "@" not in reference
            pin = reference if by_name else f"{name}@{digest}"
            return ResolvedImage(reference, digest, pin, True, layers)
    identifier = str(image["Id"])
    if wanted == identifier or (not wanted and not digests):
        return ResolvedImage(reference, identifier, reference, True, layers)
    return None


def _check_platform(reference: str, image: dict[str, Any], platform: str) -> None:
    found = f"{image.get('Os')}/{image.get('Architecture')}"
    if platform and not f"{platform}/".startswith(f"{found}/"):
        raise SttError(
            f"base image {reference}",
            found=f"platform {found}",
            needed=f"platform {platform}",
            fix="pull or load the image for this platform, or set platform",
        )


def moved(reference: str, found: str, wanted: str) -> SttError:
    return SttError(
        f"base image {reference}",
        found=f"digest {found}",
        needed=f"digest {wanted}",
        fix="bring the image with that digest to the host (docker pull by digest, or its "
        "archive), or accept the new one by updating the lock",
    )


def registry_digest(docker: DockerCli, reference: str) -> str:
    """Ask the registry for a tag's digest."""
    done = docker.run(
        ["buildx", "imagetools", "inspect", "--format", "{{json .Manifest}}", reference],
        timeout=_REGISTRY_TIMEOUT,
        check=False,
    )
    if done.rc != 0:
        last = done.error_text.splitlines()[-1] if done.error_text else "no answer"
        raise SttError(
            f"base image {reference}",
            found=f"not on this host, and its registry says: {last.removeprefix('ERROR: ')}",
            needed="an image on this host or in a registry that it may reach",
            fix="correct the reference, log in to the registry (docker login), or bring an archive "
            "made with docker save and name it in base_archive (engine_image_base_archive)",
            cmd=list(done.argv),
            rc=done.rc,
            stderr=done.error_text,
        )
    return str(done.json()["digest"])


def pull(
    docker: DockerCli, image: ResolvedImage, *, platform: str, timeout: float
) -> ResolvedImage:
    """Bring a resolved image to this host, by its digest; timeout in seconds."""
    done = docker.run(
        ["image", "pull", "--quiet", "--platform", platform, image.pin],
        timeout=timeout,
        check=False,
    )
    found = docker.image(image.pin) if done.rc == 0 else None
    if found is None:
        last = done.error_text.splitlines()[-1] if done.error_text else "no message"
        raise SttError(
            f"base image {image.pin}",
            found=f"it cannot be pulled: {last}",
            needed="the image on this host or in a registry that it may reach",
            fix="mend what the registry says, or bring an archive made with docker save and name "
            "it in base_archive",
            cmd=list(done.argv),
            rc=done.rc,
            stderr=done.error_text,
        )
    _check_platform(image.reference, found, platform)
    layers = tuple(found.get("RootFS", {}).get("Layers") or ())
    return ResolvedImage(image.reference, image.digest, image.pin, True, layers)


def archive_digests(archive: Path, reference: str) -> tuple[str, str]:
    """What an engine will call the image of a ``docker save`` archive, read without loading it.

    First the id that it gets in an engine's own store, the configuration's digest. Then the one in
    a containerd store, the manifest's; empty for an archive of an engine older than 25.
    """
    config = _archive_config(archive, reference)
    match = re.search(r"([0-9a-f]{64})(?:\.json)?$", config)
    if match is None:
        raise _bad_archive(archive, f"a configuration named {config!r}", reference)
    return f"sha256:{match[1]}", _archive_manifest(archive, reference)


def _archive_config(archive: Path, reference: str) -> str:
    if not archive.is_file():
        raise SttError(
            f"base archive {archive}",
            found="no such file",
            needed="an archive made with docker save",
            fix="copy it to the host or correct base_archive (engine_image_base_archive)",
        )
    manifest = _read_member(archive, "manifest.json", reference)
    if manifest is None:
        raise _bad_archive(archive, "no readable manifest.json", reference)
    tags: list[str] = []
    for image in manifest:
        names = image.get("RepoTags") or []
        tags += names
        if any(_same(name, reference) for name in names):
            return str(image["Config"])
    raise _bad_archive(archive, f"only {', '.join(tags) or 'images without a name'}", reference)


def _archive_manifest(archive: Path, reference: str) -> str:
    index = _read_member(archive, "index.json", reference) or {}
    for entry in index.get("manifests") or []:
        name = (entry.get("annotations") or {}).get("io.containerd.image.name", "")
        if name and _same(name, reference):
            return str(entry["digest"])
    return ""


def _read_member(archive: Path, name: str, reference: str) -> Any:
    """A JSON file of the archive; None when it has none of that name."""
    try:
        with tarfile.open(archive) as packed:
            try:
                member = packed.extractfile(name)
            except KeyError:
                return None
            return json.load(member) if member is not None else None
    except (tarfile.TarError, OSError, ValueError) as exc:
        raise _bad_archive(archive, f"no readable {name} ({exc})", reference) from exc


def _same(name: str, reference: str) -> bool:
    def tag(text: str) -> str:
        return text.partition("@")[0].rpartition("/")[2].partition(":")[2] or "latest"

    return repository(name) == repository(reference) and tag(name) == tag(reference)


def _bad_archive(archive: Path, found: str, reference: str) -> SttError:
    return SttError(
        f"base archive {archive}",
        found=found,
        needed=f"an archive of {reference} made with docker save",
        fix=f"save it again (docker save -o base.tar {reference}) and compare its checksum after "
        "copying",
    )


def load(docker: DockerCli, archive: Path, reference: str) -> None:
    """Load the archive; afterwards the reference is on this host."""
    done = docker.run(["image", "load", "--quiet", "--input", str(archive)], check=False)
    if done.rc != 0 or docker.image(reference) is None:
        last = done.error_text.splitlines()[-1] if done.error_text else "the image did not appear"
        raise _bad_archive(archive, f"docker cannot load it: {last}", reference)
