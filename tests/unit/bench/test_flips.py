# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bits are flipped, and how what was caught is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stt_checks._model_bin import ModelBin, read_model_bin

from tests.bench import flips, flips_inside
from tests.unit.model_files import write_ctranslate2


@pytest.fixture
def model(tmp_path: Path) -> ModelBin:
    return read_model_bin(write_ctranslate2(tmp_path, "int8_float16") / "model.bin")


def test_a_seed_gives_the_same_bits_all_over_the_file() -> None:
    bits = flips_inside.anywhere(1000, 500, 1)
    assert bits == flips_inside.anywhere(1000, 500, 1)
    assert bits != flips_inside.anywhere(1000, 500, 2)
    assert len(set(bits)) == 500
    assert min(bits) < 800
    assert 7200 < max(bits) < 8000
    assert {bit % 8 for bit in bits} == set(range(8))


def test_heavy_bits_are_signs_and_exponents_of_weights(model: ModelBin) -> None:
    seen = set()
    for bit in flips_inside.heavy(model, 200, 1):
        name = flips_inside.place_of(model, bit)
        assert "embeddings" not in name
        variable = model.variables[name]
        item = flips_inside.ITEM_BITS[variable.dtype]
        inside = (bit - 8 * variable.offset) % item
        assert inside in flips_inside.HEAVY_BITS[variable.dtype]
        seen.add(variable.dtype)
    # Weights, their scales and the vectors beside them.
    assert seen == {"int8", "float16", "float32"}


def test_a_bit_has_a_place(model: ModelBin) -> None:
    assert flips_inside.place_of(model, 0) == "headers"
    last = max(model.variables.values(), key=lambda one: one.offset)
    assert flips_inside.place_of(model, 8 * (last.offset + last.size)) == "headers"
    weight = model.variables["decoder/embeddings/weight"]
    for at in (weight.offset, weight.offset + weight.size - 1):
        assert flips_inside.place_of(model, 8 * at + 7) == "decoder/embeddings/weight"
    setting = model.variables["decoder/num_heads"]
    assert flips_inside.place_of(model, 8 * setting.offset) == "headers"


def test_what_lies_between_the_weights_is_flipped_too(model: ModelBin) -> None:
    bits = flips_inside.between(model, 300, 1)
    assert len(set(bits)) == 300
    assert {flips_inside.place_of(model, bit) for bit in bits} == {"headers"}
    assert min(bits) < 8 * 100
    last = max(model.variables.values(), key=lambda one: one.offset)
    assert 8 * (last.offset + last.size) < max(bits) < 8 * model.size


def test_a_flip_turns_one_bit_and_again_turns_it_back(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes([0, 0b1010_0101, 255]))
    flips_inside.flip(path, 8)
    assert path.read_bytes() == bytes([0, 0b1010_0100, 255])
    flips_inside.flip(path, 23)
    assert path.read_bytes() == bytes([0, 0b1010_0100, 127])
    flips_inside.flip(path, 23)
    flips_inside.flip(path, 8)
    assert path.read_bytes() == bytes([0, 0b1010_0101, 255])


def flipped(kind: str = "anywhere", said: str = "", **ended: str) -> dict[str, Any]:
    gates = dict.fromkeys(flips_inside.GATES, "passed")
    return {
        "quantization": "float32",
        "set": kind,
        "place": "x",
        **gates,
        **ended,
        "said": {"texts": said} if said else {},
    }


def test_caught_is_whatever_did_not_pass() -> None:
    made = [
        flipped(hash="failed"),
        flipped(hash="failed", headers="failed"),
        flipped(hash="failed", encoder="failed", texts="error", said="it crashed with SIGABRT"),
        flipped("heavy", hash="failed", texts="failed"),
    ]
    anywhere, heavy = flips.rows(made)
    assert anywhere == {
        "quantization": "float32",
        "set": "anywhere",
        "flips": 3,
        "hash gate": 3,
        "header walk": 1,
        "encoder agreement": 1,
        "transcripts": 1,
        "these three": 2,
        "crashed": 1,
    }
    assert (heavy["set"], heavy["flips"], heavy["these three"]) == ("heavy", 1, 1)
    assert flips.missed(made) == []
    result = flips.document(made, {"seed": 1})
    assert (result["passed"], result["failed"]) == (4, 0)
    assert result["figures"]["float32_anywhere_these_three"] == 2


def test_a_flip_that_the_hash_gate_lets_pass_is_a_failure() -> None:
    made = [flipped(headers="failed"), flipped(hash="failed")]
    assert flips.missed(made) == made[:1]
    assert flips.document(made, {})["failed"] == 1


def test_both_tables_have_a_line_for_each_kind() -> None:
    made = flips.rows([flipped(hash="failed"), flipped("heavy", hash="failed")])
    plain = flips.table(made).splitlines()
    assert len(plain) == 3
    counts = ["1", "1", "0", "0", "0", "0"]
    assert plain[1].split() == ["float32", "anywhere", "in", "the", "file", *counts]
    page = flips.table(made, markdown=True).splitlines()
    assert page[0].startswith("| weights | flipped bits | flips | hash gate | header walk |")
    assert (
        page[3]
        == "| float32 | sign and exponent bits, embeddings left out | 1 | 1 | 0 | 0 | 0 | 0 |"
    )
    assert {line.count("|") for line in page} == {9}
