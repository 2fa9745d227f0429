# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R5 as far as it needs no torch: structure, judgement of texts, small services of all sorts."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stt_checks import (
    own_clips,
    r5_encoder,
    r5_loads,
    r5_service,
    r5_structure,
    transformers_texts,
)
from stt_checks.clips import Clip, load_clips
from stt_checks.outcome import CheckFailedError, Outcome
from stt_checks.settings import Expected, Settings

from tests.unit.model_files import safetensors, source_tensors, write_ctranslate2, write_source

Body = Callable[[Settings, Callable[[str], None]], Outcome]
GOOD = {"device": "cpu", "compute_type": "float32"}
SERVICE = """
import http.server, json, os, signal, sys, threading, time

plan = json.loads(sys.argv[1])
ready = time.monotonic() + plan.get("loads", 0.3)
loaded = bool(os.listdir(os.environ["STT_MODEL_PATH"])) or plan.get("lies", False)


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        healthy = plan.get("lies", False) or (loaded and time.monotonic() >= ready)
        self.answer(200 if healthy else 503, {"model": plan.get("model")} if healthy else {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        broken = len(body) < 1000 and b"RIFF" not in body
        if broken and plan.get("refuses", True):
            return self.answer(422, {"success": False})
        return self.answer(200, plan.get("transcript", {"success": True, "text": ""}))

    def log_message(self, *arguments):
        pass


address = os.environ["STT_HOST"], int(os.environ["STT_PORT"])
server = http.server.ThreadingHTTPServer(address, Handler)
if plan.get("stops", True):
    stop = lambda *a: threading.Thread(target=server.shutdown).start()
    signal.signal(signal.SIGTERM, stop)
else:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if plan.get("dies"):
    sys.exit(plan["dies"])
server.serve_forever()
sys.exit(plan.get("status", 0))
"""


def judge(body: Body, settings: Settings) -> Outcome:
    try:
        return body(settings, lambda *_doing: None)
    except CheckFailedError as error:
        return Outcome("failed", error.found, error.fix, error.evidence)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    root = tmp_path / "models"
    write_ctranslate2(root / "ctranslate2_model")
    (root / "a_b").mkdir()
    (root / "a_b" / "model.safetensors").write_bytes(safetensors(source_tensors()))
    for name in ("tokenizer.json", "preprocessor_config.json"):
        (root / "a_b" / name).write_bytes((root / "ctranslate2_model" / name).read_bytes())
    (tmp_path / "app" / "stt_engine").mkdir(parents=True)
    return Settings(root, "ctranslate2_model", "a_b", container=True, app=tmp_path / "app")


@pytest.fixture
def serving(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Settings]:
    """Settings whose service is a small program that behaves as its plan says."""
    monkeypatch.setattr(r5_service, "START_SECONDS", 5.0)
    monkeypatch.setattr(r5_service, "STOP_SECONDS", 1.5)
    monkeypatch.setattr(r5_service, "WATCH_SECONDS", 0.5)
    (tmp_path / "service.py").write_text(SERVICE)
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.wav").write_bytes(b"RIFF")
    clip = {
        "file": "a.wav",
        "kind": "speech",
        "text": "Good morning.",
        "language": "en",
        "model": "a/b",
        "limits": {"cer": 0.0, "wer": 0.0},
    }
    (tmp_path / "clips" / "clips.json").write_text(json.dumps([clip]))

    def of(**plan: Any) -> Settings:
        command = (sys.executable, str(tmp_path / "service.py"), json.dumps(plan))
        return replace(settings, service_command=command, clips=tmp_path / "clips")

    return of


def test_a_healthy_service_passes(serving: Callable[..., Settings]) -> None:
    outcome = judge(r5_service.service_health, serving(model=GOOD))
    assert outcome.status == "passed", outcome
    assert outcome.evidence["statuses"][-2:] == [200, 503]


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"model": None}, "/health names no model"),
        ({"model": {**GOOD, "device": "cuda"}}, "/health says device 'cuda' where 'cpu' was"),
        ({"model": {**GOOD, "compute_type": "int8"}}, "says compute_type 'int8'"),
        ({"model": GOOD, "stops": False}, "SIGTERM does not end it within 1.5 s"),
        ({"model": GOOD, "status": 3}, "SIGTERM ends it with exit status 3"),
        ({"loads": 60}, "does not become healthy within 5 s: its last answer is status 503"),
        ({"dies": 4}, "does not become healthy within 5 s: it ended with exit status 4"),
    ],
)
def test_a_service_that_is_not_as_it_should_be_fails(
    serving: Callable[..., Settings], plan: dict[str, Any], words: str
) -> None:
    outcome = judge(r5_service.service_health, serving(**plan))
    assert outcome.status == "failed"
    assert words in outcome.found


