# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The software bill of materials of a release, in CycloneDX 1.6."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError

SPEC_VERSION = "1.6"
# Any fixed value will do: serial numbers are then the same for the same content.
_NAMESPACE = uuid.UUID("6f0d2b0c-5d1c-5f0e-9d53-7a4a8b1d9c55")
_EXPRESSION = re.compile(r"\b(?:AND|OR|WITH)\b")
_IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}")


def bill_of_materials(
    components: Sequence[Mapping[str, Any]],
    *,
    release: str,
    image: Mapping[str, Any],
    model: Mapping[str, Any],
    conversions: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Image, packages and model files of a release as one CycloneDX document.

    ``components`` is what stt_image_verify returned; each has ``kind``, ``name``, ``version``,
    ``licence`` and ``purl``. The document is a function of its arguments: it carries no time.
    """
    if not components:
        raise SttError(
            f"bill of materials of {release}",
            found="no components",
            needed="the packages that stt_image_verify lists in its phase R2",
            fix="judge the image in phase R2 and hand on its components",
        )
    image_id = str(image.get("image_id", ""))
    if not _IMAGE_ID.fullmatch(image_id):
        raise SttError(
            f"bill of materials of {release}",
            found=f"the image id {image_id!r}",
            needed="sha256: and 64 hexadecimal digits",
            fix="hand on the image as stt_image_build returned it",
        )
    packages = [_package(component) for component in components]
    models = [_model(model, "original")]
    models += [_model(one, str(one.get("quantization", ""))) for one in conversions]
    listed = [*packages, *models]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, release + image_id)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": image_id,
                "name": str(image.get("tag", "stt-engine")).partition(":")[0],
                "version": release,
                "hashes": [_hash(image_id.removeprefix("sha256:"))],
            }
        },
        "components": sorted(listed, key=lambda one: (one["type"], one["bom-ref"])),
        "dependencies": [
            {"ref": image_id, "dependsOn": sorted(package["bom-ref"] for package in packages)}
        ],
    }


def _package(component: Mapping[str, Any]) -> dict[str, Any]:
    package: dict[str, Any] = {
        "type": "library",
        "bom-ref": str(component["purl"]),
        "name": str(component["name"]),
        "version": str(component["version"]),
        "purl": str(component["purl"]),
    }
    licence = str(component.get("licence") or "").strip()
    if licence:
        package["licenses"] = [_licence(licence)]
    return package


def _licence(text: str) -> dict[str, Any]:
    """Free text stays a name: only a licence's own list could say whether it is an identifier."""
    if _EXPRESSION.search(text) and "\n" not in text:
        return {"expression": text}
    return {"license": {"name": text.splitlines()[0]}}


def _model(model: Mapping[str, Any], form: str) -> dict[str, Any]:
    reference = f"{model.get('repository', 'model')}@{model.get('commit', '')}#{form}"
    return {
        "type": "machine-learning-model",
        "bom-ref": reference,
        "name": str(model.get("repository", "model")),
        "version": f"{model.get('commit', '')} {form}".strip(),
        "components": [
            {
                "type": "file",
                "bom-ref": f"{reference}/{file['path']}",
                "name": str(file["path"]),
                "hashes": [_hash(str(file["sha256"]))],
            }
            for file in sorted(model["files"], key=lambda file: str(file["path"]))
        ],
    }


def _hash(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest}
