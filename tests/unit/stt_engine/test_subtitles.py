# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subtitles: times as the formats write them, and no text that breaks their structure."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_engine.subtitles import srt, vtt

TEXTS = st.text(max_size=40)
TIMES = st.floats(min_value=0, max_value=400_000)


@dataclass
class Piece:
    """A piece of text."""

    start: float
    end: float
    text: str


PIECES = st.lists(st.builds(Piece, TIMES, TIMES, TEXTS), max_size=6)


def test_the_formats() -> None:
    pieces = [Piece(0.0, 1.5, " Good morning."), Piece(3599.9996, 3661.25, "R&D <now>")]

    assert srt(pieces) == (
        "1\n00:00:00,000 --> 00:00:01,500\nGood morning.\n\n"
        "2\n01:00:00,000 --> 01:01:01,250\nR&D <now>\n\n"
    )
    assert vtt(pieces) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nGood morning.\n\n"
        "01:00:00.000 --> 01:01:01.250\nR&amp;D &lt;now>\n\n"
    )


def test_nothing_was_said() -> None:
    for pieces in ([], [Piece(0, 1, " \n ")]):
        assert srt(pieces) == ""
        assert vtt(pieces) == "WEBVTT\n\n"


@pytest.mark.parametrize("text", ["a\n\nb", "1\n00:00:00,000 --> 00:00:01,000\nb", "-->"])
def test_a_text_cannot_begin_another_piece(text: str) -> None:
    for written in (srt([Piece(0, 1, text)]), vtt([Piece(0, 1, text)])):
        assert written.count(" --> ") == 1
        assert written.removeprefix("WEBVTT\n\n").count("\n\n") == 1


@given(PIECES)
def test_every_piece_is_one_block(pieces: list[Piece]) -> None:
    spoken = [piece for piece in pieces if piece.text.strip()]
    blocks = srt(pieces).split("\n\n")[:-1]

    assert len(blocks) == len(spoken)
    for number, block in enumerate(blocks, start=1):
        lines = block.split("\n")
        assert len(lines) == 3
        assert lines[0] == str(number)
    assert len(vtt(pieces).split("\n\n")[1:-1]) == len(spoken)
