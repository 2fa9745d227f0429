# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each gate of an image shows that it can fail, on a small file system of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stt_checks import r2_files, r2_secrets
from stt_checks.outcome import Outcome
from stt_checks.settings import Expected, Settings

from tests.unit.checks.image_gates import DPKG, Body, judge, with_image
from tests.unit.checks.test_image_files import base_of
from tests.unit.elf_files import AARCH64, CUDA, elf


@pytest.fixture
def root(image_root: Path) -> Path:
    return image_root


@pytest.fixture
def settings(image_settings: Settings) -> Settings:
    return image_settings


def survey(settings: Settings) -> Outcome:
    return judge(r2_files.survey, settings)


GATES = (
    r2_files.architecture,
    r2_files.glibc,
    r2_files.libstdcxx,
    r2_files.dangling_links,
    r2_files.no_os_additions,
    r2_secrets.secrets,
)


def test_an_image_that_adds_what_it_may_passes(settings: Settings, root: Path) -> None:
    needs = {"libc.so.6": ["GLIBC_2.28"], "libstdc++.so.6": ["GLIBCXX_3.4.25", "CXXABI_1.3.11"]}
    (root / "app.so").write_bytes(elf(needs))
    (root / "kernel.cubin").write_bytes(elf(machine=CUDA))
    (root / "own.so").write_bytes(elf({"libstdc++-1a2b.so.6": ["GLIBCXX_3.4.30"]}))
    (root / "usr/lib/app.so").symlink_to("../../app.so")
    (root / "app.py").write_text('print("hello")\n')
    assert survey(settings).status == "passed"
    assert [judge(gate, settings).status for gate in GATES] == ["passed"] * len(GATES)
    assert judge(r2_files.glibc, settings).evidence["highest"] == {"GLIBC": "2.28"}


def test_without_the_list_of_additions_no_gate_passes(settings: Settings) -> None:
    for gate in GATES:
        outcome = judge(gate, settings)
        assert outcome.status == "failed"
        assert "R2.5 added_files left no list" in outcome.found


@pytest.mark.parametrize(
    ("needs", "gate", "words"),
    [
        ({"libc.so.6": ["GLIBC_2.29"]}, r2_files.glibc, "app.so needs GLIBC_2.29"),
        ({"libm.so.6": ["GLIBC_2.100"]}, r2_files.glibc, "app.so needs GLIBC_2.100"),
        ({"libc.so.6": ["GLIBC_ABI_DT_RELR"]}, r2_files.glibc, "needs GLIBC_ABI_DT_RELR"),
        ({"libc.so.6": ["GLIBC_PRIVATE"]}, r2_files.glibc, "needs GLIBC_PRIVATE"),
        ({"libstdc++.so.6": ["GLIBCXX_3.4.26"]}, r2_files.libstdcxx, "needs GLIBCXX_3.4.26"),
        ({"libstdc++.so.6": ["CXXABI_1.3.12"]}, r2_files.libstdcxx, "needs CXXABI_1.3.12"),
        ({"libstdc++.so.6": ["CXXABI_FLOAT128"]}, r2_files.libstdcxx, "needs CXXABI_FLOAT128"),
    ],
)
def test_a_newer_library_than_rhel_8_has_is_named(
    settings: Settings, root: Path, needs: Any, gate: Body, words: str
) -> None:
    (root / "app.so").write_bytes(elf(needs))
    survey(settings)
    outcome = judge(gate, settings)
    assert (outcome.status, words in outcome.found) == ("failed", True), outcome


def test_the_limits_are_the_callers_to_move(settings: Settings, root: Path) -> None:
    (root / "app.so").write_bytes(elf({"libc.so.6": ["GLIBC_2.34"]}))
    survey(settings)
    newer = replace(settings, expected=Expected(glibc="2.34"))
    assert judge(r2_files.glibc, newer).status == "passed"


@pytest.mark.parametrize("machine", [AARCH64, 3])
def test_another_processor_is_named(settings: Settings, root: Path, machine: int) -> None:
    (root / "app.so").write_bytes(elf(machine=machine))
    survey(settings)
    outcome = judge(r2_files.architecture, settings)
    assert (outcome.status, "app.so (" in outcome.found) == ("failed", True)


def test_a_damaged_library_fails_whoever_reads_it(settings: Settings, root: Path) -> None:
    (root / "app.so").write_bytes(elf()[:40])
    survey(settings)
    for gate in (r2_files.architecture, r2_files.glibc, r2_files.libstdcxx):
        assert "app.so (the header lies outside" in judge(gate, settings).found


