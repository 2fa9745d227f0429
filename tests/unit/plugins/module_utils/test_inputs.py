# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator gave is judged before anything is touched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._inputs import (
    CannotEvaluateError,
    LeftOutError,
    Problem,
    Role,
    collect,
    judge_extras,
    judge_group,
    judge_variables,
    read_roles,
)

MODEL = Role(
    "whisper_model",
    {
        "whisper_model_revision": {"type": "str", "default": "main"},
        "whisper_model_streams": {"type": "int"},
        "whisper_model_quantization": {"type": "str", "choices": ["int8", "int8_float16"]},
        "whisper_model_files": {"type": "list", "elements": "str"},
        "whisper_model_locked": {
            "type": "dict",
            "options": {"commit": {"type": "str", "required": True}},
        },
        "whisper_model_token": {"type": "int", "no_log": True},
        "whisper_model_cache": {"type": "path", "default": "/var/cache"},
        "whisper_model_repository": {"type": "str", "required": True},
    },
    frozenset({"whisper_model_repository"}),
)
ROLES = [Role("whisper", {"whisper_size": {"type": "int"}}), MODEL]


def given(variables: Mapping[str, Any]) -> Callable[[str], Any]:
    return lambda name: variables[name]


def sentences(variables: dict[str, Any], **options: Any) -> list[str]:
    problems = judge_variables(ROLES, variables, given(variables), **options)
    return [str(problem.error([])) for problem in problems]


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"whisper_model_revison": "main"},
            "whisper_model_revison: found a variable that the role whisper_model does not know; "
            "needed a variable of roles/whisper_model/meta/argument_specs.yml; "
            "fix: did you mean whisper_model_revision?",
        ),
        (
            {"whisper_banana": "main"},
            "whisper_banana: found a variable that the role whisper does not know; "
            "needed a variable of roles/whisper/meta/argument_specs.yml; "
            "fix: remove it; the role knows whisper_size",
        ),
        (
            {"stt_rooot": "/opt/stt"},
            "stt_rooot: found a variable that nothing reads; needed one of stt_language, stt_root, "
            "stt_self_test; "
            "fix: did you mean stt_root?",
        ),
        (
            {"whisper_model_streams": "four"},
            'whisper_model_streams: found "four"; needed a value of type int; '
            "fix: set whisper_model_streams to such a value",
        ),
        (
            {"whisper_model_quantization": "int8_flot16"},
            'whisper_model_quantization: found "int8_flot16"; needed one of int8, int8_float16; '
            "fix: did you mean int8_float16?",
        ),
        (
            {"whisper_model_files": {"a": 1}},
            'whisper_model_files: found {"a": 1}; needed a list of str; '
            "fix: set whisper_model_files to such a value",
        ),
        (
            {"whisper_model_locked": {"comit": "x"}},
            'whisper_model_locked: found {"comit": "x"}: missing required arguments: commit found '
            "in whisper_model_locked; whisper_model_locked.comit. Supported parameters include: "
            "commit.; needed a value of type dict; fix: set whisper_model_locked to such a value",
        ),
        (
            {"whisper_model_token": "hf_secret"},
            "whisper_model_token: found a hidden value; needed a value of type int; "
            "fix: set whisper_model_token to such a value",
        ),
        (
            {"stt_language": "kr"},
            'stt_language: found "kr"; needed one of ko, en; fix: set stt_language to such a value',
        ),
        (
            {"whisper_model_revision": None},
            "whisper_model_revision: found null; needed a value of type str; "
            "fix: give whisper_model_revision a value, or remove it to have the role's default",
        ),
    ],
)
def test_a_problem_is_one_sentence(variables: dict[str, Any], sentence: str) -> None:
    assert sentences(variables) == [sentence]


@pytest.mark.parametrize(
    "root", ["opt/stt", "/", "/opt/../etc", "/opt/s tt", "/a:b", "", "/opt//x"]
)
def test_a_root_that_could_do_harm_is_refused(root: str) -> None:
    (sentence,) = sentences({"stt_root": root})
    assert sentence.endswith(
        "needed an absolute path other than /, of letters, digits, '.', '_', '-' and '/'; "
        "fix: set stt_root to a directory of its own, such as /opt/stt"
    )


@pytest.mark.parametrize("value", ["a b", "-x", "main\n", ""])
def test_a_value_of_another_form_is_refused(value: str) -> None:
    pattern = r"[0-9A-Za-z][0-9A-Za-z._/-]*"
    (sentence,) = sentences(
        {"whisper_model_revision": value}, patterns={"whisper_model_revision": pattern}
    )
    assert f"needed a value of the form {pattern}; fix: " in sentence


