# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings: good ones are read, every bad one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from stt_engine.config import ConfigError, Settings, unknown_variables


def test_the_defaults_are_productions() -> None:
    settings = Settings.from_environment({})

    assert settings.model_path == Path("/app/models/ctranslate2_model")
    assert (settings.device, settings.compute_type) == ("cuda", "float16")
    assert settings.port == 8003


def test_the_default_type_follows_the_device() -> None:
    assert Settings.from_environment({"STT_DEVICE": "cpu"}).compute_type == "float32"


def test_everything_can_be_set() -> None:
    settings = Settings.from_environment(
        {"STT_DEVICE": "cpu", "STT_COMPUTE_TYPE": "int8", "STT_PORT": " 9000 ", "STT_QUEUE": "0"}
    )

    assert (settings.compute_type, settings.port, settings.queue) == ("int8", 9000, 0)


@pytest.mark.parametrize(
    ("name", "value", "needed"),
    [
        ("STT_DEVICE", "auto", "one of cuda, cpu"),
        ("STT_COMPUTE_TYPE", "default", "one of float32, float16, "),
        ("STT_PORT", "80x", "a whole number from 1 to 65535"),
        ("STT_PORT", "0", "a whole number from 1 to 65535"),
        ("STT_CONCURRENCY", "65", "a whole number from 1 to 64"),
        ("STT_LOG_LEVEL", "loud", "one of debug, info, warning, error"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str, needed: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Settings.from_environment({name: value})

    assert str(caught.value).startswith(f"{name}: found {value!r}; needed {needed}")


def test_all_bad_values_are_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"STT_DEVICE: .*; STT_PORT: "):
        Settings.from_environment({"STT_PORT": "none", "STT_DEVICE": "tpu"})


def test_a_misspelt_variable_is_told_with_the_likely_one() -> None:
    assert unknown_variables({"STT_COMPUTE_TPYE": "int8", "STT_PORT": "1", "HOME": "/"}) == [
        "STT_COMPUTE_TPYE is no setting of this service; did you mean STT_COMPUTE_TYPE?"
    ]
