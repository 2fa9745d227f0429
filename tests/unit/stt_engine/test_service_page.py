# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page about the service names every setting, route and metric that there is, and no other."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from stt_engine.application import ROUTES
from stt_engine.config import PREFIX, Settings
from stt_engine.metrics import Metrics

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "service.md").read_text(encoding="utf-8")


def test_every_setting_is_named() -> None:
    named = set(re.findall(r"`(STT_[A-Z_]+)`", PAGE))

    assert named == {PREFIX + field.name.upper() for field in fields(Settings)}


def test_the_defaults_are_true() -> None:
    settings = Settings.from_environment({})

    assert f"`STT_DEADLINE_SECONDS` | `{settings.deadline_seconds}`" in PAGE
    assert f"`STT_UPLOAD_SECONDS` | `{settings.upload_seconds}`" in PAGE
    assert f"`STT_MAX_AUDIO_SECONDS` | `{settings.max_audio_seconds}`" in PAGE
    assert f"`STT_QUEUE` | `{settings.concurrency}`, `{settings.queue}`" in PAGE
    assert f"`STT_DRAIN_SECONDS` | `{settings.drain_seconds}`" in PAGE
    assert f"`STT_RETRY_AFTER_SECONDS` | `{settings.retry_after_seconds}`" in PAGE
    assert settings.max_upload_bytes == 100 * 2**20


def test_every_route_is_named() -> None:
    assert set(re.findall(r"^\| `(?:GET|POST) (/\S+)`", PAGE, re.MULTILINE)) == set(ROUTES)


def test_every_metric_is_named() -> None:
    metrics = Metrics(lambda: 0, lambda: 0, lambda: 0)
    metrics.tell_model({"device": "cpu"})
    kinds = {"counter": "_total", "info": "_info"}
    made = {
        family.name + kinds.get(family.type, "")
        for family in metrics.registry.collect()
        if family.name.startswith("stt_")
    }

    assert set(re.findall(r"`(stt_[a-z_]+)", PAGE)) == made
