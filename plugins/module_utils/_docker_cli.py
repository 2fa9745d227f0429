# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one owner of the docker command line: list argv, bytes in and out, JSON, version probing."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError

OWNER_LABEL = "stt.engine.owner"
OWNER = "stt.engine"
INPUT_DIGEST_LABEL = "stt.engine.input-digest"
BASE_DIGEST_LABEL = "stt.engine.base-digest"
MINIMUM_ENGINE = "23.0"
MINIMUM_BUILDX = "0.13"
# A healthy daemon answers queries in well under a second; a hung one must not hang the release.
QUERY_TIMEOUT = 60.0


@dataclass(frozen=True)
class CompletedDocker:
    """A finished docker command with its raw output."""

    rc: int
    stdout: bytes
    stderr: bytes
    argv: tuple[str, ...]

    @property
    def text(self) -> str:
        """Standard output as text, without the trailing newline."""
        return self.stdout.decode("utf-8", "replace").rstrip("\n")

    @property
    def error_text(self) -> str:
        """Standard error as text, stripped."""
        return self.stderr.decode("utf-8", "replace").strip()

    def json(self) -> Any:
        """Standard output parsed as one JSON document."""
        try:
            return json.loads(self.stdout)
        except ValueError as exc:
            raise SttError(
                shlex.join(self.argv),
                found=f"output that is not JSON ({exc}): {self.text[:200]!r}",
                needed="one JSON document",
                fix="check that this docker is the Docker CLI of version 23 or newer",
                cmd=list(self.argv),
                rc=self.rc,
                stdout=self.text,
                stderr=self.error_text,
            ) from exc


@dataclass(frozen=True)
class DockerVersion:
    """What answers behind the docker command."""

    client: str
    server: str
    buildx: str | None
    storage_driver: str
    containerd_store: bool
    data_root: str
    architecture: str
    is_podman: bool
    context: str = "default"
    runtimes: tuple[str, ...] = ()
    operating_system: str = ""


def version_tuple(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: ``v0.13.1+ds1`` gives ``(0, 13, 1)``; none give ``()``."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", version.strip())
    return tuple(int(part) for part in match.group(1).split(".")) if match else ()


def at_least(version: str, minimum: str) -> bool:
    """Whether version is minimum or newer; a version without numbers never is."""
    found = version_tuple(version)
    return bool(found) and found >= version_tuple(minimum)


def require_engine(version: DockerVersion, minimum: str = MINIMUM_ENGINE) -> None:
    """Raise unless engine and client are Docker's own and not older than minimum."""
    if version.is_podman:
        raise SttError(
            "docker engine",
            found=f"podman {version.server or version.client} posing as docker",
            needed=f"Docker engine {minimum} or newer",
            fix="install Docker engine (docker-ce), remove the podman-docker package and unset "
            "DOCKER_HOST if it names podman's socket",
        )
    for part, found in (("engine", version.server), ("CLI", version.client)):
        if not at_least(found, minimum):
            raise SttError(
                f"docker {part}",
                found=f"Docker {part} {found or 'of unknown version'}",
                needed=f"Docker {part} {minimum} or newer",
                fix=f"upgrade the Docker {part} (package docker-ce"
                f"{'-cli' if part == 'CLI' else ''}) on this host",
            )


def require_buildx(version: DockerVersion, minimum: str = MINIMUM_BUILDX) -> None:
    """Raise unless the buildx plugin is there and not older than minimum."""
    if version.buildx is None or not at_least(version.buildx, minimum):
        raise SttError(
            "docker buildx",
            found="no buildx plugin" if version.buildx is None else f"buildx {version.buildx}",
            needed=f"buildx {minimum} or newer",
            fix="install or upgrade the package docker-buildx-plugin (Debian: docker-buildx) "
            "on this host",
        )


