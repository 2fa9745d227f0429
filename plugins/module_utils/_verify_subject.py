# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is judged, what is expected of it, as checks are told, and what a verdict is about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

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
    stamps_digest,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_manifests import known_models
from ansible_collections.stt.engine.plugins.module_utils._verify_request import (
    CACHE_IN_CONTAINER,
    CTRANSLATE2_IN_CONTAINER,
    LOGS_IN_CONTAINER,
    MODELS_IN_CONTAINER,
    VISIBLE_DEVICES,
    VerifyRequest,
)

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
DRIVER = Path("/proc/driver/nvidia/version")
CUDA_LABEL = re.compile(r"cu(\d+)(\d)")
CUDA_VERSION = re.compile(r"(\d+)\.(\d)")
VARIANT_LABEL = "stt.engine.variant"
VARIANTS = ("full", "slim")
# What this collection's own Dockerfile says of the content. An image with none of these labels is
# another engine; one that has some, and no variant, is an image of ours with a wrong label.
CONTENT_LABELS = tuple(
    f"stt.engine.{name}"
    for name in (
        "variant",
        "os",
        "cuda",
        "torch",
        "torchaudio",
        "transformers",
        "ctranslate2",
        "faster-whisper",
    )
)
FOREIGN = "foreign"
PYTHON = "python3"
COMPARISON = "R5.9"
COMPARISON_REFERENCE = "reference_float32"


@dataclass(frozen=True)
class Subject:
    """The image and models at hand, as the checks are told of them."""

    image_id: str
    variant: str
    service_command: tuple[str, ...]
    service_directory: str
    expected: Mapping[str, Any]
    manifests: Mapping[str, list[dict[str, Any]] | None]
    repository: str
    alternatives: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    commit: str = ""

    @property
    def python(self) -> str:
        """The interpreter that the service runs with; the first on PATH where it is not named."""
        program = PurePosixPath(self.service_command[0] if self.service_command else "")
        named = program.is_absolute() and program.name.startswith("python")
        return str(program) if named else PYTHON

    @property
    def model(self) -> dict[str, str]:
        """What names the model that is served; empty where no manifest tells."""
        return {
            "repository": self.repository,
            "commit": self.commit,
            "quantization": str(self.expected.get("quantization", "")),
        }

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
    """Gather what is expected: from the caller, the image's labels and what is known of models."""
    config = image.get("Config") or {}
    labels: Mapping[str, str] = config.get("Labels") or {}
    known = known_models(request)
    converted, original = known.served, known.original
    variant = variant_of(labels, request.expected.get("variant"))
    expected: dict[str, Any] = {"cuda_visible_devices": VISIBLE_DEVICES}
    if variant == FOREIGN:
        expected |= _expected_of_another(config)
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
    expected |= {**request.expected, **_expected_cuda(request.expected.get("cuda"))}
    return Subject(
        image_id=str(image["Id"]),
        variant=variant,
        service_command=(*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())),
        service_directory=str(config.get("WorkingDir") or "/"),
        expected=expected,
        manifests={
            "ctranslate2": converted["files"] if converted is not None else None,
            "transformers": original["files"] if original is not None else None,
        },
        repository=str((original or {}).get("repository", "")),
        alternatives=judge_alternatives(
            request, converted, expected.get("quantization"), known.alternatives
        ),
        commit=str((original or {}).get("commit", "")),
    )


def variant_of(labels: Mapping[str, str], expected: str | None) -> str:
    """What an image is taken for: by its label, or by the caller where that names no variant."""
    said = labels.get(VARIANT_LABEL, "")
    if said in VARIANTS:
        return said
    if expected or any(label in labels for label in CONTENT_LABELS):
        return expected or VARIANTS[0]
    return FOREIGN


