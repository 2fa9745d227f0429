# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R5.9 as far as it needs no torch: when it is planned, what it is told, and how it ends early."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
from stt_checks import catalogue, hearing_time, memory, r5_quantizations, reference
from stt_checks.clips import Clip, Clips
from stt_checks.outcome import CheckFailedError, Outcome
from stt_checks.r5_transcripts import usable_clips
from stt_checks.reference import Reference
from stt_checks.registry import Check
from stt_checks.settings import Settings, SettingsError, load_settings

from tests.unit.model_files import write_ctranslate2

CHECKS = Path(__file__).resolve().parents[3] / "checks"
SLIM = "the slim variant has no torch and no transformers"
NAMES = ["reference_float32", "quantization_float16", "quantization_int8"]


def listed(directory: Path) -> list[dict[str, Any]]:
    return [
        {
            "path": path.name,
            "size": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(directory.iterdir())
    ]


@pytest.fixture
def spec(tmp_path: Path) -> dict[str, Any]:
    """What the module tells: a served float16 conversion and one to int8."""
    root = tmp_path / "models"
    served = write_ctranslate2(root / "ctranslate2_model", "float16")
    other = write_ctranslate2(root / "quantizations" / "int8", "int8_float16")
    (root / "a_b").mkdir()
    return {
        "models": {
            "root": str(root),
            "ctranslate2": "ctranslate2_model",
            "transformers": "a_b",
            "files": {"ctranslate2": listed(served)},
            "alternatives": [
                {"quantization": "int8", "path": "quantizations/int8", "files": listed(other)}
            ],
        },
        "expected": {"quantization": "float16"},
    }


@pytest.fixture
def settings(spec: dict[str, Any], tmp_path: Path) -> Settings:
    clip = {
        "file": "a.wav",
        "kind": "speech",
        "text": "Good morning.",
        "language": "en",
        "model": "a/b",
        "limits": {"cer": 0.0, "wer": 0.0},
    }
    clips, scratch = tmp_path / "clips", tmp_path / "scratch"
    clips.mkdir()
    scratch.mkdir()
    (clips / "a.wav").write_bytes(b"RIFF")
    (clips / "clips.json").write_text(json.dumps([clip]))
    return replace(load_settings(spec, models=None, clips=clips), scratch=scratch)


def compared(settings: Settings) -> dict[str, Check]:
    return {check.name: check for check in catalogue.checks("R5", settings) if check.id == "R5.9"}


def judge(check: Check, settings: Settings) -> Outcome:
    try:
        return check.run(settings, lambda *_doing: None)
    except CheckFailedError as error:
        return Outcome("failed", error.found, error.fix, error.evidence)


def test_it_is_planned_only_where_there_is_something_to_compare(settings: Settings) -> None:
    assert list(compared(settings)) == NAMES
    assert [check.name for check in catalogue.checks(None, settings)][-3:] == NAMES
    alone = replace(settings, alternatives=())
    assert alone.conversions == ()
    assert catalogue.checks("R5", alone) == catalogue.checks("R5")
    assert not [check for check in catalogue.checks("R4", settings) if check.id == "R5.9"]


def test_the_served_conversion_comes_first(settings: Settings) -> None:
    served, other = settings.conversions
    assert (served.quantization, served.directory) == ("float16", "ctranslate2_model")
    assert (other.quantization, other.directory) == ("int8", "quantizations/int8")
    assert {entry["path"] for entry in served.files} >= {"model.bin", "tokenizer.json"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda spec: spec["models"]["alternatives"].append({}), "malformed"),
        (lambda spec: spec["models"]["alternatives"].append("int8"), "malformed"),
        (lambda spec: spec["models"]["alternatives"][0].pop("files"), "malformed"),
        (lambda spec: spec["models"]["alternatives"][0].update(files=None), "malformed"),
        (
            lambda spec: spec["models"]["alternatives"].append(spec["models"]["alternatives"][0]),
            "only once",
        ),
        (lambda spec: spec["expected"].update(quantization="int8"), "only once"),
        (lambda spec: spec["expected"].clear(), "name each"),
        (lambda spec: spec["models"]["files"].clear(), "no list of files"),
    ],
)
def test_a_comparison_of_something_unknown_is_refused(
    spec: dict[str, Any], change: Callable[[dict[str, Any]], Any], words: str
) -> None:
    change(spec)
    with pytest.raises(SettingsError, match=words):
        load_settings(spec, models=None, clips=None)


