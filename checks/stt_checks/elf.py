# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads of an ELF file what the loader reads: for which processor, and which versions it needs.

The dynamic segment and not the section headers, because only that is there in every file that can
be loaded. Standard library only.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"\x7fELF"
MACHINES = {3: "i386", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
# Code for a GPU or for the kernel's own machine is data to the loader.
DEVICE_MACHINES = frozenset({190, 224, 247})
PT_LOAD = 1
PT_DYNAMIC = 2
DT_STRTAB = 5
DT_VERNEED = 0x6FFFFFFE
DT_VERNEEDNUM = 0x6FFFFFFF
NAME_LIMIT = 512
# No file comes near; a damaged one must not keep the reader busy.
MOST_HEADERS = 1024
MOST_ENTRIES = 4096


class ElfError(Exception):
    """A file that begins as ELF and cannot be read as such, with the reason."""


@dataclass(frozen=True)
class ElfFacts:
    """What a file is for, and the symbol versions that it needs, each with the file they are in."""

    machine: int
    bits: int
    needs: tuple[tuple[str, str], ...] = ()

    @property
    def machine_name(self) -> str:
        return MACHINES.get(self.machine, f"machine {self.machine}")


@dataclass(frozen=True)
class _Layout:
    """Where the fields are: they differ with the width of addresses."""

    bits: int
    order: str
    header: str
    program: str
    dynamic: str


def read_elf(path: Path | str) -> ElfFacts:
    """The facts of one file; ElfError for one that is damaged."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _Reader(descriptor).facts()
    finally:
        os.close(descriptor)


class _Reader:
    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def facts(self) -> ElfFacts:
        identity = self._bytes(0, 20, "the header")
        if identity[:4] != MAGIC:
            raise ElfError("it does not begin as an ELF file")
        layout = _layout(identity)
        (machine,) = struct.unpack_from(f"{layout.order}H", identity, 18)
        segments = self._segments(layout)
        dynamic = next((one for one in segments if one[0] == PT_DYNAMIC), None)
        if dynamic is None:
            return ElfFacts(machine, layout.bits)
        entries = self._dynamic(layout, dynamic[1], dynamic[3])
        needs = self._needs(layout, segments, entries)
        return ElfFacts(machine, layout.bits, tuple(needs))

    def _segments(self, layout: _Layout) -> list[tuple[int, int, int, int]]:
        """Each segment's type, offset, address and size in the file."""
        raw = self._bytes(0, struct.calcsize(layout.header), "the header")
        fields = struct.unpack(layout.header, raw)
        offset, size, count = fields[5], fields[9], fields[10]
        if not count:
            return []
        if size != struct.calcsize(layout.program) or count > MOST_HEADERS:
            raise ElfError(f"{count} program headers of {size} bytes")
        table = self._bytes(offset, size * count, "the program headers")
        segments = []
        for one in struct.iter_unpack(layout.program, table):
            # The flags stand elsewhere in the narrow layout.
            kind, place, address = (
                (one[0], one[2], one[3]) if layout.bits == 64 else (one[0], one[1], one[2])
            )
            segments.append((kind, place, address, one[5] if layout.bits == 64 else one[4]))
        return segments

    def _dynamic(self, layout: _Layout, offset: int, size: int) -> dict[int, int]:
        step = struct.calcsize(layout.dynamic)
        table = self._bytes(offset, size - size % step, "the dynamic segment")
        entries: dict[int, int] = {}
        for tag, value in struct.iter_unpack(layout.dynamic, table):
            if tag == 0:
                break
            entries.setdefault(tag, value)
        return entries

    def _needs(
        self,
        layout: _Layout,
        segments: list[tuple[int, int, int, int]],
        entries: dict[int, int],
    ) -> list[tuple[str, str]]:
        if DT_VERNEED not in entries:
            return []
        if DT_STRTAB not in entries:
            raise ElfError("needed versions without a table of names")
        names = _offset(segments, entries[DT_STRTAB])
        at = _offset(segments, entries[DT_VERNEED])
        needs: list[tuple[str, str]] = []
        for _number in range(min(entries.get(DT_VERNEEDNUM, 0), MOST_ENTRIES)):
            record = self._bytes(at, 16, "a needed file")
            _version, count, file, first, following = struct.unpack(f"{layout.order}HHIII", record)
            soname = self._name(names + file)
            inner = at + first
            for _index in range(min(count, MOST_ENTRIES)):
                entry = self._bytes(inner, 16, "a needed version")
                *_ignored, name, step = struct.unpack(f"{layout.order}IHHII", entry)
                needs.append((soname, self._name(names + name)))
                if not step:
                    break
                inner += step
            if not following:
                break
            at += following
        return needs

    def _name(self, offset: int) -> str:
        data = self._bytes(offset, min(NAME_LIMIT, max(0, self.size - offset)), "a name")
        text, end, _rest = data.partition(b"\0")
        if not end:
            raise ElfError("a name without an end")
        return text.decode("ascii", "replace")

    def _bytes(self, offset: int, count: int, what: str) -> bytes:
        # Before anything is read: a damaged size may be larger than all memory.
        whole = offset >= 0 and offset + count <= self.size
        data = os.pread(self.descriptor, count, offset) if whole else b""
        if not whole or len(data) != count:
            raise ElfError(f"{what} lies outside of the file's {self.size} bytes")
        return data


def _layout(identity: bytes) -> _Layout:
    order = {1: "<", 2: ">"}.get(identity[5])
    if identity[4] not in (1, 2) or order is None:
        raise ElfError(f"class {identity[4]} and byte order {identity[5]} are none of ELF's")
    if identity[4] == 2:
        return _Layout(64, order, f"{order}16sHHIQQQIHHHHHH", f"{order}IIQQQQQQ", f"{order}qQ")
    return _Layout(32, order, f"{order}16sHHIIIIIHHHHHH", f"{order}IIIIIIII", f"{order}iI")


def _offset(segments: list[tuple[int, int, int, int]], address: int) -> int:
    """Where in the file an address of the loaded program comes from."""
    for kind, offset, start, size in segments:
        if kind == PT_LOAD and start <= address < start + size:
            return offset + address - start
    raise ElfError(f"address {address:#x} is in no segment")
