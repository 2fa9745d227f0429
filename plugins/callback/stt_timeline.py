# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Completes a release's report with the run's tasks, which are only known when the run is over."""

from __future__ import annotations

DOCUMENTATION = """
name: stt_timeline
type: aggregate
version_added: 0.1.0
short_description: Count the run's tasks in the release's report
description:
  - At the end of a run, writes into each C(report.json) that M(stt.engine.stt_release_report) wrote
    how many tasks were ok, changed and failed on all hosts together.
  - Without it C(tasks) stays null in the report.
requirements:
  - enable it in C(callbacks_enabled)
author:
  - stt.engine contributors (@stt-engine)
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from ansible.executor.stats import AggregateStats
from ansible.executor.task_result import CallbackTaskResult
from ansible.plugins.callback import CallbackBase

from ansible_collections.stt.engine.plugins.module_utils._report import render
from ansible_collections.stt.engine.plugins.module_utils._store import write_atomically

ACTION = "stt.engine.stt_release_report"


class CallbackModule(CallbackBase):
    """Remembers the reports of the run and completes them at its end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE: ClassVar[str] = "aggregate"
    CALLBACK_NAME: ClassVar[str] = "stt.engine.stt_timeline"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._reports: list[Path] = []

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """Note the path of a report that was written."""
        if result.task.resolved_action == ACTION:
            path = result.result.get("paths", {}).get("json")
            if path and not result.task.check_mode:
                self._reports.append(Path(path))

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """Write the counts into every report of the run."""
        tasks = count(stats.summarize(host) for host in stats.processed)
        for path in self._reports:
            try:
                complete(path, tasks)
            except (OSError, ValueError) as error:
                self._display.warning(f"{path} was not completed with the run's tasks: {error}")


def count(summaries: Iterable[dict[str, int]]) -> dict[str, int]:
    """The tasks of all hosts; a host that was not reached counts as failed."""
    tasks = {"ok": 0, "changed": 0, "failed": 0}
    for summary in summaries:
        tasks["ok"] += summary["ok"]
        tasks["changed"] += summary["changed"]
        tasks["failed"] += summary["failures"] + summary["unreachable"]
    return tasks


def complete(path: Path, tasks: dict[str, int]) -> None:
    """Put the counts into a report."""
    report = json.loads(path.read_bytes())
    report["tasks"] = tasks
    write_atomically(path, render(report))
