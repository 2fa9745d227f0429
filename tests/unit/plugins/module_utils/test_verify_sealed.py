# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models are held against what was sealed, whatever manifests lie beside them on the host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._model_manifest import (
    hash_files,
    manifest_path,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_request import (
    VerifyRequest,
    image_arguments,
    model_arguments,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_subject import (
    describe_subject,
    reuse_key,
    specification,
)
from tests.unit.model_files import write_ctranslate2
from tests.unit.plugins.module_utils.test_verify import image, params

COMMIT = "41f0"


def entry(directory: Path, **more: Any) -> dict[str, Any]:
    """A model as a release's manifest has it."""
    return {
        "format": "ctranslate2" if "quantization" in more else "transformers",
        "repository": "a/b",
        "commit": COMMIT,
        "directory": f"models/a_b/{directory.name}",
        "files": hash_files(directory),
        **more,
    }


@pytest.fixture
def host(tmp_path: Path) -> Path:
    for quantization in ("int8", "float32"):
        write_ctranslate2(tmp_path / quantization, quantization)
    (tmp_path / "original").mkdir()
    (tmp_path / "original" / "config.json").write_text("{}")
    (tmp_path / "checks.pyz").write_bytes(b"archive")
    return tmp_path


def sealed(host: Path) -> list[dict[str, Any]]:
    return [
        entry(host / "original"),
        entry(host / "int8", quantization="int8"),
        entry(host / "float32", quantization="float32"),
    ]


def request(host: Path, known: list[dict[str, Any]], **models: Any) -> VerifyRequest:
    given = {
        "ctranslate2": str(host / "int8"),
        "transformers": str(host / "original"),
        "name": "a_b",
        "alternatives": [{"quantization": "float32", "path": str(host / "float32")}],
        "sealed": known,
        **models,
    }
    return VerifyRequest.from_params("R5", params(host, clips=None, models=given))


def told(one: VerifyRequest) -> dict[str, Any]:
    document = specification(one, describe_subject(one, image()), gpu_given=False)
    return dict(document["models"])


def forge(directory: Path, **more: Any) -> None:
    """Add a file to a model, and a manifest beside it that says it belongs there."""
    (directory / "more.py").write_text("x")
    document = {"format": 1, "files": hash_files(directory), "stamps": {}, **more}
    manifest_path(directory).write_text(json.dumps(document))


def test_what_was_sealed_is_told_whatever_the_host_says(host: Path) -> None:
    known = sealed(host)
    forge(host / "int8", quantization="float16")
    forge(host / "original", repository="x/y", commit="0")
    forge(host / "float32", quantization="float32")
    one = request(host, known)
    models = told(one)
    assert models["files"] == {"transformers": known[0]["files"], "ctranslate2": known[1]["files"]}
    assert [other["files"] for other in models["alternatives"]] == [known[2]["files"]]
    assert (models["repository"], models["commit"]) == ("a/b", COMMIT)
    assert describe_subject(one, image()).expected["quantization"] == "int8"
    # By the host's own word the added file would belong there.
    assert len(told(request(host, []))["files"]["ctranslate2"]) == len(known[1]["files"]) + 1


def test_no_manifest_on_the_host_takes_nothing_away(host: Path) -> None:
    known = sealed(host)
    assert set(told(request(host, known))["files"]) == {"transformers", "ctranslate2"}
    assert told(request(host, [], alternatives=[]))["files"] == {}


def test_a_verdict_by_other_sealed_files_is_another(host: Path) -> None:
    def key(known: list[dict[str, Any]]) -> dict[str, str]:
        one = request(host, known)
        return reuse_key(one, describe_subject(one, image()))

    other = sealed(host)
    other[1]["files"][0] = {**other[1]["files"][0], "sha256": "0" * 64}
    assert key(sealed(host)) == key(sealed(host)) != key(other)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ([1, 2], "found 0 originals and 2 conversions"),
        ([0], "found 1 originals and 0 conversions"),
        ([0, 1], "model converted to float32"),
    ],
)
def test_a_model_that_was_not_sealed_is_named(host: Path, chosen: list[int], words: str) -> None:
    known = sealed(host)
    one = request(host, [known[number] for number in chosen])
    with pytest.raises(SttError, match=words):
        describe_subject(one, image())


@pytest.mark.parametrize("files", [None, [], [{"path": "model.bin"}], ["model.bin"]])
def test_a_list_of_files_that_says_nothing_is_refused(host: Path, files: Any) -> None:
    known = sealed(host)
    known[1]["files"] = files
    with pytest.raises(SttError, match=r"no list of files of models/a_b/int8"):
        describe_subject(request(host, known), image())


def test_both_modules_take_it() -> None:
    for arguments in (image_arguments(), model_arguments()):
        assert arguments["models"]["options"]["sealed"]["elements"] == "dict"
