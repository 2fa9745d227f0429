# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verification is asked to do, held against what is there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ansible_collections.stt.engine.plugins.module_utils._accepted_transcripts import (
    read_record,
)
from ansible_collections.stt.engine.plugins.module_utils._convert import QUANTIZATIONS
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError

Phase = Literal["R2", "R4", "R5"]
MODELS_IN_CONTAINER = "/app/models"
CTRANSLATE2_IN_CONTAINER = "ctranslate2_model"
CACHE_IN_CONTAINER = "/opt/app-root/src/.cache"
LOGS_IN_CONTAINER = "/app/logs"
VISIBLE_DEVICES = "0"
UID = 2000
CONTAINER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
EXPECTED_TEXT = ("torch", "torchaudio", "cuda", "quantization", "user")
EXPECTED_NUMBERS = ("mel_bins", "uid", "port")
# What the caller has built the image as.
EXPECTED_AS_BUILT: Mapping[str, Mapping[str, Any]] = {
    "variant": {"type": "str", "choices": ["full", "slim"]},
    "version": {"type": "str"},
    "revision": {"type": "str"},
    "base": {"type": "str"},
    "base_digest": {"type": "str"},
}
# What only the image alone is judged by, in phase R2.
EXPECTED_OF_IMAGE: Mapping[str, Mapping[str, Any]] = {
    **EXPECTED_AS_BUILT,
    "os": {"type": "str"},
    "packages": {"type": "dict"},
    "modules": {"type": "list", "elements": "str"},
    "glibc": {"type": "str"},
    "glibcxx": {"type": "str"},
    "cxxabi": {"type": "str"},
}
# Below the models, a directory for each conversion that is compared with the served one.
QUANTIZATIONS_IN_CONTAINER = "quantizations"


def image_arguments() -> dict[str, Any]:
    """The argument specification of the module that judges an image."""
    specification = _arguments(_models(), EXPECTED_OF_IMAGE)
    specification["phase"] = {"type": "str", "choices": ["R2", "R4"], "default": "R4"}
    specification["base"] = {"type": "str", "default": ""}
    return specification


def model_arguments() -> dict[str, Any]:
    """The argument specification of the module that judges models."""
    options = _models()
    options["alternatives"] = {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "quantization": {"type": "str", "required": True, "choices": list(QUANTIZATIONS)},
            "path": {"type": "path", "required": True},
        },
    }
    specification = _arguments(options, {})
    specification["models"]["required"] = True
    specification["clips"] = {"type": "path"}
    specification["accepted_transcripts"] = {"type": "dict", "default": {}}
    specification["accept_transcripts"] = {"type": "bool", "default": False}
    specification["real_time_factor_limit"] = {"type": "float", "default": 0.0}
    return specification


def _models() -> dict[str, Any]:
    return {
        "ctranslate2": {"type": "path", "required": True},
        "transformers": {"type": "path"},
        "name": {"type": "str", "required": True},
        "sealed": {"type": "list", "elements": "dict", "default": []},
    }


def _arguments(models: Mapping[str, Any], more: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    expected: dict[str, Any] = {name: {"type": "str"} for name in EXPECTED_TEXT}
    expected |= {name: {"type": "int"} for name in EXPECTED_NUMBERS}
    expected |= {name: dict(option) for name, option in more.items()}
    return {
        "image": {"type": "str", "required": True},
        "checks": {"type": "path", "required": True},
        "models": {"type": "dict", "options": dict(models)},
        "reference_image": {"type": "str", "default": ""},
        "gpu": {"type": "str", "choices": ["required", "auto", "absent"], "default": "auto"},
        "container": {"type": "str", "default": "stt-test-engine"},
        "memory_bytes": {"type": "int", "default": 8_000_000_000},
        "timeout": {"type": "float", "default": 1800},
        "deadline": {"type": "float"},
        "expected": {"type": "dict", "default": {}, "options": expected},
        "logs_directory": {"type": "path"},
        "reuse": {"type": "path"},
        "fail_on_verdict": {"type": "bool", "default": True},
        "self_test": {"type": "bool", "default": False},
        "self_test_record": {"type": "path"},
        "docker": {"type": "str", "default": "docker"},
    }


def _optional_path(value: str | None) -> Path | None:
    return Path(value) if value else None


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
    """One phase of checks; in R2 there are no models yet."""

    phase: Phase
    image: str
    checks: Path
    ctranslate2: Path | None
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
    base: str = ""
    reference_image: str = ""
    accepted_transcripts: Mapping[str, Any] = field(default_factory=dict)
    accept_transcripts: bool = False
    real_time_factor_limit: float = 0.0
    self_test: bool = False
    self_test_record: Path | None = None
    sealed: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def from_params(cls, phase: Phase, params: Mapping[str, Any]) -> VerifyRequest:
        """Read a module's parameters; raises SttError for values that cannot be meant."""
        models = params["models"] if phase != "R2" else None
        if models is None and phase != "R2":
            raise SttError(
                "parameter models",
                found="none",
                needed=f"the models that phase {phase} judges the image with",
                fix="name them, or choose phase R2",
            )
        models = models or {}
        if params.get("reference_image") and models and not models["transformers"]:
            raise SttError(
                "parameter models.transformers",
                found="none, with a reference image",
                needed="the original model, which only the reference image can judge",
                fix="name its directory, or leave reference_image out",
            )
        if not (params.get("real_time_factor_limit") or 0.0) >= 0.0:
            raise SttError(
                "parameter real_time_factor_limit",
                found=str(params["real_time_factor_limit"]),
                needed="time of transcribing over time of speech, such as 0.5; 0 for the default",
                fix="give the limit that production needs, or leave it out",
            )
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
            ctranslate2=Path(models["ctranslate2"] or "") if models else None,
            transformers=Path(models["transformers"]) if models.get("transformers") else None,
            name=models.get("name", ""),
            clips=Path(params["clips"]) if params.get("clips") else None,
            gpu=params["gpu"],
            container=params["container"],
            memory_bytes=params["memory_bytes"],
            timeout=params["timeout"],
            deadline=params["deadline"],
            docker=params["docker"],
            expected={key: value for key, value in params["expected"].items() if value is not None},
            logs_directory=_optional_path(params["logs_directory"]),
            reuse=_optional_path(params["reuse"]),
            alternatives=tuple(
                Alternative(one["quantization"], Path(one["path"] or ""))
                for one in models.get("alternatives") or ()
            ),
            base=params.get("base") or "",
            reference_image=(params.get("reference_image") or "") if phase != "R2" else "",
            accepted_transcripts=read_record(params.get("accepted_transcripts")),
            accept_transcripts=bool(params.get("accept_transcripts")),
            real_time_factor_limit=params.get("real_time_factor_limit") or 0.0,
            self_test=bool(params.get("self_test")),
            self_test_record=_optional_path(params.get("self_test_record")),
            sealed=tuple(models.get("sealed") or ()),
        )

    @property
    def uid(self) -> int:
        """Who the checks run as."""
        return int(self.expected.get("uid", UID))

    def mounts(self) -> dict[str, Path]:
        """Read-only mounts of the container by their place in it."""
        places = {"/checks/checks.pyz": self.checks}
        if self.ctranslate2 is not None:
            places[f"{MODELS_IN_CONTAINER}/{CTRANSLATE2_IN_CONTAINER}"] = self.ctranslate2
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
        ]
        if self.ctranslate2 is not None:
            there = self._is_directory(self.ctranslate2)
            wanted.append(("converted model", self.ctranslate2, there, "convert"))
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