def _expected_cuda(named: str | None) -> dict[str, str]:
    """A CUDA version by number, as torch names it, and in the label's words."""
    if named is None:
        return {}
    found = CUDA_LABEL.fullmatch(named) or CUDA_VERSION.fullmatch(named)
    if found is None:
        raise SttError(
            "parameter expected.cuda",
            found=repr(named),
            needed="a CUDA version such as cu129 or 12.9",
            fix="write it in one of these ways",
        )
    major, minor = found.groups()
    return {"cuda": f"{major}.{minor}", "cuda_label": f"cu{major}{minor}"}


def exposed_ports(config: Mapping[str, Any]) -> list[int]:
    """The TCP ports that an image's configuration names."""
    named = (port.partition("/") for port in config.get("ExposedPorts") or {})
    return sorted(int(port) for port, _mark, kind in named if kind in ("", "tcp"))


def environment_of(config: Mapping[str, Any]) -> dict[str, str]:
    """The environment that an image's configuration sets."""
    entries = (entry.partition("=") for entry in config.get("Env") or ())
    return {name: value for name, _mark, value in entries}


def _expected_of_another(config: Mapping[str, Any]) -> dict[str, Any]:
    """What another engine's image says itself where nobody else does."""
    expected: dict[str, Any] = {"library_path": bool(environment_of(config).get("LD_LIBRARY_PATH"))}
    ports = exposed_ports(config)
    if len(ports) == 1:
        expected["port"] = ports[0]
    return expected


def judge_alternatives(
    request: VerifyRequest,
    served: Document | None,
    quantization: str | None,
    known: Mapping[str, Document | None],
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
        manifest = known.get(one.quantization)
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
        "models": _described_models(request, subject),
        "clips": "/checks/clips" if request.clips is not None else None,
        "accepted_transcripts": dict(request.accepted_transcripts),
        "accept_transcripts": request.accept_transcripts,
        "gpu": request.gpu,
        "gpu_given": gpu_given,
        "variant": subject.variant,
        "expected": dict(subject.expected),
        "paths": {"cache": CACHE_IN_CONTAINER, "logs": LOGS_IN_CONTAINER},
        "deadline": request.deadline,
        "memory_bytes": request.memory_bytes,
        "real_time_factor_limit": request.real_time_factor_limit,
        "service_command": list(subject.service_command),
        "service_directory": subject.service_directory,
    }


def _described_models(request: VerifyRequest, subject: Subject) -> dict[str, Any]:
    if request.ctranslate2 is None:
        return {}
    return {
        "root": MODELS_IN_CONTAINER,
        "ctranslate2": CTRANSLATE2_IN_CONTAINER,
        "transformers": request.name,
        "original": request.transformers is not None,
        "repository": subject.repository,
        "commit": subject.commit,
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
    }


def _described(files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{key: file[key] for key in ("path", "size", "sha256")} for file in files]


def reuse_key(
    request: VerifyRequest, subject: Subject, *, base: str = "", reference: str = ""
) -> dict[str, str]:
    """What a verdict is about: equal keys mean the same content on the same running host.

    ``base`` and ``reference`` are ids of the images that the judged one is held against.

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
        **_transcripts_key(request),
        "phase": request.phase,
        "image": subject.image_id,
        "base": base,
        "reference": reference,
        "models": sha256_hex(canonical_json([request.name, models])),
        "checks": sha256_file(request.checks),
        "clips": content_digest(hash_files(request.clips)) if request.clips is not None else "",
        "expected": sha256_hex(
            canonical_json([dict(subject.expected), str(request.real_time_factor_limit)])
        ),
        "gpu": f"{request.gpu}, {len(gpu_devices())} devices",
        "driver": _first_line(DRIVER),
        "boot": _first_line(BOOT_ID),
    }


def _transcripts_key(request: VerifyRequest) -> dict[str, str]:
    """Which transcripts counted as right; a run that accepts its own asks for no others."""
    if request.accept_transcripts:
        return {"transcripts": "accepting"}
    accepted = dict(request.accepted_transcripts)
    return {"transcripts": sha256_hex(canonical_json(accepted))} if accepted else {}


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()[0].strip()
    except (OSError, IndexError):
        return ""
