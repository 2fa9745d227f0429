# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One recording of each format, length and kind, carried in this archive beside a user's own.

They prove that formats are decoded and answered whatever recordings a user has. Their texts are
those of one small model: with any other, that there is an answer is all that is asked.
"""

from __future__ import annotations

import json
import pkgutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from .baseline import sha256_of
from .clips import Clips, ClipsError, load_clips
from .settings import Settings

FOLDER = "formats"
INDEX = "clips.json"
FILES = frozenset(
    {
        "en-account-48khz.flac",
        "en-greeting-stereo.mp3",
        "en-greeting.flac",
        "en-order-8khz.wav",
        "ko-delivery-stereo.m4a",
        "ko-thanks-opus.ogg",
        "long-en.mp3",
        "noise.mp3",
        "silence.flac",
    }
)


@contextmanager
def own_clips(settings: Settings, given: Clips) -> Iterator[Clips]:
    """Those that are not among the given ones anyway, in a place that goes at the end."""
    known = {sha256_of(clip.path) for clip in given.clips}
    with tempfile.TemporaryDirectory(prefix="formats-") as place:
        listed = [one for one in json.loads(_read(INDEX)) if one["file"] in FILES]
        for one in listed:
            Path(place, one["file"]).write_bytes(_read(one["file"]))
        Path(place, INDEX).write_text(json.dumps(listed), encoding="utf-8")
        alone = replace(
            settings, clips=Path(place), accepted_transcripts={}, accept_transcripts=False
        )
        found = load_clips(alone)
        if found is None or len(found.clips) != len(FILES):
            raise ClipsError(f"the check archive has not all of {len(FILES)} recordings of its own")
        others = tuple(clip for clip in found.clips if sha256_of(clip.path) not in known)
        yield replace(found, clips=others)


def _read(name: str) -> bytes:
    data = pkgutil.get_data(__package__, f"{FOLDER}/{name}")
    if data is None:
        raise ClipsError(f"the check archive has no {FOLDER}/{name}")
    return data
