# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What negative controls plant: a flipped bit of a weight, other clips, a service that lies."""

from __future__ import annotations

import json
import math
import shutil
import struct
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._model_bin import ModelBin, Variable, read_model_bin
from .clips import Clip, Clips
from .control import NotPlantableError, Plant
from .error_rate import character_error_rate
from .outcome import CheckFailedError, Outcome
from .r5_audio import NO_SPEECH, RATE
from .r5_transcripts import usable_clips

# Of each type the bytes of a value, and how they become a number.
FLOATING = {"float32": 4, "float16": 2, "bfloat16": 2}
# How much greater than all others one value becomes by its bit: enough to drown them out, and if
# possible no more, so that it stays a number whatever it is multiplied with.
ENOUGH_GROWTH = 2.0**10
# For clips of another model, whose limits were not set for this one.
STRICT = {"cer": 0.2, "wer": 0.5}
# Of how many recordings the two most different are looked for.
MOST_CLIPS = 50
NEVER_SAID = "planted words that nobody says"


@dataclass(frozen=True)
class Flip:
    """One bit of a file: where it is, and which value it changes."""

    offset: int
    mask: int
    variable: str


def flip_weight(path: Path) -> Flip:
    """Flip one bit of a weight of the encoder's last normalisation; all of it passes through."""
    flip = _find(path, read_model_bin(path))
    with path.open("r+b") as stream:
        stream.seek(flip.offset)
        (byte,) = stream.read(1)
        stream.seek(flip.offset)
        stream.write(bytes([byte ^ flip.mask]))
    return flip


def _find(path: Path, model: ModelBin) -> Flip:
    greatest: list[tuple[float, Flip]] = []
    with path.open("rb") as stream:
        for name in sorted(model.variables, key=_usefulness):
            variable = model.variables[name]
            if not name.startswith("encoder/") or variable.dtype not in FLOATING:
                continue
            stream.seek(variable.offset)
            grown = sorted(_flips(name, variable, stream.read(variable.size)), key=_growth)
            enough = [flip for growth, flip in grown if growth >= ENOUGH_GROWTH]
            if enough:
                return enough[0]
            greatest += grown[-1:]
    if not greatest:
        raise NotPlantableError("model.bin has no weight of the encoder in a floating type")
    return max(greatest, key=_growth)[1]


def _growth(found: tuple[float, Flip]) -> float:
    return found[0]


def _usefulness(name: str) -> tuple[bool, bool, str]:
    return (name != "encoder/layer_norm/gamma", not name.endswith("layer_norm/gamma"), name)


def _flips(name: str, variable: Variable, data: bytes) -> Iterator[tuple[float, Flip]]:
    """Each bit in the last byte of a value, sign left out, by how far it lets that outgrow all."""
    width = FLOATING[variable.dtype]
    values = [data[start : start + width] for start in range(0, len(data), width)]
    greatest = max(abs(_number(variable.dtype, value)) for value in values)
    for at, value in enumerate(values):
        for bit in range(7):
            other = value[:-1] + bytes([value[-1] ^ (1 << bit)])
            after = abs(_number(variable.dtype, other))
            if math.isfinite(after):
                place = variable.offset + (at + 1) * width - 1
                yield after / (greatest or 1.0), Flip(place, 1 << bit, name)


def _number(kind: str, value: bytes) -> float:
    if kind == "float16":
        return float(struct.unpack("<e", value)[0])
    return float(struct.unpack("<f", value.rjust(4, b"\0"))[0])


def other_tokenizer(path: Path) -> None:
    """Move every word piece by one: the model loads, and writes other words."""
    document = json.loads(path.read_bytes())
    vocabulary = document["model"]["vocab"]
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)
    if len(pieces) < 2:
        raise NotPlantableError("the tokenizer has no word pieces")
    at = [vocabulary[piece] for piece in pieces]
    vocabulary.update(dict(zip(pieces, [*at[1:], at[0]])))  # noqa: B905
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def usable(plant: Plant) -> Clips:
    """The clips of the release; whoever has none can plant nothing in them."""
    try:
        clips = usable_clips(plant.settings)
    except CheckFailedError as error:
        raise NotPlantableError(error.found) from error
    if isinstance(clips, Outcome):
        raise NotPlantableError(clips.found)
    return clips


def two_spoken(plant: Plant) -> list[Clip]:
    """Two short recordings of other words, of known text where there are any; or only one."""
    clips = usable(plant)
    spoken = clips.known_of("speech") or clips.known_of("long") or clips.spoken
    if not spoken:
        raise NotPlantableError(NO_SPEECH)
    first = spoken[0]
    alike = [clip for clip in spoken[1:MOST_CLIPS] if clip.language == first.language]
    others = alike or spoken[1:MOST_CLIPS]

    def distance(clip: Clip) -> float:
        return character_error_rate(first.text or "", clip.text or "")

    return [first, *sorted((clip for clip in others if distance(clip) > 0), key=distance)[-1:]]


def entry(plant: Plant, clip: Clip, number: int, **changes: Any) -> dict[str, Any]:
    """What clips.json says of a clip that is planted for this model.

    Its own limits stay where they were set for this model: they are judged too.
    """
    known = clip in usable(plant).known
    kept = {"cer": clip.cer, **({} if clip.wer is None else {"wer": clip.wer})}
    return {
        "file": f"planted-{number}{clip.path.suffix}",
        "kind": "speech",
        "text": clip.text or NEVER_SAID,
        "language": clip.language,
        "model": plant.settings.transformers,
        "limits": kept if known else STRICT,
        **changes,
    }


def give_clips(plant: Plant, entries: Sequence[tuple[dict[str, Any], Path | bytes]]) -> None:
    """Put clips in the place of the release's: each with its recording."""
    folder = plant.place / "clips"
    folder.mkdir()
    for described, audio in entries:
        target = folder / described["file"]
        if isinstance(audio, bytes):
            target.write_bytes(audio)
        else:
            shutil.copyfile(audio, target)
    (folder / "clips.json").write_text(json.dumps([one for one, _audio in entries]), "utf-8")
    plant.spec["clips"] = str(folder)


def write_tone(path: Path, frequency: float, seconds: float = 2.0) -> None:
    """A recording of one tone, or of nothing at 0 Hz."""
    angle = 2 * math.pi * frequency / RATE
    samples = (round(16000 * math.sin(angle * at)) for at in range(int(seconds * RATE)))
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(RATE)
        stream.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))


# Calls itself healthy at once, transcribes nothing and says so only in the body.
LYING_SERVICE = """
import http.server, json, os, signal, sys, threading


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, body):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.answer({"status": "planted"})

    def do_POST(self):
        self.answer({"success": False, "text": "", "error": "planted"})

    def log_message(self, *arguments):
        pass


signal.signal(signal.SIGTERM, lambda *arguments: os._exit(3))
address = os.environ["STT_HOST"], int(sys.argv[1]) or int(os.environ["STT_PORT"])
http.server.ThreadingHTTPServer(address, Handler).serve_forever()
"""
