# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_model_fetch from servers that answer ranges now and then: what is on the disk is right."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.integration.model_lab import CHUNK, WEIGHTS, Case, HubProcess

pytest_plugins = ["tests.integration.model_fixtures"]

KEPT = 9
FIRST = CHUNK // 2
# In no chunk that a killed run may have kept.
LATE = 20_000_000


def killed(case: Case, hub: HubProcess) -> None:
    """Leave the first chunks of the weights behind, as a killed download does."""
    hub.fault("stall", path=WEIGHTS, after=0.5, skip=KEPT)
    case.ok(wait=False)
    os.kill(case.wait_for_bytes(KEPT * CHUNK + CHUNK // 4), signal.SIGKILL)
    hub.reset()


def test_whole_file_does_not_overwrite_what_was_kept(
    case: Case, hub: HubProcess, repository: Path
) -> None:
    killed(case, hub)
    hub.fault("no_range", path=WEIGHTS)
    hub.fault("corrupt", path=WEIGHTS, value=FIRST)
    # Slow enough for what was kept to be hashed before the whole file passes over it.
    hub.fault("rate", path=WEIGHTS, value=20_000_000)
    case.ok()
    case.check_published(repository)


def test_whole_file_that_stays_wrong_is_given_up(
    case: Case, hub: HubProcess, repository: Path
) -> None:
    killed(case, hub)
    hub.fault("no_range", path=WEIGHTS)
    hub.fault("corrupt", path=WEIGHTS, value=LATE)
    assert " after 3 downloads; needed sha256:" in case.message()
    case.check_nothing_published()
    hub.reset()
    case.ok()
    case.check_published(repository)


@pytest.mark.parametrize("skip", [1, 6])
@pytest.mark.parametrize("rate", [5_000_000, 30_000_000])
def test_server_that_stops_answering_ranges_within_one_run(
    case: Case, hub: HubProcess, repository: Path, skip: int, rate: int
) -> None:
    """Ranges are right, and the whole file is wrong where ranges had been; or the other way."""
    hub.fault("no_range", path=WEIGHTS, skip=6)
    hub.fault("corrupt", path=WEIGHTS, value=FIRST, skip=skip)
    hub.fault("rate", path=WEIGHTS, value=rate)
    result = case.fetch()
    if result.get("failed"):
        assert " after 3 downloads; needed sha256:" in result["msg"]
        case.check_nothing_published()
        hub.reset()
        case.ok()
    case.check_published(repository)


def test_some_of_a_mirrors_nodes_ignore_ranges(
    case: Case, hub: HubProcess, repository: Path
) -> None:
    hub.fault("no_range", path=WEIGHTS, skip=6, count=1)
    hub.fault("rate", path=WEIGHTS, value=10_000_000)
    result = case.ok()
    assert result["repeated"] == []
    case.check_published(repository)


def test_whole_file_that_breaks_off_after_it_was_hashed_in_part(
    case: Case, hub: HubProcess, repository: Path
) -> None:
    killed(case, hub)
    hub.fault("no_range", path=WEIGHTS)
    hub.fault("cut", path=WEIGHTS, value=0.7, count=1, skip=4)
    hub.fault("corrupt", path=WEIGHTS, value=11 * CHUNK, skip=5)
    hub.fault("rate", path=WEIGHTS, value=20_000_000)
    result = case.ok()
    assert result["repeated"] == []
    case.check_published(repository)
