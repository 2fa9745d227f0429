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
  - A release whose files M(stt.engine.stt_release_files) signed in this run is signed again with
    the same key, so that its list is true of the completed report. Where list or report are not
    as that module left them, both stay so, and a warning says it.
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

from ansible_collections.stt.engine.plugins.module_utils import _release_files as files
from ansible_collections.stt.engine.plugins.module_utils._digest import sha256_hex
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._release_sign import Signer
from ansible_collections.stt.engine.plugins.module_utils._report import render
from ansible_collections.stt.engine.plugins.module_utils._store import write_atomically

REPORT = "stt.engine.stt_release_report"
FILES = "stt.engine.stt_release_files"


class CallbackModule(CallbackBase):
    """Remembers the reports of the run and completes them at its end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE: ClassVar[str] = "aggregate"
    CALLBACK_NAME: ClassVar[str] = "stt.engine.stt_timeline"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._reports: list[Path] = []
        self._signed: dict[Path, dict[str, Any]] = {}

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """Note a report that was written, and a release whose files were signed after it."""
        if result.task.check_mode or result.task.resolved_action not in (REPORT, FILES):
            return
        if result.task.resolved_action == FILES:
            self._signed[Path(result.result["path"]).parent] = dict(result.result)
        elif result.result.get("paths", {}).get("json"):
            self._reports.append(Path(result.result["paths"]["json"]))

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """Write the counts into every report of the run."""
        tasks = count(stats.summarize(host) for host in stats.processed)
        for path in self._reports:
            try:
                complete(path, tasks, self._signed.get(path.parent))
            except (OSError, ValueError, SttError) as error:
                self._display.warning(f"{path} was not completed with the run's tasks: {error}")


def count(summaries: Iterable[dict[str, int]]) -> dict[str, int]:
    """The tasks of all hosts; a host that was not reached counts as failed."""
    tasks = {"ok": 0, "changed": 0, "failed": 0}
    for summary in summaries:
        tasks["ok"] += summary["ok"]
        tasks["changed"] += summary["changed"]
        tasks["failed"] += summary["failures"] + summary["unreachable"]
    return tasks


def complete(path: Path, tasks: dict[str, int], signed: dict[str, Any] | None) -> None:
    """Put the counts into a report, and renew the list of a release that was signed."""
    data = path.read_bytes()
    report = json.loads(data)
    report["tasks"] = tasks
    content = render(report)
    if signed is None:
        write_atomically(path, content)
        return
    key = signed["key_file"]
    signer = Signer(Path(key), signed["openssl"]) if key else None
    entries = listed(path, data, signer)
    entries[path.name] = sha256_hex(content)
    files.write(path.parent, entries, signer, {path.name: content})


def listed(path: Path, data: bytes, signer: Signer | None) -> dict[str, str]:
    """What the run's own list says: nothing that was edited since is signed with it."""
    entries = files.signed_before(path.parent, signer)
    if entries is None or entries.get(path.name) != sha256_hex(data):
        raise SttError(
            f"release files {path.parent}",
            found=f"{files.LIST_NAME} or {path.name} changed since this run signed them",
            needed="both as stt.engine.stt_release_files left them",
            fix="find out what changed them, bring the release back and run again",
        )
    return entries
