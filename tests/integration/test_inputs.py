# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_inputs by the real ansible-playbook: inventories, templates, -e, vault, check mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.controller import Controller, Run

PATTERNS = {"whisper_model_revision": "[0-9A-Za-z][0-9A-Za-z._/-]{0,254}"}


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


def judge(controller: Controller, *arguments: str, **parameters: Any) -> Run:
    task = {"stt.engine.stt_inputs": {"group": "build", "patterns": PATTERNS, **parameters}}
    return controller.run(task, arguments=arguments)


def build(*hosts: dict[str, Any], **variables: Any) -> dict[str, Any]:
    named = {f"b{number}": host for number, host in enumerate(hosts, 1)}
    return {"build": {"hosts": named, "vars": variables}}


def message(run: Run) -> str:
    (result,) = run.results
    assert result["failed"]
    assert not result["changed"]
    return str(result["msg"])


@pytest.mark.parametrize("mode", [(), ("--check",)])
def test_all_problems_are_told_at_once_one_line_each(
    controller: Controller, mode: tuple[str, ...]
) -> None:
    controller.write_inventory(
        build(
            {"whisper_model_quantization": "{{ kind }}", "kind": "int9"},
            {"whisper_model_streams": "many"},
            whisper_model_revison="main",
            whisper_model_args={"a": "{{ nowhere }}"},
            stt_root="opt/stt",
        )
    )
    run = judge(controller, *mode, "-e", "whisper_model_revision='a b'", hosts=1)
    assert message(run).splitlines() == [
        f"inventory group build: found 2 hosts in {controller.inventory}: b1, b2; "
        "needed a group build with 1 host; fix: keep 1 host in the group build",
        'stt_root: found "opt/stt"; needed an absolute path other than /, of letters, digits, '
        "'.', '_', '-' and '/'; fix: set stt_root to a directory of its own, such as /opt/stt",
        "whisper_model_args: found a template that cannot be evaluated ('nowhere' is undefined); "
        "needed a value of type dict; "
        "fix: define what the template refers to in the inventory, or correct the template",
        'whisper_model_quantization on b1: found "int9"; needed one of int8, int8_float16; '
        "fix: did you mean int8?",
        'whisper_model_revision: found "a b"; '
        "needed a value of the form [0-9A-Za-z][0-9A-Za-z._/-]{0,254}; "
        "fix: set whisper_model_revision to such a value",
        "whisper_model_revison: found a variable that the role whisper_model does not know; "
        "needed a variable of roles/whisper_model/meta/argument_specs.yml; "
        "fix: did you mean whisper_model_revision?",
        'whisper_model_streams on b2: found "many"; needed a value of type int; '
        "fix: set whisper_model_streams to such a value",
    ]
    assert [problem["object"] for problem in run.results[0]["problems"]][1:3] == [
        "stt_root",
        "whisper_model_args",
    ]


def test_a_missing_group_is_told_together_with_what_the_command_line_gave(
    controller: Controller,
) -> None:
    controller.write_inventory({"builds": {"hosts": {"b1": {}}}})
    run = judge(controller, "-e", "whisper_model_revison=main")
    assert message(run).splitlines() == [
        f"inventory group build: found no such group in {controller.inventory} "
        "(groups there: builds); needed a group build with at least one host; fix: name the "
        "inventory with -i and put the server into the group build; "
        "did you mean to call builds build?",
        "whisper_model_revison: found a variable that the role whisper_model does not know; "
        "needed a variable of roles/whisper_model/meta/argument_specs.yml; "
        "fix: did you mean whisper_model_revision?",
    ]


def test_an_empty_group_is_one_sentence(controller: Controller) -> None:
    controller.write_inventory({"build": {}})
    assert message(judge(controller)) == (
        f"inventory group build: found no host in {controller.inventory}; needed a group build "
        "with at least one host; fix: put the server into the group build"
    )


def test_a_vaulted_value_without_its_password_is_a_problem(controller: Controller) -> None:
    controller.inventory.write_text(
        "build:\n  hosts:\n    b1:\n      whisper_model_revision: !vault |\n"
        "        $ANSIBLE_VAULT;1.1;AES256\n        3061\n"
    )
    sentence = message(judge(controller))
    assert sentence.startswith("whisper_model_revision: found a template that cannot be evaluated")
    assert "no vault secrets found" in sentence


