# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a check needs and advises is told in Korean, with its commands and names unchanged."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from stt_checks.catalogue import checks
from stt_checks.settings import Conversion, Expected, Settings

from ansible_collections.stt.engine.plugins.module_utils._check_words import (
    HOLE,
    KOREAN,
    in_korean,
    language_of,
    translated,
)

CHECKOUT = Path(__file__).resolve().parents[4]
CHECKS = CHECKOUT / "checks/stt_checks"
PLUGINS = CHECKOUT / "plugins"
# Stands for what only a run knows.
SOME = "x1"
NEEDS = ("expected", "needed", "fix")
# Those of a release's own parts; other errors stop a run with their own message.
ERRORS = (
    *("_host_check", "_host_check_needs", "_host_check_reach", "_host_check_system"),
    *("_docker_cli", "_verify_container", "_verify_collect"),
)
RESULTS = ("module_utils/_convert", "module_utils/_report", "modules/stt_host_clean")
SERVED = Settings(
    Path("/models"),
    "served",
    "original",
    manifests={"ctranslate2": [{"path": "model.bin", "size": 1}]},
    expected=Expected(torch="2.8.0+cu128", torchaudio="2.8.0", cuda="12.8", quantization="int8"),
)
COMPARED = replace(SERVED, alternatives=(Conversion("float16", "other", ()),))
SETTINGS = {
    "on a CPU": SERVED,
    "on a GPU": replace(SERVED, gpu_given=True, gpu_policy="required"),
    "with nothing known": replace(SERVED, expected=Expected()),
    "of a lock": replace(
        SERVED, expected=replace(SERVED.expected, packages={}, cuda_visible_devices="0")
    ),
    "with two conversions": COMPARED,
    "with two conversions on a GPU": replace(COMPARED, gpu_given=True),
    "with transcripts to accept": replace(SERVED, accept_transcripts=True),
    "with a limit": replace(SERVED, real_time_factor_limit=0.5),
    "slim": replace(SERVED, variant="slim"),
    "another engine": replace(SERVED, variant="foreign"),
}
# Options, settings, files, figures, variables: what a reader types, or finds on his host.
KEPT = re.compile(
    r"(?<![\w-])(?:--?[a-z][\w=:-]*"
    r"|[\w~/.:-]*(?:[_=]|\w\.\w|\d|/[a-z])[\w/.:=-]*\w"
    r"|[A-Z]{3,}|\{[a-z]+\})",
    re.ASCII,
)


def said_in(path: Path, names: tuple[str, ...] = NEEDS) -> Iterator[str]:
    """What a file's calls and dictionaries say under these names; a run's values are left open."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            pairs = [(keyword.arg, keyword.value) for keyword in node.keywords]
        elif isinstance(node, ast.Dict):
            pairs = [
                (key.value, value)
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant)
            ]
        else:
            continue
        for name, value in pairs:
            if name in names:
                yield _text(value, constants)


def _text(node: ast.expr, constants: dict[str, ast.expr]) -> str:
    """The sentence of a literal or of a constant; empty for what is computed elsewhere."""
    if isinstance(node, ast.Name) and node.id in constants:
        return _text(constants[node.id], {})
    if isinstance(node, ast.IfExp):
        return _text(node.body, constants) or _text(node.orelse, constants)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            (_text(part.value, constants) or SOME)
            if isinstance(part, ast.FormattedValue)
            else _text(part, constants)
            for part in node.values
        )
    return ""


def said_in_roles() -> Iterator[tuple[str, str]]:
    """What the roles' checks need and advise, by step and name."""
    for path in sorted(CHECKOUT.glob("roles/*/tasks/*.yml")):
        yield from _stated(yaml.safe_load(path.read_text(encoding="utf-8")))


