# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock and report by the real ansible-playbook, on hosts that are never reached."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.integration.controller import CHECKOUT, Controller, snapshot, task
from tests.unit.plugins.release_samples import passed_on_cpu, stopped_in_r5

SCHEMA = json.loads((CHECKOUT / "docs" / "report.schema.json").read_text(encoding="utf-8"))
RESULTS = passed_on_cpu()


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


class TestLock:
    """stt_release_lock."""

    @pytest.fixture
    def lock(self, tmp_path: Path) -> Path:
        path = tmp_path / "records" / "build.lock.yml"
        path.parent.mkdir()
        return path

    def present(self, lock: Path, commit: str = "a", **parameters: Any) -> dict[str, Any]:
        given = {"state": "present", "inputs": {"model": {"commit": commit}}, **parameters}
        return task("stt_release_lock", path=str(lock), **given)

    def test_check_mode_predicts_and_writes_nothing(
        self, controller: Controller, lock: Path
    ) -> None:
        run = controller.run(self.present(lock), hosts="server", arguments=("--check", "--diff"))
        assert (run.results[0]["changed"], run.results[0]["exists"]) == (True, False)
        assert "+    commit: a" in run.output
        assert snapshot(lock.parent) == {}

    def test_written_once_then_obeyed(self, controller: Controller, lock: Path) -> None:
        nothing, first, again, reading, refused = controller.run(
            self.present(lock, inputs={}),
            self.present(lock),
            self.present(lock),
            self.present(lock, commit="b", state="read"),
            self.present(lock, commit="b"),
            hosts="server",
        ).results
        assert (nothing["changed"], nothing["exists"], nothing["inputs"]) == (False, False, {})
        assert (first["changed"], first["exists"]) == (True, False)
        assert (again["changed"], again["exists"], again["drift"]) == (False, True, [])
        assert (reading["changed"], reading["failed"], reading["msg"]) == (
            False,
            False,
            "inputs.model.commit moved from a to b",
        )
        assert reading["inputs"] == {"model": {"commit": "a"}}
        assert (refused["failed"], refused["msg"]) == (
            True,
            f"release lock {lock}: found inputs.model.commit moved from a to b; "
            "needed exactly what is locked; fix: bring it back, "
            "or accept what was found with -e release_lock_update=true and commit the lock",
        )
        assert [entry["path"] for entry in refused["drift"]] == ["inputs.model.commit"]
        assert yaml.safe_load(lock.read_text()) == {"inputs": {"model": {"commit": "a"}}}

    def test_accepted_drift_is_shown_and_written(self, controller: Controller, lock: Path) -> None:
        run = controller.run(
            self.present(lock),
            self.present(lock, commit="b", update=True),
            hosts="server",
            arguments=("--diff",),
        )
        assert run.results[1]["changed"] is True
        assert run.results[1]["inputs"] == {"model": {"commit": "b"}}
        assert "-    commit: a\n+    commit: b" in run.output
        assert yaml.safe_load(lock.read_text()) == {"inputs": {"model": {"commit": "b"}}}


