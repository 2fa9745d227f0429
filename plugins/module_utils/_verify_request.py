# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verification is asked to do, held against what is there, and what its verdict is about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ansible_collections.stt.engine.plugins.module_utils._digest import (
    canonical_json,
    sha256_file,
    sha256_hex,
)
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._model_manifest import (
    content_digest,
    hash_files,
    read_manifest,
    stamps_digest,
)

Phase = Literal["R4", "R5"]
MODELS_IN_CONTAINER = "/app/models"
CTRANSLATE2_IN_CONTAINER = "ctranslate2_model"
CACHE_IN_CONTAINER = "/opt/app-root/src/.cache"
LOGS_IN_CONTAINER = "/app/logs"
VISIBLE_DEVICES = "0"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
DRIVER = Path("/proc/driver/nvidia/version")
CUDA_LABEL = re.compile(r"cu(\d+)(\d)")
CONTAINER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
EXPECTED_TEXT = ("torch", "torchaudio", "cuda", "quantization", "user")
EXPECTED_NUMBERS = ("mel_bins", "uid")


def arguments(phase: Phase) -> dict[str, Any]:
    """The argument specification of the module that judges a phase."""
    expected: dict[str, Any] = {name: {"type": "str"} for name in EXPECTED_TEXT}
    expected |= {name: {"type": "int"} for name in EXPECTED_NUMBERS}
    specification: dict[str, Any] = {
        "image": {"type": "str", "required": True},
        "checks": {"type": "path", "required": True},
        "models": {
            "type": "dict",
            "required": True,
            "options": {
                "ctranslate2": {"type": "path", "required": True},
                "transformers": {"type": "path"},
                "name": {"type": "str", "required": True},
            },
        },
        "gpu": {"type": "str", "choices": ["required", "auto", "absent"], "default": "auto"},
        "container": {"type": "str", "default": "stt-test-engine"},
        "memory_bytes": {"type": "int", "default": 8_000_000_000},
        "timeout": {"type": "float", "default": 1800},
        "deadline": {"type": "float"},
        "expected": {"type": "dict", "default": {}, "options": expected},
        "logs_directory": {"type": "path"},
        "reuse": {"type": "path"},
        "fail_on_verdict": {"type": "bool", "default": True},
        "docker": {"type": "str", "default": "docker"},
    }
    if phase == "R5":
        specification["clips"] = {"type": "path"}
    return specification


@dataclass(frozen=True)
class VerifyRequest:
    """One phase of checks in one container."""

    phase: Phase
    image: str
    checks: Path
    ctranslate2: Path
    transformers: Path | None
    name: str
    clips: Path | None
    gpu: str
    container: str
    memory_bytes: int
    timeout: float
    deadline: float | None
    docker: str
    expected: Mapping[str, Any] = field(default_factory=dict)
    logs_directory: Path | None = None
    reuse: Path | None = None

    @classmethod
    def from_params(cls, phase: Phase, params: Mapping[str, Any]) -> VerifyRequest:
        """Read a module's parameters; raises SttError for values that cannot be meant."""
        models = params["models"]
        if not CONTAINER_NAME.fullmatch(params["container"]):
            raise SttError(
                "parameter container",
                found=repr(params["container"]),
                needed="a container name of letters, digits, '_', '.' and '-'",
                fix="choose such a name, for example stt-test-engine",
            )
        return cls(
            phase=phase,
            image=params["image"],
            checks=Path(params["checks"]),
            ctranslate2=Path(models["ctranslate2"] or ""),
            transformers=Path(models["transformers"]) if models["transformers"] else None,
            name=models["name"],
            clips=Path(params["clips"]) if params.get("clips") else None,
            gpu=params["gpu"],
            container=params["container"],
            memory_bytes=params["memory_bytes"],
            timeout=params["timeout"],
            deadline=params["deadline"],
            docker=params["docker"],
            expected={key: value for key, value in params["expected"].items() if value is not None},
            logs_directory=Path(params["logs_directory"]) if params["logs_directory"] else None,
            reuse=Path(params["reuse"]) if params["reuse"] else None,
        )

    def mounts(self) -> dict[str, Path]:
        """Read-only mounts of the container by their place in it."""
        places = {
            f"{MODELS_IN_CONTAINER}/{CTRANSLATE2_IN_CONTAINER}": self.ctranslate2,
            "/checks/checks.pyz": self.checks,
        }
        if self.transformers is not None:
            places[f"{MODELS_IN_CONTAINER}/{self.name}"] = self.transformers
        if self.clips is not None:
            places["/checks/clips"] = self.clips
        return places

    def missing(self) -> SttError | None:
        """What does not exist on the host although it has to; None when all is there."""
        wanted = [
            ("check archive", self.checks, self.checks.is_file(), "carry the checks to the host"),
            ("converted model", self.ctranslate2, self._is_directory(self.ctranslate2), "convert"),
        ]
        if self.transformers is not None:
            there = self._is_directory(self.transformers)
            wanted.append(("original model", self.transformers, there, "fetch the model"))
        if self.clips is not None:
            there = (self.clips / "clips.json").is_file()
            wanted.append(("clips", self.clips / "clips.json", there, "carry the clips"))
        for what, path, there, fix in wanted:
            if not there:
                return SttError(
                    what,
                    found=f"nothing at {path}",
                    needed=f"the {what} on this host",
                    fix=f"{fix} first, or correct the path",
                )
        return None

    @staticmethod
    def _is_directory(path: Path) -> bool:
        # An empty parameter is the current directory to pathlib.
        return path.is_absolute() and path.is_dir()


