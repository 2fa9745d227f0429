# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._model_directory import (
    CTRANSLATE2_FILES,
    judge_ctranslate2,
    links_that_leave,
)
from tests.unit.model_files import GENERATION_CONFIG, VOCABULARY, write_ctranslate2

Change = Callable[[Path], None]


def rewrite(name: str, change: Callable[[Any], Any]) -> Change:
    def apply(directory: Path) -> None:
        path = directory / name
        path.write_text(json.dumps(change(json.loads(path.read_text()))))

    return apply


@pytest.mark.parametrize(
    "quantization", ["float32", "float16", "bfloat16", "int8_float32", "int8_float16"]
)
def test_a_good_model_raises_no_alarm(tmp_path: Path, quantization: str) -> None:
    judgement = judge_ctranslate2(
        write_ctranslate2(tmp_path, quantization), quantization=quantization, mel_bins=128
    )
    assert judgement.findings == []
    assert judgement.facts["model_bin"]["quantization"] == quantization
    assert judgement.facts["multilingual"] is True
    assert judgement.facts["tokenizer_tokens"] == len(VOCABULARY)


@pytest.mark.parametrize("name", CTRANSLATE2_FILES)
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (write_ctranslate2(tmp_path) / name).unlink()
    findings = judge_ctranslate2(tmp_path).findings
    assert [(finding.object, finding.found) for finding in findings] == [
        (str(tmp_path / name), "no such file")
    ]


