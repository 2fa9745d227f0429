# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the models of a verification must be: as sealed, or else as the host's own manifests say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._model_manifest import (
    Document,
    read_manifest,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_request import VerifyRequest

ORIGINAL = "transformers"
CONVERTED = "ctranslate2"


@dataclass(frozen=True)
class Known:
    """What is known of each model's files; None of one that nothing tells of."""

    served: Document | None = None
    original: Document | None = None
    alternatives: Mapping[str, Document | None] = field(default_factory=dict)


def known_models(request: VerifyRequest) -> Known:
    """What a sealed manifest says of the models; the host's manifests count only without one."""
    if request.sealed:
        return _sealed(request)
    return Known(
        read_manifest(request.ctranslate2) if request.ctranslate2 is not None else None,
        read_manifest(request.transformers) if request.transformers is not None else None,
        {one.quantization: read_manifest(one.path) for one in request.alternatives},
    )


def _sealed(request: VerifyRequest) -> Known:
    for model in request.sealed:
        _require_files(model)
    originals = [dict(one) for one in request.sealed if one.get("format") == ORIGINAL]
    conversions = [dict(one) for one in request.sealed if one.get("format") == CONVERTED]
    if not conversions or (request.transformers is not None and not originals):
        raise _not_sealed(
            f"{len(originals)} originals and {len(conversions)} conversions",
            "every model that is judged, the served conversion before the others",
        )
    by_name = {one.get("quantization"): one for one in conversions[1:]}
    return Known(
        conversions[0],
        originals[0] if originals else None,
        {one.quantization: by_name.get(one.quantization) for one in request.alternatives},
    )


def _require_files(model: Mapping[str, Any]) -> None:
    files = model.get("files")
    right = isinstance(files, Sequence) and all(
        isinstance(file, Mapping) and {"path", "size", "sha256"} <= file.keys() for file in files
    )
    if not right or not files:
        raise _not_sealed(
            f"no list of files of {model.get('directory', 'a model')}",
            "path, size and sha256 of each file",
        )


def _not_sealed(found: str, needed: str) -> SttError:
    return SttError(
        "parameter models.sealed",
        found=found,
        needed=needed,
        fix="hand on the models of the release's manifest.json as they are",
    )
