# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The negative controls: none is missing, each runs its gates, and a gate that is dead is seen."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stt_checks import catalogue, control_files, r5_quantizations, r5_service, self_test
from stt_checks._model_bin import read_model_bin
from stt_checks.control import PLACE, Control, NotPlantableError, Plant, fails
from stt_checks.error_rate import character_error_rate
from stt_checks.outcome import Outcome
from stt_checks.registry import Check
from stt_checks.self_test import SelfTest, all_controls, document_of, without_control
from stt_checks.settings import Conversion, Expected, Settings, load_settings

from ansible_collections.stt.engine.plugins.module_utils._check_words import in_korean
from tests.unit.model_files import safetensors, source_tensors, write_ctranslate2

SERVICE = "R5.7/service_transcribes"
CHECKOUT = Path(__file__).resolve().parents[3]
PROGRAM = CHECKOUT / "checks"
PAGE = CHECKOUT / "docs" / "verdict.md"
CLIPS = CHECKOUT / "roles" / "model_check" / "files" / "clips"
BEGIN = "<!-- begin of controls: what tests/unit/checks/test_self_test.py wants -->\n"
END = "<!-- end of controls -->"
COMPARED = re.compile(r"(quantization_|conversion to )(int8|float32)")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    root = tmp_path / "models"
    write_ctranslate2(root / "ctranslate2_model")
    (root / "a_b").mkdir()
    (root / "a_b" / "model.safetensors").write_bytes(safetensors(source_tensors()))
    for name in ("tokenizer.json", "preprocessor_config.json"):
        (root / "a_b" / name).write_bytes((root / "ctranslate2_model" / name).read_bytes())
    return root


def planned() -> Settings:
    """Settings that call for every check there is."""
    return Settings(
        Path("/models"),
        "served",
        "original",
        expected=Expected(quantization="int8"),
        alternatives=(Conversion("float32", "quantizations/float32", ()),),
        accept_transcripts=True,
    )


def run(root: Path, phase: str, *names: str, **changes: Any) -> dict[str, dict[str, Any]]:
    """The rows of some controls, by gate."""
    spec: dict[str, Any] = {"models": {"root": str(root)}, **changes}
    settings = load_settings(spec, models=None, clips=None)
    test = SelfTest(document_of(settings, spec), settings, phase, PROGRAM)
    rows: list[dict[str, Any]] = []
    test.run(test.chosen(PLACE, names), rows.append)
    return {f"{row['id']}/{row['name']}": row for row in rows}


def serve(models: Path, name: str, **changes: Any) -> dict[str, Any]:
    """How the gate that a control of the service is for ended; clips have texts of no model."""
    app = models.parent / "app"
    (app / "stt_engine").mkdir(parents=True, exist_ok=True)
    rows = run(models, "R5", name, clips=str(CLIPS), paths={"app": str(app)}, **changes)
    assert len(rows) == 1
    return rows.popitem()[1]


@pytest.mark.parametrize("phase", ["R2", "R4", "R5"])
def test_every_gate_has_a_control_or_a_reason(phase: str) -> None:
    settings = planned()
    shown = {key for control in all_controls(settings) for key in control.gates}
    without = without_control()
    gates = {check.key for check in catalogue.checks(phase, settings)}
    assert gates - shown - without.keys() == set()
    assert not shown & without.keys()
    assert all(without.values())


def test_no_control_speaks_of_a_gate_that_is_not_there() -> None:
    settings = planned()
    gates = {check.key for check in catalogue.checks(None, settings)}
    controls = all_controls(settings)
    assert {key for control in controls for key in control.gates} <= gates
    assert without_control().keys() <= gates
    names = [control.name for control in controls]
    assert len(set(names)) == len(names)
    assert all(control.planted and control.gates for control in controls)


