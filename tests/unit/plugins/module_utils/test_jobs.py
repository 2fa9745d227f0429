# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs with real forks: detached, attached to, killed, failed, and seen from other processes."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._jobs import Job, JobContext, JobState

KEY = "0123456789abcdef"


def make_job(root: Path, **extra: Any) -> Job:
    return Job(root / "jobs", "build", KEY, **extra)


def sleeper(_context: JobContext) -> dict[str, Any]:
    time.sleep(60)
    return {}


def kill(state: JobState) -> None:
    assert state.pid is not None
    os.kill(state.pid, signal.SIGKILL)


def wait_for_pid(job: Job) -> JobState:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        state = job.state()
        if state.status != "running" or state.pid is not None:
            return state
        time.sleep(0.01)
    raise AssertionError("the job's process never wrote its id")


def in_another_process(root: Path, body: str) -> subprocess.CompletedProcess[str]:
    """Run code as a caller of its own; its pipes must end when the caller does."""
    program = (
        "import json, os, sys, time\n"
        "from pathlib import Path\n"
        "from ansible_collections.stt.engine.plugins.module_utils._jobs import Job\n"
        f"job = Job(Path(sys.argv[1]) / 'jobs', 'build', {KEY!r})\n" + textwrap.dedent(body)
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run(
        [sys.executable, "-c", program, str(root)],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
        env=environment,
    )


@pytest.mark.parametrize(("kind", "key"), [("", KEY), ("a/b", KEY), ("build", "short")])
def test_malformed_names_are_refused(tmp_path: Path, kind: str, key: str) -> None:
    with pytest.raises(ValueError, match="not a job's kind and key"):
        Job(tmp_path, kind, key)


def test_absent_job_is_seen_without_a_trace(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    state = job.state()
    assert (state.status, state.result, state.error, state.pid) == ("absent", None, None, None)
    assert job.log_tail() == []
    assert list(tmp_path.iterdir()) == []


def test_stt_error_is_kept_with_its_fields(tmp_path: Path) -> None:
    def work(context: JobContext) -> dict[str, Any]:
        context.log.write(b"line one\n")
        raise SttError("image", found="a", needed="b", fix="c", rc=7, log=["x"])

    job = make_job(tmp_path)
    state = job.run(work, wait=True, timeout=20)
    assert state.status == "failed"
    assert state.result is None
    assert state.error == {
        "msg": "image: found a; needed b; fix: c",
        "object": "image",
        "found": "a",
        "needed": "b",
        "fix": "c",
        "rc": 7,
        "log": ["x"],
    }
    raised = job.failure(state)
    assert raised is not None
    assert str(raised) == "image: found a; needed b; fix: c"
    assert raised.details == {"rc": 7, "log": ["x"], "log_path": str(job.directory / "job.log")}
    assert job.log_tail() == ["line one", "image: found a; needed b; fix: c"]


def test_unexpected_error_is_named_and_its_traceback_is_in_the_log(tmp_path: Path) -> None:
    def work(_context: JobContext) -> dict[str, Any]:
        raise KeyError("lost key")

    job = make_job(tmp_path)
    state = job.run(work, wait=True, timeout=20)
    assert state.status == "failed"
    assert state.error is not None
    assert state.error["msg"].startswith(
        "job build-0123456789ab: found KeyError: 'lost key'; "
        "needed the work to end without an unexpected error; fix: "
    )
    assert "Traceback" in state.error["exception"]
    assert job.log_tail(1) == ["KeyError: 'lost key'"]


def test_result_that_json_cannot_hold_is_a_failure(tmp_path: Path) -> None:
    state = make_job(tmp_path).run(lambda _context: {"a": object()}, wait=True, timeout=20)
    assert state.status == "failed"
    assert state.error is not None
    assert "TypeError" in state.error["msg"]


def test_killed_job_is_lost_and_starts_again(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    job.start(sleeper)
    kill(wait_for_pid(job))
    state = job.wait(timeout=10)
    assert state.status == "lost"
    assert state.error is not None
    assert state.error["msg"] == (
        "job build-0123456789ab: found its process gone without a result; "
        "needed the process to run to its end; "
        "fix: run the same command again: the job continues; if it is lost again, look in "
        "the kernel's log for an out-of-memory kill, and at the end of the job's log"
    )
    again = job.run(lambda _context: {"run": 2}, wait=True, timeout=20)
    assert (again.status, again.result, again.error) == ("succeeded", {"run": 2}, None)


def test_living_process_with_the_recorded_id_does_not_make_a_job_alive(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    job.start(sleeper)
    kill(wait_for_pid(job))
    assert job.wait(timeout=10).status == "lost"
    record = json.loads((job.directory / "state.json").read_text())
    record["pid"] = os.getpid()
    (job.directory / "state.json").write_text(json.dumps(record))
    assert job.state().status == "lost"


def test_damaged_state_reads_as_lost(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    job.run(lambda _context: {}, wait=True, timeout=20)
    (job.directory / "state.json").write_text('{"status": "succ')
    assert job.state().status == "lost"


def test_success_keeps_result_progress_inputs_and_a_packed_log(tmp_path: Path) -> None:
    def work(context: JobContext) -> dict[str, Any]:
        for number in range(100):
            context.log.write(b"step %d\n" % number)
            context.progress(bytes=number, total=100)
        os.write(1, b"from a native library\n")
        return {"image_id": "sha256:1"}

    job = make_job(tmp_path, inputs={"b": 1, "a": 2})
    before = time.time()
    state = job.run(work, wait=True, timeout=20)
    assert state.status == "succeeded"
    assert state.result == {"image_id": "sha256:1"}
    assert state.progress == {"bytes": 99, "total": 100}
    assert state.started is not None
    assert state.finished is not None
    assert before <= state.started <= state.finished <= time.time()
    assert state.log_path == str(job.directory / "job.log.gz")
    with gzip.open(state.log_path, "rt") as log:
        assert len(log.read().splitlines()) == 101
    assert job.log_tail(2) == ["step 99", "from a native library"]
    assert json.loads((job.directory / "inputs.json").read_text()) == {"a": 2, "b": 1}
    assert job.failure(state) is None


def test_progress_is_seen_while_the_job_runs_and_is_rate_limited(tmp_path: Path) -> None:
    def work(context: JobContext) -> dict[str, Any]:
        end = time.monotonic() + 1.3
        count = 0
        while time.monotonic() < end:
            count += 1
            context.progress(count=count)
        return {"count": count}

    job = make_job(tmp_path)
    job.start(work)
    seen: set[tuple[int, int]] = set()
    while (state := job.state()).status == "running":
        if "count" in state.progress:
            inode = (job.directory / "state.json").stat().st_ino
            seen.add((state.progress["count"], inode))
        time.sleep(0.01)
    assert state.result is not None
    assert state.progress == {"count": state.result["count"]}
    assert state.result["count"] > 100
    assert 1 <= len({count for count, _inode in seen}) <= 4


def test_start_is_a_no_op_while_the_job_runs(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    job.start(sleeper)
    first = wait_for_pid(job)
    try:
        second = make_job(tmp_path).start(lambda _context: {"second": True})
        assert second.status == "running"
        assert second.pid == first.pid
        assert second.started == first.started
        began = time.monotonic()
        assert job.wait(timeout=0.3, poll=0.05).status == "running"
        assert 0.3 <= time.monotonic() - began < 5
    finally:
        kill(first)
    assert job.wait(timeout=10).status == "lost"


def test_many_callers_at_once_share_one_job(tmp_path: Path) -> None:
    mark = tmp_path / "runs"
    body = f"""
    def work(context):
        with open({str(mark)!r}, "a") as runs:
            runs.write("run\\n")
        time.sleep(2)
        return {{"pid": os.getpid()}}
    print(job.run(work, wait=True, timeout=20).result["pid"])
    """
    program = (
        "import os, sys, time\nfrom pathlib import Path\n"
        "from ansible_collections.stt.engine.plugins.module_utils._jobs import Job\n"
        f"job = Job(Path(sys.argv[1]) / 'jobs', 'build', {KEY!r})\n" + textwrap.dedent(body)
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    callers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _unused in range(6)
    ]
    results = {caller.communicate(timeout=60)[0] for caller in callers}
    assert [caller.returncode for caller in callers] == [0] * 6
    assert mark.read_text() == "run\n"
    assert len(results) == 1


def test_caller_with_pipes_ends_at_once_and_another_process_attaches(tmp_path: Path) -> None:
    began = time.monotonic()
    started = in_another_process(
        tmp_path,
        """
        def work(context):
            time.sleep(2.5)
            return {"session": os.getsid(0) == os.getpid(), "parent": os.getppid(),
                    "cwd": os.getcwd()}
        print(job.run(work, wait=False).status, os.getpid())
        """,
    )
    assert time.monotonic() - began < 2.4
    status, caller = started.stdout.split()
    assert status == "running"
    attached = in_another_process(
        tmp_path, "print(json.dumps(job.run(None, wait=True, timeout=20).result))"
    )
    result = json.loads(attached.stdout)
    assert result["session"] is True
    assert result["cwd"] == "/"
    assert result["parent"] != int(caller)
    assert make_job(tmp_path).state().status == "succeeded"


def test_job_holds_no_file_of_its_caller(tmp_path: Path) -> None:
    def work(_context: JobContext) -> dict[str, Any]:
        entries = list(Path("/proc/self/fd").iterdir())
        # The descriptor of the listing itself is closed by now.
        return {"held": sorted({str(entry.readlink()) for entry in entries if entry.is_symlink()})}

    job = make_job(tmp_path)
    with (tmp_path / "callers-file").open("w"):
        state = job.run(work, wait=True, timeout=20)
    assert state.result is not None
    assert set(state.result["held"]) == {
        "/dev/null",
        str(job.directory / "lock"),
        str(job.directory / "job.log"),
    }


def test_lock_is_not_held_by_programs_that_the_job_leaves_behind(tmp_path: Path) -> None:
    def work(_context: JobContext) -> dict[str, Any]:
        return {"pid": subprocess.Popen(["sleep", "60"]).pid}

    job = make_job(tmp_path)
    state = job.run(work, wait=True, timeout=20)
    assert state.status == "succeeded"
    assert state.result is not None
    os.kill(state.result["pid"], signal.SIGKILL)


def test_log_tail_of_a_long_log_reads_only_its_end(tmp_path: Path) -> None:
    def work(context: JobContext) -> dict[str, Any]:
        for number in range(50_000):
            context.log.write(b"line %d\n" % number)
        raise SttError("log", found="a", needed="b", fix="c")

    job = make_job(tmp_path)
    job.run(work, wait=True, timeout=20)
    tail = job.log_tail()
    assert len(tail) == 20
    assert tail[-2] == "line 49999"
