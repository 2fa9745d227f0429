# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One report from one result set."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._report import (
    build_report,
    headline,
    next_step,
    render,
    same_but_for_times,
)
from tests.unit.plugins.release_samples import (
    check,
    passed_on_cpu,
    passed_on_gpu,
    passed_with_quantizations,
    stopped_in_r5,
)

NOW = datetime(2026, 1, 31, 9, 0, 0, tzinfo=UTC)
SCHEMA = json.loads((Path(__file__).parents[4] / "docs/report.schema.json").read_text("utf-8"))


def report(results: dict[str, Any], language: str = "en") -> dict[str, Any]:
    return build_report(results, language=language, now=NOW)


def without(results: dict[str, Any], *names: str) -> dict[str, Any]:
    results["checks"] = [
        one for one in results["checks"] if f"{one['id']}/{one['name']}" not in names
    ]
    return results


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(SttError) as raised:
        report({"check": []})
    assert str(raised.value).startswith(
        "release report: found the unknown key check in the results; needed only release, tag, "
    )
    assert raised.value.fix == "did you mean checks?"


@pytest.mark.parametrize("path", ["/var/log/build.log", "../build.log", "logs/../../x"])
def test_a_log_outside_the_release_is_refused(path: str) -> None:
    with pytest.raises(SttError) as raised:
        report({**passed_on_cpu(), "logs": [path]})
    assert str(raised.value) == (
        f"release report: found the log {path}; needed a path within the release's directory, such "
        "as logs/build.log; fix: fetch the log into the release's directory first"
    )


def test_an_empty_result_set_fails() -> None:
    made = report({})
    assert made["verdict"] == "failed"
    assert {line["status"] for line in made["checklist"] + made["criteria"]} == {"error"}
    assert {phase["status"] for phase in made["phases"]} == {"failed"}


def test_an_item_without_a_result_fails_the_release() -> None:
    made = report(without(passed_on_cpu(), "R1.3/own_superseded_removed"))
    assert made["verdict"] == "failed"
    (line,) = [line for line in made["checklist"] if line["status"] != "passed"][:1]
    assert (line["item"], line["status"], line["note"]) == (
        "cleaned",
        "error",
        "no result: R1.3",
    )
    (closing,) = [one for one in made["checks"] if one["id"] == "R6.3"]
    assert closing["status"] == "failed"
    assert closing["found"] == ("24 of 27 items are ticked, 2 skipped for a reason; open: cleaned")


def test_a_planned_check_without_a_result_fails_the_release() -> None:
    made = report({**passed_on_cpu(), "planned": ["R5.9/more"]})
    assert made["verdict"] == "failed"
    assert [(c["id"], c["name"], c["status"]) for c in made["checks"] if c["id"] == "R5.9"] == [
        ("R5.9", "more", "error")
    ]


def test_a_failed_check_that_no_item_knows_fails_the_release() -> None:
    results = passed_on_cpu()
    results["checks"].append(check("R1.1", "memory_again", "failed", "3 GB"))
    assert report(results)["verdict"] == "failed"


def test_the_closing_checklist_is_itself_a_check() -> None:
    made = report({**passed_on_cpu(), "planned": ["R6.3"]})
    (closing,) = [one for one in made["checks"] if one["id"] == "R6.3"]
    assert (closing["name"], closing["status"]) == ("checklist", "passed")
    assert closing["found"] == "25 of 27 items are ticked, 2 skipped for a reason"


@pytest.mark.parametrize(
    ("results", "words"),
    [
        (passed_on_cpu(), ("Passed, except GPU", "통과 (GPU 제외)")),
        (passed_on_gpu(), ("Passed", "통과")),
        (stopped_in_r5(), ("Failed", "실패")),
    ],
    ids=["cpu", "gpu", "stopped"],
)
def test_the_verdict_in_words(results: dict[str, Any], words: tuple[str, str]) -> None:
    assert (headline(report(results)), headline(report(results, "ko"))) == words
    assert next_step(report(results)) != next_step(report(results, "ko"))


def test_a_passed_release_without_a_gpu_says_so() -> None:
    made = report(passed_on_cpu())
    assert (made["verdict"], made["gpu"]) == ("passed", "absent")
    assert "Only what needs a GPU is unproven" in next_step(made)
    assert report(passed_on_gpu())["gpu"] == "proven"


def test_the_phases_have_planned_and_taken_time() -> None:
    phases = {phase["id"]: phase for phase in report(passed_on_cpu())["phases"]}
    assert (phases["R2"]["seconds"], phases["R2"]["planned_seconds"]) == (161.0, [1200, 2400])
    assert [phase["changed"] for phase in phases.values()] == [
        False,
        True,
        True,
        False,
        False,
        False,
    ]


