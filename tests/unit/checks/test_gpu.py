# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided about a GPU: its driver, and whether a model lies in its memory."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stt_checks import gpu_driver, gpu_memory, r4_cuda, r5_loads, r5_service
from stt_checks.outcome import CheckFailedError
from stt_checks.settings import Expected, Settings

from tests.unit.model_files import write_ctranslate2

GIGABYTE = 1_000_000_000


@pytest.mark.parametrize(
    ("driver", "image", "enough", "words"),
    [
        (12090, "12.9", True, "the driver has CUDA 12.9, the image needs 12.9"),
        (13000, "12.9", True, "the driver has CUDA 13.0"),
        (13010, "11.8", True, "the driver has CUDA 13.1"),
        # Within one major release, down to its first driver.
        (12040, "12.9", True, "enough by minor version compatibility"),
        (12000, "12.9", True, "enough by minor version compatibility"),
        (11000, "11.8", True, "enough by minor version compatibility"),
        (11080, "12.0", False, "a driver with CUDA 12.0 is the oldest that runs it"),
        (12090, "13.0", False, "the driver has CUDA 12.9, the image needs 13.0: a driver with"),
        # Before CUDA 11 there is no minor version compatibility.
        (10010, "10.2", False, "a driver with CUDA 10.2 is the oldest that runs it"),
        (10020, "10.2", True, "the driver has CUDA 10.2"),
        (9020, "12.8", False, "the driver has CUDA 9.2"),
    ],
)
def test_a_driver_fits_or_does_not(driver: int, image: str, enough: bool, words: str) -> None:
    found = gpu_driver.fit(driver, image)
    assert found.enough is enough
    assert words in found.sentence
    outcome = r4_cuda.judge_driver(driver, image)
    assert outcome.status == ("passed" if enough else "failed")
    assert (outcome.evidence["driver"], outcome.evidence["cuda"]) == (driver, image)


def test_no_driver_is_a_failure_and_an_unknown_image_a_skip() -> None:
    gone = r4_cuda.judge_driver(None, "12.9")
    assert (gone.status, "no driver answers" in gone.found) == ("failed", True)
    assert "container toolkit" in gone.fix
    assert r4_cuda.judge_driver(12080, None).status == "skipped"


def test_a_machine_without_the_drivers_library_has_no_driver(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gpu_driver, "LIBRARY", "libno-such-driver.so.1")
    assert gpu_driver.driver_version() is None
    # A library of that name which knows nothing of CUDA is a driver even less.
    monkeypatch.setattr(gpu_driver, "LIBRARY", "libc.so.6")
    with pytest.raises(AttributeError):
        gpu_driver.driver_version()


def test_an_image_without_torch_is_held_by_its_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_driver, "driver_version", lambda: 11080)
    slim = Settings(
        Path("/models"), "a", "b", gpu_given=True, variant="slim", expected=Expected(cuda="12.8")
    )
    outcome = r4_cuda.cuda_driver(slim, lambda *_doing: None)
    assert (outcome.status, outcome.evidence["cuda"]) == ("failed", "12.8")


