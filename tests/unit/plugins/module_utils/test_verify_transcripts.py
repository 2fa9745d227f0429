# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accepted transcripts: told to the checks, asked for by name, part of what a verdict is about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._verify_request import VerifyRequest
from ansible_collections.stt.engine.plugins.module_utils._verify_subject import (
    describe_subject,
    reuse_key,
    specification,
)
from tests.unit.plugins.module_utils.test_verify import LABELS, image, params

ACCEPTED = {
    "repository": "a/b",
    "commit": "4" * 40,
    "quantization": "int8",
    "clips": {
        "a.wav": {
            "sha256": "5" * 64,
            "text": "안녕하세요",
            "language": "ko",
            "made_by": "faster-whisper",
            "accepted": "2026-01-31T08:15:00Z",
        }
    },
}


@pytest.fixture
def host(tmp_path: Path) -> Path:
    for name in ("models/a_b/converted", "models/a_b/original", "clips"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "checks.pyz").write_bytes(b"archive")
    return tmp_path


def test_a_run_that_accepts_asks_for_nothing_that_was_accepted_before(host: Path) -> None:
    def key_of(**changed: Any) -> dict[str, str]:
        request = VerifyRequest.from_params("R5", params(host, **changed))
        return reuse_key(request, describe_subject(request, image(**LABELS)))

    alone = key_of(accept_transcripts=True)
    assert key_of(accept_transcripts=True, accepted_transcripts=ACCEPTED) == alone
    other = {**ACCEPTED, "clips": {}}
    keys = [alone, key_of(), *(key_of(accepted_transcripts=one) for one in (ACCEPTED, other))]
    assert len({str(key) for key in keys}) == 4
    # Verdicts of before transcripts could be accepted are still about the same thing.
    assert "transcripts" not in key_of()


def test_the_checks_are_told_what_was_accepted_and_for_which_model(host: Path) -> None:
    request = VerifyRequest.from_params("R5", params(host, accepted_transcripts=ACCEPTED))
    subject = replace(describe_subject(request, image(**LABELS)), commit="4" * 40)
    told = specification(request, subject, gpu_given=False)
    assert told["accepted_transcripts"] == ACCEPTED
    assert told["accept_transcripts"] is False
    assert told["models"]["commit"] == "4" * 40
    with pytest.raises(SttError, match="accepted_transcripts without the texts repository"):
        VerifyRequest.from_params("R5", params(host, accepted_transcripts={"clips": {}}))
