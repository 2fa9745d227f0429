# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles: refused sources first, then bytes that depend on content alone."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.modules import stt_bundle


def make_source(root: Path, order: list[str] | None = None) -> Path:
    files = {
        "__main__.py": "print('ran')\n",
        "pkg/__init__.py": "",
        "pkg/run.sh": "#!/bin/sh\n",
        "docs/notes.txt": "notes",
    }
    for name in order or list(files):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(files[name])
        file.chmod(0o755 if name.endswith(".sh") else 0o644)
    return root


def make(source: Path, dest: Path, **overrides: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "path": source,
        "dest": dest,
        "name": "checks",
        "bundle_format": "tar",
        "exclude": [],
        "check_mode": False,
        **overrides,
    }
    return stt_bundle.bundle(**arguments)


def test_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(SttError) as caught:
        make(tmp_path / "absent", tmp_path / "out")
    assert str(caught.value) == (
        f"bundle source {tmp_path}/absent: found nothing there; needed a directory; "
        "fix: give the directory to pack in path"
    )


def test_source_without_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "source/__pycache__").mkdir(parents=True)
    (tmp_path / "source/__pycache__/x.pyc").write_bytes(b"x")
    with pytest.raises(SttError, match="found no file to pack"):
        make(tmp_path / "source", tmp_path / "out")


def test_pyz_without_main_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source")
    (source / "__main__.py").unlink()
    with pytest.raises(SttError, match=r"found no __main__.py; needed a __main__.py at its top"):
        make(source, tmp_path / "out", bundle_format="pyz")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("target", "words"),
    [("absent", r"a link to nothing \(absent\)"), ("docs", r"a link to a directory \(docs\)")],
)
def test_links_that_are_no_files_are_refused(tmp_path: Path, target: str, words: str) -> None:
    source = make_source(tmp_path / "source")
    (source / "link").symlink_to(target)
    with pytest.raises(SttError, match=words):
        make(source, tmp_path / "out")


def test_special_file_is_refused_unless_excluded(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source")
    os.mkfifo(source / "pipe")
    with pytest.raises(SttError, match="found a special file"):
        make(source, tmp_path / "out")
    assert "pipe" not in make(source, tmp_path / "out", exclude=["pipe"])["files"]


def test_name_with_a_slash_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SttError, match=r"bundle name: found 'a/b'"):
        make(make_source(tmp_path / "source"), tmp_path / "out", name="a/b")


@pytest.mark.parametrize("bundle_format", ["tar", "pyz"])
def test_bytes_depend_on_content_alone(tmp_path: Path, bundle_format: str) -> None:
    names = ["__main__.py", "pkg/__init__.py", "pkg/run.sh", "docs/notes.txt"]
    first = make(make_source(tmp_path / "a"), tmp_path / "out", bundle_format=bundle_format)
    random.Random(7).shuffle(names)
    other = make_source(tmp_path / "b", names)
    for file in other.rglob("*"):
        os.utime(file, (1, 1))
    (other / "docs/notes.txt").chmod(0o664)
    (other / "empty").mkdir()
    (other / "pkg/__pycache__").mkdir()
    (other / "pkg/__pycache__/a.pyc").write_bytes(b"junk")
    second = make(other, tmp_path / "out", bundle_format=bundle_format)
    assert second == {**first, "changed": False}
    assert first["changed"] is True
    assert first["files"] == sorted(names)


@pytest.mark.parametrize("bundle_format", ["tar", "pyz"])
@pytest.mark.parametrize("edit", ["byte", "mode", "name"])
def test_any_change_of_content_changes_the_digest(
    tmp_path: Path, bundle_format: str, edit: str
) -> None:
    source = make_source(tmp_path / "source")
    before = make(source, tmp_path / "out", bundle_format=bundle_format)
    if edit == "byte":
        (source / "docs/notes.txt").write_text("Notes")
    elif edit == "mode":
        (source / "docs/notes.txt").chmod(0o755)
    else:
        (source / "docs/notes.txt").rename(source / "docs/other.txt")
    after = make(source, tmp_path / "out", bundle_format=bundle_format)
    assert after["changed"] is True
    assert after["digest"] != before["digest"]
    assert Path(before["file"]).exists()


