# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the headers of a CTranslate2 ``model.bin`` without loading a weight.

The file, little-endian: u32 binary version, string spec name, u32 revision, u32 number of
variables, then per variable a string name, u8 rank, one u32 per dimension, u8 data type, u32 byte
count and the payload; then u32 number of aliases and a pair of strings for each. A string is a u16
length that counts the closing NUL, then its bytes. Walking it seeks over every payload: it costs
milliseconds at any size, and proves that nothing is missing and nothing follows.

Standard library only and without relative imports: the check archive carries this same file.
"""

from __future__ import annotations

import math
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

BINARY_VERSION = 6
MAXIMUM_RANK = 8
DATA_TYPES: tuple[tuple[str, int], ...] = (
    ("float32", 4),
    ("int8", 1),
    ("int16", 2),
    ("int32", 4),
    ("float16", 2),
    ("bfloat16", 2),
)
# The smallest variable: a name of one letter, rank 0, type, byte count and one byte of payload.
SMALLEST_VARIABLE = 2 + 2 + 1 + 1 + 4 + 1
SMALLEST_ALIAS = 2 * (2 + 2)
LAYER = re.compile(r"(encoder|decoder)/layer_(\d+)/")


class ModelBinError(Exception):
    """A file that is not a complete, well-formed ``model.bin``."""

    def __init__(self, path: str, *, found: str, needed: str, fix: str) -> None:
        self.path = path
        self.found = found
        self.needed = needed
        self.fix = fix
        super().__init__(f"{path}: found {found}; needed {needed}; fix: {fix}")


@dataclass(frozen=True)
class Variable:
    """One tensor as the header describes it; ``offset`` is where its payload begins."""

    shape: tuple[int, ...]
    dtype: str
    size: int
    offset: int
    # Only of a setting, which has no dimensions.
    value: int | None = None


@dataclass(frozen=True)
class ModelBin:
    """What the headers say about a converted model."""

    path: str
    size: int
    binary_version: int
    spec: str
    revision: int
    variables: Mapping[str, Variable]
    aliases: Mapping[str, str]
    mel_bins: int | None
    vocabulary_size: int | None
    hidden_size: int | None
    encoder_layers: int
    decoder_layers: int
    quantization: str
    encoder_heads: int | None = None
    decoder_heads: int | None = None

    @property
    def parameters(self) -> int:
        """Number of stored weight values, scales not counted; an alias counts once."""
        return sum(
            math.prod(variable.shape)
            for name, variable in self.variables.items()
            if variable.shape and not name.endswith("_scale")
        )

    def matches(self, quantization: str) -> bool:
        """Whether these weights are what a conversion to ``quantization`` writes.

        Plain ``int8`` keeps whatever floating type the source had beside the int8 matrices.
        """
        if quantization == "int8":
            return self.quantization.split("_")[0] == "int8"
        return self.quantization == quantization

    def summary(self) -> dict[str, object]:
        """The facts as plain JSON values."""
        return {
            "spec": self.spec,
            "revision": self.revision,
            "binary_version": self.binary_version,
            "size": self.size,
            "variables": len(self.variables),
            "aliases": len(self.aliases),
            "parameters": self.parameters,
            "mel_bins": self.mel_bins,
            "vocabulary_size": self.vocabulary_size,
            "hidden_size": self.hidden_size,
            "encoder_layers": self.encoder_layers,
            "decoder_layers": self.decoder_layers,
            "encoder_heads": self.encoder_heads,
            "decoder_heads": self.decoder_heads,
            "quantization": self.quantization,
        }


def read_model_bin(path: str | os.PathLike[str]) -> ModelBin:
    """Walk every header of ``path``; raise ModelBinError unless the file is complete and exact."""
    name = os.fspath(path)
    try:
        with Path(name).open("rb") as stream:
            return _Reader(stream, name).read()
    except OSError as error:
        raise ModelBinError(
            name,
            found=f"a file that cannot be read ({error.strerror or error})",
            needed="a readable model.bin",
            fix="convert the model again, or make the file readable",
        ) from error


class _Reader:
    """One pass over one open file; each length is held against the size before it is used."""

    def __init__(self, stream: BinaryIO, path: str) -> None:
        self.stream = stream
        self.path = path
        self.size = os.fstat(stream.fileno()).st_size
        self.position = 0

    def read(self) -> ModelBin:
        self._refuse_other_formats()
        version = self._u32("the binary version")
        if version != BINARY_VERSION:
            raise self._error(
                f"binary version {version}",
                f"version {BINARY_VERSION}, which CTranslate2 4 writes",
                "convert the model with the engine image's own CTranslate2",
            )
        spec = self._string("the spec name")
        revision = self._u32("the spec revision")
        variables = self._variables()
        aliases = self._aliases(variables)
        if self.position != self.size:
            raise self._error(
                f"{self.size - self.position} bytes after the end of the model",
                f"a file of {self.position} bytes",
                "convert the model again: something was appended to this file",
            )
        return self._describe(version, spec, revision, variables, aliases)

    def _variables(self) -> dict[str, Variable]:
        count = self._count("variables", SMALLEST_VARIABLE)
        if count == 0:
            raise self._damaged("no variables at all")
        variables: dict[str, Variable] = {}
        for index in range(count):
            name, variable = self._variable(f"variable {index + 1} of {count}")
            if name in variables:
                raise self._damaged(f"variable {name} twice")
            variables[name] = variable
        return variables

    def _variable(self, what: str) -> tuple[str, Variable]:
        name = self._string(f"the name of {what}")
        rank = self._take(1, f"the rank of {name}")[0]
        if rank > MAXIMUM_RANK:
            raise self._damaged(f"rank {rank} for {name}")
        shape = struct.unpack(f"<{rank}I", self._take(4 * rank, f"the shape of {name}"))
        type_id = self._take(1, f"the data type of {name}")[0]
        if type_id >= len(DATA_TYPES):
            raise self._damaged(f"data type {type_id} for {name}")
        dtype, item_size = DATA_TYPES[type_id]
        size = self._u32(f"the byte count of {name}")
        wanted = math.prod(shape) * item_size
        if size != wanted or size == 0:
            raise self._damaged(
                f"{size} bytes for {name}, whose shape {list(shape)} needs {wanted}"
            )
        offset = self.position
        if not shape and not dtype.endswith(("float16", "float32")):
            value = int.from_bytes(self._take(size, f"the value of {name}"), "little", signed=True)
            return name, Variable(shape, dtype, size, offset, value)
        self._skip(size, f"the weights of {name}")
        return name, Variable(shape, dtype, size, offset)

    def _aliases(self, variables: Mapping[str, Variable]) -> dict[str, str]:
        count = self._count("aliases", SMALLEST_ALIAS)
        aliases: dict[str, str] = {}
        for index in range(count):
            alias = self._string(f"alias {index + 1} of {count}")
            target = self._string(f"the target of alias {alias}")
            if alias in aliases or alias in variables:
                raise self._damaged(f"alias {alias} twice")
            if target not in variables:
                raise self._damaged(f"alias {alias} of {target}, which does not exist")
            aliases[alias] = target
        return aliases

    def _describe(
        self,
        version: int,
        spec: str,
        revision: int,
        variables: Mapping[str, Variable],
        aliases: Mapping[str, str],
    ) -> ModelBin:
        def shape_of(name: str, rank: int) -> tuple[int, ...] | None:
            variable = variables.get(aliases.get(name, name))
            return variable.shape if variable is not None and len(variable.shape) == rank else None

        convolution = shape_of("encoder/conv1/weight", 3)
        embeddings = shape_of("decoder/embeddings/weight", 2)

        def heads_of(stack: str) -> int | None:
            setting = variables.get(f"{stack}/num_heads")
            return setting.value if setting is not None else None

        layers: dict[str, set[int]] = {"encoder": set(), "decoder": set()}
        for name in variables:
            match = LAYER.match(name)
            if match:
                layers[match.group(1)].add(int(match.group(2)))
        for stack, seen in layers.items():
            if seen and seen != set(range(len(seen))):
                raise self._damaged(f"{stack} layers {sorted(seen)}, which are not consecutive")
        return ModelBin(
            path=self.path,
            size=self.size,
            binary_version=version,
            spec=spec,
            revision=revision,
            variables=variables,
            aliases=aliases,
            mel_bins=convolution[1] if convolution else None,
            vocabulary_size=embeddings[0] if embeddings else None,
            hidden_size=embeddings[1] if embeddings else None,
            encoder_layers=len(layers["encoder"]),
            decoder_layers=len(layers["decoder"]),
            quantization=self._quantization(variables),
            encoder_heads=heads_of("encoder"),
            decoder_heads=heads_of("decoder"),
        )

    def _quantization(self, variables: Mapping[str, Variable]) -> str:
        """The compute type that the stored weights amount to, named as CTranslate2 names it."""
        floating: dict[str, int] = {}
        quantized = ""
        for name, variable in variables.items():
            if not variable.shape or name.endswith("_scale"):
                continue
            if f"{name}_scale" in variables and variable.dtype in ("int8", "int16"):
                quantized = variable.dtype
            elif variable.dtype in ("float32", "float16", "bfloat16"):
                floating[variable.dtype] = floating.get(variable.dtype, 0) + 1
        # A table such as the position encodings may stay in another type: the many decide.
        rest = max(floating, key=lambda dtype: floating[dtype]) if floating else ""
        if quantized == "int16":
            return "int16"
        if not quantized:
            return rest or "unknown"
        return f"{quantized}_{rest}" if rest else quantized

    def _refuse_other_formats(self) -> None:
        """Name the usual impostors before the generic errors would hide what happened."""
        head = self.stream.read(64)
        self.stream.seek(0)
        stripped = head.lstrip().lower()
        impostor = ""
        fix = "convert the model again from a verified source"
        if self.size == 0:
            impostor = "an empty file"
        elif head.startswith(b"version https://git-lfs"):
            impostor = "a Git LFS pointer instead of the weights"
            fix = "fetch the real file (git lfs pull, or through the hub) and convert again"
        elif stripped.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
            impostor = "an HTML or XML page"
            fix = "an error page was saved as the file: repair the download, then convert again"
        elif stripped.startswith((b'{"', b"{\n", b"{ ", b"{}", b'["', b"[\n")):
            impostor = "a JSON document"
        elif head.startswith(b"PK\x03\x04") or head[:1] == b"\x80":
            impostor = "a PyTorch checkpoint"
        elif head[8:10] == b'{"':
            impostor = "a safetensors file"
        if impostor:
            raise self._error(impostor, "a CTranslate2 model.bin", fix)

    def _count(self, what: str, smallest: int) -> int:
        count = self._u32(f"the number of {what}")
        if count * smallest > self.size - self.position:
            raise self._damaged(
                f"{count} {what} in the {self.size - self.position} bytes that remain"
            )
        return count

    def _u32(self, what: str) -> int:
        value: int = struct.unpack("<I", self._take(4, what))[0]
        return value

    def _string(self, what: str) -> str:
        length: int = struct.unpack("<H", self._take(2, f"the length of {what}"))[0]
        if length < 2:
            raise self._damaged(f"an empty string as {what}")
        raw = self._take(length, what)
        if raw[-1] != 0 or 0 in raw[:-1]:
            raise self._damaged(f"a string without its closing NUL as {what}")
        try:
            text = raw[:-1].decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._damaged(f"bytes that are no text as {what}") from error
        if not text.isprintable():
            raise self._damaged(f"unprintable text as {what}")
        return text

    def _take(self, count: int, what: str) -> bytes:
        data = self.stream.read(count)
        if len(data) != count:
            raise self._truncated(what)
        self.position += count
        return data

    def _skip(self, count: int, what: str) -> None:
        if count > self.size - self.position:
            raise self._truncated(what)
        self.stream.seek(count, os.SEEK_CUR)
        self.position += count

    def _truncated(self, what: str) -> ModelBinError:
        return self._error(
            f"the end of the file, at byte {self.size}, inside {what}",
            "a complete file",
            "the file was cut off: convert the model again",
        )

    def _damaged(self, found: str) -> ModelBinError:
        return self._error(
            f"{found} (near byte {self.position})",
            "a well-formed CTranslate2 model.bin",
            "the file is damaged or is something else: convert the model again",
        )

    def _error(self, found: str, needed: str, fix: str) -> ModelBinError:
        return ModelBinError(self.path, found=found, needed=needed, fix=fix)
