# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the base of an image holds, so that only what the image adds to it is judged."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

from ansible_collections.stt.engine.plugins.module_utils._build_base import repository
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import (
    BASE_DIGEST_LABEL,
    OWNER,
    OWNER_LABEL,
    DockerCli,
)
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._os_packages import (
    is_database,
    packages_of,
    versions,
)

OCI_BASE_NAME = "org.opencontainers.image.base.name"
OCI_BASE_DIGEST = "org.opencontainers.image.base.digest"
BLOCK = 1 << 20
OWNERS_RIGHTS = 0o6000


@dataclass(frozen=True)
class BaseImage:
    """A base that is on this host."""

    name: str
    image_id: str
    identities: tuple[str, ...]
    layers: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    # The names, without tags, under which this host knows it.
    repositories: tuple[str, ...] = ()


@dataclass
class BaseContent:
    """Its files, as the checks compare them, and its OS packages."""

    files: dict[str, str] = field(default_factory=dict)
    packages: dict[str, dict[str, str]] = field(default_factory=dict)


def find_base(docker: DockerCli, image: Mapping[str, Any], named: str) -> BaseImage:
    """The base of an image: the named one, or the one that its labels tell of."""
    labels: Mapping[str, str] = (image.get("Config") or {}).get("Labels") or {}
    name = named or labels.get(OCI_BASE_NAME, "")
    digest = "" if named else labels.get(BASE_DIGEST_LABEL) or labels.get(OCI_BASE_DIGEST, "")
    if not name and not digest:
        raise SttError(
            "base image",
            found=f"no option base, and no label {OCI_BASE_NAME} or {BASE_DIGEST_LABEL}",
            needed="the image that everything else was added to",
            fix="name it in the option base, or set these labels in the Dockerfile",
        )
    candidates = [f"{repository(name)}@{digest}", digest, name] if digest else [name]
    for candidate in filter(None, candidates):
        found = docker.image(candidate)
        identities = _identities(found) if found is not None else ()
        if found is not None and (not digest or digest in identities):
            layers = tuple((found.get("RootFS") or {}).get("Layers") or ())
            return BaseImage(
                name or digest,
                str(found["Id"]),
                identities,
                layers,
                (found.get("Config") or {}).get("Labels") or {},
                _repositories(found),
            )
    wanted = f"{name} with digest {digest}" if name and digest else name or digest
    raise SttError(
        f"base image {name or digest}",
        found="no such image on this host",
        needed=f"{wanted}, to tell what the image adds to it",
        fix="bring it to the host (docker pull by digest, or docker load of its archive), or name "
        "the right one in the option base",
    )


def read_base(docker: DockerCli, base: BaseImage, container: str, timeout: float) -> BaseContent:
    """Every file of a base, out of a container that is never started."""
    docker.remove_container(container)
    label = f"--label={OWNER_LABEL}={OWNER}"
    # A base may name no command; this one is never run.
    create = ["container", "create", f"--name={container}", label, "--network=none"]
    docker.run([*create, "--entrypoint=/none", base.image_id])
    try:
        with _exported(docker, container, timeout) as stream:
            return read_files(stream)
    except tarfile.TarError as error:
        raise SttError(
            f"base image {base.name}",
            found=f"docker export gives no whole archive within {timeout:g} s: {error}",
            needed="its files",
            fix="look at the daemon's log (journalctl -u docker), or raise the time limit",
        ) from error
    finally:
        docker.remove_container(container)


def read_files(stream: IO[bytes]) -> BaseContent:
    """The content of a file system that comes as a tar archive."""
    content = BaseContent()
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            path = member.name.removeprefix("./").lstrip("/")
            if member.issym():
                content.files[path] = f"l:{member.linkname}"
            elif member.islnk():
                first = member.linkname.removeprefix("./").lstrip("/")
                content.files[path] = content.files.get(first, "")
            elif member.isreg():
                data = archive.extractfile(member)
                if data is None:
                    raise tarfile.ReadError(f"{path} has no content")
                _take(content, path, member, data)
    return content


def _take(content: BaseContent, path: str, member: tarfile.TarInfo, data: IO[bytes]) -> None:
    kept: list[bytes] = []
    digest = _digest(data, kept.append if is_database(path) else None)
    rights = "s" if member.mode & OWNERS_RIGHTS else ""
    content.files[path] = f"f:{member.size}:{digest}:{rights}"
    if kept:
        kind, packages = packages_of(path, b"".join(kept).decode("utf-8", "replace"))
        content.packages.setdefault(kind, {}).update(versions(packages))


def _digest(data: IO[bytes], also: Callable[[bytes], None] | None) -> str:
    digest = hashlib.sha256()
    while block := data.read(BLOCK):
        digest.update(block)
        if also is not None:
            also(block)
    return digest.hexdigest()


@contextmanager
def _exported(docker: DockerCli, container: str, timeout: float) -> Iterator[IO[bytes]]:
    argv = [docker.docker, "container", "export", container]
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=docker.environment,
        )
    except OSError as error:
        raise docker.not_runnable(error) from error
    with process:
        limit = threading.Timer(timeout, process.kill)
        limit.start()
        try:
            if process.stdout is None:
                raise AssertionError("the pipe was asked for")
            yield process.stdout
            while process.stdout.read(BLOCK):
                pass
            if process.wait() != 0:
                raise tarfile.ReadError(f"it ends with exit status {process.returncode}")
        finally:
            limit.cancel()
            if process.poll() is None:
                process.kill()


def _identities(image: Mapping[str, Any]) -> tuple[str, ...]:
    """Every digest that means this image: its own, and those of registries that it came from."""
    digests = [str(entry).partition("@")[2] for entry in image.get("RepoDigests") or ()]
    return (str(image["Id"]), *dict.fromkeys(filter(None, digests)))


def _repositories(image: Mapping[str, Any]) -> tuple[str, ...]:
    named = [*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ())]
    return tuple(sorted({repository(str(name)) for name in named}))
