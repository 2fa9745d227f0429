# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of a release: an in-toto Statement about one image and its models."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._digest import canonical_json, sha256_hex
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._phases import timestamp
from ansible_collections.stt.engine.plugins.module_utils._release_id import identity, release_id
from ansible_collections.stt.engine.plugins.module_utils._release_verdict import (
    Judgement,
    name_of,
)

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
# A name, as predicate types are; nothing is fetched from it.
PREDICATE_TYPE = "https://stt.engine/release/v1"
FILE_NAME = "manifest.json"
SIGNATURE_NAME = "manifest.json.sig"
CUDA = re.compile(r"(?:cu(?P<packed>\d{2,3})|(?P<major>\d+)\.(?P<minor>\d+)(?:\.\d+)*)")

# NVIDIA's CUDA Toolkit release notes, Linux x86_64: the oldest driver that a CUDA major version
# runs on by minor version compatibility, and the driver that a toolkit was released with.
MINIMUM_DRIVERS = {"11": "450.80.02", "12": "525.60.13", "13": "580.65.06"}
TOOLKIT_DRIVERS = {
    "12.4": "550.54.14",
    "12.5": "555.42.02",
    "12.6": "560.28.03",
    "12.8": "570.26",
    "12.9": "575.51.03",
    "13.0": "580.65.06",
}
# The check that loads the service as production does, and sends it every clip.
SERVICE = ("R5.7", "service_transcribes")
# What was only measured: no part of what a release is.
MEASURED = ("peak_memory_bytes", "service_memory")
TRANSCRIPTS = "accepted_transcripts"
IMAGE_FIELDS = ("base", "variant", "cuda", "revision", "platform", "reference")


@dataclass(frozen=True)
class Release:
    """Everything that a manifest states, as the roles found it.

    ``image`` is what stt_image_build returned, with ``base`` and ``cuda`` if known; ``model`` has
    ``repository``, ``commit`` and ``files``; each of ``conversions`` has ``path``,
    ``quantization``, ``converter`` and ``files``.
    """

    tag: str
    image: Mapping[str, Any]
    model: Mapping[str, Any]
    conversions: Sequence[Mapping[str, Any]]
    lock: Mapping[str, Any]
    gpu: str
    tools: Mapping[str, Any]
    peak_memory_bytes: int

    @property
    def id(self) -> str:
        converters = [dict(conversion["converter"]) for conversion in self.conversions]
        if any(converter != converters[0] for converter in converters):
            raise _refused("conversions by different converter versions", "one set of versions")
        return release_id(
            self.tag,
            identity(
                input_digest=self.image["input_digest"],
                commit=self.model["commit"],
                files=self.model["files"],
                quantizations=[conversion["quantization"] for conversion in self.conversions],
                converter=converters[0] if converters else {},
            ),
        )


def _refused(found: str, needed: str) -> SttError:
    return SttError(
        "release manifest",
        found=found,
        needed=needed,
        fix="pass what the roles returned, unchanged",
    )


def require_passed(name: str, judgement: Judgement) -> None:
    """Refuse to seal what has not passed."""
    if judgement.verdict == "passed":
        return
    reasons = [
        f"{name_of(check)} {check['status']}: {check['found']}" for check in judgement.not_green
    ]
    raise SttError(
        f"release {name}",
        found=f"a failed verdict ({'; '.join(reasons) or 'no check passed'})",
        needed="every planned check passed, or skipped for a reason",
        fix=next((check["fix"] for check in judgement.not_green if check["fix"]), "run the checks"),
    )


def build_statement(
    release: Release, judgement: Judgement, signature: Mapping[str, Any], sealed: datetime
) -> dict[str, Any]:
    """The in-toto Statement; ``sealed`` gives its time and its sequence number."""
    name = release.id
    require_passed(name, judgement)
    return {
        "_type": STATEMENT_TYPE,
        "subject": _subjects(name, release),
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "release": {
                "id": name,
                "sequence": int(sealed.timestamp()),
                "sealed": timestamp(sealed),
            },
            "verdict": judgement.verdict,
            "gpu": release.gpu,
            "driver": driver_for(release.image.get("cuda")),
            "peak_memory_bytes": int(release.peak_memory_bytes),
            "service_memory": service_memory(judgement.checks),
            "image": _image(release),
            "models": [_original(release), *(_conversion(release, c) for c in release.conversions)],
            "lock": _lock(release.lock),
            "checks": [
                {key: value for key, value in check.items() if key != "evidence"}
                for check in judgement.checks
            ],
            "counts": judgement.counts,
            "tools": dict(release.tools),
            "signature": dict(signature),
        },
    }


def service_memory(checks: Sequence[Mapping[str, Any]]) -> dict[str, int | None]:
    """What the service needs on a host: its most memory while it transcribed, also on the GPU.

    None where it was not measured: without the service's check, or without a GPU.
    """
    told: Mapping[str, Any] = next(
        (check["evidence"] for check in checks if (check["id"], check["name"]) == SERVICE), {}
    )
    figures = {
        "peak_bytes": told.get("peak_memory_bytes"),
        "gpu_peak_bytes": told.get("gpu_peak_bytes"),
    }
    return {name: None if value is None else int(value) for name, value in figures.items()}


def _lock(lock: Mapping[str, Any]) -> dict[str, Any]:
    """What is locked; transcripts only where a person has accepted some."""
    kept = {key: value for key, value in lock.items() if value or key != TRANSCRIPTS}
    return {
        "inputs": {},
        "expected_outputs": {},
        **kept,
        "sha256": sha256_hex(canonical_json(kept)),
    }


