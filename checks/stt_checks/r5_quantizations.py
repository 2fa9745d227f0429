# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R5.9: conversions of one model are compared by figures, each held against float32.

Planned only where there is something to compare. Each conversion gets a process of its own that
has imported nothing before, so that its peak memory is its own.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from . import reference as references
from .clips import Clip, Clips
from .error_rate import edit_distance, plain
from .hearing_time import FOR_A_WINDOW, time_for
from .lacks import lacking
from .memory import gpu_bytes, resident_bytes
from .original import mel_bins
from .outcome import CheckFailedError, Outcome, failed, pairs, passed, require, skipped
from .r4_models import require_files
from .r5_audio import GIVE_SPEECH, NO_SPEECH, RATE, decode
from .r5_encoder import encode, encoder_cosine, least_cosine, lowest, one_of_each_language
from .r5_loads import load_faster_whisper, load_transformers
from .r5_structure import original_of, require_structure
from .r5_transcripts import (
    LISTEN,
    TRANSFORMERS,
    conclude,
    no_speech,
    usable_clips,
    with_clips,
)
from .reference import Reference
from .registry import Body, Check, Progress, Registry
from .settings import Conversion, Settings, cpu_count, readable_size
from .transformers_texts import batch_size, batches, generate
from .unknown_texts import Heard, agreement, listen, plausible, spread

registry = Registry()

STEP = "R5.9"
PACKAGES = ("torch", "transformers", "faster_whisper")
REFERENCE = "reference_float32"
# Of clips of unknown text.
COMPARED_CLIPS = 6
# As the service transcribes when a caller asks for nothing in particular.
BEAM_SIZE = 5
# A CPU has no float16: it would fall back to these without a word, so they are asked for by name.
ON_CPU = {
    "float16": "float32",
    "bfloat16": "float32",
    "int8": "int8_float32",
    "int8_float16": "int8_float32",
    "int8_bfloat16": "int8_float32",
}
MEASURED = (
    "bytes: all files of the conversion; load_seconds: the first load in this process, its files "
    "in the page cache, because they were just read for their hashes; real_time_factor: time of "
    "transcribing over time of speech (audio_seconds, of the long recordings where there are any: "
    "a short one costs a whole window of 30 s), decoding of audio left out; load_average: of the "
    "host over a minute, more than its processors when others were working; peak_memory_bytes: "
    "the whole process, its imports (imported_memory_bytes) not taken off; gpu_memory_bytes: what "
    "the GPU holds more after transcribing than before loading, the CUDA context left out, which "
    "is made to ask; text_agreement: 1 - edit distance of letters and digits to the texts of "
    "transformers in float32, both greedy and in the clip's language"
)
AGAIN = "convert the model again to this quantization from a verified source"


def compute_type(settings: Settings, quantization: str) -> str:
    """What a conversion is computed in: what it is stored in, as far as the device can."""
    return quantization if settings.gpu else ON_CPU.get(quantization, quantization)


def compared_clips(clips: Clips) -> list[Clip]:
    """The clips that every conversion gets: those of known text, or else a few; often no silence.

    None where nobody speaks in any of them.
    """
    if clips.known_of("speech", "long"):
        return clips.known
    return spread(clips.spoken, COMPARED_CLIPS)


@registry.plan
def _plan(settings: Settings) -> Iterator[Check]:
    if not settings.conversions:
        return
    yield Check(
        STEP,
        REFERENCE,
        lambda _settings: "transformers in float32 gives texts and encoder outputs to compare with",
        "mend what R5.3 and R5.6 name: without a reference no conversion can be compared",
        reference_float32,
        imports=TRANSFORMERS,
        deadline=1800,
        cuda=True,
    )
    for number, conversion in enumerate(settings.conversions):
        yield Check(
            STEP,
            f"quantization_{conversion.quantization}",
            _expected(conversion),
            AGAIN,
            _compare(conversion, served=number == 0),
            deadline=1800,
            cuda=True,
        )


@with_clips
def reference_float32(settings: Settings, progress: Progress, clips: Clips) -> Outcome:
    lacks = lacking(settings, *PACKAGES)
    if lacks is not None:
        return lacks
    chosen = compared_clips(clips)
    if not chosen:
        return no_speech()
    # Short ones first: of a long one the encoder gets the beginning.
    spoken = sorted(
        (clip for clip in chosen if not clip.silent), key=lambda clip: clip.kind == "long"
    )
    if settings.scratch is None:
        return failed("there is no place to leave the reference", fix="run the check archive")
    processor, model, _report = load_transformers(settings, precise=True)
    require(str(model.dtype) == "torch.float32", f"the original computes in {model.dtype}")
    texts: dict[str, str] = {}
    started = time.monotonic()
    for batch in batches(chosen, batch_size(settings, model.config)):
        progress("transcribing " + ", ".join(clip.path.name for clip in batch), time_for(batch))
        found, _seconds = generate(processor, model, batch)
        texts.update(pairs((clip.path.name for clip in batch), found))
    silent = [clip.path.name for clip in spoken if not plain(texts[clip.path.name])]
    require(not silent, f"no text for {', '.join(silent)}")
    languages = one_of_each_language(spoken)
    outputs = encode(processor, model, languages, progress)
    encoded = dict(pairs((clip.path.name for clip in languages), outputs))
    references.keep(settings.scratch, Reference(texts, encoded))
    return passed(
        f"{len(texts)} texts and {len(encoded)} encoder outputs, on {model.device.type}",
        texts=texts,
        encoded=list(encoded),
        seconds=round(time.monotonic() - started, 3),
    )


