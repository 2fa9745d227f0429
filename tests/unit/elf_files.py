# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes shared objects of some hundred bytes: with everything the loader reads first, no code."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

X86_64 = 62
AARCH64 = 183
I386 = 3
CUDA = 190
# Where the file would be loaded: addresses are not offsets.
LOADED_AT = 0x40000


def elf(
    needs: Mapping[str, Sequence[str]] | None = None,
    *,
    machine: int = X86_64,
    bits: int = 64,
    order: str = "<",
) -> bytes:
    """A shared object that needs versions of symbols, by the files that they are in."""
    header, program, dynamic = (
        (f"{order}16sHHIQQQIHHHHHH", f"{order}IIQQQQQQ", f"{order}qQ")
        if bits == 64
        else (f"{order}16sHHIIIIIHHHHHH", f"{order}IIIIIIII", f"{order}iI")
    )
    sizes = [struct.calcsize(form) for form in (header, program, dynamic)]
    names, records, count = _versions(needs or {}, order)
    start = sizes[0] + 2 * sizes[1]
    at = {"names": start, "records": start + len(names)}
    entries = [(5, LOADED_AT + at["names"]), (10, len(names))]
    if needs:
        entries += [(0x6FFFFFFE, LOADED_AT + at["records"]), (0x6FFFFFFF, count)]
    table = b"".join(struct.pack(dynamic, *entry) for entry in (*entries, (0, 0)))
    at["dynamic"] = at["records"] + len(records)
    whole = at["dynamic"] + len(table)
    identity = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    head = struct.pack(
        header, identity, 3, machine, 1, 0, sizes[0], 0, 0, sizes[0], sizes[1], 2, 0, 0, 0
    )
    segments = _segment(program, bits, 1, 0, whole)
    segments += _segment(program, bits, 2, at["dynamic"], len(table))
    return head + segments + names + records + table


def _segment(form: str, bits: int, kind: int, offset: int, size: int) -> bytes:
    address = LOADED_AT + offset
    if bits == 64:
        return struct.pack(form, kind, 4, offset, address, address, size, size, 8)
    return struct.pack(form, kind, offset, address, address, size, size, 4, 4)


def _versions(needs: Mapping[str, Sequence[str]], order: str) -> tuple[bytes, bytes, int]:
    """The table of names, the records of needed versions, and how many files they name."""
    names = b"\0"
    places: dict[str, int] = {}
    for name in dict.fromkeys(text for file, all_ in needs.items() for text in (file, *all_)):
        places[name] = len(names)
        names += name.encode() + b"\0"
    records = b""
    for number, (file, versions) in enumerate(needs.items(), start=1):
        following = 16 * (1 + len(versions)) if number < len(needs) else 0
        records += struct.pack(f"{order}HHIII", 1, len(versions), places[file], 16, following)
        for index, version in enumerate(versions, start=1):
            step = 16 if index < len(versions) else 0
            records += struct.pack(f"{order}IHHII", 0, 0, index + 1, places[version], step)
    return names, records, len(needs)
