# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several containers of a phase: who judges what, and how their results become one list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._check_result import verdict
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._verify import take_components
from ansible_collections.stt.engine.plugins.module_utils._verify_collect import (
    GATES_OF_ENGINE,
    GATES_OF_FILES,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_container import ContainerRun
from ansible_collections.stt.engine.plugins.module_utils._verify_parts import (
    Judged,
    heard_texts,
    in_place,
    lacking_keys,
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
from tests.unit.plugins.module_utils.test_verify import params, result

REFERENCE = "sha256:" + "0123456789abcdef" * 4


def lacking(step: str, name: str, status: str = "skipped", **evidence: Any) -> dict[str, Any]:
    return {**result(step, name, status), "evidence": {"lacks": ["torch"], **evidence}}


def test_only_what_lacked_packages_goes_to_the_reference_image() -> None:
    checks = [
        result("R4.3", "libraries"),
        lacking("R4.3", "torch_version"),
        {**result("R4.3", "gpu", "skipped"), "found": "no GPU on this host"},
        lacking("R5.9", "quantization_int8", "passed"),
        lacking("R5.9", "quantization_float32", "failed"),
    ]
    assert lacking_keys(checks) == [("R4.3", "torch_version"), ("R5.9", "quantization_int8")]


def test_results_of_the_reference_image_stand_in_the_places_of_the_skips() -> None:
    checks = [
        lacking("R4.3", "torch_version"),
        result("R4.3", "libraries"),
        lacking("R5.9", "quantization_int8", "passed", bytes=5),
    ]
    others = [
        {**result("R5.9", "quantization_int8"), "evidence": {"bytes": 7}},
        result("R4.3", "torch_version", "failed"),
        result("R5.9", "suite_complete_reference", "error"),
    ]
    placed = in_place(checks, others, REFERENCE)
    assert [one["name"] for one in placed] == [
        "torch_version",
        "libraries",
        "quantization_int8",
        "suite_complete_reference",
    ]
    assert placed[0]["status"] == "failed"
    assert placed[0]["found"] == "in the reference image 0123456789ab: it does"
    assert placed[0]["evidence"]["image"] == REFERENCE
    assert placed[1] == checks[1]
    assert placed[2]["evidence"] == {
        "bytes": 7,
        "image": REFERENCE,
        "in_engine_image": {"lacks": ["torch"], "bytes": 5},
    }
    assert verdict(placed) == "failed"
    # A reference image that said nothing leaves no skip behind that looks like its verdict.
    assert in_place(checks, [], REFERENCE) == checks


def test_the_reference_image_is_told_what_was_heard_where_no_text_is_known() -> None:
    known = {"clip": "b.wav", "text": "Yes.", "good": True}
    unknown = {"clip": "a.wav", "text": "No.", "unknown": True}
    heard = {"transcripts": [known, unknown]}
    served = {"transcripts": [{**unknown, "text": "Oh."}]}
    checks = [
        {**result("R5.5", "faster_whisper_texts"), "evidence": heard},
        {**result("R5.5", "real_time_factor"), "evidence": heard},
        result("R5.7", "service_health"),
        {**result("R5.7", "service_transcribes"), "evidence": served},
    ]
    assert heard_texts(checks) == {
        "a.wav": {
            "faster-whisper of the engine image": "No.",
            "the service of the engine image": "Oh.",
        }
    }


def test_the_highest_figure_of_all_containers_counts() -> None:
    def run(**finished: Any) -> ContainerRun:
        return ContainerRun(messages=[{"planned": []}, {"finished": finished}])

    judged = Judged(runs=[run(peak_memory_bytes=3), run(peak_memory_bytes=5), ContainerRun()])
    assert judged.most("peak_memory_bytes") == 5
    assert judged.most("container_peak_bytes") is None


def test_components_are_taken_out_of_the_evidence() -> None:
    inventory = {**result("R2.5", "inventory"), "evidence": {"components": [{"name": "x"}]}}
    checks = [result("R2.5", "labels"), inventory]
    assert take_components(checks) == [{"name": "x"}]
    assert checks[1]["evidence"] == {}
    assert take_components([]) == []


def test_every_gate_of_the_archive_is_wanted_from_its_container() -> None:
    """An archive that plans less than this module knows cannot pass."""
    import stt_checks.catalogue
    import stt_checks.r2_gate

    planned: dict[str | None, list[str]] = {}
    for check in stt_checks.catalogue.checks("R2"):
        planned.setdefault(check.part, []).append(check.name)
    assert planned == {
        stt_checks.r2_gate.FILES: list(GATES_OF_FILES),
        stt_checks.r2_gate.ENGINE: list(GATES_OF_ENGINE),
    }


@pytest.fixture
def host(tmp_path: Path) -> Path:
    (tmp_path / "checks.pyz").write_bytes(b"archive")
    for name in ("converted", "original"):
        (tmp_path / "models" / "a_b" / name).mkdir(parents=True)
    return tmp_path


def image(command: list[str], labels: dict[str, str] | None = None, **config: Any) -> Any:
    return {"Id": "sha256:abc", "Config": {"Labels": labels, "Cmd": command, **config}}


def test_an_image_is_judged_without_models(host: Path) -> None:
    request = VerifyRequest.from_params("R2", params(host, models=None, clips=None, base="b:1"))
    assert (request.missing(), request.base, request.uid) == (None, "b:1", 2000)
    assert list(request.mounts()) == ["/checks/checks.pyz"]
    subject = describe_subject(request, image(["python3"]))
    assert specification(request, subject, gpu_given=False)["models"] == {}
    key = reuse_key(request, subject, base="sha256:1")
    assert key != reuse_key(request, subject, base="sha256:2")
    with pytest.raises(SttError, match="parameter models"):
        VerifyRequest.from_params("R4", params(host, models=None))


def test_a_reference_image_is_part_of_the_key_and_needs_the_original(host: Path) -> None:
    given = params(host, clips=None, reference_image="full:1")
    request = VerifyRequest.from_params("R5", given)
    subject = describe_subject(request, image(["python3"]))
    assert reuse_key(request, subject) != reuse_key(request, subject, reference=REFERENCE)
    with pytest.raises(SttError, match=r"models\.transformers"):
        VerifyRequest.from_params(
            "R5", {**given, "models": {**given["models"], "transformers": None}}
        )


@pytest.mark.parametrize(
    ("command", "python"),
    [
        (["/opt/app-root/bin/python3", "-m", "stt_engine"], "/opt/app-root/bin/python3"),
        (["/venv/bin/python3.9", "server.py"], "/venv/bin/python3.9"),
        (["python3", "server.py"], "python3"),
        (["/usr/bin/uvicorn", "server:app"], "python3"),
        ([], "python3"),
    ],
)
def test_the_checks_run_in_the_services_python(host: Path, command: list[str], python: str) -> None:
    request = VerifyRequest.from_params("R2", params(host, models=None))
    assert describe_subject(request, image(command)).python == python


def test_another_engine_is_taken_by_what_its_image_says(host: Path) -> None:
    request = VerifyRequest.from_params("R4", params(host, clips=None))
    config = {"WorkingDir": "/srv", "ExposedPorts": {"9000/tcp": {}, "53/udp": {}}}
    subject = describe_subject(request, image(["python3", "server.py"], **config))
    assert (subject.variant, subject.service_directory) == ("foreign", "/srv")
    assert (subject.expected["port"], subject.expected["library_path"]) == (9000, False)
    two = describe_subject(request, image([], ExposedPorts={"1/tcp": {}, "2/tcp": {}}))
    assert "port" not in two.expected
    own = describe_subject(request, image([], {"stt.engine.variant": "slim"}))
    assert (own.variant, "library_path" in own.expected) == ("slim", False)


def test_only_an_image_alone_is_judged_by_its_lock() -> None:
    image_options, model_options = image_arguments(), model_arguments()
    assert image_options["phase"]["choices"] == ["R2", "R4"]
    assert {"packages", "modules", "os", "glibc"} <= image_options["expected"]["options"].keys()
    assert "packages" not in model_options["expected"]["options"]
    assert model_options["models"]["required"] is True
    assert "required" not in image_options["models"]


@pytest.mark.parametrize(
    ("labels", "expected", "variant"),
    [
        ({}, None, "foreign"),
        ({"stt.engine.owner": "stt.engine", "stt.engine.input-digest": "a"}, None, "foreign"),
        ({"stt.engine.variant": "slim"}, None, "slim"),
        ({"stt.engine.variant": "slim"}, "full", "slim"),
        ({"stt.engine.variant": "", "stt.engine.cuda": "cu129"}, None, "full"),
        ({"stt.engine.variant": "", "stt.engine.cuda": "cu129"}, "slim", "slim"),
        ({"stt.engine.variant": "big"}, None, "full"),
        ({"stt.engine.cuda": "cu129"}, None, "full"),
        ({}, "full", "full"),
    ],
)
def test_no_label_makes_an_image_of_ours_another_engine(
    host: Path, labels: dict[str, str], expected: str | None, variant: str
) -> None:
    given = params(host, models=None, clips=None, expected={"variant": expected})
    request = VerifyRequest.from_params("R2", given)
    assert describe_subject(request, image(["python3"], labels)).variant == variant


@pytest.mark.parametrize("named", ["cu129", "12.9"])
@pytest.mark.parametrize("label", ["cu129", "cu128", "cu12.9", ""])
def test_cuda_is_what_the_caller_says_and_not_the_label(host: Path, named: str, label: str) -> None:
    given = params(host, models=None, clips=None, expected={"cuda": named})
    request = VerifyRequest.from_params("R2", given)
    subject = describe_subject(request, image(["python3"], {"stt.engine.cuda": label}))
    assert (subject.expected["cuda"], subject.expected["cuda_label"]) == ("12.9", "cu129")


def test_cuda_that_is_no_version_is_refused(host: Path) -> None:
    given = params(host, models=None, clips=None, expected={"cuda": "latest"})
    request = VerifyRequest.from_params("R2", given)
    with pytest.raises(SttError, match=r"parameter expected\.cuda"):
        describe_subject(request, image(["python3"]))
