# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page about all releases: each with its verdict and what changed, whatever lies there."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._report import build_report, render
from ansible_collections.stt.engine.plugins.plugin_utils._report_index import (
    index,
    releases_root,
)
from tests.unit.plugins.release_samples import passed_on_cpu, passed_on_gpu, real

NOW = datetime(2026, 1, 31, 9, 0, 0, tzinfo=UTC)


def kept(root: Path, name: str, results: dict[str, Any], sealed: str = "", **facts: Any) -> None:
    """A release as a run leaves it; the facts are what its manifest says."""
    directory = root / name
    directory.mkdir(parents=True)
    report = build_report(results, language="en", now=NOW)
    (directory / "report.json").write_bytes(render(report))
    if sealed:
        image = {"base": "ubi8", "base_digest": facts.get("base", "sha256:1"), "cuda": "cu129"}
        inputs = {"image": {"packages": facts.get("packages", {"torch": "2.8.0"})}}
        predicate = {
            "release": {"id": name, "sealed": sealed},
            "image": {**image, "input_digest": facts.get("inputs", "a" * 64)},
            "lock": {"inputs": inputs},
            "signature": {"unsigned": facts.get("unsigned", False)},
        }
        (directory / "manifest.json").write_text(json.dumps({"predicate": predicate}))


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html.split("</style>")[1]).split())


def test_the_newest_comes_first_and_says_what_changed(tmp_path: Path) -> None:
    kept(tmp_path, "b", passed_on_cpu(), "2026-01-01T00:00:00.000Z")
    results = passed_on_gpu()
    results["models"][0]["commit"] = "f" * 40
    results["models"][1]["quantization"] = "int8"
    results["checks"] = [one for one in results["checks"] if one["name"] != "buildx"]
    packages = {"torch": "2.9.0", "numpy": "2.4.6"}
    facts = {"packages": packages, "base": "sha256:2", "inputs": "b" * 64, "unsigned": True}
    kept(tmp_path, "a", results, "2026-02-01T00:00:00.000Z", **facts)
    # As it is while the report is written: the link still names the release before.
    (tmp_path / "latest").symlink_to("b")
    html = index(tmp_path, "en")
    newer, older = html.split("<section")[1:3]
    assert ('href="a/report.html"' in newer, 'href="b/report.html"' in older) == (True, True)
    told = words("</style><section" + newer)
    assert "a newest Passed Sealed 2026-02-01 00:00:00 UTC unsigned" in told
    for change in (
        "Base image ubi8 sha256:1 → ubi8 sha256:2",
        "Inputs of the image aaaaaaaaaaaa → bbbbbbbbbbbb",
        f"Commit 41f01f3fe87f28c78e2fbf8b568835947dd65ed9 → {'f' * 40}",
        "Quantization int8_float16 → int8",
        "Packages torch: 2.8.0 → 2.9.0 added: numpy 2.4.6",
        "R4.3 CUDA is available: skipped → passed",
        "removed: R1.1 Docker buildx",
    ):
        assert change in told
    assert "CUDA build" not in told
    assert html.count(">newest<") == 1
    assert "There is no release before it." in words("</style><section" + older)
    assert "Passed, except GPU" in older


def test_the_same_again_says_that_nothing_changed(tmp_path: Path) -> None:
    kept(tmp_path, "a", passed_on_cpu(), "2026-01-01T00:00:00.000Z")
    kept(tmp_path, "b", passed_on_cpu(), "2026-01-02T00:00:00.000Z")
    assert "달라진 점이 없습니다." in index(tmp_path, "ko")


def test_failed_runs_say_where_they_stopped(tmp_path: Path) -> None:
    kept(tmp_path / "failed", "20260131T080000Z", real("stopped"))
    html = index(tmp_path, "ko")
    assert 'href="failed/20260131T080000Z/report.html"' in html
    assert 'Phase 3: 모델 다운로드 <span lang="en">R3 | Say what is there</span>' in html
    assert "아직 릴리스가 없습니다." in html


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"verdict": 1, "image": [], "models": {"a": 1}, "checks": [1, {}], "finished": "x"}',
        b'{"verdict": "passed", "gpu": [], "checks": [{"id": 1, "status": {}}], "failure": 1}',
        b"[" * 100_000,
    ],
)
def test_whatever_lies_there_is_no_obstacle(tmp_path: Path, content: bytes) -> None:
    for name in ("a<b>&", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_bytes(content)
        (tmp_path / name / "manifest.json").write_bytes(content)
    (tmp_path / "verified" / "a").mkdir(parents=True)
    (tmp_path / "verified" / "a" / "one.json").write_text("{}")
    (tmp_path / "file").write_text("no release")
    (tmp_path / "loop").symlink_to("loop")
    html = index(tmp_path, "en")
    assert "a&lt;b&gt;&amp;" in html
    assert "<b>" not in html
    assert html.count("<section") == 2
    assert ("There is no report.json that can be read." in html) is not content.startswith(b"{")


def test_a_directory_of_releases_is_known_by_either_kind() -> None:
    assert releases_root(Path("/r/one")) == releases_root(Path("/r/failed/2026")) == Path("/r")
