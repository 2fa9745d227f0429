# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decoding: the same samples from every format, and a reason for whatever is no audio."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from faster_whisper import decode_audio
from numpy.typing import NDArray

from stt_engine.audio import BLOCK, RATE, Recording
from stt_engine.errors import AudioError
from tests.unit.stt_engine.tiny_model import CLIPS

LONGEST = 3600
SOUNDS = sorted(path.name for path in CLIPS.iterdir() if path.suffix != ".json")


def wav(samples: bytes, rate: int = RATE, channels: int = 1) -> bytes:
    """The bytes of a 16-bit WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples)
    return buffer.getvalue()


def recording_of(data: bytes, longest: int = LONGEST) -> Recording:
    """A recording from memory."""
    return Recording(io.BytesIO(data), longest)


def samples_of(recording: Recording) -> NDArray[np.float32]:
    """All samples of a recording; only a test holds so much."""
    return np.concatenate(list(recording.blocks()))


def refusal(data: bytes, longest: int = LONGEST) -> AudioError:
    """Return the error that the bytes give."""
    with pytest.raises(AudioError) as caught:
        samples_of(recording_of(data, longest))
    return caught.value


@pytest.mark.parametrize("name", SOUNDS)
def test_the_samples_are_those_of_faster_whisper(name: str) -> None:
    data = (CLIPS / name).read_bytes()

    audio = recording_of(data)
    samples = samples_of(audio)

    expected = decode_audio(io.BytesIO(data))
    assert (audio.samples, audio.damaged_packets) == (len(samples), 0)
    assert abs(len(samples) - len(expected)) <= RATE // 100
    length = min(len(samples), len(expected))
    assert np.abs(samples[:length] - expected[:length]).max() < 0.01


def test_a_recording_can_be_read_again() -> None:
    audio = recording_of((CLIPS / "long-en.mp3").read_bytes())

    first, second = samples_of(audio), samples_of(audio)

    assert np.array_equal(first, second)
    assert audio.samples == len(first)


def test_blocks_are_no_longer_than_a_window() -> None:
    """A stream whose frames are minutes long comes in blocks of 30 seconds as well."""
    audio = recording_of(wav(b"\0\1" * 70_000, rate=1000))

    assert [len(block) for block in audio.blocks()] == [BLOCK, BLOCK, 10 * RATE]


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 2), (44100, 2), (96000, 1)])
def test_rates_and_channels(rate: int, channels: int) -> None:
    audio = recording_of(wav(b"\0\1" * rate * channels, rate, channels))
    samples_of(audio)

    assert audio.seconds == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "unreadable_audio"),
        (b"hello, this is text and no audio at all\n" * 50, "unreadable_audio"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "no_audio_stream"),
        (b"RIFF\x24\0\0\0WAVE", "unreadable_audio"),
        (wav(b""), "no_audio"),
    ],
)
def test_what_is_no_audio(data: bytes, code: str) -> None:
    error = refusal(data)

    assert (error.status, error.code) == (422, code)
    assert str(error)


def test_a_truncated_file_gives_what_is_there() -> None:
    data = (CLIPS / "en-greeting.flac").read_bytes()

    whole = samples_of(recording_of(data))
    half = samples_of(recording_of(data[: len(data) // 2]))

    assert 0 < len(half) < len(whole)


def test_damaged_packets_are_counted() -> None:
    data = bytearray((CLIPS / "en-greeting-stereo.mp3").read_bytes())
    data[6000:9000] = bytes(range(250)) * 12

    audio = recording_of(bytes(data))
    samples_of(audio)

    assert audio.damaged_packets > 0


def test_a_recording_that_is_mostly_damage() -> None:
    data = bytearray((CLIPS / "ko-delivery-stereo.m4a").read_bytes())
    at = data.index(b"mdat") + 4
    end = at - 8 + int.from_bytes(data[at - 8 : at - 4])
    data[at + 1000 : end] = b"\x7e" * (end - at - 1000)

    error = refusal(bytes(data))

    assert (error.status, error.code) == (422, "damaged_audio")
    assert "packets of audio are damaged" in str(error)


def test_a_stream_whose_rate_changes_keeps_its_speed() -> None:
    """Two MP3 files one after the other are one file, as some recorders make them."""
    parts = [encoded(rate) for rate in (RATE, 44100)]

    audio = recording_of(b"".join(parts))
    samples_of(audio)

    assert audio.seconds == pytest.approx(2.0, abs=0.3)


def encoded(rate: int) -> bytes:
    """A second of nothing as MP3."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=rate, layout="mono", format="s16p")
        silence = np.zeros((1, rate), np.int16)
        frame = av.AudioFrame.from_ndarray(silence, format="s16p", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        for one in (frame, None):
            container.mux(stream.encode(one))
    return buffer.getvalue()


def test_decoding_can_be_ended() -> None:
    class EndedError(Exception):
        pass

    def check() -> None:
        raise EndedError

    with pytest.raises(EndedError):
        samples_of(Recording(io.BytesIO(wav(b"\0\0" * RATE)), LONGEST, check))


def test_a_recording_that_is_too_long() -> None:
    error = refusal(wav(b"\0\0" * RATE * 3), longest=2)

    assert (error.status, error.code) == (413, "audio_too_long")


def test_a_playlist_reads_no_other_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(wav(b"\1\0" * RATE))
    playlists = [
        f"ffconcat version 1.0\nfile '{secret}'\n",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n",
    ]

    for playlist in playlists:
        assert refusal(playlist.encode()).code == "unreadable_audio"
