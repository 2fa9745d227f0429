# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pre-check of a host (R1.1): every problem at once, and nothing changed."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils import _host_check_system as system
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import (
    DockerCli,
    DockerVersion,
    at_least,
    require_buildx,
    require_engine,
)
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._host_check_needs import Needs
from ansible_collections.stt.engine.plugins.module_utils._host_check_reach import (
    Answer,
    ask_all,
    distinct,
    public_url,
    slug,
)

STEP = "R1.1"
MINIMUM_PYTHON = (3, 11)
# Tools of administrators lie here; a login without a shell profile does not search them.
_ADMIN_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
_FEW_INODES = 200_000


@dataclass(frozen=True)
class Outcome:
    """What a check saw when nothing is wrong; ``skipped`` says that there was nothing to prove."""

    expected: str
    found: str
    evidence: dict[str, Any]
    skipped: bool = False


def gigabytes(count: int) -> str:
    """Bytes as people read them: ``26.0 GB``."""
    return f"{count / 1e9:.1f} GB"


class HostCheck:
    """Runs all checks of one host; ``proc``, ``dev`` and ``etc`` are where the system tells."""

    def __init__(
        self,
        docker: DockerCli,
        needs: Needs,
        *,
        proc: Path = Path("/proc"),
        dev: Path = Path("/dev"),
        etc: Path = Path("/etc"),
    ) -> None:
        self._docker = docker
        self._needs = needs
        self._proc, self._dev, self._etc = proc, dev, etc
        self._probe: DockerVersion | SttError
        try:
            self._probe = docker.probe()
        except SttError as error:
            self._probe = error
        self._version = None if isinstance(self._probe, SttError) else self._probe
        runtimes = self._version.runtimes if self._version else ()
        self._gpu = system.find_gpu(dev, runtimes)

    def run(self) -> list[dict[str, Any]]:
        """All check results; a failed one never keeps the others from running."""
        checks = [
            self._one("docker_engine", self._engine),
            self._one("buildx", self._buildx),
            self._one("architecture", self._architecture),
            self._one("disk_docker", self._disk_docker),
            self._one("disk_root", self._disk_root),
            self._one("memory", self._memory),
            self._one("commands", self._commands),
            self._one("python", self._python),
            self._one("root_writable", self._root_writable),
            *([self._one("files", self._files)] if self._needs.files else []),
        ]
        return [*checks, *self._reachability(), self._one("gpu", self._gpu_check)]

    def facts(self) -> dict[str, Any]:
        """What later steps need to know about the host."""
        version = self._version
        return {
            "docker_version": version.server if version else "",
            "buildx_version": (version.buildx if version else None) or "",
            "storage_driver": version.storage_driver if version else "",
            "containerd_store": version.containerd_store if version else False,
            "data_root": str(self._data_root()),
            "free_docker_bytes": system.free(self._data_root())[0],
            "free_root_bytes": system.free(self._needs.root)[0],
            "memory_bytes": system.meminfo(self._proc).get("MemTotal", 0),
            "architecture": platform.machine(),
            "python_version": platform.python_version(),
            "python_executable": sys.executable,
            "boot_id": (self._proc / "sys/kernel/random/boot_id").read_text().strip(),
            "gpu": self._gpu,
            "os": system.os_name(self._etc),
        }

    def _one(self, name: str, check: Callable[[], Outcome]) -> dict[str, Any]:
        began = time.monotonic()
        try:
            outcome = check()
        except SttError as error:
            return _result(
                name, "failed", error.needed, error.found, error.fix, began, error.details
            )
        except (OSError, ValueError) as exc:
            return _result(
                name,
                "error",
                "a check that runs to its end",
                f"{type(exc).__name__}: {exc}",
                "mend what the message names and run again",
                began,
                {},
            )
        status = "skipped" if outcome.skipped else "passed"
        return _result(name, status, outcome.expected, outcome.found, "", began, outcome.evidence)

    def _engine(self) -> Outcome:
        if isinstance(self._probe, SttError):
            raise self._probe
        found, minimum = self._probe, self._needs.minimum_engine
        require_engine(found, minimum)
        return Outcome(
            f"Docker engine {minimum} or newer",
            f"Docker engine {found.server}, storage driver {found.storage_driver}",
            {"client": found.client, "server": found.server},
        )

    def _buildx(self) -> Outcome:
        minimum = self._needs.minimum_buildx
        if self._version is not None:
            require_buildx(self._version, minimum)
            found = self._version.buildx or ""
        else:
            # The plugin can be asked without the daemon.
            done = self._docker.run(["buildx", "version"], check=False)
            words = done.text.split()
            found = words[1].removeprefix("v") if done.rc == 0 and len(words) > 1 else ""
            if not at_least(found, minimum):
                raise SttError(
                    "docker buildx",
                    found=f"buildx {found}" if found else "no buildx plugin",
                    needed=f"buildx {minimum} or newer",
                    fix="install or upgrade the package docker-buildx-plugin (Debian: "
                    "docker-buildx) on this host",
                )
        return Outcome(f"buildx {minimum} or newer", f"buildx {found}", {"buildx": found})

    def _architecture(self) -> Outcome:
        found, wanted = platform.machine(), self._needs.architecture
        if found != wanted:
            raise SttError(
                "host architecture",
                found=found,
                needed=wanted,
                fix=f"use a host with {wanted} processors: the image is not built by emulation",
            )
        return Outcome(wanted, found, {})

    def _data_root(self) -> Path:
        if self._version is not None and self._version.data_root:
            return Path(self._version.data_root)
        return system.configured_data_root(self._etc)

    def _disk_docker(self) -> Outcome:
        return self._disk("Docker's data root", self._data_root(), self._needs.docker_bytes)

    def _disk_root(self) -> Outcome:
        return self._disk("the release root", self._needs.root, self._needs.root_bytes)

    def _disk(self, what: str, path: Path, own_need: int) -> Outcome:
        free, inodes = system.free(path)
        shared = system.device(self._data_root()) == system.device(self._needs.root)
        need = self._needs.docker_bytes + self._needs.root_bytes if shared else own_need
        together = " (Docker's data and the releases together)" if shared else ""
        evidence: dict[str, Any] = {
            "path": str(path),
            "mount": str(system.mount_point(path)),
            "free_bytes": free,
            "need_bytes": need,
            "free_inodes": inodes,
            "shared": shared,
        }
        expected = f"{gigabytes(need)} free{together}"
        where = f"the file system {evidence['mount']} that holds {what} {path}"
        found = f"{gigabytes(free)} free on {where}"
        if free < need:
            raise SttError(
                f"disk space of {what}",
                found=found,
                needed=expected,
                fix=f"free {gigabytes(need - free)} there or move {what} to a larger file system",
                **evidence,
            )
        warnings = []
        if free < self._needs.recommended_bytes:
            recommended = gigabytes(self._needs.recommended_bytes)
            warnings.append(f"less than the recommended {recommended} is free")
        if inodes is not None and inodes < _FEW_INODES:
            warnings.append(f"only {inodes} files can still be made")
        if warnings:
            evidence["warning"] = "; ".join(warnings)
            found = f"{found}; warning: {evidence['warning']}"
        return Outcome(expected, found, evidence)

    def _memory(self) -> Outcome:
        memory, need = system.meminfo(self._proc), self._needs.memory_bytes
        total, available = memory["MemTotal"], memory.get("MemAvailable", 0)
        evidence: dict[str, Any] = {"total_bytes": total, "available_bytes": available}
        expected = f"{gigabytes(need)} of memory"
        found = f"{gigabytes(total)}, {gigabytes(available)} of them available now"
        if total < need:
            raise SttError(
                "memory",
                found=found,
                needed=expected,
                fix="use a larger host: converting the model needs this much",
                **evidence,
            )
        if available < need:
            evidence["warning"] = "less than the need is available now"
            found = f"{found}; warning: {evidence['warning']}"
        return Outcome(expected, found, evidence)

    def _commands(self) -> Outcome:
        search = f"{os.environ.get('PATH', os.defpath)}:{_ADMIN_PATH}"
        paths = {name: shutil.which(name, path=search) for name in self._needs.commands}
        missing = sorted(name for name, path in paths.items() if path is None)
        expected = f"the commands {', '.join(self._needs.commands) or '(none)'}"
        if missing:
            raise SttError(
                "commands",
                found=f"{', '.join(missing)} missing",
                needed=expected,
                fix=f"install {', '.join(missing)} with the host's package manager",
                missing=missing,
            )
        found = ", ".join(str(path) for path in paths.values()) or "none asked for"
        return Outcome(expected, found, {"paths": paths})

    def _files(self) -> Outcome:
        files = self._needs.files
        expected = f"readable: {', '.join(file.path for file in files)}"
        problems = [problem for file in files if (problem := file.problem())]
        if problems:
            raise SttError(
                "files",
                found="; ".join(problems),
                needed=expected,
                fix="put them on this host, or correct the variables",
            )
        return Outcome(expected, f"{len(files)} readable", {})

    def _python(self) -> Outcome:
        wanted = ".".join(map(str, MINIMUM_PYTHON))
        if sys.version_info[:2] < MINIMUM_PYTHON:
            raise SttError(
                "python",
                found=f"Python {platform.python_version()} at {sys.executable}",
                needed=f"Python {wanted} or newer",
                fix=f"install python{wanted} and set ansible_python_interpreter to it",
            )
        return Outcome(
            f"Python {wanted} or newer",
            f"Python {platform.python_version()} at {sys.executable}",
            {},
        )

    def _root_writable(self) -> Outcome:
        root = self._needs.root
        nearest = system.existing(root)
        problem = None
        if not nearest.is_dir():
            problem = f"{nearest} is not a directory"
        elif os.statvfs(nearest).f_flag & os.ST_RDONLY:
            problem = f"{nearest} is on a file system mounted read-only"
        elif os.statvfs(nearest).f_flag & os.ST_NOEXEC:
            problem = f"{nearest} is on a file system mounted noexec"
        elif not os.access(nearest, os.W_OK | os.X_OK):
            problem = f"user {os.geteuid()} may not write to {nearest}"
        expected = f"a release root {root} that can be written, or made, by this user"
        if problem is not None:
            raise SttError(
                f"release root {root}",
                found=problem,
                needed=expected,
                fix=f"make {root} and give it to the user (install -d -o USER {root}), run with "
                "become: true, or choose another stt_root",
            )
        state = "exists" if nearest == root else f"can be made below {nearest}"
        return Outcome(expected, f"{root} {state}", {})

    def _reachability(self) -> list[dict[str, Any]]:
        endpoints = distinct(self._needs.endpoints)
        began = time.monotonic()
        checks = []
        used: dict[str, int] = {}
        for endpoint, answer in zip(endpoints, ask_all(endpoints), strict=True):
            name = f"reachability_{slug(endpoint.url)}"
            used[name] = used.get(name, 0) + 1
            name += f"_{used[name]}" if used[name] > 1 else ""

            def judge(
                url: str = public_url(endpoint.url), answer: Answer | SttError = answer
            ) -> Outcome:
                if isinstance(answer, SttError):
                    raise answer
                through = f" through the proxy {answer.proxy}" if answer.proxy else ""
                return Outcome(
                    f"an HTTP answer from {url}",
                    f"HTTP status {answer.status}{through}",
                    {"url": url, "status": answer.status, "proxy": answer.proxy},
                )

            result = self._one(name, judge)
            if isinstance(answer, SttError):
                result["found"] = f"{answer.object}: {result['found']}"
            if endpoint.needed_for:
                result["expected"] += f", for {endpoint.needed_for}"
            result["seconds"] = round(time.monotonic() - began, 3)
            checks.append(result)
        return checks

    def _gpu_check(self) -> Outcome:
        policy, gpu = self._needs.gpu, self._gpu
        if policy == "absent":
            return Outcome("no GPU is used", "the policy says that none is used", gpu, True)
        expected = "an NVIDIA GPU, its driver and Docker's nvidia runtime"
        if policy == "auto" and not gpu["device"] and not gpu["name"]:
            return Outcome(expected, "no GPU on this host", gpu, True)
        missing = []
        if not gpu["device"]:
            missing.append(f"no {self._dev}/nvidia0")
        if not gpu["name"]:
            missing.append(f"no answer from nvidia-smi ({gpu.get('smi_error') or 'empty'})")
        if not gpu["runtime"]:
            missing.append("no nvidia runtime in docker info")
        if missing:
            raise SttError(
                "GPU",
                found="; ".join(missing),
                needed=expected,
                fix="install the NVIDIA driver and nvidia-container-toolkit (nvidia-ctk runtime "
                "configure --runtime=docker, then restart Docker), or set the GPU policy",
                **gpu,
            )
        return Outcome(expected, f"{gpu['name']}, driver {gpu['driver']}", gpu)


def _result(
    name: str,
    status: str,
    expected: str,
    found: str,
    fix: str,
    began: float,
    evidence: dict[str, Any],
) -> dict[str, Any]:
    return {
        "id": STEP,
        "name": name,
        "status": status,
        "expected": expected,
        "found": found,
        "fix": fix,
        "seconds": round(time.monotonic() - began, 3),
        "evidence": evidence,
    }
