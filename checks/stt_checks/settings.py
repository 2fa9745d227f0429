# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks are told: where things are, what is expected, and what the host has."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .image_facts import Base, Image, base_of, image_of
from .outcome import Outcome, failed, skipped

GpuPolicy = Literal["required", "auto", "absent"]
# Without a label that says so, an image is another engine than this collection's.
Variant = Literal["full", "slim", "foreign"]
OWN_USER = "stt-user"
NO_GPU = "no GPU on this host"
UNITS = ("B", "kB", "MB", "GB", "TB")


class SettingsError(Exception):
    """A specification or command line that the checks cannot work with."""


@dataclass(frozen=True)
class Expected:
    """Values to hold against what is found; None where the caller knows none."""

    torch: str | None = None
    torchaudio: str | None = None
    cuda: str | None = None
    # What the image was built as, in the words of its labels.
    variant: str | None = None
    cuda_label: str | None = None
    version: str | None = None
    revision: str | None = None
    base: str | None = None
    base_digest: str | None = None
    quantization: str | None = None
    mel_bins: int | None = None
    uid: int = 2000
    user: str | None = None
    port: int = 8003
    os: str | None = None
    packages: Mapping[str, str] | None = None
    modules: Sequence[str] | None = None
    # What RHEL 8 has: an image that asks for more does not run there.
    glibc: str = "2.28"
    glibcxx: str = "3.4.25"
    cxxabi: str = "1.3.11"
    cuda_visible_devices: str | None = None
    library_path: bool = True


@dataclass(frozen=True)
class Conversion:
    """One conversion of the model: its directory below the models and what its files must be."""

    quantization: str
    directory: str
    files: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Settings:
    """Everything a check may ask for; made once and shared by all processes."""

    models: Path
    ctranslate2: str
    transformers: str
    repository: str = ""
    commit: str = ""
    manifests: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    clips: Path | None = None
    # As the lock has them: the model's repository, commit and quantization, and its clips.
    accepted_transcripts: Mapping[str, Any] = field(default_factory=dict)
    # What the judged image's programs heard in clips of unknown text, by clip and by program: told
    # to the reference image, which holds it against transformers.
    heard: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    # Whether this run's own transcripts of unknown text are to be accepted in their place.
    accept_transcripts: bool = False
    gpu_policy: GpuPolicy = "auto"
    gpu_given: bool = False
    container: bool = False
    variant: Variant = "full"
    expected: Expected = Expected()
    app: Path = Path("/app")
    cache: Path = Path("/opt/app-root/src/.cache")
    logs: Path = Path("/app/logs")
    deadline: float | None = None
    memory_bytes: int | None = None
    # Time of transcribing over time of speech, at most; 0 where nobody set it.
    real_time_factor_limit: float = 0.0
    service_command: tuple[str, ...] = ()
    service_directory: str = "/"
    # Whether the original model is mounted too; None where nobody said.
    original_given: bool | None = None
    image: Image | None = None
    base: Base | None = None
    # The directories of the layers that were added to the base, the lowest first; where the engine
    # has no such directories, a pipe with the saved image.
    layers: tuple[Path, ...] | None = None
    layer_archive: Path | None = None
    # Which checks of the phase this process is for, by what it may do; None: all.
    part: str | None = None
    alternatives: tuple[Conversion, ...] = ()
    # Made for one run and gone with it: what one check leaves there no later run can take for new.
    scratch: Path | None = None

    @property
    def conversions(self) -> tuple[Conversion, ...]:
        """The conversions to compare, the served one first; none without an alternative."""
        if not self.alternatives:
            return ()
        files = tuple(self.manifests.get("ctranslate2", ()))
        served = Conversion(self.expected.quantization or "", self.ctranslate2, files)
        return (served, *self.alternatives)

    @property
    def foreign(self) -> bool:
        """Whether the image is another engine than this collection's own."""
        return self.variant == "foreign"

    @property
    def original(self) -> bool:
        """Whether the original model is to be judged beside the converted one."""
        return self.variant == "full" if self.original_given is None else self.original_given

    @property
    def user(self) -> str | None:
        """The name that the user has to have; None where any will do."""
        return self.expected.user or (None if self.foreign else OWN_USER)

    @property
    def ctranslate2_path(self) -> Path:
        return self.models / self.ctranslate2

    @property
    def transformers_path(self) -> Path:
        return self.models / self.transformers

    @property
    def gpu(self) -> bool:
        """Whether the checks use a GPU."""
        return self.gpu_given and self.gpu_policy != "absent"

    @property
    def device(self) -> Literal["cuda", "cpu"]:
        return "cuda" if self.gpu else "cpu"

    @property
    def compute_type(self) -> str:
        """The type transcriptions are judged in: production's where there is a GPU."""
        integer = (self.expected.quantization or "").startswith("int8")
        if self.gpu:
            return "int8_float16" if integer else "float16"
        return "int8_float32" if integer else "float32"

    def without_gpu(self) -> Outcome:
        """How a check that needs a GPU ends when there is none: never as passed."""
        if self.gpu_policy == "required":
            return failed(
                "no GPU device in this container although the policy requires one",
                fix="install the NVIDIA driver and the NVIDIA container toolkit on this host, "
                "start the container with --gpus all, or set the GPU policy of this host to auto",
            )
        if self.gpu_policy == "absent":
            return skipped("the GPU policy of this host is absent")
        return skipped(NO_GPU)


