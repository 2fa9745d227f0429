# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The customer's checklist: its items and how checks decide them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._report_checklist import (
    BEYOND,
    CRITERIA,
    PHASES,
    Item,
    decide,
    gpu_state,
    required_steps,
)
from tests.unit.plugins.release_samples import CHECK_NAMES, NO_GPU, check, passed_on_cpu

ITEMS = {item.key: item for phase in PHASES for item in phase.items}
# Of a release with several quantizations, so that every item has something to decide it.
NAMES = {**CHECK_NAMES, "R5.9": ["reference_float32", "quantization_int8", "quantization_float32"]}
EVERY_ITEM = [*(item for phase in PHASES for item in phase.items), *CRITERIA, *BEYOND]


def decided(item: Item, *checks: dict[str, Any], stopped: bool = False) -> tuple[str, str]:
    decision = decide(item, checks, stopped=stopped)
    return decision.status, decision.note


@pytest.mark.parametrize("item", EVERY_ITEM, ids=lambda item: item.key)
def test_an_item_without_any_result_is_an_error(item: Item) -> None:
    status, note = decided(item)
    assert status == "error"
    assert note.startswith("no result: R")


@pytest.mark.parametrize("item", EVERY_ITEM, ids=lambda item: item.key)
def test_an_item_whose_checks_were_all_skipped_is_never_ticked(item: Item) -> None:
    checks = [check(id_, name, "skipped", NO_GPU) for id_, names in NAMES.items() for name in names]
    assert decided(item, *checks) == ("skipped", NO_GPU)


@pytest.mark.parametrize("item", EVERY_ITEM, ids=lambda item: item.key)
@pytest.mark.parametrize("status", ["failed", "error"])
def test_each_of_its_checks_can_fail_an_item(item: Item, status: str) -> None:
    passed = [check(id_, name) for id_, names in NAMES.items() for name in names]
    deciding = decide(item, passed).checks
    assert deciding
    for one in deciding:
        changed = [
            check(c["id"], c["name"], status) if f"{c['id']}/{c['name']}" == one else c
            for c in passed
        ]
        assert decide(item, changed).status == status


def test_half_of_the_steps_missing_is_an_error() -> None:
    assert decided(ITEMS["image"], check("R2.1", "image_built")) == (
        "error",
        "no result: R2.3, R2.5",
    )
    assert decided(ITEMS["cuda"], check("R4.3", "cuda_available")) == (
        "error",
        "no result: R4.3/cuda_matmul",
    )


def test_a_release_that_was_stopped_did_not_reach_the_item() -> None:
    assert decided(ITEMS["image"], stopped=True) == ("not_run", "")
    assert decided(ITEMS["image"], check("R2.1", "image_built"), stopped=True) == ("not_run", "")


def test_a_broken_check_is_not_hidden_by_the_stop() -> None:
    assert decided(ITEMS["image"], check("R2.1", "x", "error", "killed"), stopped=True) == (
        "error",
        "x: killed",
    )


def test_cuda_is_not_ticked_because_torch_is_installed() -> None:
    checks = passed_on_cpu()["checks"]
    assert decided(ITEMS["cuda"], *checks) == ("skipped", NO_GPU)
    assert decided(ITEMS["torch"], *checks) == ("passed", "")


def test_a_skip_beside_passed_checks_is_told() -> None:
    checks = passed_on_cpu()["checks"]
    assert decided(ITEMS["faster_whisper"], *checks) == (
        "passed",
        f"Faster-Whisper loads (int8_float16): {NO_GPU}",
    )


def test_the_library_path_has_a_line_of_its_own() -> None:
    checks = [
        check("R2.1", "image_built"),
        check("R2.3", "image_size"),
        check("R2.3", "library_path", "failed", "not set"),
        check("R2.5", "glibc"),
    ]
    assert decided(ITEMS["image"], *checks) == ("passed", "")
    assert decide(ITEMS["library_path"], checks).fix == "mend library path"


def test_seconds_add_up_and_each_check_counts_once() -> None:
    item = Item("x", {}, ("R5.5/*", "R5.*/a"))
    decision = decide(item, [check("R5.5", "a", seconds=1.5), check("R5.5", "b", seconds=2)])
    assert (decision.seconds, decision.checks) == (3.5, ("R5.5/a", "R5.5/b"))


def test_the_customer_s_words_are_all_there() -> None:
    korean = [[item.text["ko"] for item in phase.items] for phase in PHASES]
    assert korean == [
        ["git fetch & reset 완료", "기존 이미지/모델 정리"],
        ["이미지 빌드 성공", "LD_LIBRARY_PATH 설정됨"],
        ["Whisper 모델 다운로드", "CTranslate2 변환", "모델 파일 검증 완료"],
        ["모델 마운트 성공", "PyTorch 설치 확인", "CUDA 사용 가능", "캐시 디렉토리 권한 OK"],
        [
            "CTranslate2 구조 정상",
            "Faster-Whisper 로드 성공",
            "OpenAI Whisper 로드 성공",
            "오디오 처리 성공",
        ],
        ["빌드 결과 정리 완료", "로그 저장 완료"],
    ]
    assert [phase.name["ko"] for phase in PHASES] == [
        "환경 준비",
        "Docker 이미지 빌드",
        "모델 다운로드",
        "기본 환경 검증",
        "모델 로드 테스트",
        "최종 정리",
    ]
    assert [item.text["ko"] for item in CRITERIA] == [
        "Docker 이미지 빌드 성공",
        "모델 완벽 다운로드",
        "CTranslate2 변환 성공 (model.bin 생성)",
        "컨테이너 정상 시작",
        "CUDA 라이브러리 모두 로드",
        "PyTorch/torchaudio 정상",
        "Faster-Whisper 모델 로드 성공",
        "OpenAI Whisper 모델 로드 성공",
        "모든 파일 권한 정상",
        "CUDA 계산 테스트 성공",
    ]


def test_every_item_has_both_languages() -> None:
    assert all(set(item.text) == {"ko", "en"} for item in EVERY_ITEM)
    assert all(set(phase.name) == {"ko", "en"} for phase in PHASES)


def test_the_runbook_s_planned_times() -> None:
    assert [tuple(s // 60 for s in phase.planned_seconds) for phase in PHASES] == [
        (5, 10),
        (20, 40),
        (25, 45),
        (10, 15),
        (20, 30),
        (5, 5),
    ]


def test_every_step_that_decides_is_required() -> None:
    assert required_steps() == [
        *("R1.2", "R1.3", "R2.1", "R2.3", "R2.5", "R3.1", "R3.3", "R4.1", "R4.2", "R4.3"),
        *("R4.4", "R5.1", "R5.2", "R5.3", "R5.4", "R6.1", "R6.2"),
    ]


@pytest.mark.parametrize(
    ("available", "matmul", "state"),
    [
        ("passed", "passed", "proven"),
        ("passed", "skipped", "absent"),
        ("passed", "failed", "absent"),
        ("skipped", "passed", "absent"),
    ],
)
def test_a_gpu_is_proven_only_by_computing(available: str, matmul: str, state: str) -> None:
    checks = [check("R4.3", "cuda_available", available), check("R4.3", "cuda_matmul", matmul)]
    assert gpu_state(checks) == state
    assert gpu_state(checks[:1]) == "absent"
