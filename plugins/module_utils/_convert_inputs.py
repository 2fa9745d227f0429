# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a conversion is made from: its name, and which input differs from a locked one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._digest import canonical_json, sha256_hex
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError

NOT_RECORDED = "not recorded"

# Counts up when the way of converting changes what comes out.
METHOD = 1


def input_digest(
    source_files: Mapping[str, str], quantization: str, versions: Mapping[str, str]
) -> str:
    """The identity of a conversion: what it is made from, what it becomes and what makes it."""
    document = {
        "method": METHOD,
        "files": dict(source_files),
        "quantization": quantization,
        "versions": dict(versions),
    }
    return sha256_hex(canonical_json(document))


def differing_inputs(found: Mapping[str, Any], locked: Mapping[str, Any]) -> list[str]:
    """Each locked input that is another now, with both values: ``quantization int8, locked ...``.

    The versions of the converter's packages are compared one by one. A lock may leave inputs out
    on purpose, such as the image: those are not compared.
    """
    present, wanted = _flat(found), _flat(locked)
    return [
        f"{name} {present.get(name, NOT_RECORDED)}, locked {wanted[name]}"
        for name in sorted(wanted)
        if present.get(name) != wanted[name]
    ]


def refuse_drift(
    place: Path,
    files: Sequence[Mapping[str, Any]],
    expected: Sequence[Mapping[str, Any]],
    inputs: Mapping[str, Any],
    expected_inputs: Mapping[str, Any],
) -> None:
    """Raise unless the files are those that the lock expects, where it expects any."""
    if not expected:
        return
    found = {file["path"]: file["sha256"] for file in files}
    wanted = {file["path"]: file["sha256"] for file in expected}
    moved = sorted(path for path in found | wanted if found.get(path) != wanted.get(path))
    if not moved:
        return
    raise SttError(
        f"conversion {place.name}",
        found="other files than locked: "
        + ", ".join(f"{path} {found.get(path, 'missing')}" for path in moved)
        + _reason(inputs, expected_inputs),
        needed=", ".join(f"{path} {wanted.get(path, 'not there')}" for path in moved),
        fix="if image, model or quantization were changed on purpose, accept the new files "
        "with release_lock_update=true; otherwise find what changed",
        drift=moved,
        differing_inputs=differing_inputs(inputs, expected_inputs) if expected_inputs else [],
    )


def _reason(inputs: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    if not expected:
        return "; the lock records no inputs to compare"
    different = differing_inputs(inputs, expected)
    if different:
        return f"; the inputs that differ: {'; '.join(different)}"
    names = ", ".join(sorted(expected))
    return (
        f"; every recorded input is equal ({names}), so what they do not tell differs: the "
        "content of the image, or this machine's processor"
    )


def _flat(inputs: Mapping[str, Any]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in inputs.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}.{part}": str(entry) for part, entry in value.items()})
        else:
            flat[str(name)] = str(value)
    return flat
