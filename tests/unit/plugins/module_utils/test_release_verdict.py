# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What check results add up to."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._release_verdict import judge
from tests.unit.plugins.release_samples import check


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ({"id": "R5"}, "a result without a step id and a name ('R5', 'a')"),
        ({"id": None}, "a result without a step id and a name ('None', 'a')"),
        ({"name": ""}, "a result without a step id and a name ('R1.1', '')"),
        ({"status": "ok"}, "the status 'ok', which is none of passed, failed, error, skipped"),
        ({"status": None}, "the status None, which is none of passed, failed, error, skipped"),
        ({"status": "skipped", "found": " "}, "a skip that does not say why"),
    ],
)
def test_a_result_that_is_none_is_an_error(wrong: dict[str, Any], found: str) -> None:
    judgement = judge([check("R1.2", "good"), {**check("R1.1", "a"), **wrong}])
    assert judgement.verdict == "failed"
    (bad,) = judgement.not_green
    assert (bad["status"], bad["found"]) == ("error", found)
    assert bad["fix"] == "correct what produced this result"


def test_an_empty_result_is_an_error() -> None:
    assert judge([{}]).counts == {"passed": 0, "failed": 0, "error": 1, "skipped": 0}


def test_no_result_at_all_is_not_a_pass() -> None:
    assert judge([]).verdict == "failed"
    assert judge([check("R4.3", "cuda", "skipped", "no GPU")]).verdict == "failed"


@pytest.mark.parametrize("planned", ["R4.3", "R4.3/cuda_available"])
def test_a_planned_check_without_a_result_is_an_error(planned: str) -> None:
    judgement = judge([check("R4.2", "a"), check("R4.1", "cuda_available")], [planned, "R4.2"])
    assert judgement.verdict == "failed"
    (missing,) = judgement.not_green
    assert missing["id"] == "R4.3"
    assert missing["name"] == planned.partition("/")[2] or missing["name"] == "result"
    assert missing["found"] == "no result"


@pytest.mark.parametrize("planned", ["R4.3", "R4.3/cuda"])
def test_a_skip_with_a_reason_answers_a_plan(planned: str) -> None:
    judgement = judge(
        [check("R4.2", "a"), check("R4.3", "cuda", "skipped", "no GPU on this host")], [planned]
    )
    assert judgement.verdict == "passed"
    assert judgement.counts == {"passed": 1, "failed": 0, "error": 0, "skipped": 1}


@pytest.mark.parametrize("status", ["failed", "error"])
def test_one_bad_result_fails_all(status: str) -> None:
    judgement = judge([check("R4.2", "a"), check("R4.1", "b", status)])
    assert judgement.verdict == "failed"
    assert [one["name"] for one in judgement.not_green] == ["b"]


def test_the_same_check_twice_counts_twice() -> None:
    assert judge([check("R4.2", "a"), check("R4.2", "a", "failed")]).verdict == "failed"


def test_results_are_in_the_order_of_the_runbook() -> None:
    judgement = judge([check("R5.1", "z"), check("R1.2", "b"), check("R1.2", "a")], ["R2.1"])
    assert [(one["id"], one["name"]) for one in judgement.checks] == [
        ("R1.2", "b"),
        ("R1.2", "a"),
        ("R2.1", "result"),
        ("R5.1", "z"),
    ]


TEXTS, AGREE, SERVICE, ENCODER = (
    ("R5.5", "faster_whisper_texts"),
    ("R5.6", "decoders_agree"),
    ("R5.7", "service_transcribes"),
    ("R5.8", "encoder_agreement"),
)


def skipped(key: tuple[str, str], **evidence: Any) -> dict[str, Any]:
    return {**check(*key, "skipped", "there is no clip with speech"), "evidence": evidence}


@pytest.mark.parametrize("key", [SERVICE, ENCODER])
def test_what_a_release_rests_on_cannot_be_skipped(key: tuple[str, str]) -> None:
    others = [check(*one) for one in (TEXTS, AGREE, SERVICE, ENCODER) if one != key]
    assert judge([*others, check(*key)]).verdict == "passed"
    judgement = judge([*others, skipped(key)])
    assert judgement.verdict == "failed"
    (bad,) = judgement.not_green
    assert bad["found"].startswith("skipped: there is no clip with speech; so nothing shows that ")
    assert "model_check_clips" in bad["fix"]


def test_a_text_is_proven_by_faster_whisper_or_by_agreement() -> None:
    others = [check(*SERVICE), check(*ENCODER)]
    assert judge([*others, skipped(TEXTS), check(*AGREE)]).verdict == "passed"
    assert judge([*others, check(*TEXTS), skipped(AGREE)]).verdict == "passed"
    assert judge([*others, skipped(TEXTS), skipped(AGREE)]).verdict == "failed"


def test_an_image_need_not_have_what_no_reference_image_has_either() -> None:
    lacks = {"lacks": ["torch", "transformers"]}
    slim = [check(*TEXTS), check(*SERVICE), skipped(AGREE, **lacks), skipped(ENCODER, **lacks)]
    assert judge(slim).verdict == "passed"


def test_a_service_that_nothing_was_held_against_needs_the_reference_image() -> None:
    service = {**check(*SERVICE), "evidence": {"unheld": ["a.wav"]}}
    lacks = {"lacks": ["faster_whisper"]}
    alone = [service, skipped(TEXTS, **lacks), skipped(AGREE, **lacks), skipped(ENCODER, **lacks)]
    (bad,) = judge(alone).not_green
    assert bad["found"].endswith("no other program heard it")
    assert judge([service, check(*TEXTS), check(*AGREE), check(*ENCODER)]).verdict == "passed"