def test_check_mode_predicts_and_writes_nothing(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source")
    predicted = make(source, tmp_path / "out", check_mode=True)
    assert predicted["changed"] is True
    assert not (tmp_path / "out").exists()
    assert make(source, tmp_path / "out") == predicted
    assert make(source, tmp_path / "out", check_mode=True) == {**predicted, "changed": False}


def test_damaged_bundle_is_written_again(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source")
    first = make(source, tmp_path / "out")
    Path(first["file"]).write_bytes(b"cut")
    assert make(source, tmp_path / "out") == first
    assert make(source, tmp_path / "out")["changed"] is False


def test_tar_holds_the_files_and_dereferences_links(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source")
    outside = tmp_path / "outside.py"
    outside.write_text("x = 1\n")
    (source / "pkg/model_bin.py").symlink_to(outside)
    packed = make(source, tmp_path / "out", exclude=["docs/*"])
    with tarfile.open(packed["file"]) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    assert (tmp_path / "unpacked/pkg/model_bin.py").read_text() == "x = 1\n"
    assert not (tmp_path / "unpacked/pkg/model_bin.py").is_symlink()
    assert (tmp_path / "unpacked/pkg/run.sh").stat().st_mode & 0o777 == 0o755
    assert not (tmp_path / "unpacked/docs").exists()


def test_named_files_alone_are_packed_whatever_lies_beside_them(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source")
    (source / "elsewhere").symlink_to("docs")
    os.mkfifo(source / "pipe")
    names = ["pkg/run.sh", "elsewhere/notes.txt", "./pkg/run.sh"]
    packed = make(source, tmp_path / "out", files=names)
    assert packed["files"] == ["elsewhere/notes.txt", "pkg/run.sh"]
    with tarfile.open(packed["file"]) as archive:
        assert archive.getnames() == ["elsewhere", "pkg", "elsewhere/notes.txt", "pkg/run.sh"]
        assert all(not one.issym() for one in archive)


@pytest.mark.parametrize("name", ["absent", "pkg", "../outside", "/etc/passwd", "pipe"])
def test_what_is_no_file_below_the_directory_cannot_be_named(tmp_path: Path, name: str) -> None:
    source = make_source(tmp_path / "source")
    (tmp_path / "outside").write_text("x")
    os.mkfifo(source / "pipe")
    with pytest.raises(SttError, match="found no file below the directory to pack"):
        make(source, tmp_path / "out", files=["pkg/run.sh", name])


def test_a_private_bundle_is_closed_to_others_and_stays_so(tmp_path: Path) -> None:
    source, out = make_source(tmp_path / "source"), tmp_path / "out"
    # As an earlier version has left it.
    left = Path(make(source, out)["file"])
    assert left.stat().st_mode & 0o777 == 0o644
    assert make(source, out, private=True, check_mode=True)["changed"]
    assert left.stat().st_mode & 0o777 == 0o644
    assert make(source, out, private=True)["changed"]
    assert (left.stat().st_mode & 0o777, out.stat().st_mode & 0o777) == (0o600, 0o700)
    assert not make(source, out, private=True)["changed"]
    out.chmod(0o755)
    assert make(source, out, private=True)["changed"]
    assert not make(source, out, private=True)["changed"]


def test_pyz_runs_and_zip_tools_accept_it(tmp_path: Path) -> None:
    packed = make(make_source(tmp_path / "source"), tmp_path / "out", bundle_format="pyz")
    ran = subprocess.run([sys.executable, packed["file"]], check=True, capture_output=True)
    assert ran.stdout == b"ran\n"
    assert Path(packed["file"]).read_bytes().startswith(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(packed["file"]) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == packed["files"]


def test_module_reports_its_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = make_source(tmp_path / "source")
    arguments = {"path": str(source), "dest": str(tmp_path / "out"), "name": "src"}
    with patch_module_args(arguments), pytest.raises(SystemExit) as ended:
        stt_bundle.main()
    result = json.loads(capsys.readouterr().out)
    assert ended.value.code == 0
    assert result["file"] == f"{tmp_path}/out/src-{result['digest'][:12]}.tar"
    with patch_module_args({**arguments, "path": "/absent"}), pytest.raises(SystemExit) as ended:
        stt_bundle.main()
    failed = json.loads(capsys.readouterr().out)
    assert ended.value.code == 1
    assert (failed["object"], failed["found"]) == ("bundle source /absent", "nothing there")
