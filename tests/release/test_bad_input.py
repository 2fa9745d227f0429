# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input gets one clear sentence before anything is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.bench import caught
from tests.release.conftest import Lab


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"whisper_model_revison": "main"}, "did you mean whisper_model_revision"),
        ({"whisper_model_revision": "not a revision!"}, "whisper_model_revision"),
        ({"whisper_model_quantizations": ["int8", "int3"]}, "int3"),
        ({"stt_root": "relative/path"}, "stt_root"),
    ],
)
def test_a_value_that_cannot_be_right_is_refused_before_the_server_is_asked(
    lab: Lab, variables: dict[str, Any], sentence: str
) -> None:
    run = lab.play(variables=variables)
    assert run.rc != 0
    assert sentence in run.output
    assert "lab-build " not in run.output.partition("PLAY RECAP")[2]


def test_an_inventory_without_the_group_is_refused(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("servers:\n  hosts:\n    somewhere:\n")
    run = lab.play(inventory=str(tmp_path))
    assert run.rc != 0
    assert "build" in run.output
    assert "needed" in run.output


def test_a_root_that_cannot_be_written_is_named_and_nothing_is_made(lab: Lab) -> None:
    run = lab.play(variables={"stt_root": "/proc/stt"})
    assert run.rc != 0
    assert "R1.1 root_writable: found" in run.output
    # The report of the failed run, on the controller, is the one thing written.
    assert run.recap["changed"] == 1


@pytest.mark.fault("token over plain http")
def test_a_token_is_neither_sent_unencrypted_nor_shown(
    lab: Lab, tmp_path: Path, record_property: caught.Record
) -> None:
    token = "hf_never_to_be_seen_5417"
    given = {"whisper_model_token": token, "release_lock_path": str(tmp_path / "none.lock.yml")}
    run = lab.play("-vvv", "--diff", variables=given)
    assert run.rc != 0
    assert "token: found the endpoint http://" in run.output
    assert token not in run.output
    assert lab.ssh(f"grep -rl {token} /opt/stt /tmp /root 2>/dev/null || true") == ""
    caught.by_run(record_property, lab.failed_report(), outcome="refused")
    for path in lab.releases.rglob("*"):
        assert not path.is_file() or token.encode() not in path.read_bytes()