class TestReport:
    """stt_release_report and the callback that completes it."""

    @pytest.fixture
    def dest(self, tmp_path: Path) -> Path:
        return tmp_path / "releases" / "one"

    @pytest.fixture
    def report(self, dest: Path) -> Callable[..., dict[str, Any]]:
        def made(**parameters: Any) -> dict[str, Any]:
            given = {"dest": str(dest), "results": RESULTS, "language": "ko", **parameters}
            return task("stt_release_report", **given)

        return made

    def test_what_cannot_be_reported_is_refused(
        self, controller: Controller, report: Callable[..., dict[str, Any]], tmp_path: Path
    ) -> None:
        blocked = tmp_path / "file" / "one"
        blocked.parent.write_text("a file where a directory is needed")
        unknown, unwritable = controller.run(
            report(results={"cheks": []}), report(dest=str(blocked)), hosts="server"
        ).results
        assert unknown["fix"] == "did you mean checks?"
        assert unwritable["msg"] == (
            f"release report {blocked}: found a place that cannot be written (Not a directory); "
            f"needed permission and space to write in {blocked}; "
            "fix: choose another directory for releases, or make room"
        )

    def test_check_mode_predicts_and_neither_prints_nor_writes(
        self, controller: Controller, report: Callable[..., dict[str, Any]], dest: Path
    ) -> None:
        run = controller.run(report(), hosts="server", arguments=("--check",))
        assert run.results[0]["changed"] is True
        assert "결과: 통과 (GPU 제외)" in run.results[0]["checklist"]
        assert "결과:" not in run.output
        assert not dest.exists()

    def test_what_is_printed_is_what_is_written(
        self, controller: Controller, report: Callable[..., dict[str, Any]], dest: Path
    ) -> None:
        run = controller.run(report(), hosts="server")
        (result,) = run.results
        assert (result["changed"], result["verdict"], result["gpu"]) == (True, "passed", "absent")
        assert set(snapshot(dest)) == {"report.json", "report.html", "junit.xml", "report.tap"}
        listed = (dest.parent / "index.html").read_text(encoding="utf-8")
        assert ('href="one/report.html"' in listed, '<html lang="ko">' in listed) == (True, True)
        written = json.loads((dest / "report.json").read_text(encoding="utf-8"))
        jsonschema.validate(written, SCHEMA)
        # The callback counted the run's tasks when it was over.
        assert written["tasks"] == {key: run.recap[key] for key in ("ok", "changed", "failed")}
        assert run.recap["ok"] == 2
        assert "\n".join(result["checklist"]) in run.output
        assert "\x1b" not in run.output
        items = [*written["checklist"], *written["criteria"], *written["beyond"]]
        shown = [line for line in result["checklist"] if line.startswith("  [")]
        marks = {"passed": "  [✓] ", "skipped": "  [-] ", "partly": "  [~] "}
        assert len(shown) == len(items)
        for item, line in zip(items, shown, strict=True):
            partly = item["status"] == "passed" and item["note"]
            mark = marks["partly" if partly else item["status"]]
            assert line.startswith(mark + item["text"])

    def test_a_later_report_of_the_same_changes_nothing_and_keeps_the_first(
        self, controller: Controller, report: Callable[..., dict[str, Any]], dest: Path
    ) -> None:
        later = {**RESULTS, "started": "2026-02-01T08:00:00.000Z", "finished": ""}
        _unused, again, stopped = controller.run(
            report(), report(results=later), report(results=stopped_in_r5()), hosts="server"
        ).results
        assert again["changed"] is False
        assert (stopped["changed"], stopped["failed"], stopped["verdict"]) == (
            True,
            False,
            "failed",
        )
        kept = snapshot(dest)
        assert set(kept) == {
            "report.json",
            "report.html",
            "junit.xml",
            "report.tap",
            "history/2026-01-31T080000.000Z.json",
            "history/2026-02-01T080000.000Z.json",
        }
        first = json.loads(kept["history/2026-01-31T080000.000Z.json"])
        assert (first["started"], first["verdict"]) == (RESULTS["started"], "passed")
        jsonschema.validate(json.loads(kept["report.json"]), SCHEMA)

    def test_a_failed_run_is_listed_one_directory_above(
        self, controller: Controller, report: Callable[..., dict[str, Any]], tmp_path: Path
    ) -> None:
        root = tmp_path / "releases"
        failed = report(dest=str(root / "failed" / "20260131T080000Z"), results=stopped_in_r5())
        quiet = report(dest=str(tmp_path / "others" / "one"), index=False)
        controller.run(failed, quiet, hosts="server")
        assert "failed/20260131T080000Z/report.html" in (root / "index.html").read_text("utf-8")
        assert not (root / "failed" / "index.html").exists()
        assert not (tmp_path / "others" / "index.html").exists()

    @pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("please", False)])
    def test_a_terminal_has_colours_unless_no_color_is_set(
        self,
        controller: Controller,
        report: Callable[..., dict[str, Any]],
        no_color: str,
        coloured: bool,
    ) -> None:
        controller.environment.update(NO_COLOR=no_color, TERM="xterm-256color")
        output = controller.on_a_terminal(report())
        assert ("\x1b[0;32m  [✓] 모델 마운트 성공" in output) is coloured
        assert "  [✓] 모델 마운트 성공" in output

    def test_colours_are_for_terminals_only(
        self, controller: Controller, report: Callable[..., dict[str, Any]]
    ) -> None:
        controller.environment["ANSIBLE_FORCE_COLOR"] = "1"
        run = controller.run(report(), hosts="server")
        assert "\x1b[0;32m  [✓] 모델 마운트 성공" in run.output
        assert not any("\x1b" in line for line in run.results[0]["checklist"])
