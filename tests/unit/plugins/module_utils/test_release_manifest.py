# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest: what it states, what it refuses, when it is written."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils import _release_manifest as manifest
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._release_verdict import judge
from tests.unit.plugins.release_samples import check, digest, passed_on_cpu

SEALED = datetime(2026, 1, 31, 8, 6, 30, tzinfo=UTC)
RESULTS = passed_on_cpu()
UNSIGNED = {"algorithm": "none", "unsigned": True}
CONVERTER = {"ctranslate2": "4.8.5", "transformers": "5.23.0"}


def release(**changes: Any) -> manifest.Release:
    original, converted = copy.deepcopy(RESULTS["models"])
    fields: dict[str, Any] = {
        "tag": RESULTS["tag"],
        "image": RESULTS["image"],
        "model": original,
        "conversions": [{**converted, "converter": CONVERTER}],
        "lock": {"inputs": {"a": 1}, "expected_outputs": {}},
        "gpu": "absent",
        "tools": {"docker": "26.1.5"},
        "peak_memory_bytes": 3,
    }
    return manifest.Release(**{**fields, **changes})


def statement(
    checks: list[dict[str, Any]] | None = None, sealed: datetime = SEALED, **changes: Any
) -> dict[str, Any]:
    judgement = judge(RESULTS["checks"] if checks is None else checks)
    return manifest.build_statement(release(**changes), judgement, UNSIGNED, sealed)


@pytest.mark.parametrize("status", ["failed", "error"])
def test_a_failed_verdict_is_not_sealed(status: str) -> None:
    checks = [check("R4.1", "a"), check("R5.2", "load_float32", status, "no model.bin")]
    with pytest.raises(SttError) as raised:
        statement(checks)
    assert str(raised.value) == (
        f"release {release().id}: found a failed verdict "
        f"(R5.2 load_float32 {status}: no model.bin); "
        "needed every planned check passed, or skipped for a reason; fix: mend load float32"
    )


def test_a_release_without_a_passed_check_is_not_sealed() -> None:
    with pytest.raises(SttError, match=r"found a failed verdict \(no check passed\)"):
        statement([check("R4.3", "cuda", "skipped", "no GPU")])


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"image": {**RESULTS["image"], "image_id": "abc"}}, "the image id 'abc'"),
        ({"image": {**RESULTS["image"], "cuda": "cuda"}}, "the CUDA version 'cuda'"),
        (
            {"image": {**RESULTS["image"], "cuda": "99.1"}},
            "CUDA 99.1, whose driver is not known",
        ),
        (
            {
                "conversions": [
                    {"path": "a", "quantization": "a", "converter": {"a": 1}, "files": []},
                    {"path": "b", "quantization": "b", "converter": {"a": 2}, "files": []},
                ]
            },
            "conversions by different converter versions",
        ),
    ],
)
def test_what_cannot_be_stated_is_refused(changes: dict[str, Any], found: str) -> None:
    with pytest.raises(SttError) as raised:
        statement(**changes)
    assert (raised.value.object, raised.value.found) == ("release manifest", found)


def test_the_statement_is_in_toto_s_and_names_image_and_every_file() -> None:
    made = statement()
    assert made["_type"] == "https://in-toto.io/Statement/v1"
    assert made["predicateType"] == "https://stt.engine/release/v1"
    names = {one["name"]: one["digest"]["sha256"] for one in made["subject"]}
    root = f"models/stt-lab_whisper-tiny-en-ko/{RESULTS['models'][0]['commit']}"
    assert names == {
        f"stt-engine:{release().id}": digest("image"),
        f"{root}/config.json": digest("config.json"),
        f"{root}/model.safetensors": digest("model.safetensors"),
        f"{root}-ct2-int8_float16-0123456789ab/model.bin": digest("model.bin"),
        f"{root}-ct2-int8_float16-0123456789ab/vocabulary.json": digest("vocabulary.json"),
    }
    assert len(names) == len(made["subject"])


def test_the_predicate_holds_the_evidence() -> None:
    predicate = statement()["predicate"]
    assert predicate["release"] == {
        "id": release().id,
        "sequence": 1769846790,
        "sealed": "2026-01-31T08:06:30.000Z",
    }
    assert (predicate["verdict"], predicate["gpu"]) == ("passed", "absent")
    assert predicate["driver"] == {"cuda": "12.8", "minimum": "525.60.13", "toolkit": "570.26"}
    assert predicate["image"]["layers"] == RESULTS["image"]["layers"]
    assert predicate["image"]["base_digest"] == RESULTS["image"]["base_digest"]
    assert [m["format"] for m in predicate["models"]] == ["transformers", "ctranslate2"]
    assert predicate["models"][1]["converter"] == CONVERTER
    assert predicate["lock"]["inputs"] == {"a": 1}
    assert len(predicate["checks"]) == len(RESULTS["checks"])
    assert sum(predicate["counts"].values()) == len(RESULTS["checks"])
    assert predicate["signature"] == UNSIGNED


