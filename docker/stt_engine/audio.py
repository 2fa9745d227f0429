# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decode any recording that PyAV reads to 16 kHz mono float32 samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from stt_engine.errors import AudioError

RATE = 16000
# More damage than this leaves no recording that could be transcribed truthfully.
MOST_DAMAGE = 0.5


@dataclass(frozen=True)
class Audio:
    """Samples ready for the model, and how many damaged packets were left out."""

    samples: NDArray[np.float32]
    damaged_packets: int

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return len(self.samples) / RATE


def _nothing() -> None:
    """Let the decoding go on."""


def decode(stream: BinaryIO, max_seconds: int, check: Callable[[], None] = _nothing) -> Audio:
    """Decode the first audio stream of a file; raise AudioError with the reason when it cannot be.

    Nothing but the given bytes is read: a playlist that names other files or addresses is refused.
    ``check`` is called for every packet and may end the decoding by raising.
    """
    decoder = _Decoder(max_seconds, check)
    try:
        with av.open(
            stream,
            mode="r",
            metadata_errors="ignore",
            container_options={"protocol_whitelist": "stt_engine_allows_none"},
        ) as container:
            if not container.streams.audio:
                raise AudioError(422, "no_audio_stream", "the file has no audio stream")
            decoder.read(container)
    except av.error.FFmpegError as error:
        reason = error.strerror or type(error).__name__
        raise AudioError(
            422, "unreadable_audio", f"the file is no audio that can be read: {reason}"
        ) from error
    if decoder.damaged > MOST_DAMAGE * decoder.packets:
        raise AudioError(
            422,
            "damaged_audio",
            f"{decoder.damaged} of {decoder.packets} packets of audio are damaged",
        )
    if not decoder.count:
        raise AudioError(422, "no_audio", "the file holds no samples of audio")
    samples = np.concatenate(decoder.blocks).astype(np.float32) / 32768.0
    return Audio(samples, decoder.damaged)


class _Decoder:
    """Collects resampled blocks and stops at the longest recording allowed."""

    def __init__(self, max_seconds: int, check: Callable[[], None]) -> None:
        self.max_seconds = max_seconds
        self.check = check
        self.resampler: av.AudioResampler | None = None
        self.source: tuple[str, str, int] | None = None
        self.blocks: list[NDArray[np.int16]] = []
        self.count = 0
        self.packets = 0
        self.damaged = 0

    def read(self, container: av.container.InputContainer) -> None:
        for frame in self._frames(container):
            # Sources with gaps would stop the resampler.
            frame.pts = None
            self._take(self._resampler_for(frame).resample(frame))
        self._flush()

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

    def _resampler_for(self, frame: av.AudioFrame) -> av.AudioResampler:
        """Return a resampler for frames of this kind; it may change in the middle of a stream."""
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self.resampler is None or source != self.source:
            self._flush()
            self.source = source
            self.resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        return self.resampler

    def _flush(self) -> None:
        if self.resampler is not None:
            self._take(self.resampler.resample(None))

    def _take(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            block = np.asarray(frame.to_ndarray(), dtype=np.int16).reshape(-1)
            self.blocks.append(block)
            self.count += len(block)
        if self.count > self.max_seconds * RATE:
            raise AudioError(
                413, "audio_too_long", f"the recording is longer than {self.max_seconds} seconds"
            )
