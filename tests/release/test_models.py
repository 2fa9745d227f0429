# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server without a hub takes a model that was brought by hand, in several quantizations."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.release.conftest import Lab

ROOT = "/opt/stt-brought"
STORE = "/opt/stt/models/stt-lab_whisper-tiny-en-ko"
ARCHIVE = "/var/tmp/stt-brought-model.tar"
QUANTIZATIONS = ["int8_float16", "float32", "int8"]

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def brought(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The variables of a release whose model lies in an archive; nobody answers at its hub."""
    first = lab.play()
    assert first.rc == 0, first.output[-6000:]
    commits = [model["commit"] for model in lab.report()["models"]]
    commit = commits[0]
    # The image is on the server; its build's log goes with it to the other root.
    lab.ssh(f"mkdir -p {ROOT}/jobs && cp -a /opt/stt/jobs/image-build-* {ROOT}/jobs/")
    lab.ssh(f"tar -C {STORE} -cf {ARCHIVE} {commit} {commit}.manifest.json")
    yield {
        "stt_root": ROOT,
        "whisper_model_endpoint": "http://hub.invalid",
        "whisper_model_revision": commit,
        "whisper_model_source_path": ARCHIVE,
        "whisper_model_quantizations": QUANTIZATIONS,
        "release_lock_path": str(tmp_path_factory.mktemp("lock") / "brought.lock.yml"),
    }
    lab.ssh(f"rm -rf {ROOT} {ARCHIVE}")


def test_a_brought_model_is_released_in_three_quantizations(
    lab: Lab, brought: dict[str, Any]
) -> None:
    run = lab.play(variables=brought)
    assert run.rc == 0, run.output[-6000:]
    report = lab.report()
    assert report["verdict"] == "passed"
    rows = {row["quantization"]: row for row in report["quantizations"]}
    assert list(rows) == QUANTIZATIONS
    for row in rows.values():
        assert row["bytes"] > 1_000_000
        assert row["load_seconds"] > 0
        assert row["real_time_factor"] > 0
        assert row["peak_memory_bytes"] > 10_000_000
        assert 0.99 <= row["encoder_cosine"] <= 1.000001
        assert row["text_agreement"] == 1.0
    assert rows["float32"]["bytes"] > 2 * rows["int8"]["bytes"]
    for kind in QUANTIZATIONS:
        assert re.search(rf"^\W*{kind}\s", run.output, re.MULTILINE), run.output[-6000:]

    statement = json.loads((lab.newest() / "manifest.json").read_bytes())
    assert all(f"-ct2-{kind}-" in json.dumps(statement) for kind in QUANTIZATIONS)
    lock = Path(brought["release_lock_path"]).read_text()
    assert all(f"\n      {kind}:\n" in lock for kind in QUANTIZATIONS)
    tags = lab.ssh("docker images --format '{{.Repository}}:{{.Tag}}'").split()
    assert f"stt-engine:{lab.newest().name}" in tags
    lab.ssh(f"docker rmi stt-engine:{lab.newest().name}")


def test_the_next_run_needs_neither_the_archive_nor_a_change(
    lab: Lab, brought: dict[str, Any]
) -> None:
    lab.ssh(f"rm -f {ARCHIVE}")
    run = lab.play(variables=brought)
    assert run.rc == 0, run.output[-6000:]
    # The tag that the test before took away.
    assert run.recap["changed"] <= 1, run.output
    lab.ssh(f"docker rmi stt-engine:{lab.newest().name}")


def test_another_result_than_locked_names_the_input_that_differs(
    lab: Lab, brought: dict[str, Any]
) -> None:
    path = Path(brought["release_lock_path"])
    text = path.read_text()
    # As another server would have left it: another CTranslate2, and another result.
    outputs, inputs = text.split("\ninputs:\n")
    outputs = re.sub(r"(?m)^( +ctranslate2: ).*$", r"\g<1>4.0.0", outputs)
    outputs = re.sub(r"(path: model\.bin\n +sha256: )\w{64}", rf"\g<1>{'0' * 64}", outputs)
    path.write_text(f"{outputs}\ninputs:\n{inputs}")
    run = lab.play(variables=brought)
    path.write_text(text)
    assert run.rc != 0
    assert "model.bin" in run.output
    assert "ctranslate2" in run.output.partition("[ERROR]")[2]
    assert "4.0.0" in run.output.partition("[ERROR]")[2]