def test_the_phase_that_reports_ends_with_the_release() -> None:
    last = report(passed_on_cpu())["phases"][-1]
    assert (last["id"], last["status"], last["finished"]) == (
        "R6",
        "passed",
        "2026-01-31T08:06:30.000Z",
    )
    assert last["seconds"] == 9.0


def test_a_stopped_release_tells_where_and_what_it_did_not_reach() -> None:
    results = stopped_in_r5()
    del results["failure"]["phase"]
    made = report(results)
    assert (made["verdict"], made["failure"]["phase"]) == ("failed", "R5")
    assert [phase["status"] for phase in made["phases"]] == [
        *["passed"] * 4,
        "failed",
        "not_run",
    ]
    statuses = {line["item"]: line["status"] for line in made["checklist"]}
    assert (statuses["tidied"], statuses["logs"]) == ("not_run", "not_run")
    assert [one["item"] for one in made["beyond"]] == ["texts_faster_whisper", "texts_transformers"]


def test_a_release_that_was_stopped_never_passes() -> None:
    results = {**passed_on_gpu(), "failure": {"msg": "the daemon went away"}}
    made = report(results)
    assert made["verdict"] == "failed"
    assert made["failure"]["msg"] == "the daemon went away"
    assert made["failure"]["phase"] == "R6"


def test_measured_sizes_stand_beside_planned_ones() -> None:
    lines = {line["item"]: line for line in report(passed_on_cpu())["checklist"]}
    assert [
        (lines[i]["measured_bytes"], lines[i]["planned_size"])
        for i in lines
        if "planned" in i or lines[i]["planned_size"]
    ] == [
        (7_799_044_272, "7.3 GB"),
        (7_441_300, "1.6 GB"),
        (5_000_000, "0.9 GB"),
    ]


def test_the_start_is_that_of_the_first_phase_unless_given() -> None:
    results = passed_on_cpu()
    del results["started"], results["finished"]
    made = report(results)
    assert (made["started"], made["finished"]) == (
        "2026-01-31T08:00:00.000Z",
        "2026-01-31T09:00:00.000Z",
    )
    assert made["seconds"] == 3600.0


def test_usual_reasons_are_told_in_korean() -> None:
    lines = {line["item"]: line for line in report(passed_on_cpu(), "ko")["checklist"]}
    assert lines["cuda"]["note"] == "이 서버에 GPU가 없음"
    assert lines["faster_whisper"]["note"] == (
        "Faster-Whisper 로드 (int8_float16): 이 서버에 GPU가 없음"
    )


def test_the_given_results_are_left_as_they_are() -> None:
    results = passed_on_cpu()
    before = copy.deepcopy(results)
    report(results)
    assert results == before


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize(
    "results",
    [
        passed_on_cpu(),
        passed_on_gpu(),
        passed_with_quantizations(),
        stopped_in_r5(),
        {},
        {"failure": {"msg": "x"}},
    ],
    ids=["cpu", "gpu", "quantizations", "stopped", "empty", "stopped at once"],
)
def test_every_report_fits_the_published_schema(results: dict[str, Any], language: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(json.loads(json.dumps(report(results, language))), SCHEMA)


def test_the_schema_refuses_what_is_no_report() -> None:
    good = report(passed_on_cpu())
    for wrong in (
        {**good, "verdict": "unknown"},
        {**good, "more": 1},
        {key: value for key, value in good.items() if key != "checks"},
        {**good, "phases": good["phases"][:5]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, SCHEMA)


def test_output_that_was_no_text_can_be_written_and_read() -> None:
    made = report({"checks": [check("R1.1", "a", found="caf\udce9 \x00")]})
    assert json.loads(render(made)) == made


def test_a_number_that_is_no_json_is_never_written() -> None:
    made = report({"checks": [check("R1.1", "a", evidence={"rate": float("nan")})]})
    with pytest.raises(SttError, match="found what is no JSON"):
        render(made)


def test_times_and_measured_figures_are_no_change() -> None:
    results = passed_on_cpu()
    for one in results["checks"]:
        one["seconds"] *= 2
        one["found"] += " again"
    results["phases"] = [
        {**phase, "started": phase["started"].replace("08:", "09:")} for phase in results["phases"]
    ]
    assert same_but_for_times(report(passed_on_cpu()), report(results, "ko"))


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r["checks"][0].update(status="failed"),
        lambda r: r["checks"].append(check("R5.9", "x")),
        lambda r: r.update(release="other"),
        lambda r: r["image"].update(image_id="sha256:0"),
        lambda r: r["models"][0]["files"][0].update(sha256="0" * 64),
        lambda r: r.update(failure={"msg": "stopped"}),
        lambda r: r.update(logs=[]),
    ],
)
def test_other_content_is_a_change(change: Any) -> None:
    results = passed_on_cpu()
    change(results)
    assert not same_but_for_times(report(passed_on_cpu()), report(results))
