# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way in which a check can end, with real processes."""

from __future__ import annotations

import ctypes
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stt_checks.outcome import CheckFailedError, Outcome, failed, passed, require, skipped
from stt_checks.registry import Check, Progress
from stt_checks.settings import Settings
from stt_checks.supervisor import Supervisor

SETTINGS = Settings(Path("/models"), "a", "b")
Body = Callable[[Settings, Progress], Outcome]


def check(body: Body, name: str = "one", **options: Any) -> Check:
    options.setdefault("deadline", 20.0)
    return Check("R4.1", name, lambda _settings: "it works", "mend it", body, **options)


def run(*checks: Check, settings: Settings = SETTINGS) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    Supervisor(settings, log=io.StringIO()).run(checks, results.append)
    assert [(one["id"], one["name"]) for one in results] == [(one.id, one.name) for one in checks]
    return results


def good(_settings: Settings, _progress: Progress) -> Outcome:
    return passed("it did", value=5)


def silent_exit(_settings: Settings, _progress: Progress) -> Outcome:
    os._exit(0)


def hang(_settings: Settings, progress: Progress) -> Outcome:
    progress("waiting for the end of time")
    time.sleep(600)
    return passed("never")


def hear_three(_settings: Settings, progress: Progress) -> Outcome:
    for number in range(3):
        progress(f"hearing {number}", 0.6)
        time.sleep(0.5)
    return passed("heard")


def abort(_settings: Settings, progress: Progress) -> Outcome:
    progress("calling into a library")
    os.abort()


def segfault(_settings: Settings, _progress: Progress) -> Outcome:
    ctypes.string_at(0)
    return passed("never")


def kill(_settings: Settings, _progress: Progress) -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    return passed("never")


def raise_failure(_settings: Settings, _progress: Progress) -> Outcome:
    raise CheckFailedError("a wrong value", fix="choose another", value=7)


def raise_unwritable(_settings: Settings, _progress: Progress) -> Outcome:
    print(os.fsdecode(b"\xc7\xd1.txt"))
    raise OSError(os.fsdecode(b"no \xc7\xd1.txt"))


def raise_error(_settings: Settings, _progress: Progress) -> Outcome:
    print("something on the way")
    raise RuntimeError("the library is gone")


def exit_with_status(_settings: Settings, _progress: Progress) -> Outcome:
    sys.exit(3)


