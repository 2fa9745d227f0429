# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R5.4: real audio becomes the tensor and the features that the model takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from . import known_sound
from .clips import WINDOW_SECONDS, Clip, ClipsError, load_clips
from .log_mel import whisper_features
from .outcome import CheckFailedError, Outcome, failed, passed, require, skipped
from .own_clips import own_clips
from .r5_loads import load_faster_whisper
from .registry import Progress, Registry
from .settings import Settings

registry = Registry()

RATE = 16000
FRAMES = 3000
# Of recordings of any length: an hour takes seconds.
FOR_DECODING = 60.0
NO_CLIPS = "no directory of clips was given"
MEND_CLIPS = "mend the directory of clips as docs/clips.md describes it"
NO_SPEECH = "there is no clip with speech"
GIVE_SPEECH = (
    "put a recording of speech, in a language that the model knows, into the directory of "
    "model_check_clips; docs/clips.md describes it"
)
# float32 is off by less than 1e-5; another hop, window or scale by more than 0.1.
FEATURE_TOLERANCE = 1e-3
# What a clip is taken to and back from, and the band that the lowest of these rates keeps whole.
RATES = (8000, 48000)
BAND = 3000.0
LEAST_ALIKE = 0.999
# Of the power of speech nearly all is in that band, of white noise a third.
LEAST_SHARE = 0.01


def decode(path: Any) -> Any:
    """A recording as a mono float32 array at 16 kHz."""
    from faster_whisper import decode_audio

    return decode_audio(str(path), sampling_rate=RATE)


@registry.check(
    "R5.4",
    "decode_formats",
    expected="every clip decodes to 16 kHz mono with sound in it where something is spoken",
    fix="the message names the clip; the image's audio decoder lacks its format, or it is damaged",
    imports=("faster_whisper",),
)
def decode_formats(settings: Settings, progress: Progress) -> Outcome:
    try:
        clips = load_clips(settings)
    except ClipsError as error:
        raise CheckFailedError(str(error), fix=MEND_CLIPS) from error
    if clips is None:
        return skipped(NO_CLIPS)
    with own_clips(settings, clips) as own:
        given, others = (_decoded(some.clips, progress) for some in (clips, own))
    formats = {clip.path.suffix.removeprefix(".") for clip in (*clips.clips, *own.clips)}
    seconds = sum(given.values()) + sum(others.values())
    found = f"{len(given) + len(others)} clips, {seconds:.0f} s: {', '.join(sorted(formats))}"
    if others:
        found += f"; {len(others)} of them are the check archive's own"
    return passed(found, seconds=given, own=others)


