# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files that ask for much: of memory, of time, of a decoder for pictures."""

from __future__ import annotations

import io
import struct
from functools import cache

import av
import numpy as np

INTEGER, FLOAT = 1, 3


def wav(
    data: bytes, rate: int = 16000, channels: int = 1, kind: int = INTEGER, bits: int = 16
) -> bytes:
    """A WAV file with any header."""
    width = channels * bits // 8
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * width % 2**32, width, bits)
    return b"".join(
        (
            b"RIFF",
            struct.pack("<I", 36 + len(data)),
            b"WAVEfmt ",
            struct.pack("<I", len(form)),
            form,
            b"data",
            struct.pack("<I", len(data)),
            data,
        )
    )


def float_wav(*values: float, bits: int = 32) -> bytes:
    """A second of floating-point samples that repeat."""
    samples = np.resize(np.array(values), 16000).astype(f"<f{bits // 8}")
    return wav(samples.tobytes(), kind=FLOAT, bits=bits)


@cache
def flac_silence(seconds: int) -> bytes:
    """Silence as FLAC, 190 bytes a second."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=16000, layout="mono", format="s16")
        for number in range(seconds // 10):
            silence = np.zeros((1, 160_000), np.int16)
            frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16000, number * 160_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def _box(name: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I", 8 + len(content)) + name + content


def _full(name: bytes, *parts: bytes) -> bytes:
    return _box(name, bytes(4), *parts)


def mp4(packets: int, tracks: int, in_first: int | None = None, data: int = 4096) -> bytes:
    """An MP4 whose every track says in a few bytes that it has so many packets, of a byte each."""
    counts = [packets if in_first is None else in_first, *[packets] * (tracks - 1)]
    moov = _box(
        b"moov",
        _full(b"mvhd", struct.pack(">4I", 0, 0, 8000, packets), bytes(80)),
        *(_track(number, count) for number, count in enumerate(counts, start=1)),
    )
    return _box(b"ftyp", b"M4A \0\0\0\0M4A ") + _box(b"mdat", bytes(data)) + moov


def _track(number: int, packets: int) -> bytes:
    amr = _box(b"samr", b"\0\0\0\0\0\0\0\1", bytes(8), struct.pack(">4HI", 1, 8, 0, 0, 8000 << 16))
    table = _box(
        b"stbl",
        _full(b"stsd", struct.pack(">I", 1), amr),
        _full(b"stts", struct.pack(">3I", 1, packets, 160)),
        _full(b"stsc", struct.pack(">4I", 1, 1, packets, 1)),
        _full(b"stsz", struct.pack(">2I", 1, packets)),
        _full(b"stco", struct.pack(">2I", 1, 40)),
    )
    media = _box(
        b"mdia",
        _full(b"mdhd", struct.pack(">4I", 0, 0, 8000, packets), bytes(4)),
        _full(b"hdlr", bytes(4), b"soun", bytes(13)),
        _box(b"minf", _full(b"smhd", bytes(4)), table),
    )
    return _box(b"trak", _full(b"tkhd", struct.pack(">3I", 0, 0, number), bytes(68)), media)