@pytest.mark.parametrize("imports", [(), ("json",)], ids=["direct", "helper"])
class TestEveryEnd:
    def test_passed(self, imports: tuple[str, ...]) -> None:
        (result,) = run(check(good, imports=imports))
        assert result["status"] == "passed"
        assert result["found"] == "it did"
        assert result["expected"] == "it works"
        assert result["fix"] == ""
        assert result["evidence"]["value"] == 5
        assert result["evidence"]["peak_memory_bytes"] > 0
        assert result["seconds"] >= 0

    def test_failed_with_its_own_fix_or_the_checks(self, imports: tuple[str, ...]) -> None:
        def without_fix(_settings: Settings, _progress: Progress) -> Outcome:
            return failed("it broke")

        first, second = run(
            check(raise_failure, "a", imports=imports), check(without_fix, "b", imports=imports)
        )
        assert (first["status"], first["found"], first["fix"]) == (
            "failed",
            "a wrong value",
            "choose another",
        )
        assert first["evidence"]["value"] == 7
        assert (second["found"], second["fix"]) == ("it broke", "mend it")

    def test_skipped_says_why(self, imports: tuple[str, ...]) -> None:
        (result,) = run(check(lambda _s, _p: skipped("no GPU on this host"), imports=imports))
        assert (result["status"], result["found"]) == ("skipped", "no GPU on this host")

    def test_an_unexpected_exception_is_an_error(self, imports: tuple[str, ...]) -> None:
        (result,) = run(check(raise_error, imports=imports))
        assert result["status"] == "error"
        assert result["found"] == "RuntimeError: the library is gone"
        assert result["fix"] == "mend it"
        assert "something on the way" in result["evidence"]["output"]

    def test_what_no_encoding_can_write_is_told_all_the_same(
        self, imports: tuple[str, ...]
    ) -> None:
        (result,) = run(check(raise_unwritable, imports=imports))
        assert (result["status"], result["found"]) == ("error", "OSError: no \udcc7\udcd1.txt")
        assert r"\udcc7\udcd1.txt" in result["evidence"]["output"]

    def test_what_there_is_to_hear_puts_the_deadline_off(self, imports: tuple[str, ...]) -> None:
        told: list[float] = []
        results: list[dict[str, Any]] = []
        one = check(hear_three, imports=imports, deadline=0.3)
        Supervisor(SETTINGS, log=io.StringIO(), more=told.append).run([one], results.append)
        assert (results[0]["status"], sum(told)) == ("passed", pytest.approx(1.8))
        # One that somebody set stays.
        (result,) = run(one, settings=replace(SETTINGS, deadline=0.3))
        assert "no end within the deadline of 0.3 s while hearing 0" in result["found"]

    def test_no_output_and_exit_0_is_an_error(self, imports: tuple[str, ...]) -> None:
        (result,) = run(check(silent_exit, imports=imports))
        assert result["status"] == "error"
        assert result["found"] == "the process ended with exit status 0 and without a result"

    def test_sys_exit_is_an_error(self, imports: tuple[str, ...]) -> None:
        (result,) = run(check(exit_with_status, imports=imports))
        assert result["status"] == "error"
        assert "without a result" in result["found"]

    @pytest.mark.parametrize(("body", "name"), [(abort, "SIGABRT"), (segfault, "SIGSEGV")])
    def test_a_crash_is_that_checks_result(
        self, imports: tuple[str, ...], body: Body, name: str
    ) -> None:
        before, crashed, after = run(
            check(good, "a", imports=imports),
            check(body, "b", imports=imports),
            check(good, "c", imports=imports),
        )
        assert (before["status"], after["status"]) == ("passed", "passed")
        assert crashed["status"] == "error"
        assert f"crashed with {name}" in crashed["found"]
        assert any("Fatal Python error" in line for line in crashed["evidence"]["output"])

    def test_a_kill_is_said_as_such(self, imports: tuple[str, ...]) -> None:
        (result,) = run(check(kill, imports=imports))
        assert result["status"] == "error"
        assert result["found"] == "the check's process was ended by a kill from outside"

    def test_a_hang_ends_at_the_deadline(self, imports: tuple[str, ...]) -> None:
        started = time.monotonic()
        hung, after = run(
            check(hang, "a", imports=imports, deadline=0.5), check(good, "b", imports=imports)
        )
        assert time.monotonic() - started < 15
        assert hung["status"] == "error"
        assert hung["found"] == (
            "no end within the deadline of 0.5 s while waiting for the end of time"
        )
        assert after["status"] == "passed"


def test_the_settings_deadline_goes_before_the_checks() -> None:
    settings = Settings(Path("/models"), "a", "b", deadline=0.3)
    (result,) = run(check(hang), settings=settings)
    assert "deadline of 0.3 s" in result["found"]


def test_a_process_that_lingers_after_its_result_is_an_error() -> None:
    def linger(_settings: Settings, _progress: Progress) -> Outcome:
        # A grandchild keeps the pipe open; the check itself ends.
        if os.fork() == 0:
            time.sleep(600)
        return passed("done")

    started = time.monotonic()
    (result,) = run(check(linger))
    assert result["status"] == "passed"
    assert time.monotonic() - started < 10


