# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that converts a model inside the engine image.

Its source text goes to the container's interpreter on standard input, so it imports nothing of this
collection and needs nothing but the image's own packages. One JSON line on standard output says how
it ended; the container's exit status 1 goes with an ``error``.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import errno
import gc
import importlib
import importlib.metadata
import itertools
import json
import os
import resource
import shutil
import struct
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

PACKAGES = ("ctranslate2", "transformers", "tokenizers", "torch", "numpy")
# What faster-whisper reads beside model.bin; the others say where the model came from.
NEEDED = ("tokenizer.json", "preprocessor_config.json")
OPTIONAL = ("generation_config.json", "tokenizer_config.json", "normalizer.json")
# What the command line tool loads as float16, whatever the checkpoint holds.
LOADED_AS_FLOAT16 = ("float16", "int8_float16")
# Each holds a matrix and its float32 copies: more of them cost memory, and the disk is the limit.
MAXIMUM_THREADS = 4
Variables = list[tuple[str, Any]]
# Of CTranslate2's own, private to it: where one is missing its own way is taken.
BORROWED = {
    "LayerSpec": ("optimize", "_alias_variables", "_quantize", "variables"),
    "ModelSpec": ("_serialize",),
    "": ("CURRENT_BINARY_VERSION", "OPTIONAL", "_dtype_to_type_id", "index_spec"),
}


