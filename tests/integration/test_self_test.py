# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks show in a real engine image that they can fail, and one that cannot is found out."""

from __future__ import annotations

import io
import json
import shlex
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.verify_host import CLIPS, NAME, RUN, VerifyHost, check_archive

# Shown in every run of the tests; the lab has no GPU to hide, so a policy requires one.
FOUR = {
    "flipped_weight": "R5.8/encoder_agreement",
    "wrong_tokenizer": "R5.1/same_tokenizer",
    "swapped_transcripts": "R5.5/faster_whisper_texts",
    "missing_gpu": "R4.3/cuda_available",
}
DEAD = """
from stt_checks import catalogue
from stt_checks.outcome import Outcome

living = catalogue.checks


def checks(*arguments):
    from dataclasses import replace

    return [
        replace(check, run=lambda *_any: Outcome("passed", "all is well"))
        if check.key == "R4.2/models_present"
        else check
        for check in living(*arguments)
    ]


catalogue.checks = checks
"""
# Gates that are alive but for one judgement inside: the hash gate, the broken audio still judge.
INSIDE = """
from stt_checks import r5_quantizations, r5_service, r5_transcripts


def good(body):
    return lambda *arguments, **named: {**body(*arguments, **named), "good": True}


r5_service.held = good(r5_service.held)
r5_transcripts.held = good(r5_transcripts.held)
r5_transcripts.agreement = good(r5_transcripts.agreement)
r5_quantizations._judge = good(r5_quantizations._judge)
r5_quantizations._Comparison._hold_encoder_against = lambda *_any: None
"""
SERVED = "R5.9/quantization_int8_float16"
# What only that judgement can find.
HELD = {
    "inventing_service": "R5.7/service_transcribes",
    "heard_otherwise": "R5.5/faster_whisper_batched",
    "disagreeing_decoders": "R5.6/decoders_agree",
    "resealed_int8_float16": SERVED,
    "other_words_int8_float16": SERVED,
}


def dead_archive(code: str = DEAD) -> bytes:
    """The check archive with one gate in it that passes whatever it is shown."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(check_archive())) as whole, zipfile.ZipFile(packed, "w") as out:
        for name in whole.namelist():
            data = whole.read(name)
            if name == "__main__.py":
                begin = b"from stt_checks.command"
                data = data.replace(begin, code.encode() + b"\n" + begin)
            out.writestr(name, data)
    return packed.getvalue()


@pytest.fixture
def other_archive(host: VerifyHost) -> Iterator[None]:
    """Whatever a test puts in the archive's place goes at its end."""
    yield
    host.put({"checks.pyz": check_archive()}, "checks")


def ended(
    host: VerifyHost,
    image: str,
    converted: dict[str, Any],
    controls: dict[str, str],
    clips: str | None = None,
    **models: Any,
) -> dict[tuple[str, str], dict[str, Any]]:
    """How one gate of each of some controls ended in the image, by control and gate."""
    spec = {
        "container": True,
        "models": {
            "root": "/app/models",
            "ctranslate2": "ctranslate2_model",
            "transformers": NAME,
            **models,
        },
        "clips": "/checks/clips",
        "expected": {"quantization": "int8_float16"},
    }
    places = {
        converted["path"]: "/app/models/ctranslate2_model",
        host.source: f"/app/models/{NAME}",
        f"{host.directory}/checks/checks.pyz": "/checks/checks.pyz",
        clips or f"{host.directory}/clips": "/checks/clips",
    }
    volumes = " ".join(f"--volume {path}:{place}:ro" for path, place in places.items())
    only = " ".join(f"--control {name} --only {gate}" for name, gate in controls.items())
    printed = host.ssh(
        f"{RUN} {volumes} --entrypoint python3 {shlex.quote(image)} "
        f"/checks/checks.pyz --spec - --self-test {only} || [ $? = 1 ]",
        json.dumps(spec).encode(),
    )
    rows = [json.loads(line) for line in printed.splitlines()][1:-1]
    return {(row["control"], f"{row['id']}/{row['name']}"): row for row in rows}


def test_the_four_of_every_day_fail_as_planted(
    host: VerifyHost, image: str, converted: dict[str, Any]
) -> None:
    # One gate of each: the whole of it runs among the long tests.
    rows = ended(host, image, converted, FOUR)
    assert rows.keys() >= set(FOUR.items())
    assert all(row["as_planted"] for row in rows.values()), rows