def test_what_a_check_started_ends_with_it(tmp_path: Path) -> None:
    def start(_settings: Settings, _progress: Progress) -> Outcome:
        process = subprocess.Popen(["sleep", "600"])
        (tmp_path / "pid").write_text(str(process.pid))
        return passed("done")

    (result,) = run(check(start))
    assert result["status"] == "passed"
    pid = int((tmp_path / "pid").read_text())
    for _turn in range(100):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            break
        time.sleep(0.05)
    else:
        pytest.fail(f"process {pid} outlived its check")


def test_imports_are_shared_and_a_broken_one_fails_only_its_check(tmp_path: Path) -> None:
    (tmp_path / "once_imported.py").write_text(
        f"open({str(tmp_path / 'count')!r}, 'a').write('x')\n"
    )
    (tmp_path / "never_imported.py").write_text("raise OSError('libgone.so.1: not found')\n")
    sys.path.insert(0, str(tmp_path))

    def uses(name: str) -> Body:
        def body(_settings: Settings, _progress: Progress) -> Outcome:
            __import__(name)
            return passed("imported")

        return body

    both = ("once_imported", "never_imported")
    try:
        first, broken, last = run(
            check(uses("once_imported"), "a", imports=both),
            check(uses("never_imported"), "b", imports=both),
            check(uses("once_imported"), "c", imports=both),
        )
    finally:
        sys.path.remove(str(tmp_path))
    assert (first["status"], last["status"]) == ("passed", "passed")
    assert (broken["status"], broken["found"]) == ("error", "OSError: libgone.so.1: not found")
    assert (tmp_path / "count").read_text() == "x"
    assert "once_imported" not in sys.modules


def test_an_import_that_kills_the_helper_is_one_checks_result(tmp_path: Path) -> None:
    (tmp_path / "aborting_import.py").write_text("import os\nos.abort()\n")
    sys.path.insert(0, str(tmp_path))

    def uses(_settings: Settings, _progress: Progress) -> Outcome:
        __import__("aborting_import")
        return passed("imported")

    try:
        before, broken, after = run(
            check(good, "a", imports=("aborting_import",)),
            check(uses, "b", imports=("aborting_import",)),
            check(good, "c", imports=("aborting_import",)),
        )
    finally:
        sys.path.remove(str(tmp_path))
    assert (before["status"], after["status"]) == ("passed", "passed")
    assert broken["status"] == "error"
    assert "crashed with SIGABRT" in broken["found"]


def test_require_ends_a_check_with_its_sentence() -> None:
    def needs(_settings: Settings, _progress: Progress) -> Outcome:
        require(True, "not this")
        require(False, "but this", value=1)
        return passed("never")

    (result,) = run(check(needs))
    assert (result["status"], result["found"]) == ("failed", "but this")


def test_large_results_arrive_whole() -> None:
    def large(_settings: Settings, _progress: Progress) -> Outcome:
        return passed("much", text="x" * 1_000_000)

    for imports in ((), ("json",)):
        (result,) = run(check(large, imports=imports))
        assert len(result["evidence"]["text"]) == 1_000_000


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import os; os.abort()", "the check's process crashed with SIGABRT"),
        ("import ctypes; ctypes.string_at(0)", "the check's process crashed with SIGSEGV"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
            "the check's process was ended by a kill from outside",
        ),
        (
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
            "no end within the deadline of 2 s",
        ),
        ("", "the process ended with exit status 0 and without a result"),
        ("print('all is well')", "the process ended with exit status 0 and without a result"),
    ],
)
def test_a_process_started_anew_for_the_gpu_is_one_checks_result_too(
    program: str, words: str
) -> None:
    settings = Settings(Path("/models"), "a", "b", gpu_given=True)
    results: list[dict[str, Any]] = []
    command = [sys.executable, "-c", program]
    Supervisor(settings, command, log=io.StringIO()).run(
        [check(good, "a"), check(good, "b", cuda=True, deadline=2.0), check(good, "c")],
        results.append,
    )
    assert [one["status"] for one in results] == ["passed", "error", "passed"]
    assert results[1]["found"] == words
