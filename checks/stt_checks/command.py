# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: reads the specification, announces the plan, prints one line a result."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from . import catalogue
from .child import MORE, perform
from .control import PLACE, SURROUNDINGS
from .registry import Check
from .self_test import SelfTest, document_of, without_control
from .settings import Settings, SettingsError, load_settings, read_spec
from .supervisor import Supervisor

EXIT_PASSED = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
PHASES = ("R2", "R4", "R5")
CGROUP_PEAKS = (
    Path("/sys/fs/cgroup/memory.peak"),
    Path("/sys/fs/cgroup/memory/memory.max_usage_in_bytes"),
)


def main(arguments: Sequence[str]) -> int:
    """Run the command; 0 when nothing failed, 1 when something did, 2 for a wrong call."""
    options = _parse(arguments)
    # Threads that spin while they wait starve each other on a busy host; read when libraries load.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KMP_BLOCKTIME", "0")
    try:
        if options.spec == "-":
            options.spec = _keep(sys.stdin.buffer.read())
        given = options.models is not None or options.spec is not None
        settings = _settings(options) if given else None
        checks = _choose(options, settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    if options.list or settings is None:
        for check in checks:
            print(f"{check.id} {check.name}")
        return EXIT_PASSED
    if options.result_fd is not None:
        perform(checks[0], replace(settings, scratch=options.scratch), options.result_fd)
    signal.signal(signal.SIGTERM, _stop)
    if options.self_test is not None:
        return _test_itself(options, settings)
    with tempfile.TemporaryDirectory(prefix="checks-") as scratch:
        command = [*_again(options), f"--scratch={scratch}"]
        return _run(replace(settings, scratch=Path(scratch)), checks, command)


def _run(settings: Settings, checks: Sequence[Check], command: Sequence[str]) -> int:
    started = time.monotonic()
    statuses: list[str] = []

    def emit(result: dict[str, Any]) -> None:
        statuses.append(result["status"])
        _print(result)

    _print({"planned": [{"id": check.id, "name": check.name} for check in checks]})
    supervisor = Supervisor(settings, command, more=lambda seconds: _print({MORE: seconds}))
    supervisor.run(checks, emit)
    good = all(status in ("passed", "skipped") for status in statuses)
    _print(
        {
            "finished": {
                "verdict": "passed" if good else "failed",
                "results": len(statuses),
                "seconds": round(time.monotonic() - started, 3),
                "peak_memory_bytes": supervisor.peak_bytes,
                "container_peak_bytes": _container_peak() if settings.container else None,
            }
        }
    )
    return EXIT_PASSED if good else EXIT_FAILED


def _test_itself(options: argparse.Namespace, settings: Settings) -> int:
    """Show that gates can fail; 0 when each that was shown a fault failed for it."""
    started = time.monotonic()
    rows: list[dict[str, Any]] = []

    def emit(row: dict[str, Any]) -> None:
        rows.append(row)
        _print(row)

    document = document_of(settings, read_spec(_path(options.spec)))
    test = SelfTest(document, settings, options.phase, Path(sys.argv[0]).resolve())
    chosen = test.chosen(options.self_test, options.control, options.only)
    planned = [{"control": control.name, "gates": gates} for control, gates in chosen]
    _print({"planned": planned, "without": without_control()})
    test.run(chosen, emit)
    seconds = round(time.monotonic() - started, 3)
    _print({"finished": {"rows": len(rows), "seconds": seconds}})
    good = bool(rows) and all(row["as_planted"] or row["status"] == "skipped" for row in rows)
    return EXIT_PASSED if good else EXIT_FAILED


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="checks",
        description="Checks a speech-to-text engine image and its models; one JSON line a result.",
    )
    parser.add_argument("--phase", choices=PHASES, help="which checks to run; R4 and R5 without it")
    parser.add_argument("--models", type=Path, help="directory that holds both model directories")
    parser.add_argument("--clips", type=Path, help="directory with clips.json and its audio")
    parser.add_argument("--spec", help="JSON file with what is expected; - reads standard input")
    parser.add_argument(
        "--only", action="append", default=[], metavar="ID/NAME", help="run only these"
    )
    parser.add_argument(
        "--self-test",
        nargs="?",
        choices=(PLACE, SURROUNDINGS),
        const=PLACE,
        help="plant faults instead, and show that the checks that watch over them fail",
    )
    parser.add_argument(
        "--control", action="append", default=[], metavar="NAME", help="plant only these faults"
    )
    parser.add_argument("--list", action="store_true", help="list the checks and end")
    parser.add_argument("--result-fd", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not options.list and options.models is None and options.spec is None:
        parser.error("give --models, or --spec with models.root in it")
    return options


def _settings(options: argparse.Namespace) -> Settings:
    spec = read_spec(_path(options.spec))
    return load_settings(spec, models=options.models, clips=options.clips)


def _path(spec: str | None) -> Path | None:
    return Path(spec) if spec is not None else None


def _keep(spec: bytes) -> str:
    """A file with the specification, for the fresh processes that will want to read it too."""
    with tempfile.NamedTemporaryFile(prefix="checks-", suffix=".json", delete=False) as kept:
        kept.write(spec)
    return kept.name


def _choose(options: argparse.Namespace, settings: Settings | None) -> list[Check]:
    checks = catalogue.checks(options.phase, settings)
    if not options.only:
        wanted = catalogue.WITH_MODELS if options.phase is None else (options.phase,)
        return [check for check in checks if check.phase in wanted]
    known = {check.key: check for check in checks}
    unknown = [key for key in options.only if key not in known]
    if unknown:
        raise SettingsError(f"there is no check {', '.join(unknown)}: see --list")
    return [known[key] for key in options.only]


def _again(options: argparse.Namespace) -> list[str]:
    """The command that starts this program with the same settings in a fresh interpreter."""
    command = [sys.executable, str(Path(sys.argv[0]).resolve())]
    for name in ("phase", "models", "clips", "spec"):
        value = getattr(options, name)
        if value is not None:
            command += [f"--{name}", str(value)]
    return command


def _print(message: dict[str, Any]) -> None:
    # In ASCII: a name of a file need not be one that any encoding can write.
    print(json.dumps(message), flush=True)


def _container_peak() -> int | None:
    """The most memory the container used at once, page cache included, where the kernel tells."""
    for path in CGROUP_PEAKS:
        if os.access(path, os.R_OK):
            return int(path.read_text(encoding="ascii"))
    return None


def _stop(_number: int, _frame: object) -> NoReturn:
    # As process 1 of a container a default action would be ignored.
    sys.exit(128 + signal.SIGTERM)