@pytest.mark.parametrize(
    ("change", "file", "found"),
    [
        (
            rewrite("vocabulary.json", lambda tokens: dict(enumerate(tokens))),
            "vocabulary.json",
            "a JSON object",
        ),
        (rewrite("vocabulary.json", lambda tokens: [*tokens, 5]), "vocabulary.json", "a JSON list"),
        (rewrite("vocabulary.json", lambda tokens: tokens[:-1]), "vocabulary.json", "19 tokens"),
        (
            rewrite("vocabulary.json", lambda tokens: [*tokens[:-1], tokens[0]]),
            "vocabulary.json",
            "1 tokens twice",
        ),
        (
            rewrite("tokenizer.json", lambda _: {"model": {}}),
            "tokenizer.json",
            "no vocabulary in it",
        ),
        (
            rewrite(
                "tokenizer.json",
                lambda document: {
                    **document,
                    "model": {"vocab": {**document["model"]["vocab"], "other": 3}},
                },
            ),
            "tokenizer.json",
            "1 of 20 tokens that differ from vocabulary.json, first id 3: 'other' against 'token3'",
        ),
        (
            rewrite("preprocessor_config.json", lambda document: {**document, "feature_size": 80}),
            "preprocessor_config.json",
            "feature_size 80",
        ),
        (
            rewrite(
                "preprocessor_config.json", lambda document: {**document, "sampling_rate": 8000}
            ),
            "preprocessor_config.json",
            "sampling_rate 8000",
        ),
        (
            rewrite("config.json", lambda document: {"lang_ids": document["lang_ids"]}),
            "config.json",
            "no alignment_heads, suppress_ids, suppress_ids_begin",
        ),
        (
            rewrite("config.json", lambda document: {**document, "lang_ids": [16, 50259]}),
            "config.json",
            "lang_ids outside the vocabulary, first 50259",
        ),
        (
            rewrite("config.json", lambda document: {**document, "lang_ids": [15, 16]}),
            "config.json",
            "1 of 2 lang_ids that are no languages, first 15: 'token15'",
        ),
        (
            rewrite("config.json", lambda document: {**document, "lang_ids": []}),
            "config.json",
            "no languages",
        ),
        (
            rewrite("config.json", lambda document: {**document, "lang_ids": [17, 17]}),
            "config.json",
            "a language twice",
        ),
        (
            rewrite("config.json", lambda document: {**document, "suppress_ids": [2, 20]}),
            "config.json",
            "suppress_ids outside the vocabulary, first 20",
        ),
        (
            rewrite("config.json", lambda document: {**document, "suppress_ids_begin": [-1]}),
            "config.json",
            "suppress_ids_begin outside the vocabulary, first -1",
        ),
        (
            rewrite("config.json", lambda document: {**document, "suppress_ids": "2 5"}),
            "config.json",
            "suppress_ids '2 5'",
        ),
        (
            rewrite("config.json", lambda document: {**document, "alignment_heads": []}),
            "config.json",
            "alignment_heads []",
        ),
        (
            rewrite("config.json", lambda document: {**document, "alignment_heads": [[0, 0, 1]]}),
            "config.json",
            "alignment_heads [[0, 0, 1]]",
        ),
        (
            rewrite("config.json", lambda document: {**document, "alignment_heads": [[1, 0]]}),
            "config.json",
            "alignment_heads outside the decoder, first [1, 0]",
        ),
        (
            rewrite("config.json", lambda document: {**document, "alignment_heads": [[0, 2]]}),
            "config.json",
            "alignment_heads outside the decoder, first [0, 2]",
        ),
        (
            lambda path: (path / "config.json").write_text("<html>503</html>"),
            "config.json",
            "a file that is no JSON",
        ),
        (
            lambda path: os.truncate(path / "model.bin", 700),
            "model.bin",
            "the end of the file, at byte 700",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: Change, file: str, found: str) -> None:
    change(write_ctranslate2(tmp_path))
    findings = judge_ctranslate2(tmp_path).findings
    assert [finding.object for finding in findings[:1]] == [str(tmp_path / file)]
    assert findings[0].found.startswith(found)
    assert findings[0].needed and findings[0].fix


def test_expectations_are_held_against_the_weights(tmp_path: Path) -> None:
    write_ctranslate2(tmp_path, "int8_float16")
    assert judge_ctranslate2(tmp_path, quantization="int8").findings == []
    (finding,) = judge_ctranslate2(tmp_path, quantization="float16").findings
    assert finding.found == "weights stored as int8_float16"
    (finding,) = judge_ctranslate2(tmp_path, mel_bins=80).findings
    assert finding.needed == "feature_size 80"


def test_a_multilingual_vocabulary_needs_the_empty_token(tmp_path: Path) -> None:
    write_ctranslate2(tmp_path)
    tokens = [f"t{number}" for number in range(51865)]
    (tmp_path / "vocabulary.json").write_text(json.dumps(tokens))
    found = [finding.found for finding in judge_ctranslate2(tmp_path).findings]
    assert "no empty-string token" in found
    tokens[50256] = ""
    (tmp_path / "vocabulary.json").write_text(json.dumps(tokens))
    found = [finding.found for finding in judge_ctranslate2(tmp_path).findings]
    assert "no empty-string token" not in found


def test_links_that_leave_are_listed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "model", tmp_path / "elsewhere"
    inside.mkdir()
    outside.mkdir()
    (outside / "weights").write_bytes(b"x")
    (inside / "weights").write_bytes(b"x")
    (inside / "good").symlink_to("weights")
    assert links_that_leave(inside) == []
    (inside / "bad").symlink_to("../elsewhere/weights")
    (inside / "nowhere").symlink_to("gone")
    (inside / "folder").symlink_to(outside)
    assert links_that_leave(inside) == ["bad", "folder", "nowhere"]


def test_settings_are_held_against_the_generation_config_they_came_from(tmp_path: Path) -> None:
    write_ctranslate2(tmp_path)
    (tmp_path / "generation_config.json").write_text(json.dumps(GENERATION_CONFIG))
    assert judge_ctranslate2(tmp_path).findings == []
    changes: dict[str, list[Any]] = {
        "suppress_ids": [2],
        "suppress_ids_begin": [19],
        "alignment_heads": [[0, 1]],
        "lang_ids": [16],
    }
    config = json.loads((tmp_path / "config.json").read_text())
    for key, value in changes.items():
        (tmp_path / "config.json").write_text(json.dumps({**config, key: value}))
        (finding,) = judge_ctranslate2(tmp_path).findings
        assert finding.found == f"{key} {value}"
        assert finding.needed == f"{config[key]}, as generation_config.json has it"
    (tmp_path / "config.json").write_text(json.dumps(config))
    sparse = {"alignment_heads": [[0, 0], [0, 1]], "suppress_tokens": None}
    (tmp_path / "generation_config.json").write_text(json.dumps(sparse))
    assert judge_ctranslate2(tmp_path).findings == []
