# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loaded model: it runs as it was asked to, and shows again and again that it answers."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stt_engine.audio import RATE, Recording
from stt_engine.config import Settings
from stt_engine.diagnose import diagnose_faster_whisper_model
from stt_engine.features import Extractor, Features, measured

# A probe may take this much longer than the first one did before it counts as a hang.
PROBE_PATIENCE = 20
LEAST_PATIENCE_SECONDS = 30.0
PROBE_TOKENS = 4
# A text that fails the model's own thresholds at one temperature is made again at the next.
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


class EngineError(Exception):
    """A model or device that cannot be used as asked; the service must not start."""


@dataclass(frozen=True)
class Options:
    """What one request may choose."""

    language: str | None
    task: Literal["transcribe", "translate"]
    beam_size: int
    prompt: str | None = None
    # 0 begins there and goes on to higher ones where the text is not good enough.
    temperature: float = 0.0
    words: bool = False


@dataclass(frozen=True)
class Word:
    """One word of a transcript; times in seconds."""

    word: str
    start: float
    end: float


@dataclass(frozen=True)
class Segment:
    """One piece of a transcript; times in seconds, seek in frames of the features."""

    id: int
    start: float
    end: float
    text: str
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    temperature: float | None
    seek: int
    tokens: list[int]
    words: list[Word]


@dataclass(frozen=True)
class Transcript:
    """Everything the model said about one recording."""

    text: str
    language: str
    language_probability: float
    duration: float
    segments: list[Segment] = field(default_factory=list)


@dataclass(frozen=True)
class Facts:
    """What is loaded, as read back from the library."""

    path: str
    digest: str
    device: str
    compute_type: str
    quantization: str
    multilingual: bool
    mel_bins: int
    load_seconds: float