class DockerCli:
    """Runs docker commands; every failure is an SttError that names what to do."""

    def __init__(
        self, docker: str = "docker", environment: Mapping[str, str] | None = None
    ) -> None:
        """Use the given docker executable; environment is laid over the process's own."""
        self.docker = docker
        # C messages: failures are recognised by their words.
        self.environment = {**os.environ, "LC_ALL": "C", "DOCKER_CLI_HINTS": "false"}
        self.environment.update(environment or {})

    def run(
        self,
        args: Sequence[str],
        *,
        input: bytes | None = None,
        timeout: float | None = None,
        check: bool = True,
    ) -> CompletedDocker:
        """Run one docker command to its end; timeout in seconds, none by default.

        With check, a non-zero exit status raises the SttError that failure() makes of it.
        """
        argv = (self.docker, *args)
        try:
            done = subprocess.run(
                argv,
                input=input,
                stdin=subprocess.DEVNULL if input is None else None,
                capture_output=True,
                env=self.environment,
                timeout=timeout,
                check=False,
            )
        except OSError as exc:
            raise self.not_runnable(exc) from exc
        except subprocess.TimeoutExpired as exc:
            raise SttError(
                f"docker {args[0] if args else ''}".rstrip(),
                found=f"no answer within {exc.timeout:g} s",
                needed="a Docker daemon that answers",
                fix="look at the daemon's log (journalctl -u docker) and restart it",
                cmd=list(argv),
            ) from exc
        result = CompletedDocker(done.returncode, done.stdout, done.stderr, argv)
        if check and result.rc != 0:
            raise self.failure(result)
        return result

    def not_runnable(self, exc: OSError) -> SttError:
        """The error for a docker command that the operating system refuses to start."""
        return SttError(
            f"docker command {self.docker!r}",
            found=exc.strerror or str(exc),
            needed="the Docker CLI on PATH",
            fix="install the package docker-ce-cli (Debian: docker.io) or set its path",
        )

    def failure(self, result: CompletedDocker) -> SttError:
        """Explain a command that ended with a non-zero exit status."""
        details: dict[str, Any] = {
            "cmd": list(result.argv),
            "rc": result.rc,
            "stdout": result.text,
            "stderr": result.error_text,
        }
        daemon = daemon_error(result.error_text)
        if daemon is not None:
            return SttError(
                "docker daemon", found=daemon.found, needed=daemon.needed, fix=daemon.fix, **details
            )
        last = result.error_text.splitlines()[-1] if result.error_text else "no message"
        return SttError(
            f"docker {' '.join(result.argv[1:3])}",
            found=f"exit status {result.rc}: {last}",
            needed="exit status 0",
            fix="mend what docker's own message names; the full output is in stderr",
            **details,
        )

    def probe(self) -> DockerVersion:
        """Ask what is behind the command, without judging its age.

        Raises SttError when there is no docker command, no daemon or no right to use it.
        """
        # Both take long for a query, and neither needs the other's answer.
        with ThreadPoolExecutor(max_workers=1) as pool:
            asked = pool.submit(
                self.run, ["version", "--format", "{{json .}}"], timeout=QUERY_TIMEOUT
            )
            info_run = self.run(
                ["info", "--format", "{{json .}}"], timeout=QUERY_TIMEOUT, check=False
            )
        banner = info_run.error_text.lower()
        if "podman" in banner and "emulat" in banner:
            return self._podman()
        # An old client reports an unreachable daemon inside the document, with exit status 0.
        info = info_run.json() if info_run.stdout.strip() else {}
        if isinstance(info, dict) and "host" in info and "ServerVersion" not in info:
            return self._podman()
        server_errors = "\n".join(info.get("ServerErrors") or [])
        if server_errors or info_run.rc != 0 or not info.get("ServerVersion"):
            text = server_errors or info_run.error_text or "no answer from the daemon"
            raise self.failure(CompletedDocker(info_run.rc or 1, b"", text.encode(), info_run.argv))
        version = asked.result().json()
        client = info.get("ClientInfo") or {}
        components = (version.get("Server") or {}).get("Components") or []
        status = {str(pair[0]): str(pair[1]) for pair in info.get("DriverStatus") or []}
        return DockerVersion(
            client=str(version["Client"]["Version"]),
            server=str(info["ServerVersion"]),
            buildx=_buildx_version(client.get("Plugins") or []),
            storage_driver=str(info.get("Driver", "")),
            containerd_store=status.get("driver-type", "").startswith("io.containerd."),
            data_root=str(info.get("DockerRootDir", "")),
            architecture=str(info.get("Architecture", "")),
            is_podman=any("podman" in str(part.get("Name", "")).lower() for part in components),
            context=str(client.get("Context") or "default"),
            runtimes=tuple(sorted(info.get("Runtimes") or {})),
            operating_system=str(info.get("OperatingSystem", "")),
        )

    def version(
        self, minimum_engine: str = MINIMUM_ENGINE, minimum_buildx: str | None = MINIMUM_BUILDX
    ) -> DockerVersion:
        """Probe, and refuse what is too old; with ``minimum_buildx=None`` buildx may be missing."""
        found = self.probe()
        require_engine(found, minimum_engine)
        if minimum_buildx is not None:
            require_buildx(found, minimum_buildx)
        return found

    def _podman(self) -> DockerVersion:
        printed = self.run(["--version"], timeout=QUERY_TIMEOUT, check=False).text
        match = re.search(r"\d+(?:\.\d+)+", printed)
        number = match.group(0) if match else ""
        return DockerVersion(number, number, None, "", False, "", "", is_podman=True)

    def image(self, reference: str) -> dict[str, Any] | None:
        """What ``docker image inspect`` says of one image, or None when there is no such image."""
        found = self._inspect("image", [reference])
        return found[0] if found else None

    def images(self, label: str = f"{OWNER_LABEL}={OWNER}") -> list[dict[str, Any]]:
        """Inspect every image, tagged or not, that carries a label (``key`` or ``key=value``)."""
        listed = self.run(
            ["image", "ls", "--quiet", "--no-trunc", "--filter", f"label={label}"],
            timeout=QUERY_TIMEOUT,
        )
        return self._inspect("image", _unique(listed.text.split()))

    def containers(self, label: str = f"{OWNER_LABEL}={OWNER}") -> list[dict[str, Any]]:
        """Inspect every container, running or not, that carries a label; all without one."""
        filters = ["--filter", f"label={label}"] if label else []
        listed = self.run(
            ["container", "ls", "--all", "--quiet", "--no-trunc", *filters],
            timeout=QUERY_TIMEOUT,
        )
        return self._inspect("container", _unique(listed.text.split()))

    def container(self, name: str) -> dict[str, Any] | None:
        """What ``docker container inspect`` says of one container, or None."""
        found = self._inspect("container", [name])
        return found[0] if found else None

    def remove_image(self, reference: str) -> bool:
        """Remove one image reference of ours; False when it is not there."""
        return self._remove("image", reference, self.image, ["image", "rm", reference])

    def remove_container(self, name: str) -> bool:
        """Stop and remove one container of ours with its anonymous volumes; False when absent."""
        return self._remove(
            "container", name, self.container, ["container", "rm", "--force", "--volumes", name]
        )

    def _remove(
        self,
        kind: str,
        name: str,
        look: Callable[[str], dict[str, Any] | None],
        command: list[str],
    ) -> bool:
        found = look(name)
        if found is None:
            return False
        labels = found.get("Config", {}).get("Labels") or {}
        if labels.get(OWNER_LABEL) != OWNER:
            raise SttError(
                f"{kind} {name}",
                found=f"no label {OWNER_LABEL}={OWNER}",
                needed=f"a {kind} made by this collection",
                fix=f"remove the {kind} by hand if it is yours, or choose another name",
            )
        done = self.run(command, check=False)
        if done.rc != 0 and not _is_absent(done.error_text):
            raise self.failure(done)
        return done.rc == 0

    def _inspect(self, kind: str, names: list[str]) -> list[dict[str, Any]]:
        if not names:
            return []
        # Existing objects are printed even when others have gone since they were listed.
        done = self.run([kind, "inspect", *names], timeout=QUERY_TIMEOUT, check=False)
        if done.rc != 0 and not _is_absent(done.error_text):
            raise self.failure(done)
        found = done.json()
        return [entry for entry in found if isinstance(entry, dict)]


@dataclass(frozen=True)
class DaemonError:
    """Why the daemon did not answer."""

    found: str
    needed: str
    fix: str


def daemon_error(text: str) -> DaemonError | None:
    """Recognise an unreachable daemon or a forbidden socket in docker's own words."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines:
        lowered = line.lower()
        if "permission denied" in lowered and ("docker" in lowered and "sock" in lowered):
            return DaemonError(
                found=line,
                needed="a user who may use the Docker socket",
                fix="add the user to the group docker (usermod -aG docker USER, then log in "
                "again) or run the task with become: true",
            )
        if "cannot connect to the docker daemon" in lowered or (
            "error during connect" in lowered or "is the docker daemon running" in lowered
        ):
            return DaemonError(
                found=line,
                needed="a running Docker daemon",
                fix="start it (systemctl enable --now docker) and look at its log "
                "(journalctl -u docker) if it does not stay up",
            )
    return None


def _is_absent(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    return bool(lines) and all("no such" in line.lower() for line in lines)


def _buildx_version(plugins: Iterable[Mapping[str, Any]]) -> str | None:
    for plugin in plugins:
        if plugin.get("Name") == "buildx" and not plugin.get("Err"):
            return str(plugin.get("Version", "")).removeprefix("v")
    return None


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
