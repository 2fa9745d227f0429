# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two sealed releases that really differ, made by what seals a real one."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.plugin_utils._compare import Release
from tests.unit.plugins.release_samples import MODELS, check, digest
from tests.unit.plugins.sealed_release import SEALED, Sealed, seal

OLD_PACKAGES = {"torch": "2.8.0", "numpy": "2.4.6", "click": "8.5.1"}
NEW_PACKAGES = {"torch": "2.8.1", "numpy": "2.4.6", "anyio": "4.16.0"}
NEW_TEXT = "please lend two boxes of paper to the second floor today"
NEW_LAYER = {"diff_id": f"sha256:{digest('new layer')}", "size": 2_100_000}
COMMIT = "e" * 40


def newer(results: dict[str, Any]) -> None:
    """What the second release has otherwise: image, model, quantizations, checks and a text."""
    image, models = results["image"], results["models"]
    image["layers"] = [*image["layers"][:6], NEW_LAYER, *image["layers"][7:]]
    image.update(input_digest=digest("other input"), image_id=f"sha256:{digest('other image')}")
    added = {**models[1], "quantization": "float32", "path": f"{MODELS}/{COMMIT}-ct2-float32-1"}
    results["models"] = [models[0], models[1], added]
    results["checks"].append(check("R5.9", "quantization_float32"))
    for result in results["checks"]:
        if result["name"] == "memory":
            result.update(status="skipped", found="not asked")
        if result["name"] == "faster_whisper_texts":
            entries = copy.deepcopy(result["evidence"]["transcripts"])
            entries[0].update(text=NEW_TEXT)
            result["evidence"]["transcripts"] = [*entries[:2], {**entries[2], "clip": "noise.mp3"}]


def two(place: Path, **second: Any) -> tuple[Sealed, Sealed]:
    """The older and the newer one, in one directory, sealed by one key."""
    older = seal(place, packages=OLD_PACKAGES)
    later = {"change": newer, "packages": NEW_PACKAGES, "sealed": SEALED + timedelta(days=1)}
    return older, seal(place, **{**later, **second})


def documents(sealed: Sealed, proof: str = "signature") -> Release:
    """A release's documents as they lie on disk."""
    names = ("manifest.json", "report.json", "sbom.cdx.json")
    manifest, report, sbom = (json.loads((sealed.release / n).read_bytes()) for n in names)
    return Release(manifest["predicate"], report, sbom, proof)