def gpu_devices() -> list[str]:
    """The GPU device files that this process can see."""
    found = sorted(str(path) for path in Path("/dev").glob("nvidia[0-9]*"))
    return found or [str(path) for path in (Path("/dev/dxg"),) if path.exists()]


def load_settings(spec: Mapping[str, Any], *, models: Path | None, clips: Path | None) -> Settings:
    """Make settings from a specification document; a path given by the caller goes first."""
    try:
        return _load(spec, models, clips)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SettingsError(f"the specification is malformed: {error!r}") from error


def _load(spec: Mapping[str, Any], models: Path | None, clips: Path | None) -> Settings:
    described: Mapping[str, Any] = spec.get("models") or {}
    # An image is judged before there is any model.
    alone = models is None and "image" in spec and "root" not in described
    root = Path(os.devnull) if alone else models or Path(described["root"])
    if not alone and not root.is_dir():
        raise SettingsError(f"{root} is no directory: name the directory that holds both models")
    names = _find_models(root)
    chosen_clips = clips or (Path(spec["clips"]) if spec.get("clips") else None)
    policy = spec.get("gpu", "auto")
    if policy not in ("required", "auto", "absent"):
        raise SettingsError(f"the GPU policy is {policy!r}: choose required, auto or absent")
    paths: Mapping[str, str] = spec.get("paths", {})
    defaults = Settings(root, "", "")
    return Settings(
        models=root,
        ctranslate2=described.get("ctranslate2") or names["ctranslate2"],
        transformers=described.get("transformers") or names["transformers"],
        repository=described.get("repository", ""),
        commit=described.get("commit", ""),
        manifests={
            kind: files for kind, files in described.get("files", {}).items() if files is not None
        },
        clips=chosen_clips,
        accepted_transcripts=spec.get("accepted_transcripts") or {},
        heard=spec.get("heard") or {},
        accept_transcripts=bool(spec.get("accept_transcripts", False)),
        gpu_policy=policy,
        gpu_given=bool(spec.get("gpu_given", bool(gpu_devices()))),
        container=bool(spec.get("container", False)),
        variant=spec.get("variant", "full"),
        expected=Expected(
            **{key: value for key, value in spec.get("expected", {}).items() if value is not None}
        ),
        app=Path(paths.get("app", defaults.app)),
        cache=Path(paths.get("cache", defaults.cache)),
        logs=Path(paths.get("logs", defaults.logs)),
        deadline=spec.get("deadline"),
        memory_bytes=spec.get("memory_bytes"),
        real_time_factor_limit=float(spec.get("real_time_factor_limit") or 0.0),
        service_command=tuple(spec.get("service_command") or ()),
        service_directory=spec.get("service_directory") or "/",
        original_given=described.get("original"),
        image=image_of(spec.get("image")),
        base=base_of(spec.get("base")),
        layers=_paths(spec.get("layers")),
        layer_archive=Path(spec["layer_archive"]) if spec.get("layer_archive") else None,
        part=spec.get("part"),
        alternatives=_alternatives(spec),
    )


def _paths(named: Sequence[str] | None) -> tuple[Path, ...] | None:
    return None if named is None else tuple(Path(one) for one in named)


def _alternatives(spec: Mapping[str, Any]) -> tuple[Conversion, ...]:
    """The other conversions; each with a type and a manifest, the served one too."""
    described: Mapping[str, Any] = spec.get("models") or {}
    given = tuple(
        Conversion(str(one["quantization"]), str(one["path"]), tuple(one["files"]))
        for one in described.get("alternatives") or ()
    )
    if not given:
        return ()
    served = (spec.get("expected") or {}).get("quantization")
    names = [served, *(one.quantization for one in given)]
    if not served or len(set(names)) != len(names):
        raise SettingsError(f"the quantizations to compare are {names}: name each, and only once")
    if not (described.get("files") or {}).get("ctranslate2"):
        raise SettingsError("the served conversion has no list of files: give its manifest's")
    return given


def _find_models(root: Path) -> dict[str, str]:
    """Guess both model directories by their weights; the runbook's name is the fallback."""
    found = {"ctranslate2": "ctranslate2_model", "transformers": "openai_whisper-large-v3-turbo"}
    folders = root.iterdir() if root.is_dir() else ()
    for folder in sorted(path for path in folders if path.is_dir()):
        if (folder / "model.bin").exists():
            found["ctranslate2"] = folder.name
        elif any(folder.glob("*.safetensors")):
            found["transformers"] = folder.name
    return found


def read_spec(path: Path | None) -> dict[str, Any]:
    """The specification document, or an empty one."""
    if path is None:
        return {}
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsError(f"the specification {path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise SettingsError(f"the specification {path} is no JSON object")
    return document


def cpu_count() -> int:
    """The processors this process may use."""
    return len(os.sched_getaffinity(0))


def readable_size(size: float) -> str:
    """Bytes in decimal units, as vendors and the runbook count them."""
    for unit in UNITS:
        if size < 1000 or unit == UNITS[-1]:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.2f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")