@pytest.mark.parametrize(
    ("quantization", "cpu", "bound"),
    [
        ("float32", "float32", 0.9999),
        ("float16", "float32", 0.999),
        ("bfloat16", "float32", 0.99),
        ("int8", "int8_float32", 0.99),
        ("int8_float16", "int8_float32", 0.99),
    ],
)
def test_a_cpu_is_asked_for_what_it_has_and_a_gpu_for_what_is_stored(
    settings: Settings, quantization: str, cpu: str, bound: float
) -> None:
    gpu = replace(settings, gpu_given=True)
    assert r5_quantizations.compute_type(settings, quantization) == cpu
    assert r5_quantizations.compute_type(gpu, quantization) == quantization
    named = replace(
        settings, alternatives=(replace(settings.alternatives[0], quantization=quantization),)
    )
    sentence = compared(named)[f"quantization_{quantization}"].expected(named)
    assert f"computes in {cpu} on cpu" in sentence
    assert sentence.endswith(f"of at least {bound}")


def test_without_a_reference_a_comparison_fails_and_says_so(settings: Settings) -> None:
    for name in NAMES[1:]:
        outcome = judge(compared(settings)[name], settings)
        assert outcome.status == "failed"
        assert outcome.found == "R5.9 reference_float32 left no reference to compare with"
        assert outcome.evidence["bytes"] > 0
        assert outcome.evidence["encoder_cosine"] is None


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (lambda model: (model / "tokenizer.json").unlink(), "tokenizer.json is missing"),
        (lambda model: (model / "more").write_text("x"), "more is in no manifest"),
        (lambda model: (model / "config.json").write_text("{}"), "config.json has 2 bytes"),
    ],
)
def test_files_that_differ_from_the_manifest_fail_one_conversion_only(
    settings: Settings, plant: Callable[[Path], Any], words: str
) -> None:
    plant(settings.models / "quantizations/int8")
    outcome = judge(compared(settings)["quantization_int8"], settings)
    assert (outcome.status, words in outcome.found) == ("failed", True)
    assert (outcome.evidence["quantization"], outcome.evidence["bytes"]) == ("int8", None)
    assert "left no reference" in judge(compared(settings)["quantization_float16"], settings).found


def test_weights_of_another_type_fail_by_their_structure(settings: Settings) -> None:
    path = write_ctranslate2(settings.models / "quantizations/int8", "float32")
    files = tuple(listed(path))
    swapped = replace(settings, alternatives=(replace(settings.alternatives[0], files=files),))
    outcome = judge(compared(swapped)["quantization_int8"], swapped)
    assert "weights stored as float32, needed weights stored as int8" in outcome.found
    assert outcome.evidence["bytes"] == sum(file["size"] for file in files)


def test_the_slim_variant_makes_no_reference_and_says_why(settings: Settings) -> None:
    slim = replace(settings, variant="slim")
    outcome = judge(compared(slim)["reference_float32"], slim)
    assert (outcome.status, outcome.found) == ("skipped", SLIM)
    assert not list(settings.scratch.iterdir() if settings.scratch else [])


def only(settings: Settings, *clips: tuple[str, str | None, str]) -> Settings:
    """The settings with other clips: name, text and model of each."""
    assert settings.clips is not None
    entries = [
        {
            "file": name,
            "kind": name.partition(".")[0].rstrip("12"),
            "text": text,
            "language": "en",
            "model": model,
            "limits": {"cer": 0.0, "wer": 0.0},
        }
        for name, text, model in clips
    ]
    (settings.clips / "clips.json").write_text(json.dumps(entries))
    for name, _text, _model in clips:
        (settings.clips / name).write_bytes(b"RIFF")
    return settings


@pytest.mark.parametrize(
    ("clips", "compared"),
    [
        ([("long.wav", "x", "a/b"), ("silence.wav", None, "a/b")], ["long.wav", "silence.wav"]),
        ([("speech.wav", "x", "c/d"), ("long.wav", "x", "c/d")], ["speech.wav"]),
        ([("silence.wav", None, "a/b"), ("long.wav", "x", "c/d")], ["long.wav"]),
    ],
)
def test_what_is_there_is_compared(
    settings: Settings, clips: list[tuple[str, str | None, str]], compared: list[str]
) -> None:
    found = usable_clips(only(settings, *clips))
    assert isinstance(found, Clips)
    assert [clip.path.name for clip in r5_quantizations.compared_clips(found)] == compared


