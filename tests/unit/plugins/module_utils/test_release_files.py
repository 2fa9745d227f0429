# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The signed list of a release's files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.stt.engine.plugins.module_utils import _release_files as files
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._release_sign import Signer
from tests.unit.plugins.sealed_release import make_key


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(make_key(tmp_path / "release.pem"))


@pytest.fixture
def release(tmp_path: Path) -> Path:
    directory = tmp_path / "release"
    for name in ("manifest.json", "report.json", "logs/R4-1.log", "logs/build.log"):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return directory


def test_a_link_and_a_name_that_is_no_line_are_refused(release: Path) -> None:
    (release / "logs" / "later").symlink_to("/tmp")
    with pytest.raises(SttError) as raised:
        files.collect(release)
    assert str(raised.value) == (
        f"release files {release}/logs: found a link, 'logs/later'; needed plain files, with names "
        "of printable characters and without a backslash; fix: remove or rename it"
    )
    (release / "logs" / "later").unlink()
    for name in ("two\nlines", "back\\slash", "bell\x07"):
        path = release / name
        path.write_text("x")
        with pytest.raises(SttError, match="found the name"):
            files.collect(release)
        path.unlink()


def test_a_file_that_was_edited_after_it_was_signed_is_not_signed_again(
    release: Path, signer: Signer
) -> None:
    files.write(release, files.collect(release), signer)
    before = files.signed_before(release, signer)
    assert before is not None
    (release / "logs" / "R4-1.log").write_text("another")
    (release / "report.json").write_text("another")
    now = files.collect(release)
    with pytest.raises(SttError) as raised:
        files.refuse_unproven(release, before, now, ["logs/build.log"])
    assert raised.value.found == (
        f"logs/R4-1.log, which was changed after it was signed (sha256 {now['logs/R4-1.log']})"
    )
    files.refuse_unproven(release, before, now, ["logs/R4-1.log"])
    (release / "logs" / "R4-1.log").unlink()
    files.refuse_unproven(release, before, files.collect(release), [])


def test_only_what_was_signed_before_may_come_under_another_name(
    release: Path, signer: Signer
) -> None:
    files.write(release, files.collect(release), signer)
    before = files.signed_before(release, signer)
    (release / "history").mkdir()
    (release / "logs" / "build.log").rename(release / "history" / "former.log")
    (release / "history" / "former.json").write_bytes((release / "report.json").read_bytes())
    files.refuse_unproven(release, before, files.collect(release), [])
    planted = release / "history" / "2026.json"
    planted.write_text("planted")
    now = files.collect(release)
    with pytest.raises(SttError) as raised:
        files.refuse_unproven(release, before, now, [])
    assert raised.value.found == (
        "history/2026.json, which this run has not made and which SHA256SUMS does not name "
        f"(sha256 {now['history/2026.json']})"
    )
    files.refuse_unproven(release, before, now, ["history/2026.json"])


def test_without_a_list_that_holds_only_what_the_run_made_is_signed(release: Path) -> None:
    now = files.collect(release)
    logs = ["logs/R4-1.log", "logs/build.log"]
    files.refuse_unproven(release, None, now, logs)
    with pytest.raises(SttError) as raised:
        files.refuse_unproven(release, None, now, logs[1:])
    assert (raised.value.found, raised.value.fix) == (
        "logs/R4-1.log, which this run has not made, and no SHA256SUMS that holds and could vouch "
        "for it",
        f"find out where it came from, and move it out of {release}, or bring back SHA256SUMS and "
        "SHA256SUMS.sig as they were",
    )


def test_the_list_is_what_sha256sum_reads_and_openssl_verifies(
    release: Path, signer: Signer
) -> None:
    (release / "logs" / "두 단어 .log").write_text("x")
    files.write(release, files.collect(release), signer)
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", files.LIST_NAME],
        cwd=release,
        capture_output=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert len(checked.stdout.splitlines()) == 5
    assert signer.verifies(release / files.LIST_NAME, release / files.SIGNATURE_NAME)
    assert files.parse((release / files.LIST_NAME).read_bytes()) == files.collect(release)


def test_a_list_of_another_key_or_form_is_not_believed(
    release: Path, signer: Signer, tmp_path: Path
) -> None:
    assert files.signed_before(release, signer) is None
    files.write(release, files.collect(release), signer)
    other = Signer(make_key(tmp_path / "other.pem"))
    assert files.signed_before(release, other) is None
    (release / files.LIST_NAME).write_text("nonsense\n")
    assert files.signed_before(release, signer) is None
    assert files.signed_before(release, None) == {}


def test_an_unsigned_release_keeps_a_list_and_no_old_signature(
    release: Path, signer: Signer
) -> None:
    files.write(release, files.collect(release), signer)
    files.write(release, files.collect(release), None)
    assert files.signed_before(release, None) == files.collect(release)
    assert not (release / files.SIGNATURE_NAME).exists()


def test_only_what_lasts_is_a_reason(release: Path) -> None:
    before = files.collect(release)
    (release / "report.json").write_text("later")
    (release / "history").mkdir()
    (release / "history" / "one.json").write_text("{}")
    now = files.collect(release)
    assert files.reason_to_sign(before, now, signature=True) is None
    assert files.reason_to_sign(before, now, signature=False) == (
        "the list's signature is not wanted"
    )
    assert files.reason_to_sign(None, now, signature=True) == (
        "there is no list that is signed by this key yet"
    )
    (release / "manifest.json").write_text("later")
    (release / "logs" / "R4-1.log").unlink()
    assert files.reason_to_sign(before, files.collect(release), signature=True) == (
        "the list there differs in logs/R4-1.log, manifest.json"
    )


def test_a_place_that_cannot_be_written_is_named(release: Path, signer: Signer) -> None:
    (release / files.LIST_NAME).mkdir()
    with pytest.raises(SttError, match="found a place that cannot be written") as raised:
        files.write(release, {}, signer)
    assert raised.value.object == f"release files {release}"
