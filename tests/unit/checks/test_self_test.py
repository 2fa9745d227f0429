# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The negative controls: none is missing, each runs its gates, and a gate that is dead is seen."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stt_checks import catalogue, control_files, self_test
from stt_checks._model_bin import read_model_bin
from stt_checks.control import PLACE, Control, NotPlantableError, Plant, fails
from stt_checks.outcome import Outcome
from stt_checks.registry import Check
from stt_checks.self_test import SelfTest, all_controls, document_of, without_control
from stt_checks.settings import Conversion, Expected, Settings, load_settings

from tests.unit.model_files import safetensors, source_tensors, write_ctranslate2

CHECKOUT = Path(__file__).resolve().parents[3]
PROGRAM = CHECKOUT / "checks"
PAGE = CHECKOUT / "docs" / "verdict.md"
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