class Model:
    """Loads, says nothing, and keeps how it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.logprob = -0.2
        self.model = SimpleNamespace(device="cpu", compute_type="float32")

    def transcribe(self, _audio: Any, **options: Any) -> tuple[list[Any], Any]:
        self.asked.append(options)
        segment = SimpleNamespace(
            text="Yes.", start=0.0, end=1.0, avg_logprob=self.logprob, no_speech_prob=0.01
        )
        return [segment], SimpleNamespace(language="en", duration=1.0)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    made = Model()
    monkeypatch.setattr(r5_quantizations, "load_faster_whisper", lambda *_arguments: made)
    for module in (r5_quantizations, hearing_time):
        monkeypatch.setattr(module, "decode", lambda _path: bytes(160_000))
    monkeypatch.setattr(r5_quantizations, "encoder_cosine", lambda *_arguments: 1.0)
    return made


@pytest.mark.parametrize("variant", ["full", "slim"])
def test_nothing_but_silence_is_no_comparison(
    settings: Settings, model: Model, variant: Any
) -> None:
    silent = replace(only(settings, ("silence.wav", None, "a/b")), variant=variant)
    checks = compared(silent)
    for name in ("quantization_float16", NAMES[0]):
        outcome = judge(checks[name], silent)
        assert outcome.status == "failed"
        assert "found no clip in which somebody speaks" in outcome.found
    assert not model.asked


def test_the_agreement_is_about_the_weights_and_the_time_about_long_recordings(
    settings: Settings, model: Model
) -> None:
    clips = [(name, "Yes.", "a/b") for name in ("speech.wav", "long.wav")]
    chosen = only(settings, *clips, ("silence.wav", None, "c/d"))
    assert chosen.scratch is not None
    encoded = numpy.zeros((1, 2), dtype=numpy.float32)
    texts = {"speech.wav": "Yes.", "long.wav": "Yet."}
    reference.keep(chosen.scratch, Reference(texts, {"speech.wav": (encoded, encoded)}))
    outcome = judge(compared(chosen)["quantization_float16"], chosen)
    assert outcome.status == "passed", outcome
    assert outcome.evidence["text_agreement"] == pytest.approx(5 / 6, abs=1e-6)
    assert outcome.evidence["audio_seconds"] == 10.0
    as_served = {"task": "transcribe", "beam_size": 5}
    greedy = {
        "task": "transcribe",
        "language": "en",
        "beam_size": 1,
        "temperature": 0.0,
        "condition_on_previous_text": False,
    }
    assert model.asked == [
        as_served,
        {**greedy, "without_timestamps": True},
        as_served,
        {**greedy, "without_timestamps": False},
    ]


@pytest.mark.parametrize(
    ("logprob", "status", "words"),
    [
        (-0.9, "passed", "loaded in"),
        (-1.2, "failed", "half of 1 texts have a mean log-probability of -1.20 or less"),
        (-2.5, "failed", "1 of 1 clips are wrong: speech.wav gave"),
    ],
)
def test_a_text_that_nobody_has_set_needs_a_decoder_that_is_sure(
    settings: Settings, model: Model, logprob: float, status: str, words: str
) -> None:
    """The same text, where it is known, is judged by itself."""
    model.logprob = logprob
    unknown = only(settings, ("speech.wav", "Something else.", "c/d"))
    assert unknown.scratch is not None
    encoded = numpy.zeros((1, 2), dtype=numpy.float32)
    reference.keep(
        unknown.scratch, Reference({"speech.wav": "Yes."}, {"speech.wav": (encoded, encoded)})
    )
    outcome = judge(compared(unknown)["quantization_float16"], unknown)
    assert (outcome.status, words in outcome.found) == (status, True), outcome
    assert outcome.evidence["transcripts"][0]["avg_logprob"] == logprob
    known = only(settings, ("speech.wav", "Yes.", "a/b"))
    assert judge(compared(known)["quantization_float16"], known).status == "passed"


def test_an_english_only_model_is_compared_in_english(settings: Settings, model: Model) -> None:
    chosen = only(settings, ("speech1.wav", "Yes.", "a/b"), ("speech2.wav", "네.", "a/b"))
    assert chosen.clips is not None and chosen.scratch is not None
    listed_clips = json.loads((chosen.clips / "clips.json").read_text())
    listed_clips[1]["language"] = "ko"
    (chosen.clips / "clips.json").write_text(json.dumps(listed_clips))
    (chosen.transformers_path / "generation_config.json").write_text('{"is_multilingual": false}')
    encoded = numpy.zeros((1, 2), dtype=numpy.float32)
    texts = {"speech1.wav": "Yes."}
    reference.keep(chosen.scratch, Reference(texts, {"speech1.wav": (encoded, encoded)}))
    outcome = judge(compared(chosen)["quantization_float16"], chosen)
    assert outcome.status == "passed", outcome
    assert outcome.found.endswith("; left out, as the model knows only English: 1 in ko")
    assert outcome.evidence["left_out"] == ["speech2.wav"]
    assert outcome.evidence["clips"] == 1
    assert len(model.asked) == 2


def test_a_reference_is_read_as_it_was_kept_or_is_not_there(tmp_path: Path) -> None:
    assert reference.read(tmp_path) is None
    (tmp_path / "reference.part").mkdir()
    assert reference.read(tmp_path) is None
    (tmp_path / "reference.part").rmdir()
    features = numpy.arange(6, dtype=numpy.float32).reshape(1, 2, 3)
    texts = {"a.flac": "안녕하세요", "b.flac": ""}
    reference.keep(tmp_path, Reference(texts, {"a.flac": (features, features * 2)}))
    found = reference.read(tmp_path)
    assert found is not None
    assert found.texts == texts
    ((name, (kept, output)),) = found.encoded.items()
    assert name == "a.flac"
    assert (kept == features).all()
    assert (output == features * 2).all()


def test_agreement_counts_letters_over_all_spoken_clips() -> None:
    def clip(name: str, text: str | None) -> Clip:
        return Clip(Path(name), "speech" if text else "silence", text, "en", "a/b", 0.0, 0.0)

    clips = [clip("a", "x"), clip("b", "x"), clip("silent", None)]
    wanted = Reference({"a": "Good morning.", "b": "Yes", "silent": ""}, {})
    agree = r5_quantizations._agreement
    assert agree(clips, wanted, {"a": "good morning", "b": "yes!", "silent": "noise"}) == 1.0
    # One letter of fifteen.
    texts = {"a": "good mourning", "b": "yes"}
    assert agree(clips, wanted, texts) == pytest.approx(1 - 1 / 15, abs=1e-6)
    assert agree(clips, wanted, {"a": "z" * 99, "b": ""}) == 0.0


def test_the_process_knows_its_memory() -> None:
    before = memory.resident_bytes()
    held = bytearray(b"x" * 40_000_000)
    assert memory.resident_bytes() - before > 30_000_000
    assert len(held) == 40_000_000


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "checks.pyz"
    with zipfile.ZipFile(path, "w") as packed:
        for file in sorted(path for path in CHECKS.rglob("*.*") if path.suffix != ".pyc"):
            packed.write(file.resolve(), file.relative_to(CHECKS))
    return path


@pytest.mark.parametrize("gpu", [False, True], ids=["forked", "started anew"])
def test_the_plan_that_is_printed_has_them(spec: dict[str, Any], archive: Path, gpu: bool) -> None:
    """In processes with nothing but the standard library: planned, run, none lost."""
    spec["gpu_given"] = gpu

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-S", str(archive), "--spec", "-", *arguments]
        return subprocess.run(
            command, input=json.dumps(spec), capture_output=True, text=True, check=False
        )

    steps = [f"R5.9/{name}" for name in NAMES]
    done = run(*(f"--only={step}" for step in steps))
    first, *results, last = (json.loads(line) for line in done.stdout.splitlines())
    assert [f"{one['id']}/{one['name']}" for one in first["planned"]] == steps
    assert [f"{one['id']}/{one['name']}" for one in results] == steps
    assert last["finished"]["results"] == len(steps)
    assert {one["status"] for one in results} <= {"failed", "error", "skipped"}
    assert [line for line in run("--list").stdout.splitlines() if line.startswith("R5.9 ")] == [
        step.replace("/", " ") for step in steps
    ]
    spec["models"]["alternatives"] = []
    assert run(f"--only={steps[1]}").returncode == 2


def test_a_process_started_anew_finds_the_reference_of_its_run(
    spec: dict[str, Any], settings: Settings, archive: Path, tmp_path: Path
) -> None:
    assert settings.scratch is not None
    encoded = numpy.zeros((1, 2), dtype=numpy.float32)
    reference.keep(settings.scratch, Reference({"a.wav": "x"}, {"a.wav": (encoded, encoded)}))
    path = tmp_path / "spec.json"
    path.write_text(json.dumps({**spec, "clips": str(settings.clips)}))

    def found(*arguments: str) -> str:
        command = [sys.executable, str(archive), f"--spec={path}", "--result-fd=1", *arguments]
        done = subprocess.run(
            [*command, "--only=R5.9/quantization_int8"], capture_output=True, text=True, check=True
        )
        return str(json.loads(done.stdout.splitlines()[-1])["found"])

    lost = "left no reference to compare with"
    assert lost in found()
    assert lost not in found(f"--scratch={settings.scratch}")