def test_a_link_to_a_library_that_leads_nowhere_fails(settings: Settings, root: Path) -> None:
    (root / "notes").symlink_to("/proc/none")
    survey(settings)
    assert judge(r2_files.dangling_links, settings).status == "passed"
    (root / "libcudnn.so.9").symlink_to("gone")
    survey(settings)
    outcome = judge(r2_files.dangling_links, settings)
    assert (outcome.status, "libcudnn.so.9 -> gone" in outcome.found) == ("failed", True)


@pytest.fixture
def linked(settings: Settings, root: Path) -> Settings:
    """A base with a library behind a link, and links that lead nowhere in it already."""
    (root / "usr/lib/libz.so.1.2").write_bytes(elf())
    (root / "usr/lib/libz.so.1").symlink_to("libz.so.1.2")
    (root / "lib").symlink_to("usr/lib")
    (root / "usr/lib/libz.so").symlink_to("/lib/../lib/libz.so.1")
    (root / "usr/lib/libnone.so").symlink_to("libnone.so.1")
    (root / "usr/lib/round.so").symlink_to("round.so")
    (root / "usr/share").symlink_to("lib")
    assert settings.base is not None
    return replace(settings, base=replace(settings.base, files=base_of(root)))


def test_a_link_of_the_base_whose_target_the_build_removed_fails(
    linked: Settings, root: Path
) -> None:
    survey(linked)
    assert judge(r2_files.dangling_links, linked).status == "passed"
    (root / "usr/lib/libz.so.1.2").unlink()
    survey(linked)
    outcome = judge(r2_files.dangling_links, linked)
    assert outcome.status == "failed"
    assert outcome.evidence["links"] == [
        "usr/lib/libz.so -> /lib/../lib/libz.so.1, whose target the base had",
        "usr/lib/libz.so.1 -> libz.so.1.2, whose target the base had",
    ]


@pytest.mark.parametrize("needed", [True, False])
def test_a_library_of_the_base_that_is_needed_and_gone_fails(
    linked: Settings, root: Path, needed: bool
) -> None:
    (root / "app.so").write_bytes(elf({"libz.so.1": ["ZLIB_1.2"]} if needed else {}))
    for name in ("libz.so", "libz.so.1", "libz.so.1.2"):
        (root / "usr/lib" / name).unlink()
    survey(linked)
    outcome = judge(r2_files.dangling_links, linked)
    assert outcome.status == ("failed" if needed else "passed"), outcome
    assert not needed or "usr/lib/libz.so.1 is gone, and app.so needs it" in outcome.found
    # Whoever brings the library instead has not lost it.
    (root / "libz.so.1").write_bytes(elf())
    survey(linked)
    assert judge(r2_files.dangling_links, linked).status == "passed"


def test_a_library_of_the_base_that_is_needed_and_replaced_fails(
    settings: Settings, root: Path
) -> None:
    (root / "usr/lib/libz.so.1").write_bytes(elf())
    assert settings.base is not None
    told = replace(settings, base=replace(settings.base, files=base_of(root)))
    (root / "usr/lib/libz.so.1").write_bytes(elf({"libc.so.6": ["GLIBC_2.2"]}))
    (root / "app.so").write_bytes(elf({"libz.so.1": ["ZLIB_1.2"]}))
    survey(told)
    outcome = judge(r2_files.dangling_links, told)
    assert "usr/lib/libz.so.1 is another one, and app.so needs it" in outcome.found
    assert judge(r2_files.dangling_links, replace(told, variant="foreign")).status == "passed"


def test_another_base_is_no_base(settings: Settings) -> None:
    assert settings.base is not None
    other = replace(settings, base=replace(settings.base, layers=("sha256:1", "sha256:9")))
    outcome = survey(other)
    assert (outcome.status, "they are not its base" in outcome.found) == ("failed", True)
    assert survey(replace(settings, base=None)).status == "failed"


def program(name: str) -> Callable[[Path], None]:
    def add(root: Path) -> None:
        (root / "usr/bin" / name).write_text("#!/bin/sh\n")
        (root / "usr/bin" / name).chmod(0o755)

    return add


def add_package(root: Path) -> None:
    with (root / "var/lib/dpkg/status").open("a") as status:
        status.write(DPKG.format("curl", "7.88.1"))


def other_version(root: Path) -> None:
    (root / "var/lib/dpkg/status").write_text(DPKG.format("libc6", "2.36-10"))


def rpm_database(root: Path) -> None:
    (root / "var/lib/rpm").mkdir()
    (root / "var/lib/rpm/Packages").write_bytes(b"another")


