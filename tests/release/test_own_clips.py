# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's own recordings of unknown text: accepted in one release, judged by in the next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.release.conftest import CHECKOUT, Lab

ROOT = "/opt/stt-own-clips"
OURS = CHECKOUT / "roles" / "model_check" / "files" / "clips"
FIRST, SECOND = "first-call.flac", "second-call.flac"
READ = "A person has to listen to these recordings and read what was heard in them"
ACCEPT = {"model_check_accept_transcripts": True}
JUDGED = ("faster_whisper_texts", "faster_whisper_batched", "transformers_texts")

pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Own:
    """A user's directory, the lock beside his inventory, and what he gives to the playbook."""

    clips: Path
    lock: Path

    @property
    def variables(self) -> dict[str, Any]:
        return {
            "stt_root": ROOT,
            "model_check_clips": str(self.clips),
            "release_lock_path": str(self.lock),
            # Whoever else makes a release on the lab may have containers of the usual name.
            "runtime_check_container": "stt-own-clips",
            "model_check_container": "stt-own-clips",
        }

    @property
    def accepted(self) -> dict[str, Any]:
        """The accepted transcripts of the lock."""
        document: dict[str, Any] = yaml.safe_load(self.lock.read_text(encoding="utf-8"))
        return dict(document.get("accepted_transcripts") or {})

    def record(self, name: str, ours: str) -> None:
        """Put one of the collection's recordings there, under a name of the user's."""
        (self.clips / name).write_bytes((OURS / ours).read_bytes())


@pytest.fixture(scope="module")
def own(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    """Two recordings without a text, and a release of the lab whose image is used again."""
    made = lab.play()
    assert made.rc == 0, made.output[-6000:]
    # The image is on the server; its build's log goes with it to the other root.
    lab.ssh(f"mkdir -p {ROOT}/jobs && cp -a /opt/stt/jobs/image-build-* {ROOT}/jobs/")
    place = tmp_path_factory.mktemp("own")
    own = Own(place / "our-recordings", place / "build.lock.yml")
    own.clips.mkdir()
    own.record(FIRST, "ko-greeting.flac")
    own.record(SECOND, "ko-meeting.flac")
    entries = [{"file": name, "language": "ko"} for name in (FIRST, SECOND)]
    (own.clips / "clips.json").write_text(json.dumps(entries), encoding="utf-8")
    yield own
    lab.ssh(f"rm -rf {ROOT}")


def found(lab: Lab, name: str) -> str:
    """What a check of the newest release says."""
    return next(check["found"] for check in lab.report()["checks"] if check["name"] == name)


def text_of(ours: str) -> str:
    entries = json.loads((OURS / "clips.json").read_bytes())
    return next(str(entry["text"]) for entry in entries if entry["file"] == ours)


def test_what_was_heard_is_printed_for_a_person_and_written_into_the_lock(
    lab: Lab, own: Own
) -> None:
    run = lab.play("--diff", variables={**own.variables, **ACCEPT})
    assert run.rc == 0, run.output[-6000:]
    greeting, meeting = text_of("ko-greeting.flac"), text_of("ko-meeting.flac")
    assert READ in run.output
    assert f"  {FIRST} (ko): {greeting}\n  {SECOND} (ko): {meeting}\n" in run.output
    assert f"+      text: {greeting}" in run.output
    clips = own.accepted["clips"]
    assert {name: clip["text"] for name, clip in clips.items()} == {
        FIRST: greeting,
        SECOND: meeting,
    }
    assert found(lab, "transcripts_to_accept") == (
        "2 transcripts to accept, once a person has read them"
    )
    manifest = json.loads((lab.newest() / "manifest.json").read_bytes())
    assert manifest["predicate"]["lock"]["accepted_transcripts"] == own.accepted


def test_the_next_release_is_judged_by_it_and_the_one_after_changes_nothing(
    lab: Lab, own: Own
) -> None:
    before = own.lock.read_bytes()
    run = lab.play(variables=own.variables)
    assert run.rc == 0, run.output[-6000:]
    for name in JUDGED:
        assert found(lab, name) == "2 clips are transcribed as accepted"
    assert READ not in run.output
    again = lab.play(variables=own.variables)
    assert again.rc == 0, again.output[-6000:]
    assert again.recap["changed"] == 0, again.output
    assert own.lock.read_bytes() == before


def test_a_sealed_release_is_proven_again_by_the_texts_that_it_was_sealed_with(
    lab: Lab, own: Own
) -> None:
    run = lab.play(
        variables={**own.variables, "release": lab.newest().name},
        playbook="playbooks/verify.yml",
    )
    assert run.rc == 0, run.output[-6000:]
    (record,) = [json.loads(path.read_bytes()) for path in lab.releases.glob("verified/*/*.json")]
    said = {check["name"]: check["found"] for check in record["checks"]}
    assert {said[name] for name in JUDGED} == {"2 clips are transcribed as accepted"}


def test_accepting_again_without_a_change_leaves_the_lock_as_it_is(lab: Lab, own: Own) -> None:
    before = own.lock.read_bytes()
    run = lab.play(variables={**own.variables, **ACCEPT})
    assert run.rc == 0, run.output[-6000:]
    assert READ in run.output
    assert own.lock.read_bytes() == before


def test_another_text_stops_the_release_at_r5_and_the_one_before_stays(lab: Lab, own: Own) -> None:
    kept, newest = own.lock.read_text(encoding="utf-8"), lab.newest()
    manifest = (newest / "manifest.json").read_bytes()
    greeting, thanks = text_of("ko-greeting.flac"), text_of("ko-thanks.flac")
    own.lock.write_text(kept.replace(greeting, thanks), encoding="utf-8")
    try:
        run = lab.play(variables=own.variables)
        assert own.lock.read_text(encoding="utf-8") == kept.replace(greeting, thanks)
    finally:
        own.lock.write_text(kept, encoding="utf-8")
    assert run.rc != 0
    assert "(R5.5 faster_whisper_texts, " in run.output
    assert "; the first: found 1 of 2 clips are wrong: " in run.output
    assert f"{FIRST} gave '{greeting}' for '{thanks}' as accepted 2" in run.output
    assert " above 0.2" in run.output
    assert "accept it with -e model_check_accept_transcripts=true" in run.output
    assert (lab.newest(), (newest / "manifest.json").read_bytes()) == (newest, manifest)


def test_another_recording_is_told_and_accepted_alone(lab: Lab, own: Own) -> None:
    before = own.accepted
    own.record(SECOND, "ko-delivery.flac")
    run = lab.play(variables=own.variables)
    assert run.rc == 0, run.output[-6000:]
    assert found(lab, "decoders_agree").startswith("both decoders agree on 1 ")
    said = f"1 of them do not hold here ({SECOND}: another recording than was accepted under its"
    assert run.output.count(said) == 1
    assert own.accepted == before
    accepted = lab.play(variables={**own.variables, **ACCEPT})
    assert accepted.rc == 0, accepted.output[-6000:]
    after = own.accepted["clips"]
    assert after[FIRST] == before["clips"][FIRST]
    assert after[SECOND]["text"] == text_of("ko-delivery.flac")
