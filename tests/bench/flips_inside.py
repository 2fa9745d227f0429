# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make bench-flips` runs in the engine's container: flip a bit, ask the gates, flip it back.

The gates are the check archive's own functions, each in a process of its own under the archive's
supervisor, so that a flip which crashes or hangs a library is counted and stops nothing. Reads one
order from standard input and writes a line of JSON for each flip.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

ARCHIVE = Path("/checks/checks.pyz")
if ARCHIVE.exists():
    sys.path.insert(0, str(ARCHIVE))

from stt_checks import (  # noqa: E402
    r4_models,
    r5_encoder,
    r5_quantizations,
    r5_structure,
    r5_transcripts,
    reference,
)
from stt_checks._model_bin import ModelBin, read_model_bin  # noqa: E402
from stt_checks.registry import Body, Check, Progress  # noqa: E402
from stt_checks.settings import Expected, Settings  # noqa: E402
from stt_checks.supervisor import Supervisor  # noqa: E402

ROOM = Path(os.environ.get("TMPDIR", "/tmp"))
DEADLINE = 180.0
GATES: dict[str, Body] = {
    "hash": r4_models.models_hashes,
    "headers": r5_structure.structure,
    "encoder": r5_encoder.encoder_agreement,
    "texts": r5_transcripts.faster_whisper_texts,
}
# Bits of one value, the lowest of the first byte being 0: sign and exponent, or an int8's sign.
HEAVY_BITS = {
    "float32": range(23, 32),
    "float16": range(10, 16),
    "bfloat16": range(7, 16),
    "int8": range(7, 8),
}
ITEM_BITS = {"float32": 32, "float16": 16, "bfloat16": 16, "int8": 8}
HEADER = "headers"


def anywhere(size: int, count: int, seed: int) -> list[int]:
    """Bits of a file, each as likely as any other, none twice."""
    return random.Random(seed).sample(range(8 * size), count)