def _bound(settings: Settings, quantization: str) -> float:
    return least_cosine(compute_type(settings, quantization), quantization)


def _expected(conversion: Conversion) -> Any:
    name = conversion.quantization

    def sentence(settings: Settings) -> str:
        return (
            f"the conversion to {name} has its manifest's files, computes in "
            f"{compute_type(settings, name)} on {settings.device}, gives every clip's text and an "
            f"encoder cosine with float32 of at least {_bound(settings, name)}"
        )

    return sentence


def _compare(conversion: Conversion, *, served: bool) -> Body:
    def compare(settings: Settings, progress: Progress) -> Outcome:
        figures: dict[str, Any] = {
            "quantization": conversion.quantization,
            "served": served,
            "computed_in": None,
            "device": settings.device,
            "bytes": None,
            "load_seconds": None,
            "real_time_factor": None,
            "gpu_memory_bytes": None,
            "encoder_cosine": None,
            "text_agreement": None,
        }
        comparison = _Comparison(settings, conversion, figures, progress)
        try:
            return comparison.run()
        except CheckFailedError as error:
            # What was measured before it failed belongs to its row of the table too.
            error.evidence = {**figures, **error.evidence}
            raise

    return compare


@dataclass
class _Comparison:
    settings: Settings
    conversion: Conversion
    figures: dict[str, Any]
    progress: Progress

    def run(self) -> Outcome:
        settings, name = self.settings, self.conversion.quantization
        lacks = lacking(settings, "faster_whisper")
        if lacks is not None:
            return skipped(lacks.found, **self.figures, **lacks.evidence)
        path = settings.models / self.conversion.directory
        _count, size = require_files([(path, self.conversion.files)], self.progress)
        self.figures["bytes"] = size
        require_structure(path, name, mel_bins(settings), original_of(settings))
        clips = usable_clips(settings)
        if isinstance(clips, Outcome):
            self._load()
            return skipped(clips.found, **self.figures)
        return clips.tell(self._compare(clips))

    def _compare(self, clips: Clips) -> Outcome:
        settings = self.settings
        chosen = compared_clips(clips)
        reference = self._reference() if chosen else None
        before = gpu_bytes() if settings.gpu else None
        model = self._load()
        if not chosen:
            return failed(NO_SPEECH, fix=GIVE_SPEECH, **self.figures)
        if reference is not None:
            self._hold_encoder_against(model, reference)
        known = chosen[0] in clips.known
        texts, judged = self._transcribe(model, chosen, reference, known=known)
        if settings.gpu:
            after = gpu_bytes()
            # Less than before can only be another process's doing: then it is nobody's figure.
            if before is not None and after is not None and after >= before:
                self.figures["gpu_memory_bytes"] = after - before
        if reference is not None:
            self.figures["text_agreement"] = _agreement(chosen, reference, texts)
        outcome = conclude(judged, 0.0, 0.0)
        if outcome.status != "passed":
            return failed(
                outcome.found, fix=LISTEN, **{**self.figures, "transcripts": list(judged)}
            )
        return passed(self._sentence(), **{**self.figures, "transcripts": list(judged)})

    def _reference(self) -> Reference | None:
        """The reference; None only where no package could have made one."""
        lacks = lacking(self.settings, *PACKAGES)
        if lacks is not None:
            # Whoever has a reference image can have this compared there.
            self.figures |= lacks.evidence
            return None
        scratch = self.settings.scratch
        found = references.read(scratch) if scratch is not None else None
        if found is None:
            raise CheckFailedError(
                f"{STEP} {REFERENCE} left no reference to compare with",
                fix=f"mend what {STEP} {REFERENCE} says, then run the checks again",
            )
        return found

    def _load(self) -> Any:
        import ctranslate2

        # Imported before the clock starts.
        importlib.import_module("faster_whisper")
        wanted = compute_type(self.settings, self.conversion.quantization)
        device = self.settings.device
        possible = sorted(ctranslate2.get_supported_compute_types(device))
        require(
            wanted in possible,
            f"this {device} computes in {', '.join(possible)} only, not in {wanted}",
            fix="leave this quantization out on hosts of this kind",
        )
        self.figures["imported_memory_bytes"] = resident_bytes()
        self.progress("loading")
        mine = replace(self.settings, ctranslate2=self.conversion.directory)
        started = time.monotonic()
        model = load_faster_whisper(mine, wanted)
        self.figures["load_seconds"] = round(time.monotonic() - started, 4)
        found = model.model.compute_type
        self.figures |= {"computed_in": found, "device": model.model.device}
        require(model.model.device == device, f"the model is on {model.model.device}")
        # Plain int8 leaves the type beside it to the engine, which tells what it chose.
        alike = wanted == "int8" and found.startswith("int8")
        require(found == wanted or alike, f"the model computes in {found}, not in {wanted}")
        return model

    def _hold_encoder_against(self, model: Any, reference: Reference) -> None:
        cosines: dict[str, float] = {}
        for clip, (features, output) in reference.encoded.items():
            self.progress(f"encoding {clip}", FOR_A_WINDOW)
            cosines[clip] = encoder_cosine(model, features, output)
        worst = lowest(cosines)
        self.figures |= {"encoder_cosine": round(worst, 9), "cosines": cosines}
        least = _bound(self.settings, self.conversion.quantization)
        require(worst >= least, f"the encoder's cosine with float32 is {worst:.5f}, below {least}")

    def _transcribe(
        self, model: Any, chosen: list[Clip], reference: Reference | None, *, known: bool
    ) -> tuple[dict[str, str], list[dict[str, Any]]]:
        texts: dict[str, str] = {}
        judged: list[dict[str, Any]] = []
        timed = "long" if any(clip.kind == "long" for clip in chosen) else "speech"
        spoken_seconds = taken = 0.0
        for clip in chosen:
            # Once as in service, once as transformers is asked.
            self.progress(f"transcribing {clip.path.name}", 2 * time_for([clip]))
            audio = decode(clip.path)
            started = time.monotonic()
            heard = listen(model, audio, task="transcribe", beam_size=BEAM_SIZE)
            if clip.kind == timed:
                taken += time.monotonic() - started
                spoken_seconds += len(audio) / RATE
            if reference is not None and not clip.silent:
                texts[clip.path.name] = _greedy_text(model, clip, audio)
            judged.append(_judge(clip, heard, reference, known=known))
        self.figures |= {
            "real_time_factor": round(taken / spoken_seconds, 5) if spoken_seconds else None,
            "audio_seconds": round(spoken_seconds, 2),
            "clips": len(chosen),
            "beam_size": BEAM_SIZE,
            "cpu_threads": cpu_count(),
            "load_average": round(os.getloadavg()[0], 2),
            "measured": MEASURED,
        }
        return texts, judged

    def _sentence(self) -> str:
        figures = self.figures
        words = [
            f"{readable_size(figures['bytes'])}, computed in {figures['computed_in']} on "
            f"{figures['device']}, loaded in {figures['load_seconds']:.2f} s, real-time factor "
            f"{figures['real_time_factor']:.4f}"
        ]
        if figures["encoder_cosine"] is None:
            lacks = lacking(self.settings, *PACKAGES)
            words.append(f"not compared with float32: {lacks.found if lacks else NO_SPEECH}")
        else:
            words.append(
                f"encoder cosine {figures['encoder_cosine']:.6f}, "
                f"{figures['text_agreement']:.2%} of float32's text"
            )
        return ", ".join(words)


def _judge(clip: Clip, heard: Heard, reference: Reference | None, *, known: bool) -> dict[str, Any]:
    if known:
        language = None if clip.silent else heard.language
        return {**clip.judge(heard.text, language), **heard.certainty}
    if reference is not None:
        return agreement(clip, reference.texts[clip.path.name], heard)
    return plausible(clip, heard)


def _greedy_text(model: Any, clip: Clip, audio: Any) -> str:
    """A clip's text as transformers is asked for it, so that only the numbers differ."""
    return listen(
        model,
        audio,
        task="transcribe",
        language=clip.language,
        beam_size=1,
        temperature=0.0,
        condition_on_previous_text=False,
        without_timestamps=clip.kind != "long",
    ).text


def _agreement(chosen: list[Clip], reference: Reference, texts: dict[str, str]) -> float:
    """The share of float32's letters and digits that came out alike, over all spoken clips."""
    names = [clip.path.name for clip in chosen if not clip.silent]
    wanted = [plain(reference.texts[name]) for name in names]
    found = [plain(texts[name]) for name in names]
    letters = sum(len(text) for text in wanted)
    distance = sum(edit_distance(*pair) for pair in pairs(wanted, found))
    return round(max(0.0, 1 - distance / letters), 6)