@pytest.mark.parametrize(
    ("cuda", "driver"),
    [
        (None, None),
        ("", None),
        ("cu129", {"cuda": "12.9", "minimum": "525.60.13", "toolkit": "575.51.03"}),
        ("12.9.1", {"cuda": "12.9", "minimum": "525.60.13", "toolkit": "575.51.03"}),
        ("cu130", {"cuda": "13.0", "minimum": "580.65.06", "toolkit": "580.65.06"}),
        ("12.1", {"cuda": "12.1", "minimum": "525.60.13"}),
        ("cu118", {"cuda": "11.8", "minimum": "450.80.02"}),
    ],
)
def test_the_driver_that_a_cuda_version_needs(cuda: str | None, driver: Any) -> None:
    assert manifest.driver_for(cuda) == driver


def test_the_bytes_are_json_that_reads_back_and_never_vary() -> None:
    made = statement()
    assert json.loads(manifest.render(made)) == made
    assert manifest.render(made) == manifest.render(json.loads(manifest.render(made)))


def test_output_that_was_no_text_does_not_stop_the_sealing() -> None:
    made = statement([*RESULTS["checks"], check("R5.9", "x", found="\udcff")])
    assert json.loads(manifest.render(made)) == made


def test_a_missing_or_damaged_manifest_is_written(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    assert manifest.read(path) is None
    for damage in ("", "{", "[]", "\udcff"):
        path.write_bytes(damage.encode("utf-8", "surrogateescape"))
        assert manifest.read(path) is None
    assert manifest.reason_to_write(None, statement()) == "there is no manifest yet"
    with pytest.raises(SttError, match="found what is no JSON"):
        manifest.render({"seconds": float("inf")})


def test_the_services_memory_is_stated_as_its_check_measured_it() -> None:
    def stated(*checks: dict[str, Any]) -> Any:
        return statement([check("R4.1", "a"), *checks])["predicate"]["service_memory"]

    measured = check("R5.7", "service_transcribes")
    measured["evidence"] = {"peak_memory_bytes": 123, "gpu_peak_bytes": 456}
    assert stated(measured) == {"peak_bytes": 123, "gpu_peak_bytes": 456}
    # On a host without a GPU, and from an image that has no service.
    measured["evidence"] = {"peak_memory_bytes": 123, "gpu_peak_bytes": None}
    assert stated(measured) == {"peak_bytes": 123, "gpu_peak_bytes": None}
    assert stated(check("R5.7", "service_health")) == {"peak_bytes": None, "gpu_peak_bytes": None}


def test_accepted_transcripts_are_stated_and_none_leave_the_statement_as_it_was() -> None:
    lock = {"inputs": {"a": 1}, "expected_outputs": {}}
    bare = statement()
    assert "accepted_transcripts" not in bare["predicate"]["lock"]
    empty = statement(lock={**lock, "accepted_transcripts": {}})
    assert manifest.reason_to_write(bare, empty) is None
    accepted = {"repository": "a/b", "clips": {"order.wav": {"text": "안녕하세요"}}}
    full = statement(lock={**lock, "accepted_transcripts": accepted})
    assert full["predicate"]["lock"]["accepted_transcripts"] == accepted
    assert manifest.reason_to_write(bare, full) == "the manifest there differs in lock"


def test_times_sequence_and_measured_figures_are_no_reason() -> None:
    checks = copy.deepcopy(RESULTS["checks"])
    for one in checks:
        one["seconds"] += 1
        one["evidence"]["peak_memory_bytes"] = 77
        if one["status"] == "passed":
            one["found"] = "87.1 GB free"
    later = datetime(2026, 2, 1, tzinfo=UTC)
    new = statement(checks[::-1], sealed=later, peak_memory_bytes=99)
    assert manifest.reason_to_write(statement(), new) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"gpu": "proven"}, "gpu"),
        ({"tools": {"docker": "27.0"}}, "tools"),
        ({"lock": {"inputs": {"a": 2}}}, "lock"),
        ({"tag": "cuda128-debian12-v1.3"}, "image, release, subject"),
    ],
)
def test_other_content_is_a_reason(changes: dict[str, Any], field: str) -> None:
    reason = manifest.reason_to_write(statement(), statement(**changes))
    assert reason == f"the manifest there differs in {field}"


def test_another_result_of_a_check_is_a_reason() -> None:
    checks = [*RESULTS["checks"], check("R5.9", "more")]
    assert manifest.reason_to_write(statement(), statement(checks)) == (
        "the manifest there differs in checks, counts"
    )


@pytest.mark.parametrize("damage", [{"predicate": None}, {"predicate": {"checks": None}}])
def test_a_manifest_without_a_predicate_is_replaced(damage: dict[str, Any]) -> None:
    reason = manifest.reason_to_write({**statement(), **damage}, statement())
    assert reason is not None
    assert reason.startswith("the manifest there differs in ")


def test_an_edited_digest_is_a_reason() -> None:
    edited = statement()
    edited["subject"][1]["digest"]["sha256"] = "0" * 64
    assert manifest.reason_to_write(edited, statement()) == "the manifest there differs in subject"
