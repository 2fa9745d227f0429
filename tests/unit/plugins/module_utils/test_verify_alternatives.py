# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alternatives to the served conversion: judged first, told to the checks, part of what is kept."""

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
from ansible_collections.stt.engine.plugins.module_utils._verify import verify
from ansible_collections.stt.engine.plugins.module_utils._verify_collect import STEPS as ALL_STEPS
from ansible_collections.stt.engine.plugins.module_utils._verify_collect import collect
from ansible_collections.stt.engine.plugins.module_utils._verify_container import ContainerRun
from ansible_collections.stt.engine.plugins.module_utils._verify_request import (
    VerifyRequest,
    image_arguments,
    model_arguments,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_subject import (
    Subject,
    describe_subject,
    reuse_key,
    specification,
)
from tests.unit.model_files import write_ctranslate2
from tests.unit.plugins.module_utils.test_verify import image, params, result, run_of

MODEL = "models/a_b"
STEPS = [f"R5.{number}" for number in range(1, 9)]


def convert(host: Path, quantization: str) -> Path:
    """A conversion with the manifest that stt_model_convert leaves."""
    directory = write_ctranslate2(host / MODEL / quantization, quantization)
    manifest = {
        "format": 1,
        "quantization": quantization,
        "files": hash_files(directory),
        "stamps": {},
    }
    manifest_path(directory).write_text(json.dumps(manifest))
    return directory


@pytest.fixture
def host(tmp_path: Path) -> Path:
    for quantization in ("int8_float16", "float32", "int8"):
        convert(tmp_path, quantization)
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "clips.json").write_text("[]")
    (tmp_path / "checks.pyz").write_bytes(b"archive")
    return tmp_path


def asked(host: Path, *alternatives: str, **paths: str) -> VerifyRequest:
    """A request that compares int8_float16 with these, each in its own directory by default."""
    models = {
        "ctranslate2": str(host / MODEL / paths.get("served", "int8_float16")),
        "transformers": None,
        "name": "a_b",
        "alternatives": [
            {"quantization": name, "path": str(host / MODEL / paths.get(name, name))}
            for name in alternatives
        ],
    }
    return VerifyRequest.from_params("R5", params(host, models=models))


def subject_of(request: VerifyRequest) -> Subject:
    return describe_subject(request, image())


def test_only_the_model_checks_take_alternatives() -> None:
    assert "alternatives" in model_arguments()["models"]["options"]
    assert "alternatives" not in image_arguments()["models"]["options"]


def test_each_is_mounted_and_told_with_its_manifest_s_files(host: Path) -> None:
    request = asked(host, "float32", "int8")
    mounts = request.mounts()
    assert mounts["/app/models/quantizations/int8"] == host / MODEL / "int8"
    assert mounts["/app/models/quantizations/float32"] == host / MODEL / "float32"
    document = specification(request, subject_of(request), gpu_given=False)
    assert document["expected"]["quantization"] == "int8_float16"
    told = document["models"]["alternatives"]
    assert [(one["quantization"], one["path"]) for one in told] == [
        ("float32", "quantizations/float32"),
        ("int8", "quantizations/int8"),
    ]
    assert told[1]["files"] == hash_files(host / MODEL / "int8")


def test_without_alternatives_nothing_is_planned_and_nothing_more_is_mounted(host: Path) -> None:
    request = asked(host)
    assert request.alternatives == ()
    assert not any("quantizations" in place for place in request.mounts())
    assert subject_of(request).comparison() == []
    assert (
        specification(request, subject_of(request), gpu_given=False)["models"]["alternatives"] == []
    )


@pytest.mark.parametrize(
    ("alternatives", "paths", "found"),
    [
        (("int8", "int8"), {}, "int8 twice"),
        (("int8_float16",), {}, "int8_float16 twice"),
        (("int8",), {"int8": "float32"}, "a manifest that says float32"),
    ],
)
def test_what_is_no_comparison_is_refused(
    host: Path, alternatives: tuple[str, ...], paths: dict[str, str], found: str
) -> None:
    with pytest.raises(SttError) as raised:
        subject_of(asked(host, *alternatives, **paths))
    assert found in raised.value.found
    assert raised.value.fix


@pytest.mark.parametrize("name", ["int8_float16", "int8"])
def test_a_conversion_without_a_manifest_is_refused(host: Path, name: str) -> None:
    manifest_path(host / MODEL / name).unlink()
    with pytest.raises(SttError, match="no manifest") as raised:
        subject_of(asked(host, "int8"))
    assert str(host / MODEL / name) in raised.value.object


def test_an_alternative_that_is_not_there_is_named_and_skips_in_check_mode(host: Path) -> None:
    request = asked(host, "int8", int8="gone")
    with pytest.raises(SttError, match="model converted to int8: found nothing at"):
        verify(request, check_mode=False)
    assert verify(request, check_mode=True)["skipped"] is True


def test_the_key_of_a_verdict_moves_with_the_alternatives(host: Path) -> None:
    def key(*alternatives: str) -> dict[str, str]:
        request = asked(host, *alternatives)
        return reuse_key(request, subject_of(request))

    alone, both = key(), key("float32", "int8")
    assert len({key()["models"], key("int8")["models"], both["models"]}) == 3
    assert {name: alone[name] for name in alone if name != "models"} == {
        name: both[name] for name in both if name != "models"
    }
    assert both == key("float32", "int8")
    path = host / MODEL / "int8/config.json"
    path.write_bytes(path.read_bytes())
    assert key("float32", "int8") != both
    assert key() == alone


def run_with(*names: str) -> ContainerRun:
    """A whole run of R5 with these checks of the comparison."""
    results = [*(result(step) for step in STEPS), *(result("R5.9", name) for name in names)]
    plan: dict[str, Any] = {"planned": [{"id": one["id"], "name": one["name"]} for one in results]}
    return run_of([plan, *results, {"finished": {"verdict": "passed"}}])


def test_a_comparison_that_was_not_planned_is_an_error_by_name(host: Path) -> None:
    wanted = subject_of(asked(host, "float32")).comparison()
    names = [name for _step, name in wanted]
    assert names == ["reference_float32", "quantization_int8_float16", "quantization_float32"]
    _planned, checks = collect(ALL_STEPS["R5"], run_with(*names), 60, wanted)
    assert {check["status"] for check in checks} == {"passed"}
    _planned, checks = collect(ALL_STEPS["R5"], run_with(*names[:2]), 60, wanted)
    (lost,) = [check for check in checks if check["status"] == "error"]
    assert (lost["id"], lost["name"]) == ("R5.9", "quantization_float32")
    assert lost["found"].startswith("no result: it was not planned; the container ended")
    _planned, checks = collect(ALL_STEPS["R5"], run_with(), 60, wanted)
    assert [check["name"] for check in checks if check["status"] == "error"] == names