def test_a_service_without_a_model_must_not_be_healthy(serving: Callable[..., Settings]) -> None:
    good = judge(r5_service.service_without_model, serving(transcript={"success": False}, loads=0))
    # It answers 503 for health, but 200 for a recording.
    assert (good.status, good.found.split(":")[0]) == ("failed", "/transcribe without a model")
    lying = judge(r5_service.service_without_model, serving(lies=True))
    assert lying.found.startswith("/health without a model: status 200")
    gone = judge(r5_service.service_without_model, serving(dies=1))
    assert (gone.status, gone.found) == (
        "passed",
        "without a model it does not listen and ends with exit status 1",
    )


SPOKEN = {"success": True, "text": "Good morning.", "language": "en", "duration": 1.5}


@pytest.mark.parametrize(
    ("plan", "status", "words"),
    [
        ({"transcript": SPOKEN}, "passed", "1 clips are transcribed as spoken"),
        ({"transcript": {**SPOKEN, "success": False}}, "failed", "status 200 with"),
        ({"transcript": {**SPOKEN, "text": ""}}, "failed", "gave '' for 'Good morning.'"),
        ({"transcript": {**SPOKEN, "text": "Good evening."}}, "failed", "'Good evening.' for"),
        ({"transcript": {**SPOKEN, "language": "ko"}}, "failed", "in ko for en"),
        ({"transcript": SPOKEN, "refuses": False}, "failed", "no-audio.wav gets status 200"),
    ],
)
def test_transcripts_of_the_service_are_judged(
    serving: Callable[..., Settings], plan: dict[str, Any], status: str, words: str
) -> None:
    settings = serving(model=GOOD, **plan)
    outcome = judge(r5_service.service_transcribes, settings)
    assert (outcome.status, words in outcome.found) == (status, True), outcome
    for transcript in outcome.evidence.get("transcripts", []):
        recording = Path(str(settings.clips), transcript["clip"])
        assert transcript["sha256"] == hashlib.sha256(recording.read_bytes()).hexdigest()


def test_each_format_is_sent_whatever_clips_a_user_has(
    serving: Callable[..., Settings],
) -> None:
    """Their texts are another model's: that there is an answer counts, and nothing else."""
    outcome = judge(r5_service.service_transcribes, serving(model=GOOD, transcript=SPOKEN))
    assert outcome.status == "passed", outcome
    assert {one["clip"] for one in outcome.evidence["formats"]} == own_clips.FILES
    assert all(one["good"] and "expected" not in one for one in outcome.evidence["formats"])
    assert [one["clip"] for one in outcome.evidence["transcripts"]] == ["a.wav"]
    assert outcome.found.endswith("; 9 of the check archive's own get an answer")


def test_what_is_among_the_given_clips_is_not_sent_twice(settings: Settings) -> None:
    roles = Path(__file__).resolve().parents[3] / "roles"
    given = load_clips(replace(settings, clips=roles / "model_check/files/clips"))
    assert given is not None
    with own_clips.own_clips(settings, given) as none:
        assert none.clips == ()
    with own_clips.own_clips(settings, replace(given, clips=given.clips[:1])) as others:
        assert len(others.clips) == len(own_clips.FILES) - 1
        assert all(clip.path.is_file() for clip in others.clips)
        # Known for the model that they were made for, and for no other.
        assert others.known == []


def test_no_service_fails_in_a_container_and_is_skipped_elsewhere(settings: Settings) -> None:
    bare = replace(settings, app=Path("/no/such/app"))
    for body in (
        r5_service.service_health,
        r5_service.service_without_model,
        r5_service.service_transcribes,
        r5_structure.engine_diagnosis,
    ):
        assert judge(body, bare).status == "failed"
        assert judge(body, replace(bare, container=False)).status == "skipped"


