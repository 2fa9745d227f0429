# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/compare.yml by the real ansible-playbook, over releases that were really sealed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils import _release_files as files
from ansible_collections.stt.engine.plugins.module_utils import _release_manifest as manifest
from tests.integration.controller import CHECKOUT
from tests.unit.plugins.sealed_release import Sealed, seal
from tests.unit.plugins.two_releases import two

PLAYBOOK_SECONDS = 60


class Releases:
    """Two sealed releases below a directory of the test's own, and how they are compared."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.older, self.newer = two(place)
        self.root = self.older.release.parent

    def compare(self, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run the playbook as its user would; no inventory is needed."""
        given = {
            "release_seal_directory": str(self.root),
            "release_seal_public_key": str(self.older.key),
            **variables,
        }
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        return subprocess.run(
            [program, "playbooks/compare.yml", "--extra-vars", json.dumps(given), *options],
            cwd=CHECKOUT,
            env={**os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PLAYBOOK_SECONDS,
            check=False,
        )

    def written(self) -> dict[str, bytes]:
        """What comparisons left, by name."""
        return {path.name: path.read_bytes() for path in self.root.glob("compare/*")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    return Releases(tmp_path_factory.mktemp("made"))


@pytest.fixture
def releases(made: Releases, tmp_path: Path) -> Releases:
    """A copy, for a test that writes or damages."""
    copied = Releases.__new__(Releases)
    copied.place = tmp_path / "copy"
    shutil.copytree(made.place, copied.place)
    copied.root = copied.place / "releases"
    copied.older, copied.newer = (
        Sealed(copied.root / one.id, copied.place / "models", one.key)
        for one in (made.older, made.newer)
    )
    return copied


def test_the_newest_is_compared_with_the_one_before_and_kept_once(releases: Releases) -> None:
    name = f"{releases.older.id}..{releases.newer.id}"
    dry = releases.compare("--check")
    assert dry.returncode == 0, dry.stdout
    assert "  ~ torch  2.8.0 -> 2.8.1\n" in dry.stdout
    assert releases.written() == {}
    first = releases.compare()
    assert first.returncode == 0, first.stdout
    assert f"Page: {releases.root}/compare/{name}.html\n" in first.stdout
    assert first.stdout.count("signatures proven)") == 2
    assert "changed=1" in first.stdout
    kept = releases.written()
    assert set(kept) == {f"{name}.html", f"{name}.json"}
    assert json.loads(kept[f"{name}.json"])["bytes"]["layers_uncompressed"] == 2_100_000
    again = releases.compare(**{"from": releases.older.id, "to": "latest"})
    assert again.returncode == 0, again.stdout
    assert "changed=0" in again.stdout
    assert releases.written() == kept


def test_an_unknown_release_is_told_with_the_known_ones(made: Releases) -> None:
    run = made.compare(**{"from": "cuda128-debian12-v1.2-000000000000"})
    assert run.returncode != 0
    told = " ".join(run.stdout.split())
    assert "found no sealed release of that name in" in told
    assert f"needed one of the sealed releases there: {made.newer.id}, {made.older.id};" in told


def test_a_release_and_itself_are_the_same(made: Releases) -> None:
    run = made.compare(**{"from": made.newer.id}, stt_language="ko")
    assert run.returncode == 0, run.stdout
    assert "같은 릴리스입니다. 다른 점이 없습니다.\n" in run.stdout
    assert made.written() == {}


def test_what_was_edited_is_refused(releases: Releases) -> None:
    manifest = releases.older.release / "manifest.json"
    manifest.write_text(manifest.read_text().replace("int8_float16", "int8_float32"))
    run = releases.compare()
    assert run.returncode != 0
    assert f"release {releases.older.id}: found refuted: the signature over" in " ".join(
        run.stdout.split()
    )
    # Without the key it is still not what the release's own list names.
    alone = releases.compare(release_seal_public_key="", release_seal_key_file="/none")
    assert alone.returncode != 0
    assert "manifest.json, which is not what SHA256SUMS names" in " ".join(alone.stdout.split())
    assert releases.written() == {}


def test_what_is_not_signed_is_compared_and_said_to_be_so(releases: Releases) -> None:
    shutil.rmtree(releases.older.release)
    seal(releases.place, unsigned=True)
    refused = releases.compare()
    assert refused.returncode != 0
    assert "a manifest.json that says it is unsigned, although a key is known here" in " ".join(
        refused.stdout.split()
    )
    assert releases.written() == {}
    run = releases.compare(release_seal_allow_unsigned=True)
    assert run.returncode == 0, run.stdout
    assert run.stdout.count("signatures proven)") == 1
    assert run.stdout.count("signatures not proven, only its list of hashes holds)") == 1


@pytest.mark.parametrize("left", ["manifest.json.sig", "SHA256SUMS.sig", "release.pub"])
def test_a_signed_release_cannot_be_declared_unsigned(releases: Releases, left: str) -> None:
    release = releases.newer.release
    statement = json.loads((release / "manifest.json").read_bytes())
    statement["predicate"]["signature"] = {"algorithm": "none", "unsigned": True}
    (release / "manifest.json").write_bytes(manifest.render(statement))
    for name in {"manifest.json.sig", "SHA256SUMS.sig", "release.pub"} - {left}:
        (release / name).unlink()
    entries = {
        name: digest for name, digest in files.collect(release).items() if name != "SHA256SUMS.sig"
    }
    (release / "SHA256SUMS").write_bytes(files.render(entries))
    run = releases.compare(release_seal_allow_unsigned=True)
    assert run.returncode != 0
    told = " ".join(run.stdout.split())
    assert f"release {releases.newer.id}: found " in told
    assert "the signature over" in told
    assert releases.written() == {}


def test_other_variables_are_refused(made: Releases) -> None:
    run = made.compare(form="x", release="x", to="../x")
    assert run.returncode != 0
    told = " ".join(run.stdout.split())
    for message in (
        "form: found a variable that this playbook does not read; needed from, to; "
        "fix: did you mean from?",
        "needed from, to; fix: remove -e release=...",
        'to: found "../x"; needed a value of the form',
    ):
        assert message in told
