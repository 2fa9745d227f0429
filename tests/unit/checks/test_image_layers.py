# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a later layer removed or replaced is still judged, from directories and from an archive."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from stt_checks import r2_files, r2_secrets
from stt_checks.outcome import Outcome
from stt_checks.settings import Settings

from tests.unit.checks.image_gates import judge

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\n"
SETTINGS = "DB_PASSWORD=c0ffee12\n"
Layers = list[dict[str, str | None]]
Look = Callable[[Layers], Outcome]


def directories(layers: Layers, place: Path) -> tuple[Path, ...]:
    """Layers as overlayfs keeps them, except for the whiteout: only root can make its kind."""
    found = []
    for number, files in enumerate(layers):
        layer = place / str(number)
        layer.mkdir(parents=True)
        found.append(layer)
        for name, text in files.items():
            (layer / name).parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                os.mkfifo(layer / name)
            else:
                (layer / name).write_text(text)
    return tuple(found)


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def saved(layers: Layers, path: Path, compression: str = "") -> Path:
    """An image as docker image save writes it, the list at its end."""
    with tarfile.open(path, "w") as whole:
        names = []
        for number, files in enumerate(layers):
            packed = io.BytesIO()
            with tarfile.open(fileobj=packed, mode=f"w:{compression}") as layer:
                for name, text in files.items():
                    folder, _slash, last = name.rpartition("/")
                    place = f"{folder}/.wh.{last}" if text is None else name
                    add(layer, place.lstrip("/"), (text or "").encode())
            names.append(f"blobs/sha256/{number}")
            add(whole, names[-1], packed.getvalue())
        add(whole, "blobs/sha256/config", b'{"os": "linux"}')
        add(whole, "manifest.json", json.dumps([{"Layers": names}]).encode())
    return path


@pytest.fixture(params=["directories", "archive", "compressed archive"])
def look(
    request: pytest.FixtureRequest,
    image_settings: Settings,
    image_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Look:
    """Judges an image of these layers above its base's two."""
    monkeypatch.setattr(r2_secrets, "recorded_files", frozenset)

    def judged(layers: Layers) -> Outcome:
        shown: dict[str, str | None] = {}
        for layer in layers:
            shown.update(layer)
        for name, text in shown.items():
            if text is not None:
                (image_root / name).parent.mkdir(parents=True, exist_ok=True)
                (image_root / name).write_text(text)
        judge(r2_files.survey, image_settings)
        if request.param == "directories":
            given = replace(image_settings, layers=directories(layers, tmp_path / "layers"))
        else:
            compression = "gz" if "compressed" in request.param else ""
            base: Layers = [{"etc/base.env": SETTINGS}, {}]
            archive = saved([*base, *layers], tmp_path / "saved.tar", compression)
            given = replace(image_settings, layers=None, layer_archive=archive)
        return judge(r2_secrets.secrets, given)

    return judged


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([{"root/key": KEY}, {"root/key": None}], "a private key in root/key, which a later"),
        ([{"root/a.env": SETTINGS}, {"root/a.env": None}], "a value of DB_PASSWORD in root/a.env"),
        ([{"root/a.env": SETTINGS}, {"root/a.env": "A=b\n"}], "DB_PASSWORD in root/a.env, which"),
        (
            [{"root/a/.pgpass": "h:1:d:u:c0ffee"}, {"root/a": None}],
            "password of .pgpass in root/a/",
        ),
        ([{"k": KEY}, {"k": None}, {"k": "again"}], "a private key in k, which a later layer"),
    ],
)
def test_what_a_later_layer_hides_is_found(look: Look, layers: Layers, words: str) -> None:
    outcome = look(layers)
    assert (outcome.status, words in outcome.found) == ("failed", True), outcome
    assert "c0ffee" not in outcome.found


def test_what_is_still_shown_is_told_once(look: Look) -> None:
    outcome = look([{"root/key": KEY}, {"root/key": KEY}])
    assert outcome.found == "1 secrets: a private key in root/key"


def test_what_a_removed_package_recorded_is_not_searched(look: Look) -> None:
    site = "site-packages"
    record = "a/test_key.py,sha256=x,1\na-1.dist-info/RECORD,,\n"
    brought = {f"{site}/a/test_key.py": KEY, f"{site}/a-1.dist-info/RECORD": record}
    outcome = look([dict(brought), dict.fromkeys(brought)])
    assert outcome.status == "passed", outcome


def test_harmless_files_may_be_removed(look: Look) -> None:
    outcome = look(
        [{"tmp/list": "a\n", "x.env": "TOKEN=${TOKEN}\n"}, {"tmp/list": None, "x.env": None}]
    )
    assert (outcome.status, outcome.evidence["removed"]) == ("passed", 2), outcome


def test_layers_that_nobody_gave_are_no_proof(image_settings: Settings) -> None:
    judge(r2_files.survey, image_settings)
    outcome = judge(r2_secrets.secrets, replace(image_settings, layers=None))
    assert (outcome.status, outcome.found) == ("failed", r2_secrets.UNTOLD)


def test_half_an_archive_is_no_proof(image_settings: Settings, tmp_path: Path) -> None:
    judge(r2_files.survey, image_settings)
    whole = saved([{}, {}, {"a": "b" * 9000}], tmp_path / "saved.tar").read_bytes()
    part = tmp_path / "part.tar"
    part.write_bytes(whole[: len(whole) - 12_000])
    given = replace(image_settings, layers=None, layer_archive=part)
    outcome = judge(r2_secrets.secrets, given)
    assert (outcome.status, "is not whole" in outcome.found) == ("failed", True), outcome
