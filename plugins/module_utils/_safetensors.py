# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the headers of safetensors files without loading a weight. Standard library only."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

ITEM_SIZES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
}
MAXIMUM_HEADER = 100_000_000
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"


class SafetensorsError(Exception):
    """A weights file that is not a complete safetensors file."""


@dataclass(frozen=True)
class Tensors:
    """The header of a safetensors file: type and shape of each tensor."""

    shapes: dict[str, tuple[str, tuple[int, ...]]]
    size: int

    @property
    def parameters(self) -> int:
        return sum(math.prod(shape) for _type, shape in self.shapes.values())


def read_safetensors_header(path: Path) -> Tensors:
    """Read a safetensors file's header and hold it against the file's size."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 2 <= length <= min(MAXIMUM_HEADER, size - 8):
            raise SafetensorsError(
                f"{path.name}: a header of {length} bytes in a file of {size} bytes"
            )
        try:
            header = json.loads(stream.read(length))
        except ValueError as error:
            raise SafetensorsError(f"{path.name}: a header that is no JSON") from error
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {}
    end = 0
    for name, entry in header.items() if isinstance(header, dict) else ():
        if name == "__metadata__":
            continue
        try:
            kind, shape, (begin, finish) = entry["dtype"], entry["shape"], entry["data_offsets"]
            wanted = math.prod(shape) * ITEM_SIZES[kind]
        except (KeyError, TypeError, ValueError) as error:
            raise SafetensorsError(f"{path.name}: a malformed entry for {name}") from error
        if finish - begin != wanted:
            raise SafetensorsError(
                f"{path.name}: {finish - begin} bytes for {name}, which needs {wanted}"
            )
        shapes[name] = (kind, tuple(shape))
        end = max(end, finish)
    if not shapes:
        raise SafetensorsError(f"{path.name}: no tensors")
    if 8 + length + end != size:
        raise SafetensorsError(
            f"{path.name}: {size} bytes where the header describes {8 + length + end}"
        )
    return Tensors(shapes, size)


def weight_files(directory: Path) -> list[Path]:
    """The safetensors files of a model: the single one, or else the shards its index names.

    Where both are there, transformers loads the single one too.
    """
    single = directory / WEIGHTS
    index = directory / INDEX
    if single.is_file() or not index.is_file():
        return [single]
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
        inside = all(Path(name).name == name for name in names)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SafetensorsError(f"{INDEX}: no list of shards in it") from error
    if not names or not inside:
        raise SafetensorsError(f"{INDEX}: shards that are no files beside it: {names}")
    return [directory / name for name in names]
