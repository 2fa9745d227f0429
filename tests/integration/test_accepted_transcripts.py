# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's own recordings in a real engine image: what was heard is accepted, then judged by."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.integration.verify_host import CLIPS, COMMIT, REPOSITORY, VerifyHost, failing, tiny_model

pytestmark = pytest.mark.long

# Under names of their own, as whoever has recorded them calls them: nobody has typed their texts.
OWN = {"first call.flac": "ko-greeting.flac", "second-call.flac": "ko-meeting.flac"}
TRANSCRIBERS = (
    "R5.5 faster_whisper_texts",
    "R5.5 faster_whisper_batched",
    "R5.6 transformers_texts",
    "R5.7 service_transcribes",
)


@pytest.fixture(scope="module")
def own(host: VerifyHost) -> str:
    """A user's directory on the server, as the role carries it there."""
    entries: list[dict[str, Any]] = [{"file": name, "language": "ko"} for name in OWN]
    entries.append({"file": "nobody.flac", "kind": "silence"})
    files = {name: (CLIPS / ours).read_bytes() for name, ours in OWN.items()}
    files["nobody.flac"] = (CLIPS / "silence.flac").read_bytes()
    host.put({**files, "clips.json": json.dumps(entries).encode()}, "own")
    return f"{host.directory}/own"


@pytest.fixture(scope="module")
def accepted(
    host: VerifyHost, image: str, converted: dict[str, Any], own: str
) -> dict[str, dict[str, Any]]:
    """The result of the run that accepts."""
    done = host.verify(
        "stt_model_verify", image, converted["path"], clips=own, accept_transcripts=True
    )
    assert not done.get("failed"), done["msg"]
    return done


def judge(
    host: VerifyHost, image: str, path: str, clips: str, record: dict[str, Any], **changes: Any
) -> dict[str, Any]:
    return host.verify(
        "stt_model_verify",
        image,
        path,
        clips=clips,
        accepted_transcripts=record,
        fail_on_verdict=False,
        **changes,
    )


