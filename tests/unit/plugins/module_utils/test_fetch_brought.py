# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was brought by hand and is damaged or strange: one sentence, and never a traceback."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
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


def pack_tree(tree: Path, kind: str) -> Path:
    """The same tree as a directory, a tar or a zip."""
    if kind == "directory":
        return tree
    return Path(shutil.make_archive(str(tree), kind, tree.parent, tree.name))


@pytest.mark.parametrize("kind", ["directory", "tar", "zip"])
@pytest.mark.parametrize("stray", [b"{}{}", b"[]"], ids=["of-another-size", "of-this-size"])
@pytest.mark.parametrize("below", ["", "whisper", "models/whisper/aaaa"])
def test_model_is_found_at_any_depth_in_spite_of_strays(
    tmp_path: Path, kind: str, stray: bytes, below: str
) -> None:
    tree = tmp_path / "usb"
    write_tree(tree / below)
    for place in ("a", *([""] if below else [])):
        (tree / place).mkdir(exist_ok=True)
        (tree / place / "config.json").write_bytes(stray)
    assert bring(pack_tree(tree, kind), tmp_path / "staging") == FILES


@pytest.mark.parametrize("kind", ["directory", "tar", "zip"])
def test_manifest_is_found_at_any_depth(tmp_path: Path, kind: str) -> None:
    tree = tmp_path / "usb"
    write_tree(tree / "models" / "whisper" / "aaaa")
    manifest = {
        "repository": SELECTION.repository,
        "commit": SELECTION.commit,
        "selection": list(SELECTION.patterns),
        "files": [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in WANTED],
    }
    place = tree / "models" / "whisper" / "aaaa.manifest.json"
    place.write_text(json.dumps(manifest))
    found, named = tree_of_manifest(pack_tree(tree, kind), SELECTION)
    assert found.files == tuple(WANTED)
    assert named.endswith("usb/models/whisper/aaaa.manifest.json")


def test_links_in_a_directory_are_followed_once(tmp_path: Path) -> None:
    tree = tmp_path / "usb"
    tree.mkdir()
    write_tree(tmp_path / "elsewhere")
    (tree / "round").symlink_to(tree)
    (tree / "whisper").symlink_to(tmp_path / "elsewhere")
    (tree / "config.json").symlink_to("config.json")
    assert bring(tree, tmp_path / "staging") == FILES


# Run as a user who may not read everything, which root always may.
PROGRAM = """
import os, sys
sys.path[:0] = {paths!r}
from pathlib import Path
from tests.unit.plugins.module_utils.test_fetch_brought import FILES, bring
os.setgid(65534); os.setuid(65534)
assert bring(Path(sys.argv[1]), Path(sys.argv[2])) == FILES
"""


@pytest.mark.parametrize("model", ["there", "unreadable"])
def test_directory_that_may_not_be_read(model: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        tree, staging = place / "usb", place / "staging"
        write_tree(tree / "whisper")
        write_tree(tree / "another")
        staging.mkdir(mode=0o777)
        staging.chmod(0o777)
        (tree / "another").chmod(0o700)
        if model == "unreadable":
            (tree / "whisper").chmod(0o700)
        if os.geteuid() == 0:
            run = subprocess.run(
                [
                    *(sys.executable, "-c", PROGRAM.format(paths=[p for p in sys.path if p])),
                    *(str(tree), str(staging)),
                ],
                cwd="/",
                capture_output=True,
                text=True,
                check=False,
            )
            found, complaint = run.returncode == 0, run.stderr
        else:
            for name in ("another", "whisper"):
                if (tree / name).stat().st_mode & 0o077 == 0:
                    (tree / name).chmod(0)
            try:
                found, complaint = bring(tree, staging) == FILES, ""
            except SttError as error:
                found, complaint = False, str(error)
        (tree / "another").chmod(0o700)
        (tree / "whisper").chmod(0o700)
    if model == "there":
        assert found, complaint
    else:
        assert f"{tree}/another: found Permission denied; needed a readable" in complaint
