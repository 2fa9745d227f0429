# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was brought by hand and is damaged or strange: one sentence, and never a traceback."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._fetch_copy import Copy, tree_of_manifest
from ansible_collections.stt.engine.plugins.module_utils._fetch_select import Selection
from ansible_collections.stt.engine.plugins.module_utils._hub import RemoteFile

FILES = {"config.json": b"{}", "deep/model.bin": bytes(range(256)) * 40}
WANTED = [
    RemoteFile(name, len(data), "", hashlib.sha256(data).hexdigest())
    for name, data in FILES.items()
]
SELECTION = Selection("lab/whisper", "a" * 40)


def bring(source: Path, staging: Path) -> dict[str, bytes]:
    """Copy what was brought; what is staged afterwards."""
    copy = Copy(source, WANTED, staging)
    copy.look()
    copy.run(lambda **_fields: None, lambda _text: None)
    return {name: (staging / "files" / name).read_bytes() for name in FILES}


def write_tree(root: Path) -> Path:
    for name, data in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def pack_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("caf\u00e9.txt", "x")
        for name, data in FILES.items():
            archive.writestr(name, data)
    return path


def pack_tar(path: Path, mode: str, **headers: str) -> Path:
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as archive:
        for name, data in {"caf\u00e9.txt": b"x" * 512, **FILES}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            if name not in FILES:
                member.pax_headers = {
                    key.replace("_", "."): value for key, value in headers.items()
                }
            archive.addfile(member, io.BytesIO(data))
    return path


def refused(source: Path, staging: Path) -> str:
    """The one sentence about what cannot be used, by its files and by its manifest."""
    with pytest.raises(SttError) as caught:
        bring(source, staging)
    with pytest.raises(SttError):
        tree_of_manifest(source, SELECTION)
    return str(caught.value)


def test_zip_with_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    archive = pack_zip(tmp_path / "model.zip")
    archive.write_bytes(archive.read_bytes().replace("caf\u00e9".encode(), b"caf\xff\xfe"))
    assert f"{archive}: found damaged content (" in refused(archive, tmp_path / "staging")


@pytest.mark.parametrize(
    "headers",
    [
        {"GNU_sparse_size": "zz"},
        {"GNU_sparse_map": "a,b"},
        {"GNU_sparse_major": "1", "GNU_sparse_minor": "0", "GNU_sparse_realsize": "2"},
        {"size": "many"},
        {"size": "-1"},
        {"size": "9" * 30},
    ],
    ids=lambda headers: "-".join(next(iter(headers.items()))),
)
@pytest.mark.parametrize("mode", ["w:", "w:gz"])
def test_tar_with_headers_that_make_no_sense(
    tmp_path: Path, mode: str, headers: dict[str, str]
) -> None:
    archive = pack_tar(tmp_path / "model.tar", mode, **headers)
    try:
        found = bring(archive, tmp_path / "staging")
    except SttError as error:
        assert str(error).startswith(f"{archive}: found ")
    else:
        assert found == FILES


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_damage_anywhere_is_one_sentence_or_none(tmp_path: Path, kind: str) -> None:
    """Bytes of the archive's own book-keeping are changed by chance, the same on every run."""
    source = random.Random(f"{kind} 3")
    path = tmp_path / f"model.{kind}"
    whole = (
        pack_zip(path) if kind == "zip" else pack_tar(path, "w:", GNU_sparse_size="512")
    ).read_bytes()
    refusals = 0
    for number in range(400):
        damaged = bytearray(whole)
        for _each in range(source.randint(1, 12)):
            damaged[source.randrange(len(damaged))] = source.choice(
                (0, 0xFF, source.randrange(256))
            )
        path.write_bytes(gzip.compress(damaged, 1) if kind == "tar.gz" else damaged)
        staging = tmp_path / f"staging{number}"
        try:
            assert bring(path, staging) == FILES
        except SttError as error:
            refusals += 1
            assert str(path) in str(error)
        try:
            tree_of_manifest(path, SELECTION)
        except SttError as error:
            assert "no manifest" in str(error) or str(path) in str(error)
        shutil.rmtree(staging, ignore_errors=True)
    assert refusals > 100
