# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges the settings beside model.bin: suppressed tokens, languages, alignment heads.

They are held against the vocabulary and the layers, and against the generation_config.json that
they were taken from. Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ._judgement import Judgement, is_integer, read_json
from ._model_bin import ModelBin

CONFIG_KEYS = ("alignment_heads", "lang_ids", "suppress_ids", "suppress_ids_begin")
GENERATION_CONFIG = "generation_config.json"
LANGUAGE = re.compile(r"<\|[a-z]{2,3}\|>")
COPIED_FILES = ("tokenizer.json", "preprocessor_config.json")
AGAIN = "convert the model again; this file is the converter's, not the original model's"


def judge_settings(
    directory: Path,
    document: Any,
    vocabulary: list[str] | None,
    model: ModelBin | None,
    judgement: Judgement,
) -> None:
    """Judge a converted model's config.json by the vocabulary and the weights beside it."""
    path = str(directory / "config.json")
    keys = document.keys() if isinstance(document, dict) else ()
    missing = [key for key in CONFIG_KEYS if key not in keys]
    if missing:
        judgement.add(path, f"no {', '.join(missing)}", "CTranslate2's settings for Whisper", AGAIN)
        return
    for key in ("suppress_ids", "suppress_ids_begin"):
        _judge_ids(path, key, document[key], vocabulary, judgement)
    _judge_languages(path, document["lang_ids"], vocabulary, judgement)
    _judge_heads(path, document["alignment_heads"], model, judgement)


def judge_origin(directory: Path, source: Path | None, judgement: Judgement) -> None:
    """Hold the settings against the original's, which may lie in the directory itself."""
    again = "convert the model again from a verified source"
    root = directory if source is None else source
    for name in COPIED_FILES:
        copy, original = directory / name, root / name
        both = copy.is_file() and original.is_file()
        if both and copy.read_bytes() != original.read_bytes():
            judgement.add(str(copy), "another file than the original's", str(original), again)
    origin = root / GENERATION_CONFIG
    if not origin.is_file() or not (directory / "config.json").is_file():
        return
    given = read_json(origin, judgement, "fetch the model again with verify=full")
    made = read_json(directory / "config.json", Judgement(), again)
    if isinstance(given, dict) and isinstance(made, dict):
        for key, wanted in _wanted(given).items():
            if (made.get(key) or []) != wanted:
                judgement.add(
                    str(directory / "config.json"),
                    f"{key} {_short(made.get(key))}",
                    f"{_short(wanted)}, as {GENERATION_CONFIG} has it",
                    again,
                )


def judge_generation(source: Path, judgement: Judgement) -> None:
    """Refuse languages that the converter cannot read: none at all are no fault, null is one."""
    path = source / GENERATION_CONFIG
    mend = "fetch the model again with verify=full, or take the entry of the model it was made of"
    given = read_json(path, judgement, mend) if path.is_file() else {}
    if not isinstance(given, dict) or "lang_to_id" not in given:
        return
    languages = given["lang_to_id"]
    if not isinstance(languages, dict) or not all(map(is_integer, languages.values())):
        judgement.add(
            str(path), f"lang_to_id {_short(languages)}", "the token id of each language", mend
        )


def judge_heads_of_source(config: Mapping[str, Any], model: ModelBin, judgement: Judgement) -> None:
    """Hold the numbers of attention heads, of which no tensor tells, against the original's."""
    for stack, found in (("encoder", model.encoder_heads), ("decoder", model.decoder_heads)):
        wanted = config[f"{stack}_attention_heads"]
        if found != wanted:
            judgement.add(
                model.path,
                f"{found} {stack} heads",
                f"{wanted}, as the original's config.json has it",
                "convert the model again from a verified source",
            )


def _wanted(given: Mapping[str, Any]) -> dict[str, list[Any]]:
    """CTranslate2's settings as a generation_config.json gives them; none for what it lacks."""
    names = {
        "suppress_ids": "suppress_tokens",
        "suppress_ids_begin": "begin_suppress_tokens",
        "alignment_heads": "alignment_heads",
    }
    wanted = {key: list(given[name]) for key, name in names.items() if given.get(name) is not None}
    if isinstance(given.get("lang_to_id"), dict):
        wanted["lang_ids"] = sorted(given["lang_to_id"].values())
    return wanted


def _judge_ids(
    path: str, key: str, ids: Any, vocabulary: list[str] | None, judgement: Judgement
) -> bool:
    """Whether it is a list of token ids; null counts as none."""
    ids = [] if ids is None else ids
    if not isinstance(ids, list) or not all(is_integer(index) for index in ids):
        judgement.add(path, f"{key} {_short(ids)}", f"{key} as a list of token ids", AGAIN)
        return False
    outside = [index for index in ids if index < 0 or index >= len(vocabulary or ())]
    if vocabulary is not None and outside:
        judgement.add(
            path,
            f"{key} outside the vocabulary, first {outside[0]}",
            f"ids below {len(vocabulary)}",
            AGAIN,
        )
        return False
    return True


def _judge_languages(
    path: str, ids: Any, vocabulary: list[str] | None, judgement: Judgement
) -> None:
    if not _judge_ids(path, "lang_ids", ids, vocabulary, judgement):
        return
    ids = ids or []
    judgement.facts["languages"] = len(ids)
    if vocabulary is None:
        return
    mend = f"take {GENERATION_CONFIG} with lang_to_id from the original model and convert again"
    if not ids and "" in vocabulary:
        judgement.add(path, "no languages", "the languages of a multilingual model", mend)
    other = [index for index in ids if not LANGUAGE.fullmatch(vocabulary[index])]
    if other:
        judgement.add(
            path,
            f"{len(other)} of {len(ids)} lang_ids that are no languages, first {other[0]}: "
            f"{vocabulary[other[0]]!r}",
            "ids of tokens such as <|en|>",
            mend,
        )
    if len(set(ids)) != len(ids):
        judgement.add(path, "a language twice in lang_ids", "every language once", mend)


def _judge_heads(path: str, heads: Any, model: ModelBin | None, judgement: Judgement) -> None:
    fits = isinstance(heads, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(is_integer(part) for part in pair)
        for pair in heads
    )
    if not fits or not heads:
        judgement.add(
            path,
            f"alignment_heads {_short(heads)}",
            "pairs of a decoder layer and one of its heads, by which words get their times",
            AGAIN,
        )
        return
    judgement.facts["alignment_heads"] = len(heads)
    if model is None:
        return
    layers, per_layer = model.decoder_layers, model.decoder_heads
    outside = [
        [layer, head]
        for layer, head in heads
        if not 0 <= layer < layers or head < 0 or (per_layer is not None and head >= per_layer)
    ]
    if outside:
        judgement.add(
            path,
            f"alignment_heads outside the decoder, first {outside[0]}",
            f"layers below {layers} and heads below {per_layer or 'their number'}",
            "take alignment_heads of this very model; those of another size do not fit",
        )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}... ({len(value)} entries)"