def test_a_structure_that_does_not_fit_fails_with_every_finding(settings: Settings) -> None:
    wants = replace(settings, expected=Expected(quantization="float16"))
    assert judge(r5_structure.structure, wants).status == "passed"
    (wants.ctranslate2_path / "vocabulary.json").write_text("{}")
    (wants.ctranslate2_path / "preprocessor_config.json").unlink()
    outcome = judge(r5_structure.structure, wants)
    assert outcome.status == "failed"
    assert len(outcome.evidence["findings"]) == 2
    assert "vocabulary.json" in outcome.found
    assert "preprocessor_config.json" in outcome.found


def test_a_variable_of_another_name_than_the_original_gives_fails(settings: Settings) -> None:
    """As one flipped bit in a header leaves it: the file is well-formed, and a weight is gone."""
    write_source(settings.transformers_path)
    wants = replace(settings, expected=Expected(quantization="float16"))
    good = judge(r5_structure.structure, wants)
    assert good.status == "passed", good
    assert good.evidence["source_variables"] > 50
    path = wants.ctranslate2_path / "model.bin"
    data = path.read_bytes()
    name = b"encoder/layer_1/ffn/linear_0/weight"
    path.write_bytes(data.replace(name, b"encofer" + name[7:]))
    outcome = judge(r5_structure.structure, wants)
    assert outcome.status == "failed"
    assert "1 variables missing: encoder/layer_1/ffn/linear_0/weight" in outcome.found
    assert "1 unknown variables: encofer/layer_1/ffn/linear_0/weight" in outcome.found
    # Without the original beside it nobody knows which names there are.
    alone = replace(wants, original_given=False)
    assert judge(r5_structure.structure, alone).status == "passed"


def test_any_number_of_mel_bins_passes_that_is_the_originals(settings: Settings) -> None:
    write_ctranslate2(settings.ctranslate2_path, mel_bins=80)
    original = settings.transformers_path
    (original / "preprocessor_config.json").unlink()
    outcome = judge(r5_structure.structure, settings)
    assert (outcome.status, "80 mel bins" in outcome.found) == ("passed", True)
    for name, document in (
        ("preprocessor_config.json", {"feature_size": 80}),
        ("config.json", {"num_mel_bins": 80}),
    ):
        (original / name).write_text(json.dumps(document))
        assert judge(r5_structure.structure, settings).status == "passed"
    (original / "config.json").write_text('{"num_mel_bins": 128}')
    outcome = judge(r5_structure.structure, settings)
    assert (outcome.status, "needed feature_size 128" in outcome.found) == ("failed", True)
    told = replace(settings, expected=Expected(mel_bins=80))
    assert judge(r5_structure.structure, told).status == "passed"


def test_a_size_that_the_original_does_not_give_fails(settings: Settings) -> None:
    wants = replace(settings, expected=Expected(quantization="float16"))
    assert judge(r5_structure.size_fits_source, wants).status == "passed"
    with (wants.ctranslate2_path / "model.bin").open("ab") as stream:
        stream.write(bytes(200_000))
    assert "were expected" in judge(r5_structure.size_fits_source, wants).found
    (wants.transformers_path / "model.safetensors").write_bytes(b"<html>")
    assert "the original's weights" in judge(r5_structure.size_fits_source, wants).found
    unknown = replace(settings, expected=Expected())
    assert judge(r5_structure.size_fits_source, unknown).status == "skipped"


def test_the_size_is_that_of_the_type_which_the_converter_loads(settings: Settings) -> None:
    """int8 keeps the other values in the type that config.json names, not in the stored one."""
    wants = replace(settings, expected=Expected(quantization="int8"))
    weights = safetensors({**source_tensors(), "model.encoder.conv1.bias": (90_000,)})
    (settings.transformers_path / "model.safetensors").write_bytes(weights)
    config = settings.transformers_path / "config.json"
    sizes = {}
    for kind in ("float16", "float32"):
        config.write_text(json.dumps({"torch_dtype": kind}))
        outcome = judge(r5_structure.size_fits_source, wants)
        assert outcome.status == "passed", outcome
        sizes[kind] = outcome.evidence["most"]
    assert sizes["float32"] - sizes["float16"] >= 2 * 90_000