def versions() -> dict[str, str]:
    """The versions of the packages that decide what a conversion writes."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = ""
    return found


class Streamed:
    """Quantizes and writes one layer after another, where CTranslate2 does all and then all.

    Its own functions make every byte; what is written is let go, so the whole model never lies
    in memory twice, and some layers are quantized while another is written.
    """

    def __init__(self, model_spec: Any, quantization: str) -> None:
        self.model_spec = model_spec
        self.quantization = quantization

    def install(self) -> list[str]:
        """Take the place of the two steps in this process, unless something needed is missing.

        Returns what is missing: another CTranslate2 then works in its own way, to the same bytes.
        """
        owners = {owner: getattr(self.model_spec, owner, None) for owner in BORROWED if owner}
        missing = [
            f"{owner}.{name}".lstrip(".")
            for owner, names in BORROWED.items()
            for name in names
            if not hasattr(owners.get(owner, self.model_spec), name)
        ]
        if missing:
            return missing
        self.model_spec.LayerSpec.optimize = lambda spec, **_options: spec._alias_variables()
        self.model_spec.ModelSpec._serialize = lambda spec, path: self.write(spec, Path(path))
        return []

    def write(self, spec: Any, path: Path) -> None:
        """Write model.bin: its variables by name, then its aliases."""
        # Names only: whatever keeps a variable here keeps its float32 copy in memory.
        aliases = [
            (name, value) for name, value in spec.variables(ordered=True) if isinstance(value, str)
        ]
        names = [name for name, value in spec.variables(ordered=True) if not isinstance(value, str)]
        # A layer's own variables are neighbours; settings lie between the layers they are about.
        runs = [
            (layer, [name.rpartition("/")[2] for name in run])
            for layer, run in itertools.groupby(names, lambda name: name.rpartition("/")[0])
        ]
        with path.open("wb") as stream:
            stream.write(struct.pack("<I", self.model_spec.CURRENT_BINARY_VERSION))
            stream.write(self._string(spec.name) + struct.pack("<I", spec.revision))
            place = stream.tell()
            stream.write(bytes(4))
            count = sum(self._write(stream, layer) for layer in self._layers(spec, runs))
            stream.write(struct.pack("<I", len(aliases)))
            for alias, name in aliases:
                stream.write(self._string(alias) + self._string(name))
            stream.seek(place)
            stream.write(struct.pack("<I", count))

    def _layers(self, spec: Any, runs: list[tuple[str, list[str]]]) -> Iterator[Variables]:
        """The variables of each run, quantized; the next ones are under way meanwhile."""
        threads = min(len(os.sched_getaffinity(0)), MAXIMUM_THREADS)
        waiting: collections.deque[concurrent.futures.Future[Variables]] = collections.deque()
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            for layer, names in runs:
                waiting.append(pool.submit(self._quantize, spec, layer, names))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _quantize(self, spec: Any, layer: str, names: list[str]) -> Variables:
        part = self.model_spec.index_spec(spec, layer)
        part._quantize(self.quantization, lambda name: name in names)
        # The scale is new: the one attribute that quantizing adds.
        wanted = [kind for name in names for kind in (name, f"{name}_scale") if hasattr(part, kind)]
        found = [(kind, getattr(part, kind)) for kind in sorted(set(wanted))]
        stored = [(kind, value) for kind, value in found if not isinstance(value, str)]
        for kind, _value in stored:
            setattr(part, kind, self.model_spec.OPTIONAL)
        return [(f"{layer}/{kind}", value) for kind, value in stored]

    def _write(self, stream: BinaryIO, variables: Variables) -> int:
        begin = stream.tell()
        for name, value in variables:
            rank, kind = len(value.shape), self.model_spec._dtype_to_type_id(value.dtype)
            stream.write(self._string(name))
            stream.write(struct.pack(f"<B{rank}IB", rank, *value.shape, kind))
            stream.write(struct.pack("<I", value.num_bytes()))
            stream.write(value.to_bytes())
        # Lets the disk begin, so that publishing has not to wait for all of it.
        os.posix_fadvise(stream.fileno(), begin, stream.tell() - begin, os.POSIX_FADV_DONTNEED)
        return len(variables)

    def _string(self, text: str) -> bytes:
        return struct.pack("<H", len(text) + 1) + text.encode() + bytes(1)


def convert(source: Path, destination: Path, quantization: str) -> dict[str, object]:
    """Convert ``source`` into the new directory ``destination``."""
    started = time.monotonic()
    # Looking for garbage among the imports costs time, and there is none worth it.
    gc.disable()
    for weights in source.glob("*.safetensors"):
        # The disk reads while the libraries are imported.
        with weights.open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
    converters = importlib.import_module("ctranslate2.converters")
    streamed = Streamed(importlib.import_module("ctranslate2.specs.model_spec"), quantization)
    if missing := streamed.install():
        sys.stderr.write(f"converting all at once: CTranslate2 has no {', '.join(missing)}\n")
    # The tokenizer's threads are not needed, and warn about the fork that never comes.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    converter = converters.TransformersConverter(
        str(source), load_as_float16=quantization in LOADED_AS_FLOAT16
    )
    converter.convert(str(destination), quantization=quantization, force=True)
    for name in (*NEEDED, *OPTIONAL):
        if name in NEEDED or (source / name).is_file():
            shutil.copyfile(source / name, destination / name)
    return {
        "files": sorted(path.name for path in destination.iterdir()),
        "seconds": round(time.monotonic() - started, 3),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def disk_full(error: BaseException) -> bool:
    """Whether a full file system is at the bottom of an error, however a library wrapped it."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "No space left on device" in str(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def main(arguments: list[str] | None = None) -> int:
    """Convert, or with ``--versions`` only tell the versions."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--versions", action="store_true")
    parser.add_argument("--source", type=Path)
    parser.add_argument("--destination", type=Path)
    parser.add_argument("--quantization")
    options = parser.parse_args(arguments)
    answer: dict[str, object] = {"versions": versions()}
    status = 0
    if not options.versions:
        try:
            answer.update(convert(options.source, options.destination, options.quantization))
        except Exception as error:
            traceback.print_exc()
            status = 1
            answer["error"] = {
                "kind": "disk_full" if disk_full(error) else type(error).__name__,
                "message": " ".join(str(error).split())[:2000],
            }
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    return status


if __name__ == "__main__":
    raise SystemExit(main())
