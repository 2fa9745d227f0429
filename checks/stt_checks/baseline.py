# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accepted transcripts: what a person has read and accepted holds for clips of unknown text.

A transcript holds for one recording, by the hash of its file, and for one model, by repository,
commit and quantization. While a run accepts, what it has heard itself holds for its later checks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .outcome import pairs
from .settings import Settings

HEARD = "accepted.json"
MODEL = ("repository", "commit", "quantization")
THIS_RUN = "in this run"
OTHER_AUDIO = "another recording than was accepted under its name"
GONE = "no longer among the clips"


@dataclass(frozen=True)
class Baseline:
    """Accepted transcripts by the names of clips; ``reason`` says why none holds here."""

    clips: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reason: str = ""

    def of(self, path: Path) -> Mapping[str, Any] | None:
        """What was accepted for this very recording."""
        entry = self.clips.get(path.name)
        if entry is None or self.reason or entry["sha256"] != sha256_of(path):
            return None
        return entry

    def why_not(self, path: Path) -> str:
        """Why what was accepted under a recording's name does not hold; empty if nothing was."""
        return (self.reason or OTHER_AUDIO) if path.name in self.clips else ""


def baseline_of(settings: Settings) -> Baseline:
    """What was accepted for the model at hand: earlier, or by this run's own check."""
    if settings.accept_transcripts:
        heard = settings.scratch / HEARD if settings.scratch is not None else None
        if heard is None or not heard.is_file():
            return Baseline()
        return Baseline(json.loads(heard.read_text(encoding="utf-8")))
    accepted = settings.accepted_transcripts
    if not accepted:
        return Baseline()
    mine = dict(pairs(MODEL, model_of(settings)))
    other = [f"{accepted[key]}" for key in MODEL if accepted[key] != mine[key]]
    reason = f"it was accepted for another model ({', '.join(other)})" if other else ""
    return Baseline(accepted["clips"], reason)


def model_of(settings: Settings) -> tuple[str, str, str]:
    """Repository, commit and quantization of the model at hand; empty where nobody knows."""
    return settings.repository, settings.commit, settings.expected.quantization or ""


def keep(scratch: Path, heard: Mapping[str, Mapping[str, Any]]) -> None:
    """Leave what was heard to the checks that come after; it is there whole or not at all."""
    part = scratch / f"{HEARD}.part"
    part.write_text(json.dumps(heard), encoding="utf-8")
    part.rename(scratch / HEARD)


def sha256_of(path: Path) -> str:
    """The hash of a recording's file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
