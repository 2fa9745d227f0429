# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Negative controls of R5: damaged models, other clips, a service that lies."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial

from .control import Control, Controls, NotPlantableError, Plant, breaks, fails
from .control_files import (
    LYING_SERVICE,
    NEVER_SAID,
    STRICT,
    entry,
    flip_weight,
    give_clips,
    other_tokenizer,
    two_spoken,
    write_tone,
)
from .original import english_only
from .r5_accept import NAME as ACCEPT
from .r5_accept import STEP as ACCEPTING
from .r5_quantizations import REFERENCE, STEP
from .r5_structure import original_of
from .settings import Conversion, Settings

controls = Controls()

# The headers of a model.bin lie between its weights: this much of one is never whole.
BEGINNING = 1 << 20
DAMAGED = b"fLaC" + bytes(range(256)) * 4
# Another window than the model was trained with; the audio has as many frames as before.
OTHER_FFT = 512
IMPOSSIBLE = 1e-9


@controls.control(
    "truncated_model",
    "a model.bin that was cut off",
    {
        "R5.1/engine_diagnosis": fails("model.bin"),
        "R5.1/structure": fails("model.bin: the end of the file"),
        "R5.1/size_fits_source": fails("model.bin has"),
        "R5.2/faster_whisper_float32": breaks("Variable|model|File"),
        "R5.2/faster_whisper_int8_float32": breaks("Variable|model|File"),
        "R5.2/faster_whisper_float16": breaks("Variable|model|File"),
        "R5.2/faster_whisper_int8_float16": breaks("Variable|model|File"),
    },
)
def truncated_model(plant: Plant) -> None:
    name = plant.settings.ctranslate2
    size = (plant.settings.models / name / "model.bin").stat().st_size
    plant.file(name, "model.bin", most=min(size // 2, BEGINNING))


@controls.control(
    "vocabulary_object",
    "a vocabulary.json that is an object instead of a list",
    {
        "R5.1/engine_diagnosis": fails("vocabulary.json"),
        "R5.1/structure": fails("vocabulary.json: a JSON object"),
    },
)
def vocabulary_object(plant: Plant) -> None:
    path = plant.file(plant.settings.ctranslate2, "vocabulary.json")
    tokens = json.loads(path.read_bytes())
    path.write_text(json.dumps(dict.fromkeys(tokens, 0)), encoding="utf-8")


@controls.control(
    "missing_preprocessor",
    "no preprocessor_config.json beside model.bin",
    {
        "R5.1/engine_diagnosis": fails("preprocessor_config.json"),
        "R5.1/structure": fails("preprocessor_config.json: no such file"),
        "R5.1/same_tokenizer": fails("there is no .*preprocessor_config.json"),
    },
)
def missing_preprocessor(plant: Plant) -> None:
    plant.file(plant.settings.ctranslate2, "preprocessor_config.json").unlink()


@controls.control(
    "wrong_tokenizer",
    "a tokenizer.json whose word pieces have other numbers",
    {
        "R5.1/engine_diagnosis": fails("tokenizer.json"),
        "R5.1/structure": fails("tokenizer.json: .* tokens that differ"),
        "R5.1/same_tokenizer": fails("tokenizer.json differs from"),
        "R5.5/faster_whisper_texts": fails("planted-0"),
        "R5.5/faster_whisper_batched": fails("planted-0"),
    },
)
def wrong_tokenizer(plant: Plant) -> None:
    other_tokenizer(plant.file(plant.settings.ctranslate2, "tokenizer.json"))
    # The steps before need no clips.
    if plant.settings.clips is not None:
        clip = two_spoken(plant)[0]
        give_clips(plant, [(entry(plant, clip, 0), clip.path)])


@controls.control(
    "disagreeing_decoders",
    "a clip of unknown text, and a tokenizer.json beside model.bin alone whose pieces have other "
    "numbers",
    {"R5.6/decoders_agree": fails("planted-0")},
)
def disagreeing_decoders(plant: Plant) -> None:
    other_tokenizer(plant.file(plant.settings.ctranslate2, "tokenizer.json"))
    clip = two_spoken(plant)[0]
    give_clips(plant, [(entry(plant, clip, 0, text=None), clip.path)])


@controls.control(
    "swapped_transcripts",
    "a clips.json in which the texts of two clips are swapped",
    {
        "R5.5/faster_whisper_texts": fails("planted-0"),
        "R5.5/faster_whisper_batched": fails("planted-0"),
        "R5.6/transformers_texts": fails("planted-0"),
        "R5.7/service_transcribes": fails("planted-0"),
    },
)
def swapped_transcripts(plant: Plant) -> None:
    clips = two_spoken(plant)
    texts = [clip.text for clip in reversed(clips)]
    if len(clips) < 2 or None in texts:
        texts = [NEVER_SAID] * len(clips)
    told = [entry(plant, clip, at, text=texts[at]) for at, clip in enumerate(clips)]
    give_clips(plant, list(zip(told, (clip.path for clip in clips))))  # noqa: B905


@controls.control(
    "speech_as_silence",
    "a recording of speech among those without speech",
    {"R5.5/faster_whisper_silence": fails("planted-0")},
)
def speech_as_silence(plant: Plant) -> None:
    clip = two_spoken(plant)[0]
    told = [entry(plant, clip, 0, kind="silence", text=None), entry(plant, clip, 1)]
    give_clips(plant, [(one, clip.path) for one in told])


def _tone(plant: Plant, frequency: float) -> None:
    path = plant.place / "tone.wav"
    write_tone(path, frequency)
    told = {
        "file": "planted-0.wav",
        "kind": "speech",
        "text": NEVER_SAID,
        "language": "en",
        "model": plant.settings.transformers,
        "limits": STRICT,
    }
    give_clips(plant, [(told, path)])


@controls.control(
    "silence_as_speech",
    "a recording of nothing among those with speech",
    {
        "R5.4/decode_formats": fails("planted-0.wav has no sound in it"),
        "R5.4/features": fails("the features do not vary"),
    },
)
def silence_as_speech(plant: Plant) -> None:
    _tone(plant, 0.0)


@controls.control(
    "damaged_audio",
    "a damaged recording",
    {"R5.4/decode_formats": fails("planted-0.flac: ")},
)
def damaged_audio(plant: Plant) -> None:
    clip = two_spoken(plant)[0]
    give_clips(plant, [(entry(plant, clip, 0, file="planted-0.flac"), DAMAGED)])


@controls.control(
    "other_preprocessor",
    "a preprocessor_config.json with another window of the Fourier transform (n_fft)",
    {
        "R5.4/features": fails("a known sound's features"),
        "R5.4/faster_whisper_features": fails("a known sound's features"),
    },
)
def other_preprocessor(plant: Plant) -> None:
    for directory in (plant.settings.ctranslate2, plant.settings.transformers):
        path = plant.file(directory, "preprocessor_config.json")
        document = {**json.loads(path.read_bytes()), "n_fft": OTHER_FFT}
        path.write_text(json.dumps(document), encoding="utf-8")


@controls.control(
    "impossible_speed",
    "a limit of the real-time factor that no machine keeps",
    {"R5.5/real_time_factor": fails("above the limit of")},
)
def impossible_speed(plant: Plant) -> None:
    clip = two_spoken(plant)[0]
    give_clips(plant, [(entry(plant, clip, 0), clip.path)])
    plant.spec["real_time_factor_limit"] = IMPOSSIBLE


@controls.control(
    "lost_band",
    "a tone that 8 kHz cannot hold in the place of speech",
    {"R5.4/resample_clip": fails("by way of 8000 Hz")},
)
def lost_band(plant: Plant) -> None:
    _tone(plant, 7000.0)


@controls.control(
    "more_layers",
    "an original model whose config.json speaks of one layer more than its weights have",
    {"R5.3/transformers_load": fails(r"missing_keys: .*model\.decoder\.layers")},
)
def more_layers(plant: Plant) -> None:
    path = plant.file(plant.settings.transformers, "config.json")
    document = json.loads(path.read_bytes())
    document["decoder_layers"] += 1
    document.pop("num_hidden_layers", None)
    path.write_text(json.dumps(document), encoding="utf-8")


@controls.control(
    "another_original",
    "an original model of one layer more than the conversion has",
    {"R5.1/structure": fails(r"tensors missing: .*decoder\.layers")},
)
def another_original(plant: Plant) -> None:
    if original_of(plant.settings) is None:
        raise NotPlantableError("the conversion is not held against an original here")
    more_layers(plant)


@controls.control(
    "lying_service",
    "a service that calls itself healthy at once, without a model",
    {
        "R5.7/service_health": fails("/health names no model|exit status 3"),
        "R5.7/service_without_model": fails("/health without a model: status 200"),
        "R5.7/service_transcribes": fails("planted", "a service that answers 200, success: false"),
    },
)
def lying_service(plant: Plant) -> None:
    path = plant.place / "service.py"
    path.write_text(LYING_SERVICE, encoding="utf-8")
    port = plant.settings.expected.port if plant.settings.foreign else 0
    plant.spec["service_command"] = [sys.executable, str(path), str(port)]


@controls.plan
def _accepting(settings: Settings) -> Iterator[Control]:
    if settings.accept_transcripts:
        yield Control(
            "another_language",
            "a recording of unknown text that is said to be in another language",
            {f"{ACCEPTING}/{ACCEPT}": fails("planted-0")},
            _another_language,
        )


def _another_language(plant: Plant) -> None:
    if english_only(plant.settings):
        raise NotPlantableError("the model knows no other language")
    clip = two_spoken(plant)[0]
    language = "en" if clip.language == "ko" else "ko"
    give_clips(plant, [(entry(plant, clip, 0, text=None, language=language), clip.path)])


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
        yield Control(
            f"flipped_{one.quantization}",
            f"one flipped bit of a weight in the conversion to {one.quantization}",
            {f"{STEP}/quantization_{one.quantization}": fails(r"model\.bin has SHA-256")},
            partial(_flip, one),
        )


def _without_weights(plant: Plant) -> None:
    directory = plant.own(plant.settings.transformers)
    for path in directory.glob("*.safetensors"):
        path.unlink()


def _flip(conversion: Conversion, plant: Plant) -> None:
    flip_weight(plant.file(conversion.directory, "model.bin"))