def test_an_output_projection_that_is_the_embeddings_counts_once(settings: Settings) -> None:
    """As a fine-tuned model stores it, by names with the prefix and this one without."""
    path = settings.transformers_path
    alone = r5_loads.stored_parameters(path, tied=True)
    tensors = {**source_tensors(), "proj_out.weight": (20, 4)}
    (path / "model.safetensors").write_bytes(safetensors(tensors))
    assert r5_loads.stored_parameters(path, tied=True) == alone
    assert r5_loads.stored_parameters(path, tied=False) == alone + 80


def test_another_tokenizer_fails(settings: Settings) -> None:
    assert judge(r5_structure.same_tokenizer, settings).status == "passed"
    (settings.ctranslate2_path / "tokenizer.json").write_text("{}")
    assert "differs from" in judge(r5_structure.same_tokenizer, settings).found


@pytest.mark.parametrize(
    ("report", "words"),
    [
        ({"errors": ["vocabulary.json is missing"]}, "1 errors: vocabulary.json is missing"),
        ({"errors": [], "valid": False}, "it calls the model invalid without an error"),
        ({"valid": True}, "no errors entry"),
        (["fine"], "it returned a list"),
    ],
)
def test_the_engines_own_diagnosis_is_heard(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, report: Any, words: str
) -> None:
    class Engine:
        @staticmethod
        def diagnose_faster_whisper_model(_path: str) -> Any:
            return report

    monkeypatch.setitem(sys.modules, "stt_engine", Engine)
    monkeypatch.setattr(sys, "path", [*sys.path])
    outcome = judge(r5_structure.engine_diagnosis, settings)
    assert (outcome.status, words in outcome.found) == ("failed", True)


def clip(kind: str = "speech", language: str | None = "en", name: str = "a") -> Clip:
    return Clip(Path(f"{name}.wav"), kind, "x", language, "a/b", 0.0, 0.0)


def test_transformers_gets_one_language_and_kind_at_a_time() -> None:
    clips = [clip(), clip("long"), clip(language="ko"), clip(), clip("long"), clip()]
    groups = transformers_texts.batches(clips, 2)
    assert sorted(len(group) for group in groups) == [1, 1, 1, 1, 2]
    assert [one for group in groups for one in group if one.kind == "long"] == [clips[1], clips[4]]
    assert all(len({(one.kind, one.language) for one in group}) == 1 for group in groups)


@pytest.mark.parametrize(
    ("layers", "heads", "width", "gigabytes", "most"),
    [(4, 6, 384, 0.9, 8), (32, 20, 1280, 6.8, 1), (4, 20, 1280, 3.9, 8), (24, 16, 1024, 3.7, 8)],
    ids=["tiny", "large-v3", "large-v3-turbo", "medium"],
)
def test_transformers_gets_as_many_at_once_as_memory_allows(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    layers: int,
    heads: int,
    width: int,
    gigabytes: float,
    most: int,
) -> None:
    """With the sizes that the public models have, their weights in float32 already loaded."""
    config = SimpleNamespace(
        decoder_layers=layers,
        encoder_attention_heads=heads,
        d_model=width,
        encoder_ffn_dim=4 * width,
        max_source_positions=1500,
    )
    monkeypatch.setattr(transformers_texts, "resident_bytes", lambda: int(gigabytes * 1e9))
    bounded = replace(settings, memory_bytes=8_000_000_000)
    found = transformers_texts.batch_size(bounded, config)
    assert found == most
    assert transformers_texts.batch_size(replace(bounded, memory_bytes=1), config) == 1
    assert transformers_texts.batch_size(settings, config) == 1
    assert transformers_texts.batch_size(replace(settings, gpu_given=True), config) == 8


def test_the_bound_of_the_encoder_is_that_of_the_coarsest_type() -> None:
    assert r5_encoder.least_cosine("float32", "float32") == 0.9999
    assert r5_encoder.least_cosine("float32", "float16") == 0.999
    assert r5_encoder.least_cosine("int8_float32", "int8_float16") == 0.99
    assert r5_encoder.least_cosine("float16", "int8") == 0.99
    assert r5_encoder.least_cosine("float32", "bfloat16") == 0.99
