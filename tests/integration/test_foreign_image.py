# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image that this collection did not make is judged by what it does.

The engine of tests/fixtures/foreign_engine, whose /health always answers 200: it passes with honest
skips, and whoever does not transcribe fails where its service is started and asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from tests.bench import caught
from tests.integration.build_host import BASE, CHECKOUT
from tests.integration.verify_host import VerifyHost, failing

pytestmark = pytest.mark.long

ENGINE = CHECKOUT / "tests" / "fixtures" / "foreign_engine"
VARIABLES = CHECKOUT / "inventory" / "lab" / "group_vars" / "build.yml"
JUDGE = "R5.7 service_transcribes"
PYTHON = "RUN python3 -c \"import pathlib; p = pathlib.Path('server.py'); t = p.read_text(); {}\""


@pytest.fixture(scope="module")
def foreign(host: VerifyHost) -> str:
    """The fixture, built as its own Dockerfile says, from the lab's wheels."""
    wheels = yaml.safe_load(VARIABLES.read_text(encoding="utf-8"))["engine_image_find_links"]
    files = {path.name: path.read_bytes() for path in ENGINE.iterdir() if path.is_file()}
    context = host.put(files, "foreign")
    arguments = f"--build-arg BASE_IMAGE={BASE} --build-arg FIND_LINKS={wheels}"
    # A label of its own, or the image would be another test's too.
    label = f"--label stt.engine.test={host.prefix}"
    name = f"{host.prefix}-foreign"
    host.ssh(f"docker build --progress=plain {label} {arguments} --tag {name} {context} >/dev/null")
    return name


@pytest.fixture
def derived(host: VerifyHost, foreign: str) -> Iterator[Callable[[str], str]]:
    """The engine with one thing changed in its program."""
    yield lambda change: host.derive(
        foreign,
        PYTHON.format(f"assert {change} != t; p.write_text({change})"),
    )
    host.ssh(f"docker image rm --force {host.prefix}-derived >/dev/null 2>&1 || true")


def statuses(done: dict[str, Any]) -> dict[str, str]:
    return {f"{one['id']} {one['name']}": one["status"] for one in done["checks"]}


def test_its_image_is_judged_as_far_as_it_can_be_told(host: VerifyHost, foreign: str) -> None:
    done = host.judge(foreign, base=BASE)
    assert not done.get("failed"), done["msg"]
    skipped = {key for key, status in statuses(done).items() if status == "skipped"}
    assert skipped == {
        "R2.5 no_os_additions",
        "R2.5 cuda_libraries",
        "R2.5 library_path",
        "R2.5 modules",
        "R2.5 torch_cuda",
        "R2.5 labels",
    }
    named = host.judge(foreign, base=BASE, expected={"modules": ["server"]})
    assert statuses(named)["R2.5 modules"] == "passed"


def test_it_passes_when_it_transcribes(
    host: VerifyHost, foreign: str, converted: dict[str, Any]
) -> None:
    clips = f"{host.directory}/clips"
    done = host.verify("stt_model_verify", foreign, converted["path"], clips=clips)
    assert not done.get("failed"), done["msg"]
    found = statuses(done)
    assert found[JUDGE] == found["R5.5 faster_whisper_texts"] == "passed"
    assert found["R5.1 engine_diagnosis"] == found["R5.7 service_without_model"] == "skipped"
    lacking = [one for one in done["checks"] if one["evidence"].get("lacks")]
    assert {one["name"] for one in lacking} >= {"transformers_load", "transformers_texts"}
    assert all(one["found"].startswith("this engine has no ") for one in lacking)


def test_its_checks_can_fail_too(
    host: VerifyHost, foreign: str, image: str, converted: dict[str, Any]
) -> None:
    """What it cannot be asked is left out, or shown in the reference image that is asked for it."""
    done = host.judge(foreign, base=BASE, self_test=True)
    assert not done.get("failed"), done["msg"]
    shown = {row["gate"] for row in done["self_test"]["rows"] if row["as_planted"]}
    left = {one["gate"]: one["reason"] for one in done["self_test"]["left_out"]}
    planned = {f"{one['id']}/{one['name']}" for one in done["planned"]}
    assert (shown | left.keys(), shown & left.keys()) == (planned, set())
    assert all(reason.startswith("skipped in the release too") for reason in left.values())
    done = host.verify(
        "stt_image_verify", foreign, converted["path"], reference_image=image, self_test=True
    )
    assert not done.get("failed"), done["msg"]
    shown = {row["gate"] for row in done["self_test"]["rows"] if row["as_planted"]}
    assert {"R4.1/container_user", "R4.3/torch_version"} <= shown
    assert host.containers() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(
            "t.replace('/app/models/ctranslate2_model', '/app/models/none')",
            ["status 500", "no model"],
            marks=pytest.mark.fault("healthy without a model"),
            id="no model",
        ),
        pytest.param(
            "t.replace('success\\\": True', 'success\\\": False')",
            ["status 200", '"success": false'],
            marks=pytest.mark.fault("status 200 without success"),
            id="success false",
        ),
        pytest.param(
            "t.replace(': text,', ': str(),')",
            ["gave ''"],
            marks=pytest.mark.fault("status 200 with an empty text"),
            id="empty text",
        ),
    ],
)
def test_a_health_of_200_does_not_help_it(
    host: VerifyHost,
    derived: Callable[[str], str],
    converted: dict[str, Any],
    change: str,
    words: list[str],
    record_property: caught.Record,
) -> None:
    clips = f"{host.directory}/clips"
    done = host.verify("stt_model_verify", derived(change), converted["path"], clips=clips)
    assert done["failed"] is True
    wrong = failing(done)
    assert set(wrong) == {JUDGE}, wrong
    assert all(word in wrong[JUDGE] for word in words), wrong
    caught.by_checks(record_property, done["checks"])
