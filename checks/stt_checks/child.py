# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of one check's own process, from the fork to its outcome."""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import resource
import signal
import sys
import traceback
from typing import Any, NoReturn, TextIO

from .outcome import CheckFailedError, Outcome
from .registry import Check, Progress
from .settings import Settings

PR_SET_PDEATHSIG = 1
# What becomes of characters that no encoding can write: names of files may have such.
UNWRITABLE = "backslashreplace"
# By how many seconds a check's deadline is put off.
MORE = "more_seconds"


def perform(check: Check, settings: Settings, writer: int) -> NoReturn:
    """The life of a check's process: run the check, write its outcome, end. Never returns."""
    status = 1

    def say(message: dict[str, Any]) -> None:
        write_all(writer, json.dumps(message).encode() + b"\n")

    def progress(doing: str, seconds: float = 0.0, /) -> None:
        say({"doing": doing, MORE: seconds})

    try:
        outcome = _run_body(check, settings, progress)
        sys.stdout.flush()
        sys.stderr.flush()
        say(
            {
                "status": outcome.status,
                "found": outcome.found,
                "fix": outcome.fix,
                "evidence": outcome.evidence,
            }
        )
        status = 0
    except BaseException:
        os.write(2, traceback.format_exc().encode(errors=UNWRITABLE))
    finally:
        # Not sys.exit: destructors of native libraries must not turn a result into a crash.
        os._exit(status)


def _run_body(check: Check, settings: Settings, progress: Progress) -> Outcome:
    try:
        return check.run(settings, progress)
    except CheckFailedError as error:
        return Outcome("failed", error.found, error.fix, error.evidence)
    except Exception as error:
        traceback.print_exc()
        message = str(error).strip() or "no message"
        return Outcome("error", f"{type(error).__name__}: {message}")


def become_child(output: int) -> None:
    os.setsid()
    # A supervisor that is killed must not leave a check behind.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    # Whatever the parent had made of them; unbuffered enough that a crash loses no line.
    sys.stdout, sys.stderr = _stream(1), _stream(2)
    faulthandler.enable(2)


def _stream(descriptor: int) -> TextIO:
    return os.fdopen(descriptor, "w", 1, "utf-8", UNWRITABLE, closefd=False)


def write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
