# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the original model makes of the clips in float32: kept for the checks of its conversions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .outcome import pairs

TEXTS = "texts.json"
NAME = "reference"


@dataclass(frozen=True)
class Reference:
    """Texts, and features with the encoder's output, by the names of clips."""

    texts: Mapping[str, str]
    encoded: Mapping[str, tuple[Any, Any]]


def keep(scratch: Path, reference: Reference) -> None:
    """Leave a reference for the processes that come after; it is there whole or not at all."""
    import numpy

    part = scratch / f"{NAME}.part"
    part.mkdir()
    (part / TEXTS).write_text(
        json.dumps({"texts": dict(reference.texts), "encoded": list(reference.encoded)}),
        encoding="utf-8",
    )
    for number, arrays in enumerate(reference.encoded.values()):
        for kind, array in pairs(("features", "output"), arrays):
            numpy.save(part / f"{number}.{kind}.npy", array)
    part.rename(scratch / NAME)


def read(scratch: Path) -> Reference | None:
    """The reference that an earlier check of this run has left; None when it left none."""
    import numpy

    directory = scratch / NAME
    if not directory.is_dir():
        return None
    kept = json.loads((directory / TEXTS).read_text(encoding="utf-8"))
    encoded = {
        clip: (
            numpy.load(directory / f"{number}.features.npy"),
            numpy.load(directory / f"{number}.output.npy"),
        )
        for number, clip in enumerate(kept["encoded"])
    }
    return Reference(kept["texts"], encoded)
