# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accepted transcripts: what is kept of a run that accepts, and since when."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._accepted_transcripts import (
    CHECK,
    READ,
    accept,
    complaint,
    lines,
    read_record,
    require_model,
)
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError

MODEL = {"repository": "a/b", "commit": "4" * 40, "quantization": "int8"}
FIRST, SECOND = "2026-01-31T08:15:00Z", "2026-02-01T08:15:00Z"


def heard(text: str = "안녕하세요", digit: str = "5") -> dict[str, str]:
    return {"sha256": digit * 64, "text": text, "language": "ko", "made_by": "faster-whisper"}


def checks(status: str = "passed", **clips: Any) -> list[dict[str, Any]]:
    step, name = CHECK
    other = {"id": "R5.5", "name": "faster_whisper_texts", "status": "passed", "evidence": {}}
    evidence = {"accepted": {f"{clip}.wav": what for clip, what in clips.items()}}
    return [other, {"id": step, "name": name, "status": status, "evidence": evidence}]


def test_what_was_heard_is_accepted_for_this_model() -> None:
    record = accept(MODEL, checks(a=heard()), FIRST, {})
    assert record == {**MODEL, "clips": {"a.wav": {**heard(), "accepted": FIRST}}}
    assert complaint(record) is None
    assert read_record(record) == record


def test_what_is_the_same_stays_accepted_since_when_it_was() -> None:
    before = accept(MODEL, checks(a=heard(), b=heard(), c=heard(), gone=heard()), FIRST, {})
    again = {**heard(), "made_by": "a newer faster-whisper"}
    after = accept(
        MODEL, checks(a=again, b=heard("안녕히"), c=heard(digit="6"), d=heard()), SECOND, before
    )
    since = {name: clip["accepted"] for name, clip in after["clips"].items()}
    assert since == {"a.wav": FIRST, "b.wav": SECOND, "c.wav": SECOND, "d.wav": SECOND}
    assert after["clips"]["a.wav"] == before["clips"]["a.wav"]


def test_another_model_accepts_everything_anew() -> None:
    before = accept(MODEL, checks(a=heard()), FIRST, {})
    for key in MODEL:
        after = accept({**MODEL, key: "other"}, checks(a=heard()), SECOND, before)
        assert after["clips"]["a.wav"]["accepted"] == SECOND


@pytest.mark.parametrize(
    "results", [checks(), checks("skipped"), checks("failed", a=heard()), checks()[:1]]
)
def test_nothing_heard_is_nothing_to_accept(results: list[dict[str, Any]]) -> None:
    assert accept(MODEL, results, FIRST, {}) == {}


def test_a_model_that_nobody_can_name_is_refused() -> None:
    require_model(**MODEL)
    for key in MODEL:
        with pytest.raises(SttError, match="without manifests that name repository"):
            require_model(**{**MODEL, key: ""})


def test_a_malformed_parameter_is_refused() -> None:
    assert read_record(None) == {}
    with pytest.raises(SttError, match=r"restore the committed lock, or accept them again with -e"):
        read_record({"clips": {}})


@pytest.mark.parametrize("language", ["ko", "en"])
def test_an_operator_is_told_to_read_every_text(language: str) -> None:
    record = accept(MODEL, checks(b=heard("a\x1b[2Jb"), a=heard()), FIRST, {})
    assert lines(record, language) == [
        READ[language],
        "  a.wav (ko): 안녕하세요",
        "  b.wav (ko): a?[2Jb",
    ]
