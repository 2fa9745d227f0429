# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests that fetch a model: one hub for each file of tests, one root for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.model_lab import Case, HubProcess, make_repository


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the hub serves."""
    return make_repository(tmp_path_factory.mktemp("repositories"))


@pytest.fixture(scope="module")
def running_hub(repository: Path) -> Iterator[HubProcess]:
    """A hub in a process of its own."""
    with HubProcess(repository.parents[1]) as hub:
        yield hub


@pytest.fixture
def hub(running_hub: HubProcess) -> HubProcess:
    """The hub without faults and with counts at zero."""
    running_hub.reset()
    return running_hub


@pytest.fixture
def case(hub: HubProcess, tmp_path: Path) -> Case:
    """A fetch from that hub to a root of its own."""
    return Case(hub, tmp_path / "stt")
