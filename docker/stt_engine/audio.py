# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decode any recording that PyAV reads to 16 kHz mono float32 samples, a block at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import av
import numpy as np
from av.stream import Discard
from numpy.typing import NDArray

from stt_engine import limits
from stt_engine.errors import AudioError

RATE = 16000
BLOCK = 30 * RATE
# More damage than this leaves no recording that could be transcribed truthfully; the same holds
# for samples beyond full scale, which are cut off there.
MOST_DAMAGE = 0.5
FULL_SCALE = 1.0
# A peak beyond this is cut off here, because the resampler's own limit is passed by larger ones.
HIGHEST_PEAK = 16.0

Block = NDArray[np.float32]


def _nothing() -> None:
    """Let the decoding go on."""


class Recording:
    """One uploaded file; its samples are decoded when they are read, and never held all at once.

    Nothing but the given bytes is read: a playlist that names other files or addresses is refused.
    ``check`` is called for every packet and may end the decoding by raising.
    """

    def __init__(
        self, stream: BinaryIO, max_seconds: int, check: Callable[[], None] = _nothing
    ) -> None:
        self.stream = stream
        self.max_seconds = max_seconds
        self.check = check
        # Of the last complete reading.
        self.samples = 0
        self.damaged_packets = 0

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return self.samples / RATE

    def blocks(self) -> Iterator[Block]:
        """Decode the first audio stream from its beginning; each block but the last has 30 seconds.

        Raises AudioError with the reason when the file cannot be decoded, at its end also when it
        was not worth it.
        """
        self.stream.seek(0)
        decoder = _Decoder(self.max_seconds, self.check)
        try:
            with av.open(
                self.stream,
                mode="r",
                metadata_errors="ignore",
                container_options=limits.container_options(self.max_seconds),
            ) as container:
                yield from _in_blocks(decoder.read(container))
        except MemoryError as error:
            raise AudioError(
                422,
                "unreadable_audio",
                f"the file asks for more memory than a recording needs, or has more than "
                f"{limits.STREAMS} streams",
            ) from error
        except av.error.FFmpegError as error:
            reason = error.strerror or type(error).__name__
            raise AudioError(
                422, "unreadable_audio", f"the file is no audio that can be read: {reason}"
            ) from error
        decoder.judge()
        self.samples, self.damaged_packets = decoder.count, decoder.damaged


def _in_blocks(pieces: Iterator[NDArray[np.int16]]) -> Iterator[Block]:
    """Join pieces of any length to blocks of one length."""
    waiting: list[NDArray[np.int16]] = []
    count = 0
    for piece in pieces:
        waiting.append(piece)
        count += len(piece)
        while count >= BLOCK:
            joined = np.concatenate(waiting)
            yield _as_float(joined[:BLOCK])
            waiting = [joined[BLOCK:]]
            count -= BLOCK
    if count:
        yield _as_float(np.concatenate(waiting))


def _as_float(samples: NDArray[np.int16]) -> Block:
    block = samples.astype(np.float32)
    block /= 32768.0
    return block


class _Decoder:
    """Resamples frame after frame, and stops at the longest recording allowed."""

    def __init__(self, max_seconds: int, check: Callable[[], None]) -> None:
        self.max_seconds = max_seconds
        self.check = check
        self.resampler: av.AudioResampler | None = None
        self.source: tuple[str, str, int] | None = None
        self.count = 0
        self.packets = 0
        self.damaged = 0
        self.read_values = 0
        self.beyond_scale = 0

    def read(self, container: av.container.InputContainer) -> Iterator[NDArray[np.int16]]:
        """Yield the samples of the first audio stream."""
        if not container.streams.audio:
            raise AudioError(422, "no_audio_stream", "the file has no audio stream")
        for other in container.streams:
            if other.index != container.streams.audio[0].index:
                # A film's pictures would be read from the file, and thrown away.
                other.discard = Discard.all
        context = container.streams.audio[0].codec_context
        if context is None:
            raise AudioError(
                422, "unreadable_audio", "the file is no audio that can be read: unknown codec"
            )
        context.options = {"max_samples": str(limits.FRAME_SAMPLES)}
        limits.check_source(context.channels, context.sample_rate)
        for frame in self._frames(container):
            limits.check_source(len(frame.layout.channels), frame.sample_rate)
            sound = self._sound(frame)
            # Sources with gaps would stop the resampler.
            sound.pts = None
            yield from self._resampled(sound)
        yield from self._flushed()

    def judge(self) -> None:
        """Raise AudioError when what was read is no recording that can be transcribed."""
        if self.damaged > MOST_DAMAGE * self.packets:
            raise AudioError(
                422,
                "damaged_audio",
                f"{self.damaged} of {self.packets} packets of audio are damaged",
            )
        if self.beyond_scale > MOST_DAMAGE * self.read_values:
            raise AudioError(
                422,
                "overdriven_audio",
                f"{self.beyond_scale} of {self.read_values} samples are beyond -1 to 1, full scale",
            )
        if not self.count:
            raise AudioError(422, "no_audio", "the file holds no samples of audio")

    def _frames(self, container: av.container.InputContainer) -> Iterator[av.AudioFrame]:
        """Yield the frames that decode; a damaged packet costs only itself."""
        for packet in container.demux(audio=0):
            self.check()
            # The last one is empty and only flushes the decoder.
            self.packets += bool(packet.size)
            try:
                yield from packet.decode()
            except av.error.InvalidDataError:
                self.damaged += 1

    def _sound(self, frame: av.AudioFrame) -> av.AudioFrame:
        """Refuse what is no number: conversion to integers would make some sound of it."""
        if not frame.format.name.startswith(("flt", "dbl")):
            return frame
        values: Any = frame.to_ndarray()
        heights = np.abs(values)
        self.read_values += values.size
        highest = heights.max(initial=0)
        if highest <= FULL_SCALE:
            return frame
        if not np.isfinite(highest):
            raise AudioError(
                422, "not_finite", "the recording has samples that are not finite numbers"
            )
        self.beyond_scale += int(np.count_nonzero(heights > FULL_SCALE))
        if highest <= HIGHEST_PEAK:
            return frame
        cut = av.AudioFrame.from_ndarray(
            np.clip(values, -HIGHEST_PEAK, HIGHEST_PEAK),
            format=frame.format.name,
            layout=frame.layout.name,
        )
        cut.sample_rate = frame.sample_rate
        return cut

    def _resampled(self, frame: av.AudioFrame) -> Iterator[NDArray[np.int16]]:
        """Resample one frame; its kind may change in the middle of a stream."""
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self.resampler is None or source != self.source:
            yield from self._flushed()
            self.source = source
            self.resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        yield from self._taken(self.resampler.resample(frame))

    def _flushed(self) -> Iterator[NDArray[np.int16]]:
        if self.resampler is not None:
            yield from self._taken(self.resampler.resample(None))

    def _taken(self, frames: list[av.AudioFrame]) -> Iterator[NDArray[np.int16]]:
        for frame in frames:
            piece = np.asarray(frame.to_ndarray(), dtype=np.int16).reshape(-1)
            self.count += len(piece)
            if self.count > self.max_seconds * RATE:
                raise AudioError(
                    413,
                    "audio_too_long",
                    f"the recording is longer than {self.max_seconds} seconds",
                )
            yield piece
