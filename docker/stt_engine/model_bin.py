# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the headers of a CTranslate2 ``model.bin`` say, read without touching a weight.

Little-endian: u32 version of the format, name of the specification, u32 revision, u32 number of
variables; for each variable its name, u8 rank, u32 for each dimension, u8 data type, u32 number of
bytes, the bytes; then u32 number of aliases and two names for each. A name is a u16 length that
counts its closing NUL, then the bytes.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

FORMAT_VERSION = 6
MOST_DIMENSIONS = 8
# Name and bytes of a value, by the number in the file.
TYPES = {
    0: ("float32", 4),
    1: ("int8", 1),
    2: ("int16", 2),
    3: ("int32", 4),
    4: ("float16", 2),
    5: ("bfloat16", 2),
}
MEL_WEIGHT = "encoder/conv1/weight"
EMBEDDINGS = "decoder/embeddings/weight"
LAYER = re.compile(r"(?P<stack>encoder|decoder)/layer_(?P<number>\d+)/")


class ModelBinError(Exception):
    """A file that is not one whole model; the message says what it is instead."""


@dataclass(frozen=True)
class Tensor:
    """Shape and type of one stored variable."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Headers:
    """Everything that the file says about itself apart from its weights."""

    specification: str
    revision: int
    tensors: dict[str, Tensor]
    aliases: dict[str, str]

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of a variable, through an alias where there is one."""
        tensor = self.tensors.get(self.aliases.get(name, name))
        return tensor.shape if tensor else None

    @property
    def mel_bins(self) -> int | None:
        """Number of mel bins that the encoder's first convolution takes."""
        shape = self.shape(MEL_WEIGHT)
        return shape[1] if shape and len(shape) == 3 else None

    @property
    def vocabulary_size(self) -> int | None:
        """Number of tokens that the decoder can read and write."""
        shape = self.shape(EMBEDDINGS)
        return shape[0] if shape and len(shape) == 2 else None

    def layers(self, stack: str) -> int:
        """Return the number of layers of the encoder or the decoder."""
        found = (LAYER.match(name) for name in self.tensors)
        return len({match["number"] for match in found if match and match["stack"] == stack})

    @property
    def quantization(self) -> str:
        """The stored types as CTranslate2 names them, such as float16 or int8_float32."""
        weights = {name: tensor for name, tensor in self.tensors.items() if tensor.shape}
        scaled = {
            tensor.dtype for name, tensor in weights.items() if f"{name}_scale" in self.tensors
        }
        plain = Counter(
            tensor.dtype
            for name, tensor in weights.items()
            if "float" in tensor.dtype and not name.endswith("_scale")
        )
        rest = plain.most_common(1)[0][0] if plain else ""
        if "int16" in scaled:
            return "int16"
        if "int8" in scaled:
            return f"int8_{rest}".rstrip("_")
        return rest or "unknown"


def read_headers(path: Path) -> Headers:
    """Walk the file from its first byte to its last; raise ModelBinError unless it is whole."""
    try:
        with path.open("rb") as stream:
            return _Walk(stream, path.stat().st_size).headers()
    except OSError as error:
        raise ModelBinError(f"cannot be read: {error.strerror or error}") from error


class _Walk:
    """One pass; whatever does not fit between here and the end of the file is an error."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.stream = stream
        self.size = size

    def headers(self) -> Headers:
        self._name_impostors()
        version = self._number("<I", "the version of the format")
        if version != FORMAT_VERSION:
            raise ModelBinError(
                f"is no model in CTranslate2's format {FORMAT_VERSION} (it begins with {version})"
            )
        specification = self._name("the specification")
        revision = self._number("<I", "the revision")
        tensors: dict[str, Tensor] = {}
        for index in range(self._number("<I", "the number of variables")):
            name = self._name(f"variable {index}")
            tensors[name] = self._tensor(name)
        aliases: dict[str, str] = {}
        for index in range(self._number("<I", "the number of aliases")):
            alias = self._name(f"alias {index}")
            aliases[alias] = self._name(f"the target of {alias}")
        rest = self.size - self.stream.tell()
        if rest:
            raise ModelBinError(f"has {rest} bytes after its end")
        return Headers(specification, revision, tensors, aliases)

    def _tensor(self, name: str) -> Tensor:
        rank = self._number("<B", f"the rank of {name}")
        if rank > MOST_DIMENSIONS:
            raise ModelBinError(f"is damaged: {name} has {rank} dimensions")
        shape = struct.unpack(f"<{rank}I", self._bytes(4 * rank, f"the shape of {name}"))
        number = self._number("<B", f"the type of {name}")
        if number not in TYPES:
            raise ModelBinError(f"is damaged: {name} has the unknown type {number}")
        dtype, width = TYPES[number]
        count = self._number("<I", f"the size of {name}")
        # Sizes above 4 GiB do not fit the field; CTranslate2 stores them modulo 2**32.
        if count != (prod(shape) * width) % 2**32:
            raise ModelBinError(
                f"is damaged: {name} of shape {list(shape)} in {dtype} states {count} bytes"
            )
        self._pass_over(prod(shape) * width, f"the weights of {name}")
        return Tensor(shape, dtype)

    def _name_impostors(self) -> None:
        head = self.stream.read(200)
        self.stream.seek(0)
        if not head:
            raise ModelBinError("is empty")
        if head.startswith(b"version https://git-lfs.github.com/"):
            raise ModelBinError("is a Git LFS pointer, not the weights")
        if head.lstrip()[:1] == b"<":
            raise ModelBinError("is an HTML or XML page, not the weights")

    def _number(self, layout: str, what: str) -> int:
        value: int = struct.unpack(layout, self._bytes(struct.calcsize(layout), what))[0]
        return value

    def _name(self, what: str) -> str:
        raw = self._bytes(self._number("<H", f"the length of {what}"), what)
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ModelBinError(f"is damaged: {what} is no text") from error
        if len(text) < 2 or text[-1] != "\0" or not text[:-1].isprintable():
            raise ModelBinError(f"is damaged: {what} is no name")
        return text[:-1]

    def _bytes(self, count: int, what: str) -> bytes:
        data = self.stream.read(count)
        if len(data) < count:
            raise ModelBinError(f"is truncated: it ends within {what}, at byte {self.size}")
        return data

    def _pass_over(self, count: int, what: str) -> None:
        if count > self.size - self.stream.tell():
            raise ModelBinError(f"is truncated: it ends within {what}, at byte {self.size}")
        self.stream.seek(count, 1)
