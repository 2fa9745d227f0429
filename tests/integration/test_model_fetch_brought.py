# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_model_fetch with a model that was brought by hand: directories and archives, whole or not."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.model_lab import FETCHED, REPOSITORY, Case, HubProcess

pytest_plugins = ["tests.integration.model_fixtures"]

KINDS = {".tar": "w:", ".tar.gz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}


class Offline:
    """A server without a hub, and a store elsewhere whose model is brought to it."""

    def __init__(self, case: Case, hub: HubProcess, tmp_path: Path) -> None:
        self.files = case.ok()["files"]
        hub.reset()
        self.store = case.path
        self.manifest = case.path.with_name(f"{case.path.name}.manifest.json")
        self.usb = tmp_path / "usb"
        self.usb.mkdir()
        self.case = Case(hub, tmp_path / "offline")
        hub.reset()
        self.case.params |= {"endpoint": "https://hub.invalid", "tools_python": None}
        self.hub = hub

    def take(self, source: Path, **changes: Any) -> dict[str, Any]:
        return self.case.fetch(source_path=str(source), **changes)

    def taken(self, repository: Path, source: Path, **changes: Any) -> dict[str, Any]:
        """A fetch that must go well, and the next one that needs nothing of the source."""
        before = sorted(str(path) for path in self.usb.rglob("*"))
        predicted = self.case.ok(check=True, source_path=str(source), **changes)
        assert predicted["bytes_planned"] == sum(file["size"] for file in self.files)
        assert not self.case.root.exists()
        result = self.case.ok(source_path=str(source), **changes)
        self.case.check_published(repository)
        assert (result["changed"], result["files"]) == (True, self.files)
        assert result["bytes_downloaded"] == predicted["bytes_planned"]
        assert sorted(str(path) for path in self.usb.rglob("*")) == before
        again = self.case.ok(source_path="/gone", **changes)
        assert (again["changed"], again["files"]) == (False, self.files)
        assert again["trust"] == result["trust"]
        assert self.hub.stats()["requests"] == 0
        return result

    def refused(self, source: Path, **changes: Any) -> str:
        """A fetch that must publish nothing; its message."""
        result = self.take(source, **changes)
        assert result.get("failed") is True, result
        self.case.check_nothing_published()
        return str(result["msg"])


@pytest.fixture
def offline(case: Case, hub: HubProcess, tmp_path: Path) -> Offline:
    return Offline(case, hub, tmp_path)


def pack(archive: Path, mode: str, *members: Path) -> Path:
    # The model is noise, which no effort makes smaller.
    effort: dict[str, Any] = {"w:gz": {"compresslevel": 1}, "w:xz": {"preset": 0}}.get(mode, {})
    with tarfile.open(archive, mode, **effort) as tar:
        for member in members:
            tar.add(member, arcname=member.name)
    return archive


@pytest.mark.parametrize("kind", KINDS)
def test_tar_of_a_store_carries_its_own_hashes(
    offline: Offline, repository: Path, kind: str
) -> None:
    archive = pack(offline.usb / f"m{kind}", KINDS[kind], offline.manifest, offline.store)
    result = offline.taken(repository, archive)
    assert result["trust"] == "manifest"
    assert result["reason"] == (
        f"it is not there yet (its hashes are those of {archive}:{offline.manifest.name})"
    )


def test_zip_with_the_manifest_at_its_end(offline: Offline, repository: Path) -> None:
    archive = offline.usb / "model.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("model/", "")
        for name in (*FETCHED, "README.md"):
            packed.write(repository / name, f"model/{name}")
        packed.write(offline.manifest, offline.manifest.name)
    assert offline.taken(repository, archive)["trust"] == "manifest"


@pytest.mark.parametrize("beside", ["directory", "archive", "inside", "above"])
def test_manifest_is_found_where_it_lies(offline: Offline, repository: Path, beside: str) -> None:
    source = offline.usb / "whisper"
    shutil.copytree(offline.store, source)
    if beside == "directory":
        shutil.copy(offline.manifest, offline.usb / "whisper.manifest.json")
    elif beside == "inside":
        shutil.copy(offline.manifest, source)
    elif beside == "above":
        shutil.copy(offline.manifest, offline.usb)
        source = offline.usb
    else:
        source = pack(offline.usb / "whisper.tgz", "w:gz", source)
        shutil.copy(offline.manifest, offline.usb)
    assert offline.taken(repository, source)["trust"] == "manifest"


def test_locked_files_stand_above_a_manifest(offline: Offline, repository: Path) -> None:
    """The files lie as a hub's own cache keeps them: links to blobs."""
    blobs, snapshot = offline.usb / "blobs", offline.usb / "snapshots" / "abc"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    for number, name in enumerate(FETCHED):
        shutil.copy(repository / name, blobs / str(number))
        (snapshot / name).symlink_to(f"../../blobs/{number}")
    (snapshot / "other.manifest.json").write_text("{}")
    result = offline.taken(repository, snapshot, expected_files=offline.files)
    assert (result["trust"], result["reason"]) == ("lock", "it is not there yet")
    assert all(not path.is_symlink() for path in offline.case.path.iterdir())


def test_published_model_is_repaired_from_what_was_brought(
    offline: Offline, repository: Path
) -> None:
    archive = pack(offline.usb / "model.tar.gz", "w:gz", offline.manifest, offline.store)
    offline.take(archive)
    victim = offline.case.path / "config.json"
    victim.unlink()
    predicted = offline.case.ok(check=True, source_path=str(archive))
    assert predicted["bytes_planned"] == (repository / "config.json").stat().st_size
    result = offline.case.ok(source_path=str(archive))
    assert result["reason"].startswith("config.json is missing (its hashes are those of ")
    assert result["bytes_downloaded"] == predicted["bytes_planned"]
    offline.case.check_published(repository)


def test_nothing_to_judge_by_is_said_with_the_way_to_get_it(offline: Offline) -> None:
    assert offline.refused(offline.store.with_name("nowhere")) == (
        f"{offline.store.with_name('nowhere')}: found No such file or directory; "
        "needed a readable directory or archive with the model; "
        "fix: bring the whole model, or correct source_path"
    )
    source = offline.usb / "whisper"
    shutil.copytree(offline.store, source)
    commit = offline.case.params["commit"]
    assert offline.refused(source) == (
        "source_path: found no expected_files, and no manifest; "
        f"needed size and hash of every file of {REPOSITORY}@{commit}; "
        "fix: give expected_files from a lock, or bring models/NAME/COMMIT.manifest.json of a "
        "server that has the model along, beside the directory or archive; in a compressed "
        "archive it must come first"
    )
    beside = offline.usb / "whisper.manifest.json"
    manifest = json.loads(offline.manifest.read_text())
    beside.write_text(json.dumps({**manifest, "commit": "e" * 40}))
    assert f"and only {beside} of {REPOSITORY}@{'e' * 40}; needed" in offline.refused(source)
    beside.write_text(json.dumps({**manifest, "selection": ["*"]}))
    assert f"and only {beside}, for which other files were chosen" in offline.refused(source)
    beside.write_text("<html>")
    assert f"and only {beside} (damaged); needed" in offline.refused(source)
    manifest["files"][0]["path"] = "../config.json"
    beside.write_text(json.dumps(manifest))
    assert f"{beside}: found the entry {{'git_sha1': " in offline.refused(source)
    assert not offline.case.root.exists()


def spoil_missing(name: str, data: bytes) -> bytes | None:
    return None if name == "tokenizer.json" else data


def spoil_short(name: str, data: bytes) -> bytes | None:
    return data[:-1] if name == "tokenizer.json" else data


def spoil_wrong(name: str, data: bytes) -> bytes | None:
    return data[:-1] + b"?" if name == "tokenizer.json" else data


SPOILED: dict[str, tuple[Callable[[str, bytes], bytes | None], str]] = {
    "missing": (spoil_missing, "tokenizer.json is missing"),
    "short": (spoil_short, "tokenizer.json: 120012 bytes instead of 120013"),
    "wrong": (spoil_wrong, "tokenizer.json: sha256 "),
}


@pytest.mark.parametrize("kind", ["directory", ".tar", ".tar.gz", ".zip"])
@pytest.mark.parametrize("name", SPOILED)
def test_spoiled_file_is_named_and_nothing_published(
    offline: Offline, repository: Path, kind: str, name: str
) -> None:
    spoil, text = SPOILED[name]
    source = offline.usb / "whisper"
    source.mkdir()
    for path in offline.store.iterdir():
        data = spoil(path.name, path.read_bytes())
        if data is not None:
            (source / path.name).write_bytes(data)
    if kind == ".zip":
        shutil.make_archive(str(source), "zip", source)
        source = source.with_suffix(".zip")
    elif kind != "directory":
        source = pack(offline.usb / f"whisper{kind}", KINDS[kind], source)
    message = offline.refused(source, expected_files=offline.files)
    assert message.startswith(f"{source}: found {text}")
    assert message.endswith(
        "; needed every file of the model with its size and hash; "
        "fix: bring the whole model at this very commit again, or correct source_path"
    )
    # What was right in it is not copied again.
    result = offline.case.ok(source_path=str(repository), expected_files=offline.files)
    assert result["bytes_resumed"] + result["bytes_downloaded"] == sum(
        file["size"] for file in offline.files
    )
    assert (result["bytes_resumed"] > 0) == (name == "wrong" or kind == ".tar.gz")
    offline.case.check_published(repository)


@pytest.mark.parametrize("kind", [*KINDS, ".zip"])
def test_truncated_archive(offline: Offline, kind: str) -> None:
    archive = offline.usb / f"model{kind}"
    if kind == ".zip":
        shutil.make_archive(str(offline.usb / "model"), "zip", offline.store)
    else:
        pack(archive, KINDS[kind], offline.store)
    size = archive.stat().st_size
    for left in (int(0.999 * size), size // 2, 100, 0):
        os.truncate(archive, left)
        message = offline.refused(archive, expected_files=offline.files)
        assert message.startswith(f"{archive}: found ")
        assert "damaged" in message or "is missing" in message
        assert "; fix: bring " in message


@pytest.mark.parametrize("kind", [".tar.gz", ".tar.bz2", ".tar.xz", ".zip"])
def test_damaged_archive(offline: Offline, kind: str) -> None:
    archive = offline.usb / f"model{kind}"
    if kind == ".zip":
        shutil.make_archive(str(offline.usb / "model"), "zip", offline.store)
    else:
        pack(archive, KINDS[kind], offline.store)
    with archive.open("r+b") as stream:
        stream.seek(archive.stat().st_size // 2)
        stream.write(b"damaged damaged damaged")
    message = offline.refused(archive, expected_files=offline.files)
    assert message.startswith(f"{archive}: found ")
    assert "damaged content (" in message or "model.safetensors: sha256 " in message


def test_what_is_no_archive(offline: Offline) -> None:
    page = offline.usb / "model.tar"
    page.write_text("<html>Sign in</html>" * 100)
    message = offline.refused(page, expected_files=offline.files)
    assert message == (
        f"{page}: found no archive that can be read, or a damaged one; "
        "needed a directory, a tar archive (plain, gzip, bzip2 or xz) or a zip archive; "
        "fix: bring it again and compare its checksum with the original's, or pack it anew"
    )
    zstd = shutil.which("zstd")
    if zstd is None:
        return
    plain = pack(offline.usb / "plain.tar", "w:", offline.store)
    subprocess.run([zstd, "-q", str(plain)], check=True)
    packed = Path(f"{plain}.zst")
    assert "compressed with zstd, which this Python cannot read; needed" in offline.refused(
        packed, expected_files=offline.files
    )


def test_archive_that_leads_elsewhere(offline: Offline, tmp_path: Path) -> None:
    for number, name in enumerate(("../config.json", "/etc/config.json", "a/../../config.json")):
        archive = offline.usb / f"{number}.tar"
        with tarfile.open(archive, "w") as tar:
            member = tarfile.TarInfo(name)
            member.size = 2
            tar.addfile(member, io.BytesIO(b"{}"))
        message = offline.refused(archive, expected_files=offline.files)
        assert f"found the entry '{name}', which leads out of the archive; needed" in message
    linked = offline.usb / "linked.tar"
    with tarfile.open(linked, "w") as tar:
        for name in FETCHED:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, str(offline.store / name)
            tar.addfile(member)
    message = offline.refused(linked, expected_files=offline.files)
    assert "config.json: a link in the archive (tar --dereference --hard-dereference" in message
    assert not (tmp_path / "config.json").exists()


def test_directory_with_pipes_and_dangling_links(offline: Offline) -> None:
    source = offline.usb / "whisper"
    shutil.copytree(offline.store, source)
    for name in ("config.json", "tokenizer.json"):
        (source / name).unlink()
    os.mkfifo(source / "config.json")
    (source / "tokenizer.json").symlink_to("nowhere")
    message = offline.refused(source, expected_files=offline.files)
    assert "found config.json: not a regular file; tokenizer.json: a link that leads" in message