def table() -> str:
    """Each gate with what is planted for it, by name."""
    settings = planned()
    rows: dict[str, list[str]] = {}
    for check in catalogue.checks(None, settings):
        name = COMPARED.sub(r"\1*", f"{check.id} `{check.name}`")
        for control in all_controls(settings):
            if check.key in control.gates:
                planted = COMPARED.sub(r"\1each type", control.planted_for(check.key))
                rows.setdefault(name, []).append(planted)
        if check.key in without_control():
            rows[name] = [f"nothing: {without_control()[check.key]}"]
    lines = [
        f"| {name} | {'; '.join(dict.fromkeys(said))} |" for name, said in sorted(rows.items())
    ]
    return "\n".join(["| check | planted |", "|---|---|", *lines, ""])


def test_whatever_is_planted_is_told_in_korean() -> None:
    planted = {
        control.planted_for(key) for control in all_controls(planned()) for key in control.gates
    }
    parts = {part for said in planted for part in said.split("; ")}
    assert not [part for part in sorted(parts) if in_korean(part) is None]


def test_the_page_names_what_is_planted_for_each_gate() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert BEGIN in page
    assert page.partition(BEGIN)[2].partition(END)[0] == table()


def test_the_gates_fail_on_what_is_planted_and_name_it(models: Path) -> None:
    rows = run(models, "R5", "truncated_model", "vocabulary_object", "missing_preprocessor")
    structure = rows["R5.1/structure"]
    assert (structure["status"], structure["as_planted"]) == ("failed", True)
    assert rows["R5.1/same_tokenizer"]["as_planted"] is True
    # Nothing is left of it, and the models are what they were.
    assert sorted(path.name for path in models.iterdir()) == ["a_b", "ctranslate2_model"]
    assert run(models, "R4", "empty_file")["R4.2/models_present"]["as_planted"] is True


def test_a_flipped_weight_is_one_bit(models: Path) -> None:
    path = models / "ctranslate2_model" / "model.bin"
    before = path.read_bytes()
    flip = control_files.flip_weight(path)
    after = path.read_bytes()
    different = [
        at for at, (one, other) in enumerate(zip(before, after, strict=True)) if one != other
    ]
    assert different == [flip.offset]
    assert (before[flip.offset] ^ after[flip.offset]).bit_count() == 1
    # It is a weight, and the file is as well-formed as before.
    assert flip.variable.startswith("encoder/")
    assert read_model_bin(path).variables.keys() >= {flip.variable}


def test_a_hash_gate_sees_the_flipped_weight(models: Path) -> None:
    files = {
        kind: [
            {"path": path.name, "size": path.stat().st_size, "sha256": digest(path)}
            for path in sorted((models / name).iterdir())
        ]
        for kind, name in (("ctranslate2", "ctranslate2_model"), ("transformers", "a_b"))
    }
    described = {"root": str(models), "files": files, "original": True}
    for name in ("flipped_weight", "extra_file"):
        rows = run(models, "R4", name, models=described)
        row = rows["R4.2/models_hashes"]
        assert (row["status"], row["as_planted"]) == ("failed", True), row


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def dead(check: Check) -> Check:
    """The same check, but it passes whatever it is shown."""
    return replace(check, run=lambda _settings, _progress: Outcome("passed", "all is well"))