def _decoded(clips: Iterable[Clip], progress: Progress) -> dict[str, float]:
    """The seconds of each recording; CheckFailedError for one that does not decode as it should."""
    import numpy

    seconds: dict[str, float] = {}
    for clip in clips:
        progress(f"decoding {clip.path.name}", FOR_DECODING)
        try:
            audio = decode(clip.path)
        except Exception as error:
            raise CheckFailedError(f"{clip.path.name}: {type(error).__name__}: {error}") from error
        name = clip.path.name
        require(audio.ndim == 1 and audio.dtype == numpy.float32, f"{name} is no mono float32")
        require(len(audio) > RATE // 10, f"{name} has {len(audio)} samples only")
        require(bool(numpy.isfinite(audio).all()), f"{name} has samples that are no numbers")
        peak = float(numpy.abs(audio).max())
        require(peak <= 2.0, f"{name} peaks at {peak:.2f} of full scale")
        require(clip.silent or peak > 0.01, f"{name} has no sound in it")
        seconds[name] = round(len(audio) / RATE, 2)
        require(
            clip.kind != "speech" or seconds[name] <= WINDOW_SECONDS,
            f"{name} lasts {seconds[name]:g} s and is called speech",
            fix=f"give it the kind long in clips.json: a model hears {WINDOW_SECONDS:g} s at once",
        )
    return seconds


@registry.check(
    "R5.4",
    "features",
    expected="a clip's log-mel features have the model's shape and finite, varying values, and "
    "those of a known sound its known values",
    fix="look at preprocessor_config.json of the original model, and at the package lock",
    imports=("torch", "transformers", "faster_whisper"),
    deadline=120,
    cuda=True,
)
def features(settings: Settings, _progress: Progress) -> Outcome:
    import torch
    from transformers import AutoProcessor

    clips = load_clips(settings)
    if clips is None:
        return skipped(NO_CLIPS)
    spoken = clips.spoken
    if not spoken:
        return failed(NO_SPEECH, fix=GIVE_SPEECH)
    processor = AutoProcessor.from_pretrained(settings.transformers_path, local_files_only=True)
    audio = torch.from_numpy(decode(spoken[0].path)).to(settings.device)
    require(audio.device.type == settings.device, f"the audio is on {audio.device}")
    power = float((audio.double() ** 2).mean().sqrt())
    made = processor(audio.cpu().numpy(), sampling_rate=RATE, return_tensors="pt").input_features
    made = made.to(settings.device)
    bins = processor.feature_extractor.feature_size
    require(made.shape == (1, bins, FRAMES), f"the features have the shape {tuple(made.shape)}")
    require(bool(torch.isfinite(made).all()), "there are features that are no finite numbers")
    spread = float(made.std())
    require(spread > 0.01, f"the features do not vary (standard deviation {spread:.4f})")
    known = processor(_known_samples(), sampling_rate=RATE, return_tensors="pt").input_features
    difference = hold_features(known[0].numpy(), bins)
    return passed(
        f"{spoken[0].path.name}: {len(audio) / RATE:.1f} s on {audio.device.type}, "
        f"features {bins} x {FRAMES}; a known sound's are right within {difference:.0e}",
        rms=power,
        spread=spread,
        device=str(audio.device),
        largest_difference=difference,
    )


@registry.check(
    "R5.4",
    "faster_whisper_features",
    expected="faster-whisper makes a known sound's known log-mel features for the converted model",
    fix="copy preprocessor_config.json from the original model, and look at the package lock",
    imports=("faster_whisper",),
    deadline=300,
    cuda=True,
)
def faster_whisper_features(settings: Settings, _progress: Progress) -> Outcome:
    model = load_faster_whisper(settings)
    bins = model.model.n_mels
    difference = hold_features(model.feature_extractor(_known_samples()), bins)
    return passed(
        f"{bins} mel bins of a known sound are right within {difference:.0e}",
        largest_difference=difference,
    )


def hold_features(found: Any, bins: int) -> float:
    """Hold features of the known sound against their definition; how far they are off at most."""
    import numpy

    wanted = whisper_features(known_sound.samples(), bins)
    frames = wanted.shape[1]
    require(
        found.shape[0] == bins and found.shape[1] >= frames,
        f"a known sound's features have the shape {tuple(found.shape)}, not {bins} x {frames} "
        "or more",
    )
    difference = float(numpy.abs(found[:, :frames].astype(numpy.float64) - wanted).max())
    require(
        difference <= FEATURE_TOLERANCE,
        f"a known sound's features differ by up to {difference:.3f} from their definition",
    )
    return difference


def _known_samples() -> Any:
    import numpy

    return numpy.array(known_sound.samples(), dtype=numpy.float32)


@registry.check(
    "R5.4",
    "resample_clip",
    expected="a clip that torchaudio takes to 8 or 48 kHz and back stays the same speech",
    fix="install the torchaudio that belongs to this torch",
    imports=("torch", "torchaudio", "faster_whisper"),
)
def resample_clip(settings: Settings, _progress: Progress) -> Outcome:
    import torch
    import torchaudio

    clips = load_clips(settings)
    if clips is None:
        return skipped(NO_CLIPS)
    spoken = clips.spoken
    if not spoken:
        return failed(NO_SPEECH, fix=GIVE_SPEECH)

    def resample(samples: Any, rate: int, other: int) -> Any:
        return torchaudio.functional.resample(torch.from_numpy(samples), rate, other).numpy()

    kept = there_and_back(decode(spoken[0].path), resample)
    sentence = ", ".join(f"{value} by way of {rate} Hz" for rate, value in kept.items())
    return passed(f"{spoken[0].path.name} correlates with itself: {sentence}", correlation=kept)


def there_and_back(audio: Any, resample: Callable[[Any, int, int], Any]) -> dict[str, float]:
    """How much a recording is like itself, by rate; CheckFailedError where it is another one.

    Only what 8 kHz can hold is looked at: the noise above it is not the resampler's to keep.
    """
    import numpy

    kept = low_pass(audio)
    share = float(numpy.square(kept).sum() / max(float(numpy.square(audio).sum()), 1e-12))
    require(
        share >= LEAST_SHARE,
        f"by way of 8000 Hz nothing of the clip is left: {share:.1%} of it is below {BAND:g} Hz",
    )
    found: dict[str, float] = {}
    for rate in RATES:
        there = resample(kept, RATE, rate)
        require(
            abs(len(there) / rate - len(kept) / RATE) < 0.01,
            f"{len(kept) / RATE:.2f} s became {len(there) / rate:.2f} s at {rate} Hz",
        )
        back = resample(there, rate, RATE)[: len(kept)]
        wanted = kept[: len(back)]
        same = float(back @ wanted / (numpy.linalg.norm(back) * numpy.linalg.norm(wanted) or 1.0))
        require(
            same >= LEAST_ALIKE,
            f"by way of {rate} Hz the clip correlates with itself by {same:.3f}",
        )
        found[str(rate)] = round(same, 5)
    return found


def low_pass(audio: Any) -> Any:
    """A recording without what is above the band of a telephone."""
    import numpy

    spectrum = numpy.fft.rfft(audio.astype(numpy.float64))
    spectrum[numpy.fft.rfftfreq(len(audio), 1 / RATE) > BAND] = 0.0
    return numpy.fft.irfft(spectrum, len(audio)).astype(numpy.float32)