class Engine:
    """One model on one device. load() once, then transcribe() from any thread."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.facts: Facts | None = None
        self.failure: str | None = None
        self._model: Any = None
        self._lock = threading.Lock()
        self._calls = threading.local()
        self._last_answer = 0.0
        self._probe_failure: str | None = None
        self._first_probe_seconds = 0.0

    def load(self) -> None:
        """Load the model and let it answer once; raise EngineError unless all is as asked."""
        begin = time.monotonic()
        settings = self.settings
        diagnosis = diagnose_faster_whisper_model(settings.model_path)
        if not diagnosis["valid"]:
            raise EngineError(f"model {settings.model_path}: {'; '.join(diagnosis['errors'])}")
        with ThreadPoolExecutor(1, thread_name_prefix="digest") as pool:
            digest = pool.submit(_sha256, settings.model_path / "model.bin")
            self._model = self._load_model()
            self._model.feature_extractor = Extractor(self._model.feature_extractor)
            self._check_before_windows()
            device, compute_type = self._model.model.device, self._model.model.compute_type
            self._check_read_back(device, compute_type)
            self.probe()
            if self._probe_failure is not None:
                raise EngineError(f"model {settings.model_path}: {self._probe_failure}")
            facts = diagnosis["model"]
            self.facts = Facts(
                path=str(settings.model_path),
                digest=f"sha256:{digest.result()}",
                device=device,
                compute_type=compute_type,
                quantization=facts["quantization"],
                multilingual=facts["multilingual"],
                mel_bins=facts["mel_bins"],
                load_seconds=round(time.monotonic() - begin, 3),
            )

    def _load_model(self) -> Any:
        """Load onto the device that was asked for, never onto another."""
        import ctranslate2
        from faster_whisper import WhisperModel

        settings = self.settings
        if settings.device == "cuda":
            count = ctranslate2.get_cuda_device_count()
            if settings.device_index >= count:
                raise EngineError(
                    f"device cuda:{settings.device_index}: found {count} CUDA devices; needed one "
                    "with that number; run the container with --gpus, or set STT_DEVICE=cpu"
                )
        supported = ctranslate2.get_supported_compute_types(settings.device, settings.device_index)
        if settings.compute_type not in supported:
            raise EngineError(
                f"compute type {settings.compute_type}: device {settings.device} supports only "
                f"{', '.join(sorted(supported))}; set STT_COMPUTE_TYPE to one of them"
            )
        try:
            return WhisperModel(
                str(settings.model_path),
                device=settings.device,
                device_index=settings.device_index,
                compute_type=settings.compute_type,
                cpu_threads=settings.cpu_threads,
                num_workers=settings.concurrency,
                local_files_only=True,
            )
        except Exception as error:
            # The tokenizer's library raises nothing more specific.
            raise EngineError(f"model {settings.model_path} cannot be loaded: {error}") from error

    def _check_read_back(self, device: str, compute_type: str) -> None:
        settings = self.settings
        # int8 alone leaves the type of everything else to the library.
        alike = settings.compute_type == "int8" and compute_type.startswith("int8")
        if device != settings.device or (compute_type != settings.compute_type and not alike):
            raise EngineError(
                f"model {settings.model_path}: found {compute_type} on {device} after loading; "
                f"needed {settings.compute_type} on {settings.device}"
            )

    def _check_before_windows(self) -> None:
        """Let a transcription be given up between windows; silent ones give no segment to do it."""
        encode = self._model.encode

        def checked(features: NDArray[np.float32]) -> Any:
            check = getattr(self._calls, "check", None)
            if check is not None:
                check()
            return encode(features)

        self._model.encode = checked

    def probe(self) -> None:
        """Let the model answer one second of silence and remember when, or why it did not."""
        begin = time.monotonic()
        try:
            segments, _unused = self._model.transcribe(
                np.zeros(RATE, dtype=np.float32),
                language="en",
                beam_size=1,
                temperature=0.0,
                max_new_tokens=PROBE_TOKENS,
                without_timestamps=True,
                condition_on_previous_text=False,
            )
            for _segment in segments:
                pass
        except Exception as error:
            # Whatever the library raises: the reason goes into /health and the log.
            with self._lock:
                self._probe_failure = f"the model does not answer: {error}"
            return
        with self._lock:
            self._probe_failure = None
            self._last_answer = time.monotonic()
            if not self._first_probe_seconds:
                self._first_probe_seconds = self._last_answer - begin

    @property
    def seconds_since_answer(self) -> float:
        """Time since the model last answered anything, in seconds."""
        return time.monotonic() - self._last_answer

    def problem(self) -> str | None:
        """Return why the engine is not healthy now, or None when it is."""
        if self.failure is not None:
            return self.failure
        if self.facts is None:
            return "the model is being loaded"
        with self._lock:
            patience = max(LEAST_PATIENCE_SECONDS, PROBE_PATIENCE * self._first_probe_seconds)
            failure, age = self._probe_failure, self.seconds_since_answer
        if failure is not None:
            return failure
        if age > self.settings.probe_seconds + patience:
            return f"the model has not answered for {age:.0f} seconds"
        return None

    def languages(self) -> list[str]:
        """Return the codes of the languages that a request may name."""
        return list(self._model.supported_languages)

    def transcribe(
        self,
        recording: Recording,
        options: Options,
        check: Callable[[], None] | None = None,
    ) -> Transcript:
        """Transcribe one recording; blocks until the last segment is there.

        Memory does not grow with its length. Raises AudioError where it cannot be decoded.

        ``check`` is called before each window of 30 seconds and may end the work by raising.
        """
        features = Features(recording, self._model.feature_extractor)
        self._calls.check = check
        try:
            pieces, info = self._model.transcribe(
                measured(features),
                language=options.language,
                task=options.task,
                beam_size=options.beam_size,
                initial_prompt=options.prompt,
                temperature=options.temperature or TEMPERATURES,
                word_timestamps=options.words,
            )
            segments = [_segment(piece) for piece in pieces]
        finally:
            self._calls.check = None
        with self._lock:
            self._last_answer = time.monotonic()
            self._probe_failure = None
        return Transcript(
            text="".join(segment.text for segment in segments).strip(),
            language=info.language,
            language_probability=info.language_probability,
            duration=info.duration,
            segments=segments,
        )

    def describe(self) -> dict[str, Any]:
        """Return what is loaded as plain JSON values; before that, what was asked for."""
        if self.facts is not None:
            return asdict(self.facts)
        settings = self.settings
        return {
            "path": str(settings.model_path),
            "device": settings.device,
            "compute_type": settings.compute_type,
        }


def _segment(piece: Any) -> Segment:
    return Segment(
        id=piece.id,
        start=round(piece.start, 3),
        end=round(piece.end, 3),
        text=piece.text,
        avg_logprob=piece.avg_logprob,
        no_speech_prob=piece.no_speech_prob,
        compression_ratio=piece.compression_ratio,
        temperature=piece.temperature,
        seek=piece.seek,
        tokens=list(piece.tokens),
        words=[
            Word(word.word.strip(), round(float(word.start), 3), round(float(word.end), 3))
            for word in piece.words or ()
        ],
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