@pytest.mark.parametrize(
    ("add", "words"),
    [
        (program("gcc"), "the compiler usr/bin/gcc"),
        (program("x86_64-linux-gnu-gcc-12"), "the compiler usr/bin/x86_64-linux-gnu-gcc-12"),
        (program("g++"), "the compiler usr/bin/g++"),
        (program("clang-15"), "the compiler usr/bin/clang-15"),
        (program("sudo"), "the program usr/bin/sudo"),
        (add_package, "deb packages curl 7.88.1"),
        (other_version, "deb packages libc6 2.36-10 instead of 2.36-9"),
        (rpm_database, "the database of rpm, var/lib/rpm/Packages, is not the base's"),
        (lambda root: (root / "usr/bin/python3").chmod(0o4755), "runs with its owner's rights"),
        (lambda root: (root / "usr/bin/cc").symlink_to("python3"), "the compiler usr/bin/cc"),
    ],
)
def test_an_addition_to_the_os_is_named(
    settings: Settings, root: Path, add: Callable[[Path], None], words: str
) -> None:
    (root / "usr/bin/python3").chmod(0o755)
    add(root)
    survey(settings)
    outcome = judge(r2_files.no_os_additions, settings)
    assert (outcome.status, words in outcome.found) == ("failed", True), outcome
    # What another engine adds is told, and not judged.
    foreign = judge(r2_files.no_os_additions, replace(settings, variant="foreign"))
    assert foreign.status == "skipped"
    assert any(words in finding for finding in foreign.evidence["additions"])


@pytest.mark.parametrize("name", ["gcd", "asset", "ptxas", "makefile", "ld-check", "suds", "cccp"])
def test_a_name_that_only_begins_like_a_compilers_is_none(
    settings: Settings, root: Path, name: str
) -> None:
    program(name)(root)
    survey(settings)
    assert judge(r2_files.no_os_additions, settings).status == "passed"


TOKEN = "hf_" + "abcdefghij" * 4


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"history": (f"RUN curl -H 'x: {TOKEN}' http://h",)}, "token in step 1 of the history"),
        ({"history": ("RUN |1 PROXY_PASSWORD=t0ps3cret sh",)}, "a value of PROXY_PASSWORD in"),
        ({"history": ("RUN pip --proxy http://me:t0ps@h",)}, "credentials in a URL in step 1"),
        ({"environment": {"HF_TOKEN": "something-else"}}, "HF_TOKEN: a value that its name"),
        ({"labels": {"built-by": "http://me:t0ps@h/"}}, "built-by: credentials in a URL in the"),
    ],
)
def test_a_secret_in_the_configuration_is_found_and_not_repeated(
    settings: Settings, changes: dict[str, Any], words: str
) -> None:
    survey(settings)
    outcome = judge(r2_secrets.secrets, with_image(settings, **changes))
    assert (outcome.status, words in outcome.found) == ("failed", True), outcome
    told = f"{outcome.found} {outcome.evidence}"
    assert not any(secret in told for secret in (TOKEN, "t0ps", "something-else"))


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("root/.netrc", "machine index login me password t0ps3cret", "a password of .netrc"),
        ("etc/pip.conf", "[global]\nindex-url = https://me:t0ps@i/", "credentials in a URL"),
        ("run/secrets/ca", "whatever", "a file that only a secret has a reason to be"),
        ("srv/app.py", f'TOKEN = "{TOKEN}"\n', "a Hugging Face token"),
        ("tmp/key", "-----BEGIN PRIVATE KEY-----\n" + "MIIE" * 16 + "\n", "a private key"),
        ("root/.docker/config.json", '{"auths":{"r":{"auth":"bWU6dDBwcw=="}}}', "login"),
    ],
)
def test_a_secret_in_an_added_file_is_found(
    settings: Settings, root: Path, path: str, text: str, words: str
) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    survey(settings)
    outcome = judge(r2_secrets.secrets, settings)
    assert (outcome.status, words in outcome.found) == ("failed", True), outcome
    assert path in outcome.found
    assert "t0ps" not in outcome.found


def test_what_a_package_recorded_is_not_searched(
    settings: Settings, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "site/__pycache__").mkdir(parents=True)
    for name in ("site/test_key.py", "site/__pycache__/test_key.cpython-311.pyc"):
        (root / name).write_text(TOKEN)
    survey(settings)
    assert judge(r2_secrets.secrets, settings).status == "failed"
    recorded = frozenset({"site/test_key.py"})
    monkeypatch.setattr(r2_secrets, "recorded_files", lambda: recorded)
    assert judge(r2_secrets.secrets, settings).status == "passed"
