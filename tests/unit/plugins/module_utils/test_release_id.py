# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name of a release."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.stt.engine.plugins.filter.release_id import FilterModule, name_release
from ansible_collections.stt.engine.plugins.module_utils._digest import canonical_json, sha256_hex
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._release_id import identity, release_id

TAG = "cuda129-rhel89-v1.2"
FILES = [
    {"path": "config.json", "size": 3, "sha256": "1" * 64},
    {"path": "model.safetensors", "size": 9, "sha256": "2" * 64},
]
PARTS: dict[str, Any] = {
    "input_digest": "a" * 64,
    "commit": "b" * 40,
    "files": FILES,
    "quantization": "int8_float16",
    "converter": {"ctranslate2": "4.8.5", "transformers": "5.23.0"},
}
FIX = "; fix: pass what the roles returned, unchanged"


def named(**changes: Any) -> str:
    return name_release(TAG, **{**PARTS, **changes})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"input_digest": "abc"},
            "release id: found the image's input digest 'abc'; needed 64 hex digits",
        ),
        ({"commit": "main"}, "release id: found the model's commit 'main'; needed 40 hex digits"),
        (
            {"files": []},
            "release id: found no files of the model; needed every file with its sha256",
        ),
        (
            {"files": [{"path": "a"}]},
            "release id: found a with the sha256 ''; needed 64 hex digits",
        ),
        (
            {"files": [FILES[0], FILES[0]]},
            "release id: found the model file 'config.json' twice or without a name; "
            "needed each file once",
        ),
        (
            {"quantization": []},
            "release id: found no quantization; needed at least one quantization",
        ),
        (
            {"converter": {}},
            "release id: found no converter versions; "
            "needed the versions of ctranslate2 and transformers",
        ),
        (
            {"converter": {"ctranslate2": ""}},
            "release id: found no converter versions; "
            "needed the versions of ctranslate2 and transformers",
        ),
    ],
)
def test_a_part_that_does_not_identify_is_named(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AnsibleFilterError) as raised:
        named(**changes)
    assert str(raised.value) == sentence + FIX


@pytest.mark.parametrize("tag", ["", "-x", "a/b", "a b", "x" * 116, "태그"])
def test_what_is_no_tag_is_refused(tag: str) -> None:
    with pytest.raises(SttError) as raised:
        release_id(tag, {})
    assert str(raised.value) == (
        f"release id: found the tag {tag!r}; "
        f"needed a Docker tag of at most 115 letters, digits, '_', '.' and '-'{FIX}"
    )


def test_the_id_is_the_tag_and_the_digest_of_the_canonical_identity() -> None:
    expected = sha256_hex(
        canonical_json(
            {
                "image_input_digest": "a" * 64,
                "model_commit": "b" * 40,
                "model_files": {"config.json": "1" * 64, "model.safetensors": "2" * 64},
                "quantization": ["int8_float16"],
                "converter": {"ctranslate2": "4.8.5", "transformers": "5.23.0"},
            }
        )
    )
    assert named() == f"{TAG}-{expected[:12]}"


def test_the_longest_tag_gives_an_id_that_docker_takes() -> None:
    assert len(release_id("x" * 115, {})) == 128


@pytest.mark.parametrize(
    "changes",
    [
        {"files": FILES[::-1]},
        {"files": {"model.safetensors": "2" * 64, "config.json": "1" * 64}},
        {"input_digest": "sha256:" + "a" * 64},
        {"quantization": ["int8_float16", "int8_float16"]},
        {"converter": {"transformers": "5.23.0", "ctranslate2": "4.8.5"}},
    ],
)
def test_the_same_parts_in_another_form_give_the_same_id(changes: dict[str, Any]) -> None:
    assert named(**changes) == named()


@pytest.mark.parametrize(
    "changes",
    [
        {"input_digest": "c" * 64},
        {"commit": "c" * 40},
        {"files": FILES[:1]},
        {"files": [FILES[0], {**FILES[1], "sha256": "3" * 64}]},
        {"quantization": "int8"},
        {"quantization": ["int8", "int8_float16"]},
        {"converter": {"ctranslate2": "4.8.6", "transformers": "5.23.0"}},
    ],
)
def test_another_part_gives_another_id(changes: dict[str, Any]) -> None:
    assert named(**changes) != named()


def test_the_identity_needs_no_more_than_digests() -> None:
    sizes_changed = [{**file, "size": 0} for file in FILES]
    parts = {**PARTS, "quantizations": [PARTS["quantization"]]}
    del parts["quantization"]
    assert identity(**parts) == identity(**{**parts, "files": sizes_changed})


def test_the_filter_is_known_by_its_name() -> None:
    assert FilterModule().filters() == {"release_id": name_release}
