# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the service, all from the environment, all judged before anything is loaded."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

PREFIX = "STT_"
COMPUTE_TYPES = (
    "float32",
    "float16",
    "bfloat16",
    "int16",
    "int8",
    "int8_float32",
    "int8_float16",
    "int8_bfloat16",
)
# Explicit, so that nothing falls back: what a device computes in unless told otherwise.
COMPUTE_TYPE_OF = {"cuda": "float16", "cpu": "float32"}
LOG_LEVELS = ("debug", "info", "warning", "error")

T = TypeVar("T")


class ConfigError(Exception):
    """Settings that cannot be used; the message names each variable, what it is and must be."""


@dataclass(frozen=True)
class Settings:
    """How one process serves one model; each field is the variable STT_<FIELD>."""

    model_path: Path
    device: str
    device_index: int
    compute_type: str
    host: str
    port: int
    # Threads of one transcription on the CPU; 0 leaves it to CTranslate2.
    cpu_threads: int
    # Transcriptions at a time, and how many more may wait.
    concurrency: int
    queue: int
    retry_after_seconds: int
    max_upload_bytes: int
    max_audio_seconds: int
    # How long an upload may take, and then, once it is here, its answer with all waiting.
    upload_seconds: int
    deadline_seconds: int
    beam_size: int
    # The model answers a tiny inference this often, unless a transcription has just shown it.
    probe_seconds: int
    # How long a stopping service waits for what it accepted.
    drain_seconds: int
    log_level: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read all settings; raise ConfigError that names every wrong one at once."""
        reader = _Reader(environment)
        device = reader.choice("DEVICE", "cuda", ("cuda", "cpu"))
        settings = cls(
            model_path=Path(reader.text("MODEL_PATH", "/app/models/ctranslate2_model")),
            device=device,
            device_index=reader.number("DEVICE_INDEX", 0, 0, 63),
            compute_type=reader.choice("COMPUTE_TYPE", COMPUTE_TYPE_OF[device], COMPUTE_TYPES),
            host=reader.text("HOST", "0.0.0.0"),
            port=reader.number("PORT", 8003, 1, 65535),
            cpu_threads=reader.number("CPU_THREADS", 0, 0, 1024),
            concurrency=reader.number("CONCURRENCY", 1, 1, 64),
            queue=reader.number("QUEUE", 16, 0, 10_000),
            retry_after_seconds=reader.number("RETRY_AFTER_SECONDS", 5, 1, 3600),
            max_upload_bytes=reader.number("MAX_UPLOAD_BYTES", 100 * 2**20, 1, 2**40),
            max_audio_seconds=reader.number("MAX_AUDIO_SECONDS", 4 * 3600, 1, 7 * 24 * 3600),
            upload_seconds=reader.number("UPLOAD_SECONDS", 300, 1, 24 * 3600),
            deadline_seconds=reader.number("DEADLINE_SECONDS", 1800, 1, 7 * 24 * 3600),
            beam_size=reader.number("BEAM_SIZE", 5, 1, 16),
            probe_seconds=reader.number("PROBE_SECONDS", 60, 1, 3600),
            drain_seconds=reader.number("DRAIN_SECONDS", 120, 0, 3600),
            log_level=reader.choice("LOG_LEVEL", "info", LOG_LEVELS),
        )
        if reader.problems:
            raise ConfigError("; ".join(reader.problems))
        return settings


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Return a sentence for every STT_ variable that sets nothing, with the likely meant one."""
    known = {PREFIX + field.name.upper() for field in fields(Settings)}
    sentences = []
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            sentences.append(f"{name} is no setting of this service{hint}")
    return sentences


class _Reader:
    """Reads one variable after another and keeps what is wrong with each."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.problems: list[str] = []

    def text(self, name: str, default: str) -> str:
        return self._value(name, default, str, "some text")

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        def convert(text: str) -> str:
            if text not in allowed:
                raise ValueError(text)
            return text

        return self._value(name, default, convert, f"one of {', '.join(allowed)}")

    def number(self, name: str, default: int, least: int, most: int) -> int:
        def convert(text: str) -> int:
            value = int(text)
            if not least <= value <= most:
                raise ValueError(text)
            return value

        return self._value(name, default, convert, f"a whole number from {least} to {most}")

    def _value(self, name: str, default: T, convert: Callable[[str], T], needed: str) -> T:
        raw = self.environment.get(PREFIX + name, "").strip()
        if not raw:
            return default
        try:
            return convert(raw)
        except ValueError:
            self.problems.append(f"{PREFIX}{name}: found {raw!r}; needed {needed}")
            return default
