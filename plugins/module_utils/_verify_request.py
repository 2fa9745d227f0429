# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verification is asked to do, held against what is there, and what its verdict is about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ansible_collections.stt.engine.plugins.module_utils._convert import QUANTIZATIONS
from ansible_collections.stt.engine.plugins.module_utils._digest import (
    canonical_json,
    sha256_file,
    sha256_hex,
)
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._model_manifest import (
    Document,
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
# Below the models, a directory for each conversion that is compared with the served one.
QUANTIZATIONS_IN_CONTAINER = "quantizations"
COMPARISON = "R5.9"
COMPARISON_REFERENCE = "reference_float32"


def arguments(phase: Phase) -> dict[str, Any]:
    """The argument specification of the module that judges a phase."""
    expected: dict[str, Any] = {name: {"type": "str"} for name in EXPECTED_TEXT}
    expected |= {name: {"type": "int"} for name in EXPECTED_NUMBERS}
    models: dict[str, Any] = {
        "ctranslate2": {"type": "path", "required": True},
        "transformers": {"type": "path"},
        "name": {"type": "str", "required": True},
    }
    if phase == "R5":
        models["alternatives"] = {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "quantization": {
                    "type": "str",
                    "required": True,
                    "choices": list(QUANTIZATIONS),
                },
                "path": {"type": "path", "required": True},
            },
        }
    specification: dict[str, Any] = {
        "image": {"type": "str", "required": True},
        "checks": {"type": "path", "required": True},
        "models": {"type": "dict", "required": True, "options": models},
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
class Alternative:
    """Another conversion of the same model, to be compared with the served one."""

    quantization: str
    path: Path

    @property
    def place(self) -> str:
        """Its directory below the models in the container."""
        return f"{QUANTIZATIONS_IN_CONTAINER}/{self.quantization}"


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
    alternatives: tuple[Alternative, ...] = ()

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
            alternatives=tuple(
                Alternative(one["quantization"], Path(one["path"] or ""))
                for one in models.get("alternatives") or ()
            ),
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
        for one in self.alternatives:
            places[f"{MODELS_IN_CONTAINER}/{one.place}"] = one.path
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
        for one in self.alternatives:
            what = f"model converted to {one.quantization}"
            wanted.append((what, one.path, self._is_directory(one.path), "convert"))
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
    alternatives: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)

    def comparison(self) -> list[tuple[str, str]]:
        """The checks that compare conversions, as the container must plan them; often none."""
        if not self.alternatives:
            return []
        compared = (str(self.expected["quantization"]), *self.alternatives)
        names = [COMPARISON_REFERENCE, *(f"quantization_{name}" for name in compared)]
        return [(COMPARISON, name) for name in names]


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
    bins = ((converted or {}).get("model_bin") or {}).get("mel_bins")
    if bins:
        expected["mel_bins"] = bins
    expected |= request.expected
    return Subject(
        image_id=str(image["Id"]),
        variant=labels.get("stt.engine.variant") or "full",
        service_command=(*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())),
        expected=expected,
        manifests={
            "ctranslate2": converted["files"] if converted is not None else None,
            "transformers": original["files"] if original is not None else None,
        },
        repository=str((original or {}).get("repository", "")),
        alternatives=judge_alternatives(request, converted, expected.get("quantization")),
    )


def judge_alternatives(
    request: VerifyRequest, served: Document | None, quantization: str | None
) -> dict[str, list[dict[str, Any]]]:
    """The files of each conversion to compare; raises SttError for a comparison of other things."""
    if not request.alternatives:
        return {}
    if served is None or not quantization:
        raise SttError(
            f"converted model {request.ctranslate2}",
            found="no manifest that tells its files and quantization",
            needed="a manifest beside it, to compare it with its alternatives",
            fix="convert the model with this collection, or leave models.alternatives out",
        )
    files: dict[str, list[dict[str, Any]]] = {}
    for one in request.alternatives:
        if one.quantization in (quantization, *files):
            raise SttError(
                "parameter models.alternatives",
                found=f"{one.quantization} twice, the served conversion counted in",
                needed="every quantization once, and not that of models.ctranslate2",
                fix=f"leave {one.path} out, or name the quantization that it holds",
            )
        manifest = read_manifest(one.path)
        stored = (manifest or {}).get("quantization")
        if manifest is None or stored != one.quantization:
            said = f"a manifest that says {stored}" if manifest is not None else "no manifest"
            raise SttError(
                f"model converted to {one.quantization} in {one.path}",
                found=said,
                needed=f"a manifest beside it that says {one.quantization}",
                fix="convert the model to it with this collection, or correct the path",
            )
        files[one.quantization] = manifest["files"]
    return files


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
                kind: _described(files)
                for kind, files in subject.manifests.items()
                if files is not None
            },
            "alternatives": [
                {
                    "quantization": one.quantization,
                    "path": one.place,
                    "files": _described(subject.alternatives[one.quantization]),
                }
                for one in request.alternatives
            ],
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


def _described(files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{key: file[key] for key in ("path", "size", "sha256")} for file in files]


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
    for one in request.alternatives:
        content = content_digest(subject.alternatives[one.quantization])
        models.append([one.quantization, content, stamps_digest(one.path)])
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
