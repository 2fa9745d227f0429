# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whisper's features of a recording, a window at a time.

faster-whisper computes the features of a whole recording before it transcribes the first window,
from an array of all its samples: 0.8 MB of memory for each second. Here it gets the same values,
but they are computed when it asks for a window, and forgotten when it has gone on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

from stt_engine.audio import Block, Recording

# What is no longer than this is decoded once; a longer recording once more, window by window.
KEPT_FRAMES = 600 * 100
# Whisper's range below the loudest value of a recording, and its scale.
RANGE = 8.0
SHIFT = SCALE = 4.0
LEAST_POWER = 1e-10


class Features:
    """Log-mel features of a recording: of an array it has the shape and slices of its last axis.

    Making it reads the recording to its end, because the loudest value of all is part of each.
    """

    def __init__(self, recording: Recording, extractor: Any) -> None:
        self.recording = recording
        self._extractor = extractor
        self._window = np.hanning(extractor.n_fft + 1)[:-1].astype(np.float32)
        self._blocks: deque[Block] = deque()
        self._source: Iterator[Block] = iter(())
        self._begin = self._end = 0
        loudest = np.float32(-np.inf)
        count = 0
        for block in self._log_mel():
            loudest = max(loudest, block.max())
            count += block.shape[1]
            if count <= KEPT_FRAMES:
                self._blocks.append(block)
        self._least = loudest - np.float32(RANGE)
        self.shape = (extractor.mel_filters.shape[0], count)
        if count <= KEPT_FRAMES:
            self._end = count
        else:
            self._restart()

    def __getitem__(self, key: tuple[Any, slice]) -> Block | Features:
        """Return the features of a window; of more than that only the whole, as it is."""
        frames = self.shape[1]
        start, stop, _step = key[-1].indices(frames)
        if stop - start <= self._extractor.nb_max_frames:
            return self._scaled(self._cut(start, stop))
        if (start, stop) != (0, frames):
            raise ValueError(f"frames {start} to {stop} are more than a window")
        return self

    def _scaled(self, block: Block) -> Block:
        scaled: Block = (np.maximum(block, self._least) + np.float32(SHIFT)) / np.float32(SCALE)
        return scaled

    def _cut(self, start: int, stop: int) -> Block:
        if start < self._begin:
            self._restart()
        while self._end < stop:
            block = next(self._source, None)
            if block is None:
                break
            self._blocks.append(block)
            self._end += block.shape[1]
            self._forget(start)
        self._forget(start)
        joined = np.concatenate(self._blocks, axis=1)
        return joined[:, start - self._begin : stop - self._begin]

    def _forget(self, start: int) -> None:
        """Drop the blocks before a frame: whoever transcribes goes forward."""
        while len(self._blocks) > 1 and self._begin + self._blocks[0].shape[1] <= start:
            self._begin += self._blocks.popleft().shape[1]

    def _restart(self) -> None:
        self._blocks.clear()
        self._begin = self._end = 0
        self._source = self._log_mel()

    def _log_mel(self) -> Iterator[Block]:
        """Yield the logarithms of all frames, some at a time."""
        size, hop = self._extractor.n_fft, self._extractor.hop_length
        rest: Block | None = None
        for block in self._padded():
            samples = block if rest is None else np.concatenate((rest, block))
            frames = (len(samples) - size) // hop + 1
            if frames < 1:
                rest = samples
                continue
            yield self._log_mel_of(samples[: (frames - 1) * hop + size])
            rest = samples[frames * hop :]

    def _padded(self) -> Iterator[Block]:
        """Yield the recording as the extractor pads it: mirrored before, silent behind."""
        half, hop = self._extractor.n_fft // 2, self._extractor.hop_length
        first = True
        for block in self.recording.blocks():
            if first:
                silence = np.zeros(hop, np.float32)
                mirrored = np.pad(np.concatenate((block, silence)), (half, 0), mode="reflect")
                yield mirrored[:-hop]
            else:
                yield block
            first = False
        yield np.zeros(half, np.float32)

    def _log_mel_of(self, samples: Block) -> Block:
        extractor = self._extractor
        spectrum = extractor.stft(
            samples,
            extractor.n_fft,
            extractor.hop_length,
            window=self._window,
            center=False,
            return_complex=True,
        ).astype(np.complex64)
        power = extractor.mel_filters @ (np.abs(spectrum) ** 2)
        logarithms: Block = np.log10(np.clip(power, LEAST_POWER, None))
        return logarithms


class Measured(np.ndarray[tuple[int], np.dtype[np.float32]]):
    """Stands for the samples of a recording: all their number, none of their memory."""

    features: Features


def measured(features: Features) -> Measured:
    """Return what faster-whisper takes for the recording."""
    one = np.zeros(1, np.float32)
    array = np.broadcast_to(one, features.recording.samples).view(Measured)
    array.features = features
    return array


class Extractor:
    """A model's feature extractor that knows a recording whose features are there already."""

    def __init__(self, own: Any) -> None:
        self.own = own

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)

    def __call__(self, waveform: Any, **options: Any) -> Any:
        """Return the features of a waveform."""
        if isinstance(waveform, Measured):
            return waveform.features
        return self.own(waveform, **options)
