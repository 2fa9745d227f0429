# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copying what was brought by hand: what of it counts, and what an earlier run left."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._fetch_copy import Copy
from ansible_collections.stt.engine.plugins.module_utils._fetch_download import Outcome
from ansible_collections.stt.engine.plugins.module_utils._fetch_staged import map_path
from ansible_collections.stt.engine.plugins.module_utils._hub import RemoteFile

FILES = {"config.json": b'{"a": 1}', "deep/model.bin": bytes(range(256)) * 9000, "empty": b""}
TOTAL = sum(map(len, FILES.values()))


class Case:
    """A staging directory, and an archive that can be filled."""

    def __init__(self, place: Path) -> None:
        self.staging = place / "staging"
        self.archive = place / "model.tar.gz"
        self.wanted = [
            RemoteFile(name, len(data), "", hashlib.sha256(data).hexdigest())
            for name, data in FILES.items()
        ]
        self.reports: list[dict[str, Any]] = []
        self.lines: list[str] = []

    def pack(self, *members: tuple[str, bytes]) -> None:
        with tarfile.open(self.archive, "w:gz") as tar:
            for name, data in members:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))

    def run(self) -> Outcome:
        copy = Copy(self.archive, self.wanted, self.staging)
        copy.look()
        return copy.run(lambda **fields: self.reports.append(fields), self.lines.append)

    def staged(self, name: str) -> Path:
        path = self.staging / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def check(self, outcome: Outcome) -> None:
        found = {
            str(path.relative_to(self.staging / "files")): path.read_bytes()
            for path in (self.staging / "files").rglob("*")
            if path.is_file()
        }
        assert found == FILES
        assert outcome.sha256 == {file.path: file.sha256 for file in self.wanted}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    case = Case(tmp_path)
    case.pack(*((f"./whisper/{name}", data) for name, data in FILES.items()))
    return case


def test_whole_archive(case: Case) -> None:
    outcome = case.run()
    case.check(outcome)
    assert (outcome.bytes_downloaded, outcome.bytes_resumed) == (TOTAL, 0)
    assert case.reports[-1] == {"phase": "copy", "bytes": TOTAL, "total": TOTAL}


def test_what_an_earlier_run_copied_is_used(case: Case) -> None:
    case.staged("deep/model.bin").write_bytes(FILES["deep/model.bin"])
    case.staged("config.json").write_bytes(FILES["config.json"][:5])
    outcome = case.run()
    case.check(outcome)
    assert outcome.bytes_resumed == len(FILES["deep/model.bin"])
    assert outcome.bytes_downloaded == TOTAL - outcome.bytes_resumed


@pytest.mark.parametrize("leftover", ["damaged", "download", "link"])
def test_leftover_that_is_not_a_whole_copy_is_replaced(
    case: Case, tmp_path: Path, leftover: str
) -> None:
    name = "deep/model.bin"
    if leftover == "link":
        (tmp_path / "elsewhere").write_bytes(FILES[name])
        case.staged(name).symlink_to(tmp_path / "elsewhere")
    elif leftover == "download":
        case.staged(name).write_bytes(FILES[name])
        marks = map_path(case.staging, name)
        marks.parent.mkdir()
        marks.write_bytes(b"of a download that has reserved the space")
    else:
        case.staged(name).write_bytes(bytes(len(FILES[name])))
    outcome = case.run()
    case.check(outcome)
    assert outcome.bytes_downloaded == TOTAL
    assert not case.staged(name).is_symlink()
    assert not map_path(case.staging, name).exists()
    assert leftover != "link" or (tmp_path / "elsewhere").read_bytes() == FILES[name]


def test_right_content_counts_wherever_it_lies(case: Case) -> None:
    case.pack(
        ("onnx/config.json", b"[1, 2,3]"),
        ("old/deep/model.bin", FILES["deep/model.bin"][:-1] + b"?"),
        ("new/deep/model.bin", FILES["deep/model.bin"]),
        ("new/config.json", FILES["config.json"]),
        ("new/empty", b""),
    )
    outcome = case.run()
    case.check(outcome)
    assert outcome.bytes_downloaded == TOTAL + len(FILES["deep/model.bin"]) + 8
    assert any("deep/model.bin: sha256 " in line for line in case.lines)


def test_directory_with_several_commits_of_a_model(case: Case) -> None:
    """As the store of another server keeps them side by side."""
    case.archive = case.archive.with_name("brought")
    for folder in ("a", "b", "c"):
        for name, data in FILES.items():
            path = case.archive / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data if folder == "b" else data[::-1])
    case.check(case.run())


def test_everything_that_is_wrong_is_named_at_once(case: Case) -> None:
    case.pack(("config.json", b'{"a": 2}'), ("deep/model.bin", b"short"))
    with pytest.raises(SttError) as caught:
        case.run()
    digest = hashlib.sha256(b'{"a": 2}').hexdigest()
    assert caught.value.details["differences"] == [
        f"config.json: sha256 {digest} instead of {case.wanted[0].sha256}",
        f"deep/model.bin: 5 bytes instead of {len(FILES['deep/model.bin'])}",
        "empty is missing",
    ]
    assert not case.staged("config.json").exists()


def test_entries_behind_the_last_wanted_one_are_not_read(case: Case) -> None:
    case.pack(*FILES.items(), ("../behind", b""))
    case.check(case.run())
