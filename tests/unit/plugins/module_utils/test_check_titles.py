# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check that the collection can produce has a title in both languages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from stt_checks.catalogue import checks as planned
from stt_checks.r5_quantizations import REFERENCE

from ansible_collections.stt.engine.plugins.module_utils._accepted_transcripts import (
    CHECK as ACCEPTING,
)
from ansible_collections.stt.engine.plugins.module_utils._check_titles import (
    OF_ANY_STEP,
    TITLES,
    check_label,
    check_title,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_collect import STEPS, SUITE

CHECKOUT = Path(__file__).resolve().parents[4]
# What stands for the part of a name that only a run knows.
SOME = "some"


def in_the_archive() -> Iterator[tuple[str, str]]:
    """What the carried archive plans, also where there is something to compare or to accept."""
    yield from ((check.id, check.name) for check in planned())
    yield from (("R5.9", f"quantization_{SOME}"), ("R5.9", REFERENCE))
    yield ACCEPTING
    for steps in STEPS.values():
        yield from ((step, f"{SUITE}{part}") for step in steps for part in ("", "_files"))


def in_the_roles() -> Iterator[tuple[str, str]]:
    """What the roles state as a mapping with an id and a name."""
    for path in sorted(CHECKOUT.glob("roles/*/**/*.yml")):
        yield from _stated(yaml.safe_load(path.read_text(encoding="utf-8")))


def _stated(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for item in value:
            yield from _stated(item)
    elif isinstance(value, dict):
        if _is_step(value.get("id")) and isinstance(value.get("name"), str):
            yield value["id"], value["name"]
        for item in value.values():
            yield from _stated(item)


def in_the_plugins() -> Iterator[tuple[str, str]]:
    """What modules and action plugins make: dictionaries with an id and a name."""
    for path in sorted((CHECKOUT / "plugins").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            node.targets[0].id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                pairs = {
                    key.value: _text(value, constants)
                    for key, value in zip(node.keys, node.values, strict=True)
                    if isinstance(key, ast.Constant)
                }
                if _is_step(pairs.get("id")) and pairs.get("name"):
                    yield str(pairs["id"]), str(pairs["name"])


def _text(node: ast.expr, constants: dict[str, Any]) -> str:
    """A string as it is written, with SOME for what only a run knows; empty for a variable."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Name):
        return str(constants.get(node.id, ""))
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else SOME for part in node.values
        )
    return ""


def of_the_host() -> Iterator[tuple[str, str]]:
    """The names that the check of the host gives to what it runs."""
    source = (CHECKOUT / "plugins/module_utils/_host_check.py").read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "_one":
            name = _text(node.args[0], {})
            if name:
                yield "R1.1", name
    yield "R1.1", f"reachability_{SOME}"


def _is_step(value: Any) -> bool:
    return isinstance(value, str) and value[:1] == "R" and value[1:2].isdigit()


SOURCES = {
    "archive": in_the_archive,
    "roles": in_the_roles,
    "plugins": in_the_plugins,
    "host": of_the_host,
}
LEAST = {"archive": 60, "roles": 15, "plugins": 3, "host": 10}


@pytest.mark.parametrize("source", SOURCES)
def test_every_check_has_a_title_in_both_languages(source: str) -> None:
    found = sorted(set(SOURCES[source]()))
    assert len(found) >= LEAST[source]
    without = [
        f"{step} {name}"
        for step, name in found
        if not all(check_title({"id": step, "name": name}, language) for language in ("ko", "en"))
    ]
    assert without == []


def test_no_title_is_left_of_a_check_that_is_gone() -> None:
    known = {f"{step}/{name}" for source in SOURCES.values() for step, name in source()}
    # The report's own closing result, whose name stands in a constant.
    known.add("R6.3/checklist")
    kinds = {key.removesuffix("*") for key in TITLES if key.endswith("*")}
    single = {key for key in TITLES if not key.endswith("*")}
    assert single - known == set()
    assert {kind for kind in kinds if not any(key.startswith(kind) for key in known)} == set()


@pytest.mark.parametrize("key", [*TITLES, *OF_ANY_STEP])
def test_titles_are_in_their_language_and_differ(key: str) -> None:
    korean, english = {**TITLES, **OF_ANY_STEP}[key]
    assert any("가" <= letter <= "힣" for letter in korean)
    assert not any("가" <= letter <= "힣" for letter in english)
    assert korean.count("{}") == english.count("{}")


def test_a_title_says_which_of_a_kind_and_an_unknown_name_has_none() -> None:
    assert check_title({"id": "R5.9", "name": "quantization_int8"}, "ko") == "양자화 비교 (int8)"
    assert check_title({"id": "R5.1", "name": "suite_complete_files"}, "en").startswith("The check")
    assert check_title({"id": "R9.9", "name": "x"}, "ko") == ""
    assert check_label({"id": "R9.9", "name": "x"}, "ko") == "x"
