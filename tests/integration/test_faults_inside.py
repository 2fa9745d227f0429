# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""More faults inside a real engine image: a rewritten vocabulary, and inputs that fail.

A service that cannot take one kind of recording is our own with one line more; the engine itself
is whole, so that only what really sends it every clip can tell.
"""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from tests.bench import caught
from tests.integration.test_checks_in_image import check, copy, derived, statuses
from tests.integration.verify_host import CLIPS, VerifyHost

# Fixtures of the tests beside these.
__all__ = ["copy", "derived"]

pytestmark = pytest.mark.long

AUDIO = "/app/stt_engine/audio.py"
BEFORE = "        limits.check_source(context.channels, context.sample_rate)\n"
REFUSED = """        if {condition}:
            raise AudioError(422, "unreadable_audio", "a recording of a kind that is not known")
"""
TAKEN = "            self.count += len(piece)\n"
CUT = """            if self.count >= 30 * RATE:
                return
"""
PLAIN = "en-greeting.flac"


@pytest.mark.fault("vocabulary as an object")
def test_a_vocabulary_that_is_an_object(
    host: VerifyHost, image: str, copy: str, record_property: caught.Record
) -> None:
    words = json.loads(host.ssh(f"cat {copy}/vocabulary.json"))
    document = {word: number for number, word in enumerate(words)}
    host.ssh(f"cat > {copy}/vocabulary.json", json.dumps(document).encode())
    names = ("R5.1/engine_diagnosis", "R5.1/structure")
    results = check(host, image, copy, *names)
    assert statuses(results) == dict.fromkeys(names, "failed"), results
    caught.by_checks(record_property, results.values())


def with_lines_before(line: str, more: str) -> tuple[str, str]:
    """The steps that put more before one line of the service's audio module."""
    script = f"""
import pathlib
module = pathlib.Path({AUDIO!r})
text = module.read_text()
assert text.count({line!r}) == 1
module.write_text(text.replace({line!r}, {more + line!r}))
"""
    # Compiled files here are not compared with their sources.
    cached = "RUN rm -rf /app/stt_engine/__pycache__"
    return (
        cached,
        f"RUN python3 -c {shlex.quote(f'exec(bytes.fromhex({script.encode().hex()!r}))')}",
    )


@pytest.mark.parametrize(
    ("before", "more", "clip"),
    [
        pytest.param(
            BEFORE,
            REFUSED.format(condition="context.channels == 2"),
            "en-greeting-stereo.mp3",
            marks=pytest.mark.fault("stereo input fails"),
            id="stereo",
        ),
        pytest.param(
            BEFORE,
            REFUSED.format(condition="context.sample_rate == 8000"),
            "en-order-8khz.wav",
            marks=pytest.mark.fault("8 kHz input fails"),
            id="8 kHz",
        ),
        pytest.param(
            BEFORE,
            REFUSED.format(condition='context.name.startswith("mp3")'),
            "en-greeting-stereo.mp3",
            marks=pytest.mark.fault("mp3 input fails"),
            id="mp3",
        ),
        pytest.param(
            TAKEN, CUT, "long-en.mp3", marks=pytest.mark.fault("long input is cut"), id="long"
        ),
    ],
)
def test_a_service_that_cannot_take_a_kind_of_recording(
    host: VerifyHost,
    converted: dict[str, Any],
    derived: Any,
    before: str,
    more: str,
    clip: str,
    record_property: caught.Record,
) -> None:
    entries = json.loads((CLIPS / "clips.json").read_text(encoding="utf-8"))
    chosen = [entry for entry in entries if entry["file"] in (PLAIN, clip)]
    files = {entry["file"]: (CLIPS / entry["file"]).read_bytes() for entry in chosen}
    clips = host.put({**files, "clips.json": json.dumps(chosen).encode()}, "chosen")
    image = derived(*with_lines_before(before, more))
    names = ("R5.7/service_health", "R5.7/service_transcribes")
    results = check(host, image, converted["path"], *names, clips=clips)
    host.ssh(f"rm -r {clips}")
    assert statuses(results) == dict(zip(names, ("passed", "failed"), strict=True)), results
    found = results["R5.7/service_transcribes"]["found"]
    assert clip in found
    assert PLAIN not in found
    caught.by_checks(record_property, results.values())