@pytest.mark.parametrize(
    ("compute_type", "least"),
    [
        ("float32", 2.0),
        ("float16", 1.0),
        ("bfloat16", 1.0),
        ("int8", 0.5),
        ("int8_float16", 0.5),
        ("int8_bfloat16", 0.5),
        ("int8_float32", 0.5),
        ("int16", 1.0),
    ],
)
def test_half_of_the_weights_has_to_arrive(compute_type: str, least: float) -> None:
    assert gpu_memory.least_bytes(GIGABYTE, compute_type) == least * GIGABYTE


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (5, 5 + GIGABYTE, ""),
        (0, 4 * GIGABYTE, ""),
        (5, 5, "0 B more GPU memory is in use with the model than without"),
        (5, GIGABYTE, "1000.00 MB more GPU memory"),
        (2 * GIGABYTE, GIGABYTE, "0 B more GPU memory"),
        (None, GIGABYTE, "the driver does not tell"),
        (0, None, "the driver does not tell"),
    ],
)
def test_memory_that_did_not_arrive_is_missing(
    before: int | None, after: int | None, words: str
) -> None:
    found = gpu_memory.missing(before, after, GIGABYTE)
    assert bool(found) is bool(words)
    assert found.startswith(words)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A model of a few hundred weights, on a host with a GPU."""
    write_ctranslate2(tmp_path / "ct2", "float16")
    return Settings(tmp_path, "ct2", "b", gpu_given=True)


def reading(monkeypatch: pytest.MonkeyPatch, *told: int | None) -> list[str]:
    """A driver that tells these figures one after another; what was loaded in between."""
    figures, loaded = iter(told), list[str]()
    monkeypatch.setattr(r5_loads, "gpu_bytes", lambda: next(figures))
    monkeypatch.setattr(
        r5_loads, "load_faster_whisper", lambda _settings, kind: loaded.append(kind)
    )
    return loaded


def test_the_least_is_told_by_the_headers_of_the_weights(settings: Settings) -> None:
    weights = r5_loads.least_on_gpu(settings, "float16")
    assert 0 < weights < (settings.ctranslate2_path / "model.bin").stat().st_size
    assert r5_loads.least_on_gpu(settings, "float32") == 2 * weights
    (settings.ctranslate2_path / "model.bin").write_bytes(b"<html>")
    with pytest.raises(CheckFailedError, match="HTML"):
        r5_loads.least_on_gpu(settings, "float16")


def test_a_model_that_arrives_is_believed_at_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = reading(monkeypatch, 9_000_000)
    assert r5_loads.require_on_gpu(settings, "float16", 1_000_000) == 8_000_000
    assert loaded == []


def test_a_neighbour_that_gave_memory_back_raises_no_alarm(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = reading(monkeypatch, 500_000, 8_500_000)
    assert r5_loads.require_on_gpu(settings, "float16", 1_000_000) == 8_000_000
    assert loaded == ["float16"]


@pytest.mark.parametrize("told", [(1_000_000, 1_000_000), (None, None), (2, 1)])
def test_a_model_that_never_arrives_fails(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, told: tuple[int | None, ...]
) -> None:
    reading(monkeypatch, *told)
    with pytest.raises(CheckFailedError) as raised:
        r5_loads.require_on_gpu(settings, "float16", 1_000_000)
    assert raised.value.found.startswith("the model is not on the GPU: ")


def test_the_services_memory_is_seen_coming_or_going() -> None:
    used = r5_service.require_used_gpu
    assert used(1, 11, 1, 5) == 10
    # A neighbour gave some back while it loaded, or took some while it ran.
    assert used(20, 11, 1, 5) == 10
    assert used(1, 11, 9, 5) == 10
    for told in ((1, 3, 1), (None, None, None), (5, 5, 5), (1, None, 1)):
        with pytest.raises(CheckFailedError, match="not on the GPU"):
            used(*told, 5)


def test_the_peak_is_what_came_on_top() -> None:
    figures = iter([100, 150, 400])
    last = threading.Event()

    def read() -> int:
        found = next(figures, 120)
        if found == 120:
            last.set()
        return found

    with gpu_memory.Peak(read, interval=0.001) as peak:
        assert last.wait(10)
    assert peak.bytes == 300


def test_without_a_driver_there_is_no_peak() -> None:
    with gpu_memory.Peak(lambda: None, interval=0.001) as peak:
        pass
    assert peak.bytes is None


def test_the_expectation_says_that_memory_counts_where_there_is_a_gpu(settings: Settings) -> None:
    check = next(one for one in r5_loads.registry.checks if one.name == "faster_whisper_float32")
    assert "take their memory there" in check.expected(settings)
    assert "memory" not in check.expected(replace(settings, gpu_given=False))


def test_what_has_no_gpu_reads_no_gpu_memory(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    def never() -> Any:
        raise AssertionError("there is no GPU to ask")

    monkeypatch.setattr(r5_loads, "gpu_bytes", never)
    on_cpu = replace(settings, gpu_given=False)
    check = next(one for one in r5_loads.registry.checks if one.name == "faster_whisper_float16")
    assert check.run(on_cpu, lambda *_doing: None).status == "skipped"
