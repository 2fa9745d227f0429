# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file may ask of FFmpeg's libraries: a small one can otherwise ask for many gigabytes."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import av
from av.codec.codec import UnknownCodecError

from stt_engine.errors import AudioError

CHANNELS = 32
# The filter that resamples grows with the rate, what it makes of a frame with its inverse.
LOWEST_RATE, HIGHEST_RATE = 1000, 768_000
# Longest frame of any codec that is in use: WavPack's with 131072.
FRAME_SAMPLES = 2**18
STREAMS = 16
# One piece of memory for the libraries. The largest that a recording needs is an MP4's index, with
# so many bytes for a packet; packets of 10 ms are the shortest in use.
INDEX_BYTES = 24
PACKETS_A_SECOND = 100
LEAST_BYTES = 32 * 2**20


def container_options(max_seconds: int) -> dict[str, str]:
    """Options that keep the libraries to the given file, its audio and a bounded size."""
    _bound_allocations(max(LEAST_BYTES, max_seconds * PACKETS_A_SECOND * INDEX_BYTES))
    return {
        "protocol_whitelist": "stt_engine_allows_none",
        # Pictures are not decoded, not even to find out what they are.
        "codec_whitelist": _audio_decoders(),
        "max_streams": str(STREAMS),
    }


def check_source(channels: int, rate: int) -> None:
    """Raise AudioError for audio that nobody records but that takes much memory to resample."""
    if channels > CHANNELS:
        raise AudioError(
            422, "too_many_channels", f"the recording has {channels} channels; at most {CHANNELS}"
        )
    if rate and not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(
            422,
            "bad_rate",
            f"the recording has {rate} samples a second; needed {LOWEST_RATE} to {HIGHEST_RATE}",
        )


@cache
def _audio_decoders() -> str:
    names = []
    for name in sorted(av.codecs_available):
        try:
            codec = av.Codec(name, "r")
        except UnknownCodecError:
            # It has only an encoder.
            continue
        if codec.type == "audio":
            names.append(name)
    return ",".join(names)


@cache
def _bound_allocations(size: int) -> None:
    """Bound each single allocation of the libraries, for this process; PyAV has no name for it."""
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        path = line.split(maxsplit=5)[-1]
        if "/libavutil" in path:
            ctypes.CDLL(path).av_max_alloc(ctypes.c_size_t(size))
            return
    raise RuntimeError(
        "libavutil: found no such library in this process; needed PyAV's, loaded as a shared one"
    )
