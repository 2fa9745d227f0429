# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Negative controls of R5.9: conversions that were damaged before or after they were sealed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from .control import Control, Controls, NotPlantableError, Plant, breaks, fails
from .control_files import (
    flip_weight,
    give_clips,
    negate_weights,
    reseal,
    unknown_clip,
)
from .controls_r5 import as_object
from .lacks import lacking
from .r5_quantizations import PACKAGES, REFERENCE, STEP
from .settings import Conversion, Settings

# What a damaged decoder writes may be nothing at all.
OTHER_TEXT = r"planted-0\S* gave .+ for .+, CER .+above"

controls = Controls()


@controls.plan
def _comparison(settings: Settings) -> Iterator[Control]:
    if not settings.conversions:
        return
    yield Control(
        "no_original",
        "an original model without its weights",
        {f"{STEP}/{REFERENCE}": breaks("no file named model")},
        _without_weights,
    )
    for one in settings.conversions:
        key = f"{STEP}/quantization_{one.quantization}"
        yield Control(
            f"flipped_{one.quantization}",
            f"one flipped bit of a weight in the conversion to {one.quantization}",
            {key: fails(r"model\.bin has SHA-256")},
            partial(_flip, one),
        )
        yield Control(
            f"resealed_{one.quantization}",
            f"negated weights in the conversion to {one.quantization}, and a manifest that says so",
            {key: fails("the encoder's cosine with float32 is")},
            partial(_negate, one, "encoder"),
            first=(f"{STEP}/{REFERENCE}",),
        )
        yield Control(
            f"other_words_{one.quantization}",
            f"negated weights in the decoder of the conversion to {one.quantization}, a manifest "
            "that says so, and a clip of unknown text",
            {key: fails(OTHER_TEXT)},
            partial(_negate, one, "decoder"),
            first=(f"{STEP}/{REFERENCE}",),
        )
    keys = [f"{STEP}/quantization_{one.quantization}" for one in settings.conversions]
    yield Control(
        "resealed_vocabulary",
        "a vocabulary.json that is an object instead of a list, and a manifest that says so",
        dict.fromkeys(keys, fails("vocabulary.json: a JSON object")),
        _resealed_vocabulary,
    )


def _without_weights(plant: Plant) -> None:
    directory = plant.own(plant.settings.transformers)
    for path in directory.glob("*.safetensors"):
        path.unlink()


def _flip(conversion: Conversion, plant: Plant) -> None:
    flip_weight(plant.file(conversion.directory, "model.bin"))


def _comparable(plant: Plant) -> None:
    """A clip of unknown text, as a model of one's own has them, where there can be a reference."""
    lacks = lacking(plant.settings, *PACKAGES)
    if lacks is not None:
        raise NotPlantableError(lacks.found, lacks=True)
    give_clips(plant, [unknown_clip(plant)])


def _negate(conversion: Conversion, part: str, plant: Plant) -> None:
    _comparable(plant)
    path = plant.file(conversion.directory, "model.bin")
    negate_weights(path, part)
    reseal(plant, conversion.directory, path)


def _resealed_vocabulary(plant: Plant) -> None:
    for one in plant.settings.conversions:
        path = plant.file(one.directory, "vocabulary.json")
        as_object(path)
        reseal(plant, one.directory, path)