def test_a_gate_that_cannot_fail_is_seen(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    living = catalogue.checks

    def checks(*arguments: Any) -> list[Check]:
        return [
            dead(check) if check.key == "R5.1/structure" else check for check in living(*arguments)
        ]

    monkeypatch.setattr(self_test.catalogue, "checks", checks)
    row = run(models, "R5", "truncated_model")["R5.1/structure"]
    assert (row["status"], row["found"], row["as_planted"]) == ("passed", "all is well", False)


@pytest.mark.parametrize(
    "name",
    [
        *("early_service", "service_elsewhere", "service_of_another_type", "badly_ending_service"),
        *("service_that_transcribes_nothing", "service_that_gives_up"),
        *("inventing_service", "service_in_another_language", "unsure_service", "choosy_service"),
        *("doubting_service", "speaking_service", "obliging_service", "untold_certainty"),
    ],
)
def test_each_lie_of_a_service_is_found_by_the_judgement_it_is_for(models: Path, name: str) -> None:
    row = serve(models, name)
    assert (row["status"], row["as_planted"]) == ("failed", True), row


def test_another_engine_is_not_asked_what_it_need_not_say(models: Path) -> None:
    changes = {"variant": "foreign", "expected": {"port": free_port()}}
    for name in ("early_service", "untold_certainty"):
        row = serve(models, name, **changes)
        assert (row["status"], row["left_out"]) == ("skipped", True), row
    for name in ("inventing_service", "obliging_service", "service_in_another_language"):
        assert serve(models, name, **changes)["as_planted"] is True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def good(body: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """The same judgement, but whatever it is shown is good."""

    def judge(*arguments: Any, **named: Any) -> dict[str, Any]:
        return {**body(*arguments, **named), "good": True}

    return judge


def test_a_service_whose_texts_nobody_compares_is_seen(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(r5_service, "held", good(r5_service.held))
    # A text that somebody has typed is still judged, and so is an answer that says it failed.
    assert serve(models, "speaking_service")["as_planted"] is True
    for name in ("inventing_service", "service_in_another_language"):
        row = serve(models, name)
        assert (row["status"], row["as_planted"]) == ("failed", False), row
        # Broken audio comes after all clips: they were let pass.
        assert row["found"].startswith("no-audio.wav gets status 200")


def test_a_service_that_may_take_anything_for_audio_is_seen(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(r5_service, "_refusals", lambda _service: {})
    row = serve(models, "obliging_service")
    assert (row["status"], row["as_planted"]) == ("passed", False), row


def compared(models: Path) -> dict[str, Any]:
    """What a module tells of a model whose conversion was compared with another."""
    write_ctranslate2(models / "float32", "float32")

    def files(name: str) -> list[dict[str, Any]]:
        return [
            {"path": path.name, "size": path.stat().st_size, "sha256": digest(path)}
            for path in sorted((models / name).iterdir())
        ]

    return {
        "models": {
            "root": str(models),
            "ctranslate2": "ctranslate2_model",
            "transformers": "a_b",
            "files": {"ctranslate2": files("ctranslate2_model")},
            "alternatives": [
                {"quantization": "float32", "path": "float32", "files": files("float32")}
            ],
        },
        "expected": {"quantization": "int8_float16"},
    }


def test_a_sealed_damage_is_past_the_hashes(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = compared(models)
    rows = run(models, "R5", "resealed_vocabulary", **told)
    assert rows.keys() == {"R5.9/quantization_float32", "R5.9/quantization_int8_float16"}
    assert all(row["as_planted"] for row in rows.values()), rows
    # With nothing but hashes left the control is no longer found, although flipped bits are.
    monkeypatch.setattr(r5_quantizations, "require_structure", lambda *_any: {})
    rows = run(models, "R5", "resealed_vocabulary", **told)
    assert not any(row["as_planted"] for row in rows.values()), rows
    assert run(models, "R5", "flipped_float32", **told).popitem()[1]["as_planted"] is True


def planted_clips(models: Path, name: str, *given: dict[str, Any]) -> list[dict[str, Any]]:
    """What one control puts in the place of a user's own clips, each one recording."""
    clips = models.parent / "given"
    clips.mkdir()
    for one in given:
        (clips / one["file"]).write_bytes(b"fLaC of " + one["file"].encode())
    (clips / "clips.json").write_text(json.dumps(given))
    spec = {"models": {"root": str(models)}, "clips": str(clips)}
    settings = load_settings(spec, models=None, clips=None)
    place = models.parent / "place"
    place.mkdir()
    plant = Plant(document_of(settings, spec), settings, place)
    (control,) = [one for one in all_controls(settings) if one.name == name]
    control.arrange(plant)
    planted: list[dict[str, Any]] = json.loads((place / "clips" / "clips.json").read_text())
    return planted


THANKS = "이용해 주셔서 감사합니다."


@pytest.mark.parametrize("language", ["ko", "en", "ja", None])
def test_a_recording_is_never_said_to_be_in_its_own_language_alone(
    models: Path, language: str | None
) -> None:
    given = {"file": "a.flac", "text": THANKS, "language": language}
    planted = planted_clips(models, "another_language", given)
    assert all(one["language"] is not None for one in planted)
    for own in [language] if language else ["ko", "en", "ja"]:
        assert [one for one in planted if one["language"] != own], planted


@pytest.mark.parametrize("limit", [None, 0.05, 0.6])
@pytest.mark.parametrize(
    "other", [THANKS.rstrip("."), "이용해 주셔서 정말 감사합니다.", "잠시만 기다려 주세요.", THANKS]
)
def test_swapped_transcripts_are_none_that_the_limits_allow(
    models: Path, other: str, limit: float | None
) -> None:
    texts = [THANKS, other]
    planted = planted_clips(
        models,
        "swapped_transcripts",
        *(
            {"file": f"{at}.flac", "text": text, "limits": {"cer": limit}}
            for at, text in enumerate(texts)
        ),
    )
    for one, text in zip(planted, texts, strict=False):
        # Also where the model is off by as much as it may be.
        assert character_error_rate(one["text"], text) > one["limits"]["cer"], planted
    if limit == 0.05 and other.startswith("잠시"):
        assert [one["text"] for one in planted] == [other, THANKS]


def test_negated_weights_are_numbers_of_the_same_size(models: Path) -> None:
    path = models / "ctranslate2_model" / "model.bin"
    before = path.read_bytes()
    control_files.negate_weights(path)
    after = path.read_bytes()
    different = [
        at for at, (one, other) in enumerate(zip(before, after, strict=True)) if one != other
    ]
    assert len(different) > 1
    assert all(before[at] ^ after[at] == control_files.SIGN for at in different)


def test_a_gate_that_fails_for_another_reason_does_not_count(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Control(
        "no_words",
        "nothing of that kind",
        {"R4.2/models_present": fails("there is no directory"), "R4.2/no_such_gate": fails("")},
        lambda plant: plant.file("ctranslate2_model", "model.bin", most=0) and None,
    )
    monkeypatch.setattr(self_test, "all_controls", lambda _settings: [other])
    rows = run(models, "R4")
    assert rows["R4.2/models_present"]["status"] == "failed"
    assert rows["R4.2/models_present"]["as_planted"] is False
    assert rows["R4.2/no_such_gate"]["found"] == "there is no such check"


def test_a_control_that_ends_badly_is_an_error_of_its_gates(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_plant: Plant) -> None:
        raise OSError("no space left")

    def unplantable(_plant: Plant) -> None:
        raise NotPlantableError("there is nothing to plant it in")

    gates = {"R4.2/models_present": fails("")}
    controls = [
        Control("broken", "x", gates, broken),
        Control("unplantable", "x", {"R4.2/models_readable": fails("")}, unplantable),
    ]
    monkeypatch.setattr(self_test, "all_controls", lambda _settings: controls)
    rows = run(models, "R4")
    assert (rows["R4.2/models_present"]["status"], rows["R4.2/models_present"]["as_planted"]) == (
        "error",
        False,
    )
    left = rows["R4.2/models_readable"]
    assert (left["status"], left["left_out"], left["found"]) == (
        "skipped",
        True,
        "there is nothing to plant it in",
    )


def test_the_command_line_runs_some_controls(models: Path) -> None:
    def command(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
        done = subprocess.run(
            [sys.executable, str(PROGRAM), "--self-test", "--models", str(models), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    status, lines = command("--phase=R4", "--control=empty_file", "--control=missing_gpu")
    assert status == 0
    assert [entry["control"] for entry in lines[0]["planned"]] == ["missing_gpu", "empty_file"]
    assert all(line["as_planted"] for line in lines[1:-1])
    assert lines[-1]["finished"]["rows"] == len(lines) - 2
    status, lines = command("--control=empty_file", "--only=R5.1/structure")
    assert (status, lines[0]["planned"]) == (1, [])
