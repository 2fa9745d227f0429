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
import errno
import importlib
import importlib.metadata
import json
import os
import resource
import shutil
import sys
import time
import traceback
from pathlib import Path

PACKAGES = ("ctranslate2", "transformers", "tokenizers", "torch", "numpy")
# What faster-whisper reads beside model.bin; the others say where the model came from.
NEEDED = ("tokenizer.json", "preprocessor_config.json")
OPTIONAL = ("generation_config.json", "tokenizer_config.json", "normalizer.json")


def versions() -> dict[str, str]:
    """The versions of the packages that decide what a conversion writes."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = ""
    return found


def convert(source: Path, destination: Path, quantization: str) -> dict[str, object]:
    """Convert ``source`` into the new directory ``destination``."""
    started = time.monotonic()
    converters = importlib.import_module("ctranslate2.converters")
    # The tokenizer's threads are not needed, and warn about the fork that never comes.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    converter = converters.TransformersConverter(str(source), low_cpu_mem_usage=True)
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
