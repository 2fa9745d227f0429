# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run commands and fail with one sentence."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from typing import IO


class LabError(Exception):
    """Something the lab needs is missing; the message is one sentence for the operator."""


def run(
    argv: Sequence[str],
    *,
    stdin: IO[bytes] | None = None,
    text: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = 120.0,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run argv and return its result with stdout and stderr as text.

    Raises LabError when the program is missing, exceeds timeout seconds, or (with check) fails.
    """
    source: IO[bytes] | int | None = stdin
    if stdin is None and text is None:
        source = subprocess.DEVNULL
    try:
        done = subprocess.run(
            list(argv),
            stdin=source,
            input=text,
            env=None if environment is None else dict(environment),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(f"{argv[0]}: not found on this machine; install it and try again") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(argv[:4])}: no end after {timeout:.0f} s") from error
    if check and done.returncode != 0:
        said = last_lines(done.stderr or done.stdout)
        raise LabError(f"{' '.join(argv[:6])}: exit status {done.returncode}: {said}")
    return done


def last_lines(text: str, count: int = 5) -> str:
    """Return the last lines of a program's output on one line."""
    return " | ".join(line.strip() for line in text.strip().splitlines()[-count:])
