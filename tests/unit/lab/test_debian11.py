# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of Debian 11: only the pinned bytes are taken, and why not is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab import debian11
from tests.lab.shell import LabError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_without_a_mirror_it_says_what_is_needed(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "apt.conf"
    settings.write_text('Dir::Etc::sourcelist "/dev/null"; Dir::Etc::sourceparts "/dev/null";\n')
    monkeypatch.setenv("APT_CONFIG", str(settings))
    with pytest.raises(LabError) as raised:
        debian11.openssl()
    assert str(raised.value) == (
        f"{debian11.OPENSSL[0].path}: found no mirror in apt's configuration; needed a mirror of "
        f"Debian that has this file with the sha256 {debian11.OPENSSL[0].sha256}; fix: let this "
        f"machine's apt reach one, or put the unpacked packages into {cache / 'debian11'}"
    )


def test_other_bytes_than_the_pinned_ones_are_not_taken(cache: Path) -> None:
    wrong = debian11.Package(debian11.BUSYBOX[0].path, "0" * 64)
    with pytest.raises(LabError, match="needed a mirror of Debian that has this file"):
        debian11.unpacked("wrong", (wrong,))
    assert list((cache / "debian11").iterdir()) == []
