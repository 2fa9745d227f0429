# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_phase by the real ansible-playbook: facts that grow from task to task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.controller import Controller


def phase(name: str, state: str, **parameters: Any) -> dict[str, Any]:
    return {"stt.engine.stt_phase": {"phase": name, "state": state, **parameters}}


CHECKS = [{"id": "R2.1", "name": "built", "status": "passed"}]


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


def test_an_end_without_a_beginning_fails(controller: Controller) -> None:
    (result,) = controller.run(phase("R2", "finished"), hosts="server").results
    assert result["msg"] == (
        "phase R2: found an end without a beginning; needed state: started before state: finished; "
        "fix: begin it with stt.engine.stt_phase, phase R2 and state started"
    )


@pytest.mark.parametrize("mode", [(), ("--check",)])
def test_overlapping_phases_are_kept_as_facts_of_a_host_that_is_never_reached(
    controller: Controller, mode: tuple[str, ...]
) -> None:
    facts = {
        "phases": "{{ ansible_facts['stt_release_phases'] }}",
        "checks": "{{ ansible_facts['stt_release_checks'] }}",
    }
    run = controller.run(
        phase("R2", "started"),
        phase("R3", "started"),
        {**phase("R2", "finished", changed=True, checks=CHECKS), "become": True},
        phase("R3", "finished", checks=[{**CHECKS[0], "id": "R3.1", "status": "failed"}]),
        {"ansible.builtin.debug": {"msg": facts}},
        hosts="server",
        arguments=mode,
    )
    assert [result["changed"] for result in run.results] == [False] * 5
    kept = run.results[-1]["msg"]
    assert [(p["id"], p["changed"], p["status"]) for p in kept["phases"]] == [
        ("R2", True, "passed"),
        ("R3", False, "failed"),
    ]
    assert all(p["started"] < p["finished"] and p["seconds"] >= 0 for p in kept["phases"])
    assert [check["id"] for check in kept["checks"]] == ["R2.1", "R3.1"]
    assert kept["phases"][1]["started"] < kept["phases"][0]["finished"]


def test_what_another_run_left_in_a_fact_cache_is_left_behind(
    controller: Controller, tmp_path: Path
) -> None:
    controller.environment.update(
        ANSIBLE_CACHE_PLUGIN="ansible.builtin.jsonfile",
        ANSIBLE_CACHE_PLUGIN_CONNECTION=str(tmp_path / "facts"),
    )
    controller.run(phase("R1", "started"), hosts="server")
    assert list((tmp_path / "facts").iterdir())
    (result,) = controller.run(phase("R2", "started"), hosts="server").results
    assert [entry["id"] for entry in result["phases"]] == ["R2"]
