# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What negative controls plant in files: a flipped bit of a weight, other clips, their hashes."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import struct
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ._model_bin import ModelBin, Variable, read_model_bin
from .clips import Clip, Clips
from .control import NotPlantableError, Plant
from .error_rate import character_error_rate, edit_distance, normalise
from .outcome import CheckFailedError, Outcome, pairs
from .r5_audio import NO_SPEECH, RATE
from .r5_transcripts import usable_clips
from .unknown_texts import FASTER_WHISPER, keep

# Of each type the bytes of a value, and how they become a number.
FLOATING = {"float32": 4, "float16": 2, "bfloat16": 2}
# How much greater than all others one value becomes by its bit: enough to drown them out, and if
# possible no more, so that it stays a number whatever it is multiplied with.
ENOUGH_GROWTH = 2.0**10
# For clips of another model, whose limits were not set for this one.
LAST_NORMALISATIONS = ("encoder/layer_norm/gamma", "decoder/layer_norm/gamma")
STRICT = {"cer": 0.2, "wer": 0.5}
# Of how many recordings the two most different are looked for.
MOST_CLIPS = 50
NEVER_SAID = "planted words that nobody says"
# What a decoder of Whisper is known to write where it heard nothing of the kind.
INVENTED = {"ko": "시청해 주셔서 감사합니다.", "en": "Thank you for watching this video!"}
SIGN = 0x80


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
    return (name not in LAST_NORMALISATIONS, not name.endswith("layer_norm/gamma"), name)


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


def negate_weights(path: Path, part: str = "encoder") -> None:
    """Turn the sign of every second weight of the last normalisation of encoder or decoder.

    All of it stays numbers, whatever the model computes in; half of what it says is the contrary.
    """
    model = read_model_bin(path)
    usable = [
        variable
        for name, variable in sorted(model.variables.items(), key=lambda item: _usefulness(item[0]))
        if name.startswith(f"{part}/") and variable.dtype in FLOATING
    ]
    if not usable:
        raise NotPlantableError(f"model.bin has no weight of the {part} in a floating type")
    width = FLOATING[usable[0].dtype]
    with path.open("r+b") as stream:
        stream.seek(usable[0].offset)
        data = bytearray(stream.read(usable[0].size))
        for last in range(width - 1, len(data), 2 * width):
            data[last] ^= SIGN
        stream.seek(usable[0].offset)
        stream.write(data)


def reseal(plant: Plant, directory: str, path: Path) -> None:
    """Have the manifest name an altered file as it is now, so that hashes see nothing."""
    described = plant.spec["models"]
    if directory == plant.settings.ctranslate2:
        files = described["files"]["ctranslate2"]
    else:
        (files,) = (one["files"] for one in described["alternatives"] if one["path"] == directory)
    for file in files:
        if file["path"] == path.name:
            file |= {"size": path.stat().st_size, "sha256": _sha256(path)}


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def other_tokenizer(path: Path) -> None:
    """Move every word piece by one: the model loads, and writes other words.

    Marks such as that of a text's end stay: without them it would write nothing at all.
    """
    document = json.loads(path.read_bytes())
    vocabulary = document["model"]["vocab"]
    marks = {added["content"] for added in document.get("added_tokens") or ()}
    pieces = sorted(vocabulary.keys() - marks, key=vocabulary.__getitem__)
    if len(pieces) < 2:
        raise NotPlantableError("the tokenizer has no word pieces")
    at = [vocabulary[piece] for piece in pieces]
    vocabulary.update(dict(pairs(pieces, [*at[1:], at[0]])))
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


def far_apart(clips: Sequence[Clip], limit: float) -> bool:
    """Whether no text that such a limit allows for one of two clips is allowed for the other."""
    if len(clips) < 2 or clips[0].text is None or clips[1].text is None:
        return False
    one, other = normalise(clips[0].text), normalise(clips[1].text)
    return edit_distance(one, other) > limit * (len(one) + len(other))


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


def unknown_clip(plant: Plant) -> tuple[dict[str, Any], Path]:
    """A recording of speech whose text nobody has set, with its language where that is known."""
    clip = two_spoken(plant)[0]
    return entry(plant, clip, 0, text=None), clip.path


def other_than(language: str) -> str:
    return "en" if language == "ko" else "ko"


def wrong_languages(language: str | None) -> list[str]:
    """Languages for as many copies of one recording, of which at least one is wrong."""
    return ["ko", "en"] if language is None else [other_than(language)]


def invented_in(language: str) -> str:
    return INVENTED.get(language, INVENTED["en"])


def hear_before(plant: Plant, text: str) -> None:
    """Leave what a check that came before has heard in the first clip that is planted."""
    told, _audio = unknown_clip(plant)
    keep(replace(plant.settings, scratch=plant.scratch), FASTER_WHISPER, {told["file"]: text})


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
