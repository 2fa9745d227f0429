# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way in which a role's argument_specs and defaults can differ is found."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from check_argument_specs import differences, main


def make_role(directory: Path, options: str, defaults: str) -> Path:
    """A role named host with these options and these defaults."""
    role = directory / "host"
    (role / "meta").mkdir(parents=True)
    (role / "defaults").mkdir()
    head = "---\nargument_specs:\n  main:\n    options:\n"
    body = "".join(f"      {line}\n" for line in dedent(options).splitlines())
    (role / "meta" / "argument_specs.yml").write_text(head + body, encoding="utf-8")
    (role / "defaults" / "main.yml").write_text(f"---\n{dedent(defaults)}", encoding="utf-8")
    return role


@pytest.mark.parametrize(
    ("options", "defaults", "found"),
    [
        (
            "host_a: {type: str, default: x}",
            "host_a: y",
            "host: host_a is 'x' in argument_specs, 'y' in defaults",
        ),
        (
            "host_a: {type: int, default: 1}",
            "host_a: true",
            "host: host_a is 1 in argument_specs, True in defaults",
        ),
        (
            "host_a: {type: str, default: x}",
            "{}",
            "host: host_a has a default that defaults/main.yml does not set",
        ),
        (
            "host_a: {type: str}",
            "host_a: x",
            "host: host_a has a default that argument_specs does not name",
        ),
        (
            "host_a: {type: str, required: true}",
            "host_a: x",
            "host: host_a is required and yet has a default",
        ),
        ("{}", "host_a: x", "host: host_a is in defaults/main.yml but not in argument_specs"),
        ("other_a: {type: str}", "{}", "host: other_a does not begin with host_"),
    ],
)
def test_finds_a_difference(tmp_path: Path, options: str, defaults: str, found: str) -> None:
    assert differences(make_role(tmp_path, options, defaults)) == [found]


def test_finds_a_role_without_specs(tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    assert differences(tmp_path / "host") == [
        "host: found no meta/argument_specs.yml; needed one for every role"
    ]


def test_agrees_when_both_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_role(
        tmp_path,
        "host_a: {type: list, default: [x, y]}\nhost_b: {type: str, required: true}",
        "host_a:\n  - x\n  - y\n",
    )
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "1 roles: argument_specs and defaults agree\n"


def test_refuses_a_directory_without_roles(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 1