@pytest.mark.long
@pytest.mark.parametrize("gate", ["faster_whisper_texts", "faster_whisper_batched"])
def test_recordings_of_a_language_that_nobody_told_are_no_alarm(
    host: VerifyHost, image: str, converted: dict[str, Any], gate: str
) -> None:
    """Two typed Korean clips that differ by a full stop, each without its language."""
    text = "이용해 주셔서 감사합니다."
    told = [{"file": "one.flac", "text": text}, {"file": "other.flac", "text": text.rstrip(".")}]
    files = {str(one["file"]): (CLIPS / "ko-thanks.flac").read_bytes() for one in told}
    clips = host.put({**files, "clips.json": json.dumps(told).encode()}, "untold")
    controls = dict.fromkeys(("another_language", "swapped_transcripts"), f"R5.5/{gate}")
    rows = ended(host, image, converted, controls, clips)
    assert rows.keys() == set(controls.items())
    assert all(row["as_planted"] for row in rows.values()), rows


@pytest.mark.long
@pytest.mark.usefixtures("other_archive")
def test_a_judgement_that_is_dead_inside_a_gate_is_seen(
    host: VerifyHost, image: str, converted: dict[str, Any]
) -> None:
    manifest = json.loads(host.ssh(f"cat {converted['path']}.manifest.json"))
    other = {"quantization": "float32", "path": "elsewhere", "files": manifest["files"]}
    models = {"files": {"ctranslate2": manifest["files"]}, "alternatives": [other]}
    rows = ended(host, image, converted, HELD, **models)
    assert [rows[pair] for pair in HELD.items() if not rows[pair]["as_planted"]] == []
    host.put({"checks.pyz": dead_archive(INSIDE)}, "checks")
    rows = ended(host, image, converted, HELD, **models)
    assert [rows[pair] for pair in HELD.items() if rows[pair]["as_planted"]] == []


@pytest.mark.long
def test_every_gate_of_an_image_fails_as_planted(host: VerifyHost, image: str) -> None:
    done = host.judge(image, self_test=True)
    assert not done.get("failed"), done["msg"]
    told = done["self_test"]
    assert told["wrong"] == told["left_out"] == []
    assert told["failed_as_planted"] == told["gates"] == len(done["planned"])
    assert not [name for name in host.containers() if name.startswith(host.prefix)]


@pytest.mark.long
def test_every_gate_of_a_release_fails_as_planted(
    host: VerifyHost, image: str, converted: dict[str, Any]
) -> None:
    """And what showed it is told later by who does not ask again."""
    clips = {"clips": f"{host.directory}/clips"}
    for module, changes in (("stt_image_verify", {}), ("stt_model_verify", clips)):
        done = host.verify(module, image, converted["path"], self_test=True, **changes)
        assert not done.get("failed"), done["msg"]
        shown = done["self_test"]
        assert shown["wrong"] == []
        # Shown by another fault too, which needs no GPU.
        assert all("no GPU on this host" in one["reason"] for one in shown["left_out"])
        assert shown["failed_as_planted"] == shown["gates"] == len(done["planned"])
        print(f"{module}: {shown['gates']} gates in {shown['seconds']:.1f} s")
        record = f"{host.directory}/{module}.json"
        host.ssh(f"cat > {record}", json.dumps(shown).encode())
        kept = f"{host.directory}/verdict.json"
        host.ssh(f"cat > {kept}", json.dumps(done).encode())
        again = host.verify(
            module, image, converted["path"], self_test_record=record, reuse=kept, **changes
        )
        assert (again["reused"], again["self_test"]) == (True, shown)
    assert not [name for name in host.containers() if name.startswith(host.prefix)]


@pytest.mark.long
@pytest.mark.usefixtures("other_archive")
def test_a_gate_that_cannot_fail_stops_a_release(
    host: VerifyHost, image: str, converted: dict[str, Any]
) -> None:
    host.put({"checks.pyz": dead_archive()}, "checks")
    done = host.verify("stt_image_verify", image, converted["path"], self_test=True)
    assert done["failed"] is True
    assert done["verdict"] == "passed"
    assert done["msg"].startswith("self-test of the checks of R4: found 1 of ")
    assert "R4.2/models_present passed although a model.bin of 0 bytes was planted" in done["msg"]
    assert "all is well" in done["msg"]
    assert [row["gate"] for row in done["self_test"]["wrong"]] == ["R4.2/models_present"]
    assert not [name for name in host.containers() if name.startswith(host.prefix)]
