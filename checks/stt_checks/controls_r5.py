# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Negative controls of R5: damaged models and other clips."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from .clips import WINDOW_SECONDS
from .control import Control, Controls, NotPlantableError, Plant, breaks, fails
from .control_files import (
    NEVER_SAID,
    STRICT,
    entry,
    far_apart,
    give_clips,
    hear_before,
    negate_weights,
    other_tokenizer,
    two_spoken,
    unknown_clip,
    write_tone,
    wrong_languages,
)
from .original import english_only
from .outcome import pairs
from .r5_accept import NAME as ACCEPT
from .r5_accept import STEP as ACCEPTING
from .r5_structure import original_of
from .settings import Settings

controls = Controls()

# The headers of a model.bin lie between its weights: this much of one is never whole.
BEGINNING = 1 << 20
DAMAGED = b"fLaC" + bytes(range(256)) * 4
# Another window than the model was trained with; the audio has as many frames as before.
OTHER_FFT = 512
# No model of this kind has as many.
OTHER_BINS = 64
IMPOSSIBLE = 1e-9
# Some text, too far from what is wanted: neither nothing at all nor another language.
OTHER_TEXT = r"planted-0\S* gave (?!''|\"\").+ for .+, (C|W)ER .+above"


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
    as_object(plant.file(plant.settings.ctranslate2, "vocabulary.json"))


def as_object(path: Path) -> None:
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
        "R5.5/faster_whisper_texts": fails(OTHER_TEXT),
        "R5.5/faster_whisper_batched": fails(OTHER_TEXT),
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
    {"R5.6/decoders_agree": fails(OTHER_TEXT)},
)
def disagreeing_decoders(plant: Plant) -> None:
    other_tokenizer(plant.file(plant.settings.ctranslate2, "tokenizer.json"))
    clip = two_spoken(plant)[0]
    give_clips(plant, [(entry(plant, clip, 0, text=None), clip.path)])


@controls.control(
    "heard_otherwise",
    "a clip of unknown text in which something else was heard before",
    {
        "R5.5/faster_whisper_batched": fails(r"planted-0\S* gave .+ as heard by .+, CER .+above"),
        "R5.6/decoders_agree": fails(
            rf"planted-0\S* gave faster-whisper '{NEVER_SAID}' for .+, CER .+above"
        ),
    },
)
def heard_otherwise(plant: Plant) -> None:
    give_clips(plant, [unknown_clip(plant)])
    hear_before(plant, NEVER_SAID)


@controls.control(
    "swapped_transcripts",
    "a clips.json in which the texts of two clips are swapped",
    {
        "R5.5/faster_whisper_texts": fails(OTHER_TEXT),
        "R5.5/faster_whisper_batched": fails(OTHER_TEXT),
        "R5.6/transformers_texts": fails(OTHER_TEXT),
        "R5.7/service_transcribes": fails(OTHER_TEXT),
    },
)
def swapped_transcripts(plant: Plant) -> None:
    clips = two_spoken(plant)
    told = [entry(plant, clip, at) for at, clip in enumerate(clips)]
    apart = far_apart(clips, max(one["limits"]["cer"] for one in told))
    texts = [clip.text if apart else NEVER_SAID for clip in reversed(clips)]
    swapped = [{**one, "text": text} for one, text in pairs(told, texts)]
    give_clips(plant, pairs(swapped, (clip.path for clip in clips)))


@controls.control(
    "speech_as_silence",
    "a recording of speech among those without speech",
    {"R5.5/faster_whisper_silence": fails("planted-0")},
)
def speech_as_silence(plant: Plant) -> None:
    clip = two_spoken(plant)[0]
    told = [entry(plant, clip, 0, kind="silence", text=None), entry(plant, clip, 1)]
    give_clips(plant, [(one, clip.path) for one in told])


def _tone(plant: Plant, frequency: float, seconds: float = 2.0) -> None:
    path = plant.place / "tone.wav"
    write_tone(path, frequency, seconds)
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
    "short_audio",
    "a recording of a twentieth of a second",
    {"R5.4/decode_formats": fails("planted-0.wav has [0-9]+ samples only")},
)
def short_audio(plant: Plant) -> None:
    _tone(plant, 440.0, 0.05)


@controls.control(
    "long_audio",
    "a recording of 31 seconds that is called speech",
    {"R5.4/decode_formats": fails("planted-0.wav lasts 31 s and is called speech")},
)
def long_audio(plant: Plant) -> None:
    _tone(plant, 440.0, WINDOW_SECONDS + 1)


@controls.control(
    "other_mel_bins",
    "a preprocessor_config.json with another number of mel bins",
    {
        "R5.2/faster_whisper_float32": fails("audio would have"),
        "R5.2/faster_whisper_int8_float32": fails("audio would have"),
        "R5.2/faster_whisper_float16": fails("audio would have"),
        "R5.2/faster_whisper_int8_float16": fails("audio would have"),
        "R5.3/transformers_load": fails("the processor makes"),
        "R5.4/faster_whisper_features": fails("have the shape"),
    },
)
def other_mel_bins(plant: Plant) -> None:
    for directory in (plant.settings.ctranslate2, plant.settings.transformers):
        path = plant.file(directory, "preprocessor_config.json")
        document = {**json.loads(path.read_bytes()), "feature_size": OTHER_BINS}
        path.write_text(json.dumps(document), encoding="utf-8")


@controls.control(
    "negated_weights",
    "negated weights of the encoder's last normalisation",
    {"R5.8/encoder_agreement": fails("the cosine is")},
)
def negated_weights(plant: Plant) -> None:
    negate_weights(plant.file(plant.settings.ctranslate2, "model.bin"))
    give_clips(plant, [unknown_clip(plant)])


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
    {"R5.4/resample_clip": fails("nothing of the clip is left")},
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


@controls.plan
def _in_another_language(settings: Settings) -> Iterator[Control]:
    gates = ["R5.5/faster_whisper_texts", "R5.5/faster_whisper_batched", "R5.5/real_time_factor"]
    if settings.accept_transcripts:
        gates.insert(0, f"{ACCEPTING}/{ACCEPT}")
    yield Control(
        "another_language",
        "a recording of unknown text that is said to be in another language",
        dict.fromkeys(gates, fails(r"planted-\d\S* gave .+ in \w+ for \w+")),
        _another_language,
    )


def _another_language(plant: Plant) -> None:
    if english_only(plant.settings):
        raise NotPlantableError("the model knows no other language")
    told, path = unknown_clip(plant)
    copies = [
        {**told, "file": f"planted-{at}{path.suffix}", "language": language}
        for at, language in enumerate(wrong_languages(told["language"]))
    ]
    give_clips(plant, [(one, path) for one in copies])
