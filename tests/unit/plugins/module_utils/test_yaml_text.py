# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and writing of YAML on the controller."""

from __future__ import annotations

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.stt.engine.plugins.module_utils._yaml_text import (
    YamlTextError,
    dump,
    load,
    plain,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "the key 'a' twice (line 3)"),
        ("a: {b: 1, b: 2}\n", "the key 'b' twice (line 1)"),
        ("a: [1\n", "expected ',' or ']', but got '<stream end>' (line 2)"),
        ("a: !!python/name:os.system\n", None),
    ],
)
def test_what_is_not_sound_yaml_is_refused_with_its_place(text: str, message: str | None) -> None:
    with pytest.raises(YamlTextError) as raised:
        load(text)
    if message is not None:
        assert str(raised.value) == message


def test_a_key_that_is_a_list_is_refused() -> None:
    with pytest.raises(YamlTextError, match="unhashable key"):
        load("? [1, 2]\n: 3\n")


@given(VALUES)
def test_what_is_written_reads_back_the_same(value: object) -> None:
    assert load(dump({"value": value})) == {"value": value}


def test_korean_stays_readable() -> None:
    assert dump({"이름": "값"}) == "이름: 값\n"


def test_keys_are_sorted_and_a_long_value_stays_on_its_line() -> None:
    long = " ".join(["word"] * 200)
    assert dump({"b": 1, "a": long}) == f"a: {long}\nb: 1\n"


def test_digits_that_yaml_would_read_as_a_number_stay_text() -> None:
    assert yaml.safe_load(dump({"commit": "1" * 40, "version": "1.10"})) == {
        "commit": "1" * 40,
        "version": "1.10",
    }


def test_ansible_s_tagged_values_become_built_in_ones() -> None:
    tagged = DataLoader().load("a: text\nb: [1, 2.5, true, null]\n")
    value = plain(tagged)
    assert value == {"a": "text", "b": [1, 2.5, True, None]}
    assert {type(item) for item in [*value, value["a"], value["b"], *value["b"]]} == {
        str,
        list,
        int,
        float,
        bool,
        type(None),
    }


def test_what_neither_json_nor_yaml_can_carry_is_refused_by_its_path() -> None:
    with pytest.raises(TypeError, match=r"^inputs\.files\[0\]\.data is a bytes, neither text"):
        plain({"files": [{"data": b"x"}]}, "inputs")