def told(done: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{one['id']} {one['name']}": one for one in done["checks"]}


def test_what_is_heard_is_returned_with_what_it_was_made_by(accepted: dict[str, Any]) -> None:
    record = accepted["accepted_transcripts"]
    assert (record["repository"], record["commit"]) == (REPOSITORY, COMMIT)
    assert record["quantization"] == "int8_float16"
    texts = {one["file"]: one["text"] for one in json.loads((CLIPS / "clips.json").read_bytes())}
    assert set(record["clips"]) == set(OWN)
    for name, clip in record["clips"].items():
        assert clip["text"] == texts[OWN[name]]
        assert clip["language"] == "ko"
        assert clip["sha256"] == hashlib.sha256((CLIPS / OWN[name]).read_bytes()).hexdigest()
        assert clip["made_by"].startswith("faster-whisper 1.")
        assert clip["made_by"].endswith("int8_float32 on cpu")
        assert clip["accepted"] == accepted["judged"]
    # All decoders were held against it in the same run.
    for check in TRANSCRIBERS:
        assert told(accepted)[check]["found"].startswith("2 clips are transcribed as accepted")


def test_the_next_run_is_judged_by_it_and_is_quiet(
    host: VerifyHost, image: str, converted: dict[str, Any], own: str, accepted: dict[str, Any]
) -> None:
    kept = f"{host.directory}/R5.json"
    host.ssh(f"cat > {kept}", json.dumps(accepted).encode())
    record = accepted["accepted_transcripts"]
    done = judge(host, image, converted["path"], own, record, reuse=kept)
    assert (done["verdict"], done["reused"]) == ("passed", False), failing(done)
    for check in TRANSCRIBERS:
        assert told(done)[check]["status"] == "passed"
    heard = told(done)["R5.5 faster_whisper_texts"]["evidence"]["transcripts"]
    assert {one["accepted"] for one in heard} == {accepted["judged"]}
    assert "accepted_transcripts" not in done
    host.ssh(f"cat > {kept}", json.dumps(done).encode())
    again = judge(host, image, converted["path"], own, record, reuse=kept)
    assert again["reused"] is True


def test_a_text_that_came_out_otherwise_stops_it_with_both_texts_and_the_limit(
    host: VerifyHost, image: str, converted: dict[str, Any], own: str, accepted: dict[str, Any]
) -> None:
    record = json.loads(json.dumps(accepted["accepted_transcripts"]))
    first, second = (record["clips"][name] for name in OWN)
    first["text"], second["text"] = second["text"], first["text"]
    done = judge(host, image, converted["path"], own, record)
    assert set(failing(done)) == set(TRANSCRIBERS)
    for check in TRANSCRIBERS:
        found, fix = told(done)[check]["found"], told(done)[check]["fix"]
        assert f"first call.flac gave {second['text']!r} for {first['text']!r} as accepted" in found
        assert " above 0.2" in found
        assert "-e model_check_accept_transcripts=true" in fix


def test_another_recording_of_the_name_falls_back_to_agreement_and_is_counted(
    host: VerifyHost, image: str, converted: dict[str, Any], own: str, accepted: dict[str, Any]
) -> None:
    swapped = f"{host.directory}/swapped"
    host.ssh(f"rm -rf {swapped} && cp -r {own} {swapped}")
    host.put({"second-call.flac": (CLIPS / "ko-thanks.flac").read_bytes()}, "swapped")
    done = judge(host, image, converted["path"], swapped, accepted["accepted_transcripts"])
    assert done["verdict"] == "passed", failing(done)
    agreed = told(done)["R5.6 decoders_agree"]
    assert agreed["found"] == "both decoders agree on 1 of 1 clips of unknown text"
    assert agreed["evidence"]["not_applied"] == {
        "second-call.flac": "another recording than was accepted under its name"
    }
    assert told(done)["R5.5 faster_whisper_texts"]["found"].startswith(
        "1 clips are transcribed as accepted and 1 of 1 clips of unknown text gave some"
    )


def test_another_model_falls_back_to_agreement_and_is_counted(
    host: VerifyHost, image: str, converted: dict[str, Any], own: str, accepted: dict[str, Any]
) -> None:
    record = {**accepted["accepted_transcripts"], "commit": "f" * 40}
    done = judge(host, image, converted["path"], own, record)
    assert done["verdict"] == "passed", failing(done)
    agreed = told(done)["R5.6 decoders_agree"]
    assert agreed["found"] == "both decoders agree on 2 of 2 clips of unknown text"
    reasons = agreed["evidence"]["not_applied"].values()
    assert len(reasons) == 2
    assert all("it was accepted for another model" in reason for reason in reasons)


def test_a_swapped_tokenizer_is_caught_by_what_was_accepted(
    host: VerifyHost, image: str, converted: dict[str, Any], own: str, accepted: dict[str, Any]
) -> None:
    """Of both models alike: the decoders agree with each other, on words that nobody has said."""
    document = json.loads(tiny_model()["tokenizer.json"])
    vocabulary = document["model"]["vocab"]
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)[:50000]
    vocabulary.update({piece: (at + 1) % len(pieces) for at, piece in enumerate(pieces)})
    models = {"ctranslate2": converted["path"], "transformers": host.source}
    for kind, path in models.items():
        place = f"{host.directory}/wrong/{kind}"
        host.ssh(f"mkdir -p {host.directory}/wrong && cp -r {path} {place} && chmod -R u+w {place}")
        host.ssh(f"cp {path}.manifest.json {place}.manifest.json")
        host.ssh(f"cat > {place}/tokenizer.json", json.dumps(document).encode())
    wrong = {
        "ctranslate2": f"{host.directory}/wrong/ctranslate2",
        "transformers": f"{host.directory}/wrong/transformers",
        "name": REPOSITORY.replace("/", "_"),
    }
    record = accepted["accepted_transcripts"]
    done = judge(host, image, wrong["ctranslate2"], own, record, models=wrong)
    caught = failing(done)
    for check in ("R5.5 faster_whisper_texts", "R5.5 faster_whisper_batched"):
        assert "as accepted" in caught[check]
    host.ssh(f"rm -rf {host.directory}/wrong")


def test_models_that_nobody_can_name_are_not_accepted_for(
    host: VerifyHost, image: str, converted: dict[str, Any], own: str
) -> None:
    bare = f"{host.directory}/bare"
    host.ssh(f"cp -r {converted['path']} {bare}")
    done = host.verify("stt_model_verify", image, bare, clips=own, accept_transcripts=True)
    assert done["failed"] is True
    assert done["msg"].startswith("transcripts to accept: found models without manifests that name")
    host.ssh(f"rm -rf {bare}")