def _subjects(name: str, release: Release) -> list[dict[str, Any]]:
    """The image by its config digest, and every model file by its SHA-256."""
    image_id = str(release.image["image_id"])
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", image_id):
        raise _refused(f"the image id {image_id!r}", "sha256: and 64 hex digits")
    image = {"name": f"stt-engine:{name}", "digest": {"sha256": image_id.removeprefix("sha256:")}}
    models = [
        {"name": f"{directory}/{file['path']}", "digest": {"sha256": file["sha256"]}}
        for directory, files in _directories(release)
        for file in sorted(files, key=lambda file: str(file["path"]))
    ]
    return [image, *models]


def _directories(release: Release) -> list[tuple[str, Sequence[Mapping[str, Any]]]]:
    directories = [(_model_directory(release), release.model["files"])]
    for conversion in release.conversions:
        directories.append((_conversion_directory(release, conversion), conversion["files"]))
    return directories


def _model_directory(release: Release) -> str:
    return f"{_model_root(release)}/{release.model['commit']}"


def _model_root(release: Release) -> str:
    return f"models/{str(release.model['repository']).replace('/', '_')}"


def _conversion_directory(release: Release, conversion: Mapping[str, Any]) -> str:
    """The published directory's own name: it tells commit, quantization and content."""
    return f"{_model_root(release)}/{Path(str(conversion['path'])).name}"


def _image(release: Release) -> dict[str, Any]:
    image = release.image
    return {
        "tag": release.tag,
        "id": image["image_id"],
        "input_digest": image["input_digest"],
        "base_digest": image["base_digest"],
        "layers": [dict(layer) for layer in image["layers"]],
        "size": int(image["size"]),
        **{key: image[key] for key in IMAGE_FIELDS if image.get(key)},
    }


def _files(files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"path": file["path"], "size": int(file["size"]), "sha256": file["sha256"]}
        for file in sorted(files, key=lambda file: str(file["path"]))
    ]


def _original(release: Release) -> dict[str, Any]:
    return {
        "format": "transformers",
        "repository": release.model["repository"],
        "commit": release.model["commit"],
        "directory": _model_directory(release),
        "files": _files(release.model["files"]),
    }


def _conversion(release: Release, conversion: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "format": "ctranslate2",
        "repository": release.model["repository"],
        "commit": release.model["commit"],
        "directory": _conversion_directory(release, conversion),
        "quantization": conversion["quantization"],
        "converter": dict(conversion["converter"]),
        "files": _files(conversion["files"]),
    }


def driver_for(cuda: Any) -> dict[str, str] | None:
    """The NVIDIA driver that a CUDA version (``cu128``, ``12.8``) needs; None for an image without.

    ``minimum`` is what it runs on at all, ``toolkit`` what that version was released with.
    """
    if not cuda:
        return None
    match = CUDA.fullmatch(str(cuda))
    if match is None:
        raise _refused(f"the CUDA version {cuda!r}", "a version such as cu128 or 12.8")
    packed = match["packed"]
    version = f"{packed[:-1]}.{packed[-1]}" if packed else f"{match['major']}.{match['minor']}"
    minimum = MINIMUM_DRIVERS.get(version.partition(".")[0])
    if minimum is None:
        known = ", ".join(sorted(MINIMUM_DRIVERS))
        raise _refused(f"CUDA {version}, whose driver is not known", f"CUDA {known}")
    driver = {"cuda": version, "minimum": minimum}
    if version in TOOLKIT_DRIVERS:
        driver["toolkit"] = TOOLKIT_DRIVERS[version]
    return driver


def render(statement: Mapping[str, Any]) -> bytes:
    """The file's bytes, sorted and indented: they are what is signed."""
    try:
        text = json.dumps(statement, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise _refused(f"what is no JSON ({error})", "finite numbers") from error
    # A lone surrogate, as undecodable output of a command leaves it, becomes its JSON escape.
    return f"{text}\n".encode("utf-8", "backslashreplace")


def read(path: Path) -> dict[str, Any] | None:
    """The manifest in a file, or None when there is none or it is not JSON."""
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    except OSError as error:
        raise SttError(
            f"release manifest {path}",
            found=f"a file that cannot be read ({error.strerror})",
            needed="a file that the user who releases may read",
            fix="correct its permissions, or choose another directory for releases",
        ) from error
    return content if isinstance(content, dict) else None


def reason_to_write(existing: Mapping[str, Any] | None, new: Mapping[str, Any]) -> str | None:
    """Why the manifest must be written, or None when the one there says the same.

    Sequence, times and what was only measured (seconds, memory, free space ...) make no difference.
    """
    if existing is None:
        return "there is no manifest yet"
    before, after = _substance(existing), _substance(new)
    if before == after:
        return None
    changed = [
        key for key in sorted(before.keys() | after.keys()) if before.get(key) != after.get(key)
    ]
    return f"the manifest there differs in {', '.join(changed)}"


def _substance(statement: Mapping[str, Any]) -> dict[str, Any]:
    predicate = statement.get("predicate")
    fields = dict(predicate) if isinstance(predicate, Mapping) else {}
    for name in MEASURED:
        fields.pop(name, None)
    fields["release"] = dict(fields.get("release") or {}).get("id")
    fields["checks"] = sorted(
        (str(check.get("id")), str(check.get("name")), str(check.get("status")))
        for check in fields.get("checks") or []
    )
    return {**fields, "subject": statement.get("subject"), "type": statement.get("predicateType")}
