# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the gates share: a judge that never raises, and an image to change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from stt_checks.image_facts import Base, Image
from stt_checks.outcome import CheckFailedError, Outcome
from stt_checks.settings import Settings

from tests.unit.checks.test_image_files import base_of
from tests.unit.elf_files import elf

Body = Callable[[Settings, Callable[[str], None]], Outcome]
LAYERS = ("sha256:1", "sha256:2")
DPKG = "Package: {}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {}\n\n"
HASH = "sha256:" + "a" * 64


def judge(body: Body, settings: Settings) -> Outcome:
    try:
        return body(settings, lambda *_doing: None)
    except CheckFailedError as error:
        return Outcome("failed", error.found, error.fix, error.evidence)


def write_base(root: Path) -> None:
    """The files of a small Debian."""
    (root / "var/lib/dpkg").mkdir(parents=True)
    (root / "var/lib/dpkg/status").write_text(DPKG.format("libc6", "2.36-9"))
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/lib").mkdir(parents=True)
    (root / "usr/bin/python3").write_bytes(elf({"libc.so.6": ["GLIBC_2.36"]}))


def image_settings(root: Path, scratch: Path) -> Settings:
    """What the checks are told of an image that adds nothing to its base yet."""
    base = Base("a-base:1", (HASH,), LAYERS, base_of(root), packages={"deb": {"libc6": "2.36-9"}})
    image = Image(
        architecture="amd64",
        user="2000:2000",
        ports=(8003,),
        layers=(*LAYERS, "sha256:3"),
        labels={"stt.engine.variant": "slim"},
        environment={"PATH": "/usr/bin", "GPG_KEY": "A035C8C19219BA821ECEA86B64E628F8D684696D"},
        history=("COPY . /", "RUN |1 OS=rhel8 /bin/sh -c python3 base.py --os rhel8"),
    )
    return Settings(
        Path("/dev/null"), "", "", container=True, image=image, base=base,
        scratch=scratch, layers=(),
    )  # fmt: skip


def with_image(settings: Settings, **changes: Any) -> Settings:
    """The settings with another configuration of the image."""
    assert settings.image is not None
    return replace(settings, image=replace(settings.image, **changes))