def heavy(model: ModelBin, count: int, seed: int) -> list[int]:
    """Sign and exponent bits of weights, each weight as likely as any other, embeddings left out.

    In a small model most weights are embeddings, of tokens that no clip has.
    """
    chosen = random.Random(seed)
    weights = [
        one
        for name, one in model.variables.items()
        if one.shape and one.dtype in HEAVY_BITS and "/embeddings/" not in name
    ]
    values = [one.size * 8 // ITEM_BITS[one.dtype] for one in weights]
    found: list[int] = []
    while len(found) < count:
        (variable,) = chosen.choices(weights, values)
        item = ITEM_BITS[variable.dtype]
        at = chosen.randrange(variable.size * 8 // item)
        bit = variable.offset * 8 + at * item + chosen.choice(HEAVY_BITS[variable.dtype])
        if bit not in found:
            found.append(bit)
    return found


def between(model: ModelBin, count: int, seed: int) -> list[int]:
    """Bits of what lies between the weights: names, shapes, types, sizes and settings."""
    weights = [one for one in model.variables.values() if one.shape]
    free: list[int] = []
    position = 0
    for one in sorted(weights, key=lambda one: one.offset):
        free += range(position, one.offset)
        position = one.offset + one.size
    free += range(position, model.size)
    chosen = random.Random(seed)
    return [8 * at + chosen.randrange(8) for at in chosen.sample(free, count)]


def place_of(model: ModelBin, bit: int) -> str:
    """The weight that a bit belongs to; or the headers between them."""
    at = bit // 8
    for name, variable in model.variables.items():
        if variable.offset <= at < variable.offset + variable.size:
            return name if variable.shape else HEADER
    return HEADER


def flip(path: Path, bit: int) -> None:
    """Turn one bit of a file over."""
    with path.open("r+b") as stream:
        stream.seek(bit // 8)
        (before,) = stream.read(1)
        stream.seek(bit // 8)
        stream.write(bytes([before ^ 1 << bit % 8]))


def ask(settings: Settings, name: str, body: Body) -> dict[str, Any]:
    """One gate's result, whatever happens to its process."""
    check = Check("R5.8", name, lambda _settings: name, name, body, deadline=DEADLINE)
    return Supervisor(settings, log=io.StringIO()).execute(check)


def judge(settings: Settings) -> dict[str, Any]:
    """How each gate ended, and what those said that did not pass."""
    results = {name: ask(settings, name, body) for name, body in GATES.items()}
    said = {name: one["found"][:160] for name, one in results.items() if one["status"] != "passed"}
    return {**{name: one["status"] for name, one in results.items()}, "said": said}


def prepare(order: dict[str, Any]) -> Path:
    """A directory of the chosen clips; and the original beside the copies that are flipped."""
    clips, source = ROOM / "clips", Path(order["clips"])
    clips.mkdir()
    entries = json.loads((source / "clips.json").read_bytes())
    chosen = [one for one in entries if one["file"] in order["files"]]
    (clips / "clips.json").write_text(json.dumps(chosen), encoding="utf-8")
    for one in chosen:
        (clips / one["file"]).symlink_to(source / one["file"])
    (ROOM / order["name"]).symlink_to(order["original"])
    return clips


def settings_of(order: dict[str, Any], clips: Path) -> Settings:
    """What the gates are told, before the conversion is named."""
    return Settings(
        ROOM,
        "",
        order["name"],
        clips=clips,
        gpu_policy="absent",
        original_given=True,
        scratch=ROOM,
    )


def remembered(
    settings: Settings, clips: Sequence[Any], progress: Progress
) -> list[tuple[Any, Any]]:
    """The original encoder's outputs, kept: transformers need not be loaded for every flip."""
    progress("reading what the original's encoder gave")
    kept = reference.read(settings.scratch or ROOM)
    if kept is None:
        raise RuntimeError("the original left no outputs")
    return [kept.encoded[clip.path.name] for clip in clips]


def work(
    settings: Settings, number: int, of: int, flips: Sequence[tuple[str, int]], model: ModelBin
) -> None:
    """One worker: its share of the flips, in a copy of its own."""
    core = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core[number % len(core)]})
    directory = ROOM / f"{settings.ctranslate2}-{number}"
    shutil.copytree(settings.ctranslate2_path, directory)
    mine = replace(settings, ctranslate2=directory.name)
    path = directory / "model.bin"
    path.chmod(0o644)
    before = path.read_bytes()
    for kind, bit in flips[number::of]:
        flip(path, bit)
        row = {"set": kind, "byte": bit // 8, "bit": bit % 8, "place": place_of(model, bit)}
        say({"flip": {"quantization": mine.expected.quantization, **row, **judge(mine)}})
        flip(path, bit)
    if path.read_bytes() != before:
        raise RuntimeError("the copy is not what it was")
    shutil.rmtree(directory)


def say(message: dict[str, Any]) -> None:
    """One line in one write, so that those of several workers do not mix."""
    os.write(1, json.dumps(message).encode() + b"\n")


def run(order: dict[str, Any], settings: Settings, conversion: dict[str, Any], of: int) -> int:
    """All flips of one conversion; the exit status."""
    name = conversion["quantization"]
    shutil.copytree(conversion["path"], ROOM / name)
    mine = replace(
        settings,
        ctranslate2=name,
        manifests={"ctranslate2": conversion["files"], "transformers": order["original_files"]},
        expected=Expected(quantization=name),
    )
    unharmed = judge(mine)
    say({"unharmed": {"quantization": name, **unharmed}})
    if unharmed["said"]:
        return 1
    model = read_model_bin(mine.ctranslate2_path / "model.bin")
    flips = [("anywhere", bit) for bit in anywhere(model.size, order["count"], order["seed"])]
    flips += [("heavy", bit) for bit in heavy(model, order["heavy"], order["seed"])]
    flips += [("between", bit) for bit in between(model, order["between"], order["seed"])]
    workers: list[int] = []
    for number in range(of):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                work(mine, number, of, flips, model)
                status = 0
            except BaseException:
                # Nothing else says it: the process ends without the interpreter's own clean-up.
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        workers.append(pid)
    ended = [os.waitpid(pid, 0)[1] for pid in workers]
    shutil.rmtree(ROOM / name)
    return 0 if not any(ended) else 1


def main() -> int:
    """Do what the order says; 0 when every flip was judged."""
    order: dict[str, Any] = json.loads(sys.stdin.read())
    # One import, inherited by every process that is forked from here.
    import faster_whisper  # noqa: F401

    clips = prepare(order)
    settings = settings_of(order, clips)
    made = ask(settings, "reference", r5_quantizations.reference_float32)
    say({"reference": made})
    if made["status"] != "passed":
        return 1
    # Set before the fork, so that every gate's process has it.
    r5_encoder._transformers_outputs = remembered
    of = len(os.sched_getaffinity(0))
    return max(run(order, settings, conversion, of) for conversion in order["conversions"])


if __name__ == "__main__":
    sys.exit(main())