def test_required_variables_count_for_the_roles_named(controller: Controller) -> None:
    assert message(judge(controller, roles=["whisper_model"])) == (
        "whisper_model_repository: found no value; needed a value of type str; "
        "fix: set whisper_model_repository in the inventory; the role whisper_model needs it"
    )


def test_a_role_that_does_not_exist_is_refused(controller: Controller) -> None:
    assert message(judge(controller, roles=["wisper"])) == (
        "stt_inputs parameter roles: found wisper; "
        "needed names of roles of this collection (whisper_model); fix: correct the name"
    )


@pytest.mark.parametrize("mode", [(), ("--check",)])
def test_a_sound_inventory_passes_and_changes_nothing(
    controller: Controller, mode: tuple[str, ...]
) -> None:
    controller.write_inventory(
        build(
            {"ansible_host": "192.0.2.1", "whisper_model_streams": "{{ 2 * 4 }}"},
            whisper_model_revision="main",
            whisper_model_quantization="{{ omit }}",
            whisper_model_args={"path": "{{ stt_root }}/x", "list": ["{{ inventory_hostname }}"]},
            stt_root="/opt/stt",
            stt_language="ko",
            somebody_else="{{ nowhere }}",
        )
    )
    run = judge(controller, *mode, hosts=1, roles=[])
    assert run.rc == 0
    assert run.results == [{"changed": False, "failed": False, "hosts": ["b1"], "problems": []}]


def test_a_users_own_clips_are_judged_where_they_lie(
    controller: Controller, tmp_path: Path
) -> None:
    clips = tmp_path / "our-recordings"
    clips.mkdir()
    (clips / "order.wav").write_bytes(b"<!DOCTYPE html>")
    (clips / "clips.json").write_text('[{"file": "order.wav", "language": "kr"}]')
    controller.write_inventory(
        build({"ansible_host": "192.0.2.1"}, {"ansible_host": "192.0.2.2"}, model_check_clips="~/x")
    )
    assert message(judge(controller)) == (
        f"model_check_clips: clips {controller.directory}/x: found no such directory; needed a "
        "directory with clips.json and the recordings that it lists; fix: correct "
        "model_check_clips, or remove it to have the collection's own clips"
    )
    named = ("-e", "model_check_clips='{{ kept }}/our-recordings'", "-e", f"kept={tmp_path}")
    place = f"model_check_clips: {clips}/clips.json, clip 1 (order.wav): found "
    assert message(judge(controller, *named)).splitlines() == [
        f"{place}a page of HTML or XML; needed a recording (wav, flac, mp3, m4a, ogg); "
        "fix: put the recording there, or remove the entry",
        f'{place}language "kr"; needed a code that Whisper knows, or null where it may be any; '
        "fix: write ko for Korean, en for English, or the code of the language that is spoken",
    ]
    (clips / "order.wav").write_bytes(b"RIFF")
    (clips / "clips.json").write_text('[{"file": "order.wav", "language": "ko"}]')
    assert judge(controller, *named).rc == 0


def test_a_relative_path_is_one_problem_that_says_what_to_write(
    controller: Controller, tmp_path: Path
) -> None:
    controller.write_inventory(build({"ansible_host": "192.0.2.1"}, stt_root="/opt/stt"))
    run = judge(controller, "-e", "whisper_model_cache=recordings")
    (line,) = message(run).splitlines()
    assert line.startswith(
        'whisper_model_cache: found "recordings", a path that depends on who reads it; needed a '
        "path that begins with / or ~, without $; fix: set whisper_model_cache to the whole path ("
    )
    for given in (tmp_path / "gone", "~somebody-unknown/gone"):
        lines = message(judge(controller, "-e", f"release_seal_clips={given}")).splitlines()
        assert [line.split(": ")[0] for line in lines] == ["release_seal_clips"]
        assert f"clips {given}: found no such directory" in lines[0]
