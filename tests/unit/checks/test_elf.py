# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of ELF files, on files made here and on those of this machine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stt_checks.elf import ElfError, ElfFacts, read_elf

from tests.unit.elf_files import AARCH64, elf

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
NEEDS = st.dictionaries(NAMES, st.lists(NAMES, max_size=4, unique=True), max_size=4)


def facts_of(directory: Path, data: bytes) -> ElfFacts:
    path = directory / "file.so"
    path.write_bytes(data)
    return read_elf(path)


@given(NEEDS, st.sampled_from([32, 64]), st.sampled_from(["<", ">"]), st.integers(0, 65535))
def test_what_a_file_says_is_read_in_every_layout(
    tmp_path_factory: pytest.TempPathFactory,
    needs: dict[str, list[str]],
    bits: int,
    order: str,
    machine: int,
) -> None:
    data = elf(needs, bits=bits, order=order, machine=machine)
    facts = facts_of(tmp_path_factory.mktemp("elf"), data)
    assert (facts.machine, facts.bits) == (machine, bits)
    assert facts.needs == tuple(
        (file, version) for file, versions in needs.items() for version in versions
    )


@given(NEEDS, st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, needs: dict[str, list[str]], data: st.DataObject
) -> None:
    damaged = bytearray(elf(needs))
    for at in data.draw(st.lists(st.integers(4, len(damaged) - 1), max_size=6)):
        damaged[at] = data.draw(st.integers(0, 255))
    kept = data.draw(st.integers(0, len(damaged)))
    try:
        facts = facts_of(tmp_path_factory.mktemp("elf"), bytes(damaged[:kept]))
    except ElfError as error:
        assert str(error)
    else:
        assert isinstance(facts, ElfFacts)


def test_a_size_beyond_all_memory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    data = bytearray(elf({"libc.so.6": ["GLIBC_2.28"]}))
    # The size in the file of the second segment, the dynamic one.
    data[64 + 56 + 32 : 64 + 56 + 40] = (1 << 62).to_bytes(8, "little")
    with pytest.raises(ElfError, match="the dynamic segment lies outside"):
        facts_of(tmp_path, bytes(data))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the header lies outside of the file's 0 bytes"),
        (b"MZ" + bytes(100), "does not begin as an ELF file"),
        (b"\x7fELF\x07\x01" + bytes(100), "class 7 and byte order 1"),
        (elf({"libc.so.6": ["GLIBC_2.28"]})[:-40], "the dynamic segment lies outside"),
        (elf()[:40], "the header lies outside of the file's 40 bytes"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, data: bytes, words: str) -> None:
    with pytest.raises(ElfError) as error:
        facts_of(tmp_path, data)
    assert words in str(error.value)


def test_a_machine_has_a_name(tmp_path: Path) -> None:
    assert facts_of(tmp_path, elf(machine=AARCH64)).machine_name == "aarch64"
    assert facts_of(tmp_path, elf(machine=4711)).machine_name == "machine 4711"


def test_this_interpreter_is_read_as_binutils_reads_it() -> None:
    """Every library that it has loaded, too: real files in all their variety."""
    readelf = shutil.which("readelf")
    if readelf is None:
        pytest.skip("no readelf on this machine to compare with")
    maps = Path("/proc/self/maps").read_text(encoding="ascii")
    paths = {line.split()[-1] for line in maps.splitlines() if ".so" in line.split()[-1]}
    assert paths
    for path in {*paths, str(Path(sys.executable).resolve())}:
        told = subprocess.run(
            [readelf, "--wide", "--version-info", path], capture_output=True, text=True, check=True
        ).stdout
        found = {version for _file, version in read_elf(path).needs}
        needed = told.partition("Version needs section")[2]
        assert found == {
            line.split("Name: ")[1].split()[0]
            for line in needed.splitlines()
            if "Name: " in line and "Version:" in line
        }, path
