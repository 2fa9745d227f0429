# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between two sealed releases, as one document without words in any language."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FORMAT = 1
ORIGINAL = "original"
IMAGE_KEYS = (
    *("tag", "input_digest", "base", "base_digest", "cuda", "variant"),
    *("revision", "platform", "reference"),
)
PURL = re.compile(r"pkg:(?P<kind>[^/@]+)/(?P<name>[^@?]+)")

Document = dict[str, Any]
Rows = list[Document]


@dataclass(frozen=True)
class Release:
    """One of the two: what its manifest states, its report and its bill of materials.

    ``proof`` is how it was proven: ``signature``, or ``list`` where no signature could be judged.
    """

    predicate: Mapping[str, Any]
    report: Mapping[str, Any]
    sbom: Mapping[str, Any]
    proof: str


def compare(before: Release, after: Release) -> Document:
    """The whole comparison; the same two releases always give the same document."""
    layers, files = _layers(before, after), _files(before, after)
    found: Document = {
        "versions": _moved(_versions(before), _versions(after)),
        "packages": _packages(before, after),
        "layers": layers,
        "files": files,
        "quantizations": {"from": _quantizations(before), "to": _quantizations(after)},
        "checks": _moved(_checks(before), _checks(after)),
        "transcripts": _transcripts(before, after),
    }
    model_bytes = _new_bytes(before, after)
    return {
        "format": FORMAT,
        "from": _head(before),
        "to": _head(after),
        "same": not _anything(found),
        **found,
        # Layers as the engine keeps them: how small they get on their way is not known here.
        "bytes": {
            "layers_uncompressed": layers["new_bytes"],
            "models": model_bytes,
            "total": layers["new_bytes"] + model_bytes,
        },
    }


def _anything(found: Mapping[str, Any]) -> bool:
    """Whether any part of a comparison tells of a difference."""
    layers, transcripts = found["layers"], found["transcripts"]
    quantizations = found["quantizations"]
    return bool(
        found["versions"]
        or found["packages"]["changes"]
        or layers["new"]
        or layers["gone"]
        or found["files"]["changes"]
        or quantizations["from"] != quantizations["to"]
        or found["checks"]
        or transcripts["changes"]
        or transcripts["added"]
        or transcripts["removed"]
    )


def _head(release: Release) -> Document:
    predicate = release.predicate
    return {
        "id": str(predicate["release"]["id"]),
        "sealed": str(predicate["release"]["sealed"]),
        "sequence": int(predicate["release"]["sequence"]),
        "verdict": str(predicate["verdict"]),
        "gpu": str(predicate["gpu"]),
        "image_id": str(predicate["image"]["id"]),
        "proof": release.proof,
    }


