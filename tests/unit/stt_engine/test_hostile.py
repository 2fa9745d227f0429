# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small file cannot make the service use much, nor pass off what is no sound as a recording."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from stt_engine.audio import RATE, Recording
from stt_engine.errors import AudioError
from tests.unit.stt_engine.conftest import StartService
from tests.unit.stt_engine.hostile import flac_silence, float_wav, mp4, wav
from tests.unit.stt_engine.service_process import ServiceProcess, environment
from tests.unit.stt_engine.test_audio import recording_of, refusal, samples_of
from tests.unit.stt_engine.test_service import refused

MEGABYTE = 2**20
# Its samples alone would be 230 MB.
HOUR = 3600
# Reads a file in a process of its own, and says what that took beyond the libraries themselves.
MEASURE = """
import json, resource, sys
from stt_engine.audio import Recording
from stt_engine.errors import AudioError
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before, code = peak(), None
recording = Recording(open(sys.argv[1], "rb"), 14400)
try:
    for block in recording.blocks():
        pass
except AudioError as error:
    code = error.code
print(json.dumps({"bytes": peak() - before, "code": code, "seconds": recording.seconds}))
"""


def measured(data: bytes) -> dict[str, Any]:
    """Read a file in a process of its own: how it ended, and the memory."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        run = subprocess.run(
            [sys.executable, "-c", MEASURE, file.name],
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        )
    return dict(json.loads(run.stdout))


def test_an_hour_in_a_small_file_takes_no_more_memory_than_minutes() -> None:
    found = measured(flac_silence(HOUR))

    assert found["seconds"] == HOUR
    assert found["bytes"] < 40 * MEGABYTE


@pytest.mark.parametrize("tracks", [1, 12, 900])
def test_an_index_of_millions_of_packets_in_a_few_bytes(tracks: int) -> None:
    found = measured(mp4(1_300_000, tracks))

    assert found["code"] is not None
    assert found["bytes"] < 1024 * MEGABYTE


def test_other_streams_are_not_read() -> None:
    class Counting(io.BytesIO):
        count = 0

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            self.count += len(data)
            return data

    stream = Counting(mp4(MEGABYTE, 2, in_first=4, data=MEGABYTE))
    with pytest.raises(AudioError, match="4 of 4 packets"):
        samples_of(Recording(stream, 14400))

    assert stream.count < MEGABYTE // 2


@pytest.mark.parametrize(
    ("rate", "code"),
    [(1, "bad_rate"), (20, "bad_rate"), (10**8, "bad_rate"), (2**31 - 1, "bad_rate")],
)
def test_a_rate_at_which_nobody_records(rate: int, code: str) -> None:
    found = measured(wav(bytes(2 * 14_000), rate))

    assert found["code"] == code
    assert found["bytes"] < 20 * MEGABYTE


@pytest.mark.parametrize("rate", [1000, 768_000])
def test_a_rate_at_which_somebody_may(rate: int) -> None:
    recording = recording_of(wav(bytes(2 * rate), rate))
    samples_of(recording)

    assert recording.seconds == pytest.approx(1.0, abs=0.05)


def test_channels() -> None:
    error = refusal(wav(bytes(2 * 64 * 1000), channels=64))

    assert (error.status, error.code) == (422, "too_many_channels")
    assert "64 channels; at most 32" in str(error)
    assert len(samples_of(recording_of(wav(bytes(2 * 8 * RATE), channels=8)))) == RATE


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_samples_that_are_no_numbers(value: float, bits: int) -> None:
    """One is enough: what is left would be some other recording."""
    for data in (float_wav(value, bits=bits), float_wav(*[0.1] * 9999, value, bits=bits)):
        error = refusal(data)

        assert (error.status, error.code) == (422, "not_finite")


@pytest.mark.parametrize("values", [[1e30], [32000.0, -31000.0], [1e30, 1e30, 0.0]])
def test_samples_mostly_beyond_full_scale(values: list[float]) -> None:
    error = refusal(float_wav(*values))

    assert (error.status, error.code) == (422, "overdriven_audio")


def test_a_peak_beyond_full_scale_is_cut_off() -> None:
    samples = samples_of(recording_of(float_wav(0.25, -0.25, 1e30, -7.0)))

    assert samples[:4] == pytest.approx([0.25, -0.25, 1.0, -1.0], abs=1e-4)


def test_the_service_says_why(service: ServiceProcess) -> None:
    reason = refused(service.transcribe(data=float_wav(math.nan)), 422, "not_finite")

    assert reason == "the recording has samples that are not finite numbers"
    refused(service.transcribe(data=wav(bytes(2000), rate=1)), 422, "bad_rate")


def test_an_hour_leaves_the_service_small(start_service: StartService, tiny_model: Path) -> None:
    """What takes longer than the deadline takes no memory either, during it and after it."""
    service = start_service(STT_MODEL_PATH=str(tiny_model), STT_DEADLINE_SECONDS="2")
    service.wait_until_healthy()
    before = peak_bytes(service)

    refused(service.transcribe(data=flac_silence(HOUR)), 504, "deadline_exceeded")

    service.wait_until_inside(0)
    # Less than its samples alone, once: what is held does not grow with the recording.
    assert peak_bytes(service) - before < HOUR * RATE * 4


def peak_bytes(service: ServiceProcess) -> int:
    """The most memory that the service ever held."""
    status = Path(f"/proc/{service.process.pid}/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
