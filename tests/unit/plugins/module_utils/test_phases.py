# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When phases began and ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._phases import (
    begin,
    finish,
    merge_checks,
    parse,
    timestamp,
)

NOON = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_an_end_without_a_beginning_is_refused() -> None:
    with pytest.raises(SttError) as raised:
        finish([], "R2", NOON, changed=False, checks=[])
    assert str(raised.value) == (
        "phase R2: found an end without a beginning; needed state: started before state: finished; "
        "fix: begin it with stt.engine.stt_phase, phase R2 and state started"
    )


def test_phases_may_overlap() -> None:
    phases = begin(begin([], "R2", NOON), "R3", later(1))
    phases = finish(phases, "R3", later(5), changed=True, checks=[])
    phases = finish(phases, "R2", later(9.5), changed=False, checks=[])
    assert [(p["id"], p["seconds"], p["changed"]) for p in phases] == [
        ("R2", 9.5, False),
        ("R3", 4.0, True),
    ]
    assert phases[0]["started"] == "2026-01-31T12:00:00.250Z"
    assert phases[0]["finished"] == "2026-01-31T12:00:09.750Z"


def test_a_phase_that_begins_again_forgets_its_first_end() -> None:
    phases = finish(begin([], "R1", NOON), "R1", later(1), changed=True, checks=[])
    assert begin(phases, "R1", later(2)) == [{"id": "R1", "started": timestamp(later(2))}]


def test_what_was_changed_once_stays_changed() -> None:
    phases = finish(begin([], "R1", NOON), "R1", later(1), changed=True, checks=[])
    phases = finish(phases, "R1", later(2), changed=False, checks=[])
    assert (phases[0]["changed"], phases[0]["seconds"]) == (True, 2.0)


def test_the_given_phases_are_left_as_they_are() -> None:
    phases: list[dict[str, Any]] = begin([], "R1", NOON)
    finish(phases, "R1", later(1), changed=False, checks=[])
    assert phases == [{"id": "R1", "started": timestamp(NOON)}]


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ([], "passed"),
        (["passed", "skipped"], "passed"),
        (["skipped", "skipped"], "skipped"),
        (["passed", "failed"], "failed"),
        (["passed", "error"], "failed"),
    ],
)
def test_a_phase_stands_as_its_checks_stand(statuses: list[str], status: str) -> None:
    checks = [{"id": "R1.1", "name": str(n), "status": s} for n, s in enumerate(statuses)]
    phases = finish(begin([], "R1", NOON), "R1", later(1), changed=False, checks=checks)
    assert phases[0]["status"] == status


def test_the_newest_result_of_a_check_counts_and_keeps_its_place() -> None:
    kept = [{"id": "R1.1", "name": "a", "status": "failed"}, {"id": "R1.1", "name": "b"}]
    new = [{"id": "R1.1", "name": "a", "status": "passed"}, {"id": "R1.2", "name": "a"}]
    assert merge_checks(kept, new) == [
        {"id": "R1.1", "name": "a", "status": "passed"},
        {"id": "R1.1", "name": "b"},
        {"id": "R1.2", "name": "a"},
    ]


def test_a_timestamp_reads_back() -> None:
    assert parse(timestamp(NOON)) == NOON
