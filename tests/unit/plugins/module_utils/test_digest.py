# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests against values computed by independent tools."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from ansible_collections.stt.engine.plugins.module_utils._digest import (
    canonical_json,
    git_blob_sha1_file,
    sha256_file,
    sha256_hex,
)


def test_canonical_json_refuses_what_json_cannot_say() -> None:
    with pytest.raises(ValueError):
        canonical_json({"a": float("nan")})


def test_canonical_json_is_one_form_for_equal_values() -> None:
    assert canonical_json({"b": [1, 2.5], "a": "모델"}) == '{"a":"모델","b":[1,2.5]}'.encode()
    assert canonical_json({"a": 1, "b": 2}) == canonical_json({"b": 2, "a": 1})


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_500_001])
def test_file_digests_equal_those_of_hashlib_and_git(tmp_path: Path, size: int) -> None:
    data = (b"stt-engine\n" * (size // 11 + 1))[:size]
    path = tmp_path / "file"
    path.write_bytes(data)
    assert sha256_file(path) == hashlib.sha256(data).hexdigest() == sha256_hex(data)
    git = subprocess.run(
        ["git", "hash-object", "--no-filters", str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert git_blob_sha1_file(path) == git.stdout.strip()


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sha256_file(tmp_path / "absent")
    with pytest.raises(FileNotFoundError):
        git_blob_sha1_file(tmp_path / "absent")
