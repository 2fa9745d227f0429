# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bill of materials is what the CycloneDX schema demands, and names everything."""

from __future__ import annotations

from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from ansible_collections.stt.engine.plugins.module_utils._digest import canonical_json
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._sbom import bill_of_materials

COMPONENTS = [
    {
        "kind": "pypi",
        "name": "torch",
        "version": "2.8.0",
        "licence": "BSD-3-Clause",
        "purl": "pkg:pypi/torch@2.8.0",
    },
    {
        "kind": "pypi",
        "name": "tqdm",
        "version": "4.67.1",
        "licence": "MPL-2.0 AND MIT",
        "purl": "pkg:pypi/tqdm@4.67.1",
    },
    {
        "kind": "deb",
        "name": "libc6",
        "version": "2.36-9",
        "licence": "",
        "purl": "pkg:deb/debian/libc6@2.36-9",
    },
]
FILES = [{"path": "model.safetensors", "size": 3, "sha256": "a" * 64}]


def bill(components: Any = None, image_id: str = "sha256:" + "b" * 64) -> dict[str, Any]:
    model = {"repository": "openai/whisper", "commit": "c" * 40, "files": FILES}
    return bill_of_materials(
        COMPONENTS if components is None else components,
        release="cuda128-debian12-v1.2-0123456789ab",
        image={"image_id": image_id, "tag": "stt-engine:0123456789ab"},
        model=model,
        conversions=[{**model, "quantization": "int8_float16"}],
    )


def test_components_are_needed() -> None:
    with pytest.raises(SttError, match="found no components; needed the packages"):
        bill([])


def test_an_image_id_is_needed() -> None:
    with pytest.raises(SttError, match="found the image id 'latest'"):
        bill(image_id="latest")


def test_it_is_valid_and_names_packages_licences_and_model_files() -> None:
    document = bill()
    errors = JsonStrictValidator(SchemaVersion.V1_6).validate_str(canonical_json(document).decode())
    assert errors is None
    by_name = {component["name"]: component for component in document["components"]}
    assert by_name["torch"]["licenses"] == [{"license": {"name": "BSD-3-Clause"}}]
    assert by_name["tqdm"]["licenses"] == [{"expression": "MPL-2.0 AND MIT"}]
    assert "licenses" not in by_name["libc6"]
    forms = [c["version"] for c in document["components"] if c["type"] == "machine-learning-model"]
    assert forms == ["c" * 40 + " int8_float16", "c" * 40 + " original"]
    assert document["metadata"]["component"]["hashes"][0]["content"] == "b" * 64


def test_the_same_release_gives_the_same_document() -> None:
    assert bill() == bill(list(reversed(COMPONENTS)))
    assert bill()["serialNumber"] != bill(image_id="sha256:" + "d" * 64)["serialNumber"]
