# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transcripts as subtitles: SubRip (srt) and WebVTT (vtt)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol


class Cue(Protocol):
    """A piece of text with its times in seconds."""

    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def text(self) -> str: ...


def srt(cues: Iterable[Cue]) -> str:
    """Return a SubRip file."""
    return "".join(
        f"{number}\n{_times(cue, ',')}\n{text}\n\n"
        for number, (cue, text) in enumerate(_spoken(cues), start=1)
    )


def vtt(cues: Iterable[Cue]) -> str:
    """Return a WebVTT file."""
    # There `&` begins a character's name and `<` a tag.
    return "WEBVTT\n\n" + "".join(
        f"{_times(cue, '.')}\n{text.replace('&', '&amp;').replace('<', '&lt;')}\n\n"
        for cue, text in _spoken(cues)
    )


def _spoken(cues: Iterable[Cue]) -> Iterator[tuple[Cue, str]]:
    """Yield what has a text, with the text on one line.

    An empty line would end a cue, and an arrow would begin one.
    """
    for cue in cues:
        text = " ".join(cue.text.split()).replace("-->", "->")
        if text:
            yield cue, text


def _times(cue: Cue, point: str) -> str:
    return f"{_time(cue.start, point)} --> {_time(cue.end, point)}"


def _time(seconds: float, point: str) -> str:
    milliseconds = max(0, round(seconds * 1000))
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"
