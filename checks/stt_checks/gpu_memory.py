# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a loaded model really lies on the GPU, by the memory that it takes there.

A driver tells what all processes hold together. Others may share the GPU and give memory back at
any moment, so little memory is only believed when it is found twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from .settings import readable_size

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "int16": 2, "int8": 1}
# Of the weights' bytes. They all go there; the rest is for pieces of memory that were there before.
SHARE = 0.5
INTERVAL = 0.05

Reader = Callable[[], "int | None"]


def least_bytes(parameters: int, compute_type: str) -> int:
    """What a model of so many weights takes at least, in the smaller type of its computation."""
    smallest = min(BYTES[part] for part in compute_type.split("_"))
    return int(parameters * smallest * SHARE)


def missing(before: int | None, after: int | None, least: int) -> str:
    """Why a model cannot be on the GPU, as a sentence; empty when it can."""
    if before is None or after is None:
        return "the driver does not tell how much GPU memory is in use"
    if after - before >= least:
        return ""
    return (
        f"{readable_size(max(0, after - before))} more GPU memory is in use with the model than "
        f"without, where its weights take at least {readable_size(least)}"
    )


class Peak:
    """The most memory in use while it is entered, beyond what was in use before."""

    def __init__(self, read: Reader, interval: float = INTERVAL) -> None:
        self.read = read
        self.interval = interval
        self.before: int | None = None
        self.most: int | None = None
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peak:
        self.before = self.most = self.read()
        if self.before is not None:
            self.thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stopped.set()
        if self.before is not None:
            self.thread.join()

    def _watch(self) -> None:
        while not self.stopped.wait(self.interval):
            self._look()
        self._look()

    def _look(self) -> None:
        found = self.read()
        if found is not None:
            self.most = max(found, self.most or 0)

    @property
    def bytes(self) -> int | None:
        """How much more it was at most; None where nobody tells."""
        if self.before is None or self.most is None:
            return None
        return self.most - self.before
