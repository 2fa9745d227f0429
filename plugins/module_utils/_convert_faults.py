# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says a full disk and a kill as such, and clears what a failed conversion leaves behind."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._store import remove_tree

UNTOUCHED = "what was published before is untouched"
# As Python, numpy, torch and the C++ library say it; torch has no type of its own for a CPU.
NO_MEMORY = re.compile(
    r"MemoryError|bad_alloc|can(?:'|no)t allocate memory|unable to allocate|DefaultCPUAllocator",
    re.IGNORECASE,
)
MEMORY_NEEDED = (
    "enough memory for the weights in the chosen type: about twice the size of the original's "
    "weights for float16, four times for float32"
)
MORE_MEMORY = (
    "raise memory_bytes (whisper_model_convert_memory_bytes), free memory on the host, or convert "
    "on a larger one"
)
KERNEL_COUNTERS = Path("/proc/vmstat")


@contextmanager
def disk_full_as_such(place: Path) -> Iterator[None]:
    """Turn a full disk or quota into an error that says so; any other error goes through."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = error.filename or place
        raise disk_full(Path(where), str(error.strerror)) from error


def disk_full(place: Path, message: str) -> SttError:
    """The error for a file system that became full on the way."""
    return SttError(
        f"file system of {place}",
        found=f"it became full while the model was converted: {message}",
        needed="room for the converted model",
        fix=f"free space there; {UNTOUCHED}",
    )


def discard(staged: Path, below: Path, log: BinaryIO) -> None:
    """Remove what is staged; what cannot be removed now waits for the next call.

    A container that a lost daemon left running may still write into it.
    """
    if not staged.is_dir():
        return
    try:
        remove_tree(staged, below)
    except OSError as error:
        log.write(f"{staged} stays until the next conversion begins: {error}\n".encode())


def oom_kills() -> int | None:
    """How many processes the kernel has ended for lack of memory; None where it does not tell."""
    try:
        text = KERNEL_COUNTERS.read_text()
    except OSError:
        return None
    match = re.search(r"^oom_kill (\d+)$", text, re.MULTILINE)
    return int(match.group(1)) if match else None


def out_of_memory(
    what: str, error: Mapping[str, Any], *, memory_bytes: int, status: int
) -> SttError | None:
    """The error for a converter that was refused memory; None when it says something else."""
    message = f"{error.get('kind')}: {error.get('message')}"
    if not NO_MEMORY.search(message):
        return None
    return SttError(
        what,
        found=f"the converter ran out of memory, with a limit of {memory_bytes} bytes: {message}",
        needed=MEMORY_NEEDED,
        fix=f"{MORE_MEMORY}; {UNTOUCHED}",
        rc=status,
    )


def killed(
    what: str, *, memory_bytes: int, at_limit: bool, host_kills: int | None, status: int
) -> SttError:
    """Tell apart who ended the converter: its own limit, the host's lack of memory, or someone."""
    if at_limit:
        return SttError(
            what,
            found="the converter was ended by the out-of-memory killer at its limit of "
            f"{memory_bytes} bytes",
            needed=MEMORY_NEEDED,
            fix=f"{MORE_MEMORY}; {UNTOUCHED}",
            rc=status,
        )
    if host_kills:
        return SttError(
            what,
            found="the converter was killed (SIGKILL) below its limit of "
            f"{memory_bytes} bytes, while the kernel ended {host_kills} processes for lack of "
            "memory: the host itself ran out of it",
            needed="free memory on the host up to the limit",
            fix=f"free memory on the host, or convert on a larger one; {UNTOUCHED}",
            rc=status,
        )
    return SttError(
        what,
        found=f"the converter was killed from outside (exit status {status}, SIGKILL); its limit "
        f"of {memory_bytes} bytes was not the cause",
        needed="a container that runs to its end",
        fix="see who stops containers on this host (docker events, the job's log), then run "
        f"again; {UNTOUCHED}",
        rc=status,
    )
