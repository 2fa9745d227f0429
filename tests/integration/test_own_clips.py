# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever recordings a user has, the check archive's own prove formats, length and silence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.test_checks_in_image import check
from tests.integration.test_self_test import ended
from tests.integration.verify_host import CLIPS, NAME, VerifyHost

GATES = ("R5.4/decode_formats", "R5.5/faster_whisper_silence", "R5.7/service_transcribes")
ANSWERED = "1 clips are transcribed as spoken; broken audio gets 4xx; 8 of the check archive's own"


@pytest.fixture
def clips(host: VerifyHost) -> str:
    """One typed recording of three seconds, which is one of the archive's own too."""
    told = [{"file": "mine.flac", "text": "Good morning, thank you for calling."}]
    recording = (CLIPS / "en-greeting.flac").read_bytes()
    return host.put({"mine.flac": recording, "clips.json": json.dumps(told).encode()}, "one")


@pytest.mark.parametrize("name", [NAME, "of_another_name"])
def test_one_recording_of_a_user_takes_no_proof_away(
    host: VerifyHost, image: str, converted: dict[str, Any], clips: str, name: str
) -> None:
    """Held to their texts by the model that these are for; by any other they are answered."""
    models = {"root": "/app/models", "ctranslate2": "ctranslate2_model", "transformers": name}
    mounts = {host.source: f"/app/models/{name}"}
    path = converted["path"]
    results = check(host, image, path, *GATES, clips=clips, mounts=mounts, models=models)
    assert {one["status"] for one in results.values()} == {"passed"}, results
    decoded, silent, served = (results[gate] for gate in GATES)
    assert decoded["found"].endswith("8 of them are the check archive's own")
    assert ": flac, m4a, mp3, ogg, wav;" in decoded["found"]
    assert silent["found"] == "2 recordings without speech gave no text"
    assert served["found"].startswith(ANSWERED)
    judged = [one for one in served["evidence"]["formats"] if one.get("expected")]
    assert len(judged) == (6 if name == NAME else 0)


@pytest.mark.long
def test_a_service_that_takes_a_users_format_alone_is_seen(
    host: VerifyHost, image: str, converted: dict[str, Any], clips: str
) -> None:
    rows = ended(host, image, converted, {"choosy_service": GATES[-1]}, clips)
    assert [row["as_planted"] for row in rows.values()] == [True], rows