@pytest.mark.parametrize("path", ["cache", "./cache", "../cache", "a/~", "기록/녹음"])
def test_a_path_that_means_another_place_to_each_reader_is_refused(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sentences({"whisper_model_cache": path}) == [
        f'whisper_model_cache: found "{path}", a path that depends on who reads it; needed a path '
        "that begins with / or ~, without $; fix: set whisper_model_cache to the whole path "
        f"(from where you are now it is {tmp_path / path})"
    ]


@pytest.mark.parametrize("path", ["$HOME/cache", "/data/${USER}"])
def test_a_variable_of_the_shell_is_no_part_of_a_path(path: str) -> None:
    (sentence,) = sentences({"whisper_model_cache": path})
    assert sentence.endswith("without $; fix: set whisper_model_cache to the whole path")


@pytest.mark.parametrize("path", ["/var/cache", "~/cache", "~somebody/cache", "~", ""])
def test_a_whole_path_passes_and_an_empty_one_stands_for_none(path: str) -> None:
    assert sentences({"whisper_model_cache": path}) == []


def test_every_path_of_our_roles_is_judged_so() -> None:
    roles = read_roles(Path(__file__).parents[4] / "roles")
    paths = {name: option for role in roles for name, option in role.options.items()}
    paths = {name: option for name, option in paths.items() if option.get("type") == "path"}
    assert {"model_check_clips", "release_seal_public_key", "release_seal_directory"} <= set(paths)
    variables = dict.fromkeys(paths, "rel")
    problems = judge_variables(roles, variables, given(variables))
    assert sorted(problem.variable for problem in problems) == sorted(paths)


def test_a_long_value_is_cut() -> None:
    (sentence,) = sentences({"whisper_model_streams": "x" * 500})
    assert f'found "{"x" * 76}...; needed' in sentence


def test_all_problems_are_told_at_once() -> None:
    assert (
        len(sentences({"whisper_model_a": 1, "whisper_model_streams": "x", "stt_root": "x"})) == 3
    )


def test_sound_values_and_other_people_s_variables_pass() -> None:
    variables = {
        "whisper_model_revision": "refs/pr/3",
        "whisper_model_streams": "4",
        "whisper_size": 3,
        "stt_root": "/opt/stt",
        "stt_language": "ko",
        "stt_key_file_of_mine": "x",
        "ansible_host": "10.0.0.1",
        "__whisper_model_internal": 1,
    }
    assert sentences(variables, patterns={"whisper_model_revision": "[a-z0-9/]+"}) == []


def test_a_required_variable_counts_only_for_the_roles_named() -> None:
    assert sentences({}) == []
    assert sentences({}, needed=["whisper_model"]) == [
        "whisper_model_repository: found no value; needed a value of type str; "
        "fix: set whisper_model_repository in the inventory; the role whisper_model needs it"
    ]


def test_a_template_that_cannot_be_evaluated_is_a_problem() -> None:
    def value_of(name: str) -> Any:
        raise CannotEvaluateError(f"'{name}_x' is undefined")

    (problem,) = judge_variables(ROLES, ["whisper_model_streams"], value_of)
    assert str(problem.error([])) == (
        "whisper_model_streams: found a template that cannot be evaluated "
        "('whisper_model_streams_x' is undefined); needed a value of type int; "
        "fix: define what the template refers to in the inventory, or correct the template"
    )


def test_a_value_left_out_is_as_good_as_not_given() -> None:
    def value_of(_name: str) -> Any:
        raise LeftOutError

    assert judge_variables(ROLES, ["whisper_model_streams"], value_of) == []


def test_hosts_are_named_only_where_not_all_share_the_problem() -> None:
    shared = Problem("a", "x", "y", "z")
    single = Problem("b", "x", "y", "z")
    errors = collect({"one": [shared, single], "two": [shared]})
    assert [error.object for error in errors] == ["a", "b on one"]


@pytest.mark.parametrize(
    ("groups", "hosts", "sentence"),
    [
        (
            {"all": ["a"], "ungrouped": []},
            0,
            "inventory group build: found no such group in inv (no groups there); needed a group "
            "build with at least one host; "
            "fix: name the inventory with -i and put the server into the group build",
        ),
        (
            {"all": ["a"], "builds": ["a"], "prod": ["b"]},
            1,
            "inventory group build: found no such group in inv (groups there: builds, prod); "
            "needed a group build with 1 host; fix: name the inventory with -i and put the server "
            "into the group build; did you mean to call builds build?",
        ),
        (
            {"build": []},
            1,
            "inventory group build: found no host in inv; needed a group build with 1 host; "
            "fix: put the server into the group build",
        ),
        (
            {"build": ["a", "b"]},
            1,
            "inventory group build: found 2 hosts in inv: a, b; needed a group build with 1 host; "
            "fix: keep 1 host in the group build",
        ),
        (
            {"build": ["a"]},
            2,
            "inventory group build: found 1 host in inv: a; needed a group build with 2 hosts; "
            "fix: put the server into the group build",
        ),
    ],
)
def test_a_group_that_does_not_do_is_one_sentence(
    groups: dict[str, list[str]],
    hosts: int,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inv").touch()
    assert str(judge_group("build", hosts, groups, ["inv"])) == sentence


def test_an_inventory_that_is_not_there_is_told_by_its_path(tmp_path: Path) -> None:
    typed = str(tmp_path / "inventory" / "labb")
    assert str(judge_group("build", 1, {"all": []}, [typed])) == (
        f"inventory {typed}: found no file or directory there; needed an inventory that holds "
        "a group build with 1 host; fix: correct the path after -i"
    )
    # A list of hosts is no path, and what another inventory holds is there.
    assert "no such group in a,b" in str(judge_group("build", 1, {"all": []}, ["a,b"]))
    assert judge_group("build", 1, {"build": ["a"]}, [typed]) is None


@pytest.mark.parametrize(("members", "hosts"), [(["a"], 0), (["a", "b"], 0), (["a"], 1)])
def test_a_group_with_hosts_passes(members: list[str], hosts: int) -> None:
    assert judge_group("build", hosts, {"build": members}, []) is None


def write_spec(roles: Path, role: str, text: str) -> None:
    file = roles / role / "meta" / "argument_specs.yml"
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")


def test_roles_are_read_with_every_entry_point_and_main_s_word_counts(tmp_path: Path) -> None:
    write_spec(
        tmp_path,
        "a",
        """
argument_specs:
  start: {options: {a_x: {type: int}, a_y: {type: int, required: true}}}
  main: {options: {a_x: {type: str, required: true}}}
""",
    )
    (tmp_path / "no_spec").mkdir()
    assert read_roles(tmp_path) == [
        Role(
            "a",
            {"a_x": {"type": "str", "required": True}, "a_y": {"type": "int", "required": True}},
            frozenset({"a_x"}),
        )
    ]


@pytest.mark.parametrize("text", ["[]", "{}", "argument_specs: [main]", "a: {", "argument_specs:"])
def test_a_damaged_specification_is_named(tmp_path: Path, text: str) -> None:
    write_spec(tmp_path, "a", text)
    with pytest.raises(SttError) as raised:
        read_roles(tmp_path)
    assert raised.value.object == str(tmp_path / "a/meta/argument_specs.yml")
    assert raised.value.needed == "argument_specs with entry points and their options"


def test_the_collection_s_own_roles_can_be_read() -> None:
    roles = {role.name: role for role in read_roles(Path(__file__).parents[4] / "roles")}
    assert "whisper_model_revision" in roles["whisper_model"].options
    for role in roles.values():
        assert all(option.startswith(role.prefix) for option in role.options)


@pytest.mark.parametrize(
    ("given", "allowed", "told"),
    [
        ({"from": "a-1"}, {"from": "[a-z0-9-]+", "to": "x"}, []),
        ({"lab_cache": "x", "ansible_user": "x"}, {"release": ".*"}, []),
        ({"from": "../a"}, {"from": "[a-z]+"}, ['from: found "../a"; needed a value of the form']),
        ({"form": "a"}, {"from": "[a-z]+"}, ["form: found a variable that this playbook does not"]),
        ({"from": "a", "to": "b"}, {}, ["from: found a variable", "to: found a variable"]),
        ({"release": "a"}, {"to": "b"}, ["release: found a variable that this playbook does not"]),
    ],
)
def test_what_a_playbook_does_not_read_is_refused(
    given: dict[str, str], allowed: dict[str, str], told: list[str]
) -> None:
    errors = [str(error) for error in judge_extras(given.items(), allowed)]
    assert len(errors) == len(told)
    assert all(error.startswith(word) for error, word in zip(errors, told, strict=True))