def _stated(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for item in value:
            yield from _stated(item)
    elif isinstance(value, dict):
        if {"id", "name", "expected", "fix"} <= value.keys():
            for name in ("expected", "fix"):
                sentence = re.sub(r"\{\{.*?\}\}", SOME, str(value[name]), flags=re.DOTALL)
                yield f"{value['id']}/{value['name']}", sentence.strip()
        for item in value.values():
            yield from _stated(item)


# Which argument of a call says what was found; of a class or a function of the checks.
FOUND = {"require": 1, "failed": 0, "skipped": 0, "passed": 0, "CheckFailedError": 0}


def found_in(path: Path) -> Iterator[str]:
    """What a file of checks says that it found; a run's values are left open."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            at = FOUND.get(node.func.id)
            if at is not None and len(node.args) > at:
                argument = node.args[at]
                bodies = (
                    [argument.body, argument.orelse]
                    if isinstance(argument, ast.IfExp)
                    else [argument]
                )
                yield from (_text(body, constants) for body in bodies)


def unknown(sentences: Iterator[str]) -> list[str]:
    return sorted({sentence for sentence in sentences if in_korean(sentence) is None})


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_every_check_of_the_archive_is_told_in_korean(settings: Settings) -> None:
    planned = checks(None, settings)

    assert len(planned) > 40
    assert not unknown(
        sentence for check in planned for sentence in (check.expected(settings), check.fix)
    )


def test_every_check_of_the_roles_is_told_in_korean() -> None:
    said = list(said_in_roles())

    assert {"R2.1/image_built", "R6.3/seal_proven"} <= {key for key, _sentence in said}
    assert not unknown(sentence for _key, sentence in said)


@pytest.mark.parametrize("path", sorted(CHECKS.glob("*.py")), ids=lambda path: path.stem)
def test_whatever_else_a_check_advises_is_told_in_korean(path: Path) -> None:
    assert not unknown(said_in(path, ("fix",)))


JUDGES = sorted(path for path in CHECKS.glob("*.py") if re.match(r"r\d_|service_", path.name))


@pytest.mark.parametrize("path", JUDGES, ids=lambda path: path.stem)
def test_whatever_a_check_finds_is_told_in_korean(path: Path) -> None:
    assert not unknown(found_in(path))


def test_what_several_sentences_say_of_one_thing_is_told_in_korean() -> None:
    wrong = "order.flac gave 'a, b' for 'c', CER 0.5 above 0.2; x.wav gave no text"
    assert translated(f"3 of 20 clips are wrong: {wrong}", "ko") == (
        "음성 파일 20개 중 3개가 틀림: "
        "order.flac: 'c' 대신 'a, b', 문자 오류율(CER) 0.5로 한도 0.2 초과; "
        "x.wav: 문장이 나오지 않음"
    )
    noise = "noise.mp3 gave 'Thank you for watching!'"
    assert translated(noise, "ko") == "noise.mp3: 'Thank you for watching!'"
    many = "7 files differ: a.bin, b.bin, c.bin and 4 more"
    assert translated(many, "ko") == "다른 파일 7개: a.bin, b.bin, c.bin 외 4개"


@pytest.mark.parametrize(
    "path",
    [*(PLUGINS / f"module_utils/{name}.py" for name in ERRORS)],
    ids=lambda path: path.stem,
)
def test_what_an_error_advises_is_told_in_korean(path: Path) -> None:
    assert not unknown(said_in(path, ("fix",)))


@pytest.mark.parametrize("name", [*RESULTS, "modules/stt_service_verify"])
def test_every_result_of_a_module_is_told_in_korean(name: str) -> None:
    tree = ast.parse((PLUGINS / f"{name}.py").read_text(encoding="utf-8"))
    keys = [node for node in ast.walk(tree) if isinstance(node, ast.Dict)]
    assert keys
    assert not unknown(said_in(PLUGINS / f"{name}.py", ("expected",)))


@pytest.mark.parametrize("english", KOREAN)
def test_nothing_that_a_reader_types_or_looks_for_is_lost(english: str) -> None:
    korean = KOREAN[english]

    assert not [word for word in KEPT.findall(english) if word not in korean]
    assert sorted(HOLE.findall(english)) == sorted(HOLE.findall(korean))


def test_a_hole_takes_what_is_in_its_place() -> None:
    assert translated("at most 8.38 GB", "ko") == "8.38 GB 이하"
    assert translated("at most 8.38 GB", "en") == "at most 8.38 GB"
    assert translated("See /opt/stt/jobs/1/job.log.", "ko").startswith("/opt/stt/jobs/1/job.log ")


@pytest.mark.parametrize("sentence", ["at most what the lock says", "See what else it says.", "ok"])
def test_another_sentence_is_left_as_it_is_and_marked(sentence: str) -> None:
    assert translated(sentence, "ko") == sentence
    assert language_of(sentence, "ko") == "en"


@pytest.mark.parametrize("same", ["linux/amd64", "CUDA_VISIBLE_DEVICES=0", "4.07 MB", "a.log, 1.0"])
def test_a_name_has_no_language(same: str) -> None:
    assert translated(same, "ko") == same
    assert language_of(same, "ko") == "ko"