@dataclass(frozen=True)
class Subject:
    """The image and models at hand, as the checks are told of them."""

    image_id: str
    variant: str
    service_command: tuple[str, ...]
    expected: Mapping[str, Any]
    manifests: Mapping[str, list[dict[str, Any]] | None]
    repository: str


def gpu_devices() -> list[str]:
    """The GPU device files of this host."""
    return sorted(str(path) for path in Path("/dev").glob("nvidia[0-9]*"))


def describe_subject(request: VerifyRequest, image: Mapping[str, Any]) -> Subject:
    """Gather what is expected: from the caller, the image's labels and the models' manifests."""
    config = image.get("Config") or {}
    labels: Mapping[str, str] = config.get("Labels") or {}
    converted = read_manifest(request.ctranslate2)
    original = read_manifest(request.transformers) if request.transformers is not None else None
    expected: dict[str, Any] = {"cuda_visible_devices": VISIBLE_DEVICES}
    torch = labels.get("stt.engine.torch")
    if torch:
        expected |= {"torch": torch, "torchaudio": labels.get("stt.engine.torchaudio") or torch}
    cuda = CUDA_LABEL.fullmatch(labels.get("stt.engine.cuda", ""))
    if cuda:
        expected["cuda"] = f"{cuda.group(1)}.{cuda.group(2)}"
    if converted is not None and converted.get("quantization"):
        expected["quantization"] = converted["quantization"]
    return Subject(
        image_id=str(image["Id"]),
        variant=labels.get("stt.engine.variant") or "full",
        service_command=(*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())),
        expected={**expected, **request.expected},
        manifests={
            "ctranslate2": converted["files"] if converted is not None else None,
            "transformers": original["files"] if original is not None else None,
        },
        repository=str((original or {}).get("repository", "")),
    )


def specification(request: VerifyRequest, subject: Subject, *, gpu_given: bool) -> dict[str, Any]:
    """The document that the checks read on standard input."""
    return {
        "phase": request.phase,
        "container": True,
        "models": {
            "root": MODELS_IN_CONTAINER,
            "ctranslate2": CTRANSLATE2_IN_CONTAINER,
            "transformers": request.name,
            "repository": subject.repository,
            "files": {
                kind: [{key: file[key] for key in ("path", "size", "sha256")} for file in files]
                for kind, files in subject.manifests.items()
                if files is not None
            },
        },
        "clips": "/checks/clips" if request.clips is not None else None,
        "gpu": request.gpu,
        "gpu_given": gpu_given,
        "variant": subject.variant,
        "expected": dict(subject.expected),
        "paths": {"cache": CACHE_IN_CONTAINER, "logs": LOGS_IN_CONTAINER},
        "deadline": request.deadline,
        "memory_bytes": request.memory_bytes,
        "service_command": list(subject.service_command),
    }


def reuse_key(request: VerifyRequest, subject: Subject) -> dict[str, str]:
    """What a verdict is about: equal keys mean the same content on the same running host.

    Models count by their manifest and by how their files lie on disk, so that touching one asks for
    a new verdict.
    """
    models: list[list[str]] = []
    for kind, directory in (
        ("ctranslate2", request.ctranslate2),
        ("transformers", request.transformers),
    ):
        if directory is not None:
            files = subject.manifests.get(kind)
            content = content_digest(files if files is not None else hash_files(directory))
            models.append([kind, content, stamps_digest(directory)])
    return {
        "phase": request.phase,
        "image": subject.image_id,
        "models": sha256_hex(canonical_json([request.name, models])),
        "checks": sha256_file(request.checks),
        "clips": content_digest(hash_files(request.clips)) if request.clips is not None else "",
        "expected": sha256_hex(canonical_json(dict(subject.expected))),
        "gpu": f"{request.gpu}, {len(gpu_devices())} devices",
        "driver": _first_line(DRIVER),
        "boot": _first_line(BOOT_ID),
    }


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()[0].strip()
    except (OSError, IndexError):
        return ""
