# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/compare.yml over two releases that the lab really made."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.release.conftest import Lab
from tests.release.test_drift import LOCK

PLAYBOOK = "playbooks/compare.yml"


def models(lab: Lab, release: Path) -> list[str]:
    """The directories of the release's models, as the server has recorded them."""
    record = json.loads(lab.ssh(f"cat /opt/stt/releases/{release.name}/release.json"))
    return list(record["models"])


def contents(lab: Lab, release: Path) -> dict[str, int]:
    """The sizes of the release's model files by their digests, as the server has them."""
    places = " ".join(models(lab, release))
    digests = lab.ssh(f"find {places} -type f -print0 | sort -z | xargs -0 sha256sum")
    sizes = lab.ssh(f"find {places} -type f -print0 | sort -z | xargs -0 stat --format %s")
    return {
        line.split()[0]: int(size)
        for line, size in zip(digests.splitlines(), sizes.splitlines(), strict=True)
    }


@pytest.mark.long
def test_a_further_quantization_is_told_with_its_bytes(lab: Lab, tmp_path: Path) -> None:
    lock = tmp_path / "further.lock.yml"
    lock.write_bytes(LOCK.read_bytes())
    place = tmp_path / "releases"
    given = {"release_seal_directory": str(place), "release_lock_path": str(lock)}
    first = lab.play(variables=given)
    assert first.rc == 0, first.output[-6000:]
    older = (place / "latest").resolve()
    further = {"whisper_model_quantizations": ["int8_float16", "float32"]}
    accepted = {**given, **further, "release_lock_update": True}
    second = lab.play(variables=accepted)
    assert second.rc == 0, second.output[-6000:]
    newer = (place / "latest").resolve()
    try:
        run = lab.play(variables=given, playbook=PLAYBOOK)
        old, new = contents(lab, older), contents(lab, newer)
    finally:
        (added,) = set(models(lab, newer)) - set(models(lab, older))
        lab.ssh(f"docker rmi stt-engine:{newer.name}")
        lab.ssh(f"rm -r /opt/stt/releases/{newer.name} {added} {added}.manifest.json")
    assert run.rc == 0, run.output[-6000:]
    assert run.recap["changed"] == 1
    assert "  ~ int8_float16 -> int8_float16, float32\n" in run.output
    assert "  + float32: model.bin " in run.output
    told = r"^  \+ R5\.9 Quantization compared \(float32\) +passed$"
    assert re.search(told, run.output, re.MULTILINE)
    kept = json.loads((place / "compare" / f"{older.name}..{newer.name}.json").read_bytes())
    assert (kept["layers"]["new"], kept["packages"]["changes"]) == ([], [])
    assert kept["from"]["proof"] == kept["to"]["proof"] == "signature"
    assert (kept["transcripts"]["changes"], kept["transcripts"]["compared"] > 20) == ([], True)
    assert kept["bytes"]["models"] == sum(new[one] for one in new.keys() - old.keys()) > 0
