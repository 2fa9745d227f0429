# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real converted model and real service processes for the tests of the engine."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from stt_engine.audio import RATE, Recording
from tests.unit.stt_engine.service_process import ServiceProcess, running_service
from tests.unit.stt_engine.tiny_model import CLIPS, write_tiny_model

StartService = Callable[..., ServiceProcess]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture's Whisper, converted; read-only by agreement."""
    return write_tiny_model(tmp_path_factory.mktemp("tiny-model"))


@pytest.fixture(scope="module")
def service(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """One ready service for the tests of a module that do not change it."""
    log = tmp_path_factory.mktemp("service") / "log"
    with running_service(log, STT_MODEL_PATH=str(tiny_model)) as process:
        process.wait_until_healthy()
        yield process


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[StartService]:
    """Starts services with their own settings; all are gone after the test."""
    with ExitStack() as stack:
        count = 0

        def start(**settings: str) -> ServiceProcess:
            nonlocal count
            count += 1
            return stack.enter_context(running_service(tmp_path / f"log-{count}", **settings))

        yield start


@pytest.fixture(scope="session")
def long_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten minutes of speech: work for many seconds, window after window."""
    path = tmp_path_factory.mktemp("recording") / "long.wav"
    with (CLIPS / "long-en.mp3").open("rb") as stream:
        samples = np.concatenate(list(Recording(stream, 3600).blocks()))
    data = (samples * 32767).astype("<i2").tobytes()
    with wave.open(str(path), "wb") as writer:
        writer.setparams((1, 2, RATE, 0, "NONE", "NONE"))
        writer.writeframes(data * (600 * RATE // len(samples)))
    return path