def _moved(old: Mapping[str, Any], new: Mapping[str, Any]) -> Rows:
    """Each name whose value differs; None stands for a name that one of the two has not."""
    return [
        {"name": name, "before": old.get(name), "after": new.get(name)}
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _versions(release: Release) -> dict[str, str]:
    """What went in besides the packages, and what it was made with, under dotted names."""
    predicate = release.predicate
    inputs = dict(_flat(predicate["lock"].get("inputs") or {}))
    image = {key: predicate["image"].get(key) for key in IMAGE_KEYS}
    original, *conversions = predicate["models"]
    model = {key: original.get(key) for key in ("repository", "commit")}
    converter = conversions[0].get("converter") if conversions else {}
    parts = {
        "image": image,
        "model": model,
        "converter": converter or {},
        "driver": predicate.get("driver") or {},
        "tools": predicate.get("tools") or {},
    }
    return {**inputs, **dict(_flat(parts))}


def _flat(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Nested mappings as dotted names; the packages are told of on their own."""
    for key, item in value.items():
        name = f"{path}{key}"
        if isinstance(item, Mapping):
            if key != "packages":
                yield from _flat(item, f"{name}.")
        elif isinstance(item, list):
            yield name, ", ".join(str(one) for one in item)
        elif item not in (None, ""):
            yield name, str(item)


def _packages(before: Release, after: Release) -> Document:
    old, new = _listed_packages(before.sbom), _listed_packages(after.sbom)
    same = sum(old[key] == new[key] for key in old.keys() & new.keys())
    changes = [
        {
            "kind": key[0],
            "name": key[1],
            "before": old.get(key),
            "after": new.get(key),
        }
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
    return {"same": same, "changes": changes}


def _listed_packages(sbom: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """The versions of each package by its kind and name; a name may be there more than once."""
    versions: dict[tuple[str, str], list[str]] = {}
    for component in sbom["components"]:
        match = PURL.match(str(component.get("purl") or ""))
        if match:
            key = (match["kind"], str(component["name"]))
            versions.setdefault(key, []).append(str(component["version"]))
    return {key: ", ".join(sorted(found)) for key, found in versions.items()}


def _layers(before: Release, after: Release) -> Document:
    """Layers by their content: one that is there in another place need not be brought again."""
    old, new = (
        {str(layer["diff_id"]): dict(layer) for layer in release.predicate["image"]["layers"]}
        for release in (before, after)
    )
    fresh = [layer for key, layer in new.items() if key not in old]
    shared = [layer for key, layer in new.items() if key in old]
    return {
        "shared": len(shared),
        "shared_bytes": sum(int(layer["size"]) for layer in shared),
        "new": fresh,
        "new_bytes": sum(int(layer["size"]) for layer in fresh),
        "gone": [layer for key, layer in old.items() if key not in new],
    }


def _model_files(release: Release) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Every model file by the form of its model and its path in it."""
    return {
        (str(model.get("quantization") or ORIGINAL), str(file["path"])): file
        for model in release.predicate["models"]
        for file in model["files"]
    }


def _files(before: Release, after: Release) -> Document:
    old, new = _model_files(before), _model_files(after)
    changes, same, same_bytes = [], 0, 0
    for key in sorted(old.keys() | new.keys(), key=lambda key: (key[0] != ORIGINAL, key)):
        one, other = old.get(key), new.get(key)
        if one and other and one["sha256"] == other["sha256"]:
            same, same_bytes = same + 1, same_bytes + int(other["size"])
            continue
        changes.append(
            {"model": key[0], "path": key[1], "before": _file(one), "after": _file(other)}
        )
    return {"same": same, "same_bytes": same_bytes, "changes": changes}


def _file(file: Mapping[str, Any] | None) -> Document | None:
    return None if file is None else {"size": int(file["size"]), "sha256": str(file["sha256"])}


def _new_bytes(before: Release, after: Release) -> int:
    """The bytes of the model files whose content is not there yet, each content counted once."""
    there = {str(file["sha256"]) for file in _model_files(before).values()}
    files = {str(file["sha256"]): int(file["size"]) for file in _model_files(after).values()}
    return sum(count for digest, count in files.items() if digest not in there)


def _quantizations(release: Release) -> list[str]:
    """The first is served."""
    found = (model.get("quantization") for model in release.predicate["models"])
    return [str(name) for name in found if name]


def _checks(release: Release) -> dict[str, str]:
    return {
        f"{check['id']}/{check['name']}": str(check["status"])
        for check in release.predicate["checks"]
    }


def _transcripts(before: Release, after: Release) -> Document:
    """Each clip's texts by the check that transcribed it; equal differences are told once."""
    old, new = _texts(before.report), _texts(after.report)
    both = sorted(old.keys() & new.keys())
    rows: dict[tuple[Any, ...], Document] = {}
    for key in both:
        one, other = old[key], new[key]
        if one == other:
            continue
        row = {"clip": key[0], "before": one, "after": other, "checks": []}
        told = rows.setdefault((key[0], *one.values(), *other.values()), row)
        told["checks"].append(key[1])
    clips, others = {key[0] for key in old}, {key[0] for key in new}
    return {
        "compared": len(both),
        "changes": list(rows.values()),
        "added": sorted(others - clips),
        "removed": sorted(clips - others),
    }


def _texts(report: Mapping[str, Any]) -> dict[tuple[str, str], Document]:
    return {
        (str(entry["clip"]), f"{check['id']}/{check['name']}"): {
            "text": str(entry.get("text") or ""),
            "expected": str(entry.get("expected") or ""),
            "language": str(entry.get("language_expected") or entry.get("language") or ""),
            "good": bool(entry.get("good")),
        }
        for check in report["checks"]
        for entry in _entries(check)
    }


def _entries(check: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    entries = check["evidence"].get("transcripts")
    return entries if isinstance(entries, list) else []
