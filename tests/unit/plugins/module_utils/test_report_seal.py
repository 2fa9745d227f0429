# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report says of the seal, and of what a run did or only reused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ansible_collections.stt.engine.plugins.module_utils._report import build_report
from ansible_collections.stt.engine.plugins.module_utils._report_terminal import checklist_lines
from ansible_collections.stt.engine.plugins.plugin_utils._report_html import page
from tests.unit.plugins.release_samples import passed_on_cpu, phase, stopped_in_r5

NOW = datetime(2026, 1, 31, 9, 0, 0, tzinfo=UTC)
SCHEMA = json.loads(
    (Path(__file__).resolve().parents[4] / "docs" / "report.schema.json").read_bytes()
)
ALL = ["R2", "R4", "R5"]


def sealed(language: str = "en", *, made: bool = False, **given: Any) -> dict[str, Any]:
    seal = {
        "sealed": "2026-01-30T08:07:00.250Z",
        "anew": False,
        "key_sha256": "9f86d081884c7d659a2feaa0c55ad015",
        "lock": "/srv/hosts.lock.yml",
        "reused": ALL,
        **given,
    }
    phases = [phase("R2", 1, 2, changed=made), phase("R3", 2, 3)]
    results = {**passed_on_cpu(), "phases": phases, "seal": seal}
    return build_report(results, language=language, now=NOW)


def lines(report: dict[str, Any]) -> list[str]:
    return [line.text for line in checklist_lines(report)]


@pytest.mark.parametrize(
    ("language", "did", "seal"),
    [
        (
            "en",
            "This run: unchanged since 2026-01-30 08:07:00 UTC: nothing was rebuilt, and the "
            "checks' results were reused",
            "Seal: signed with key 9f86d081884c; lock: /srv/hosts.lock.yml",
        ),
        (
            "ko",
            "이번 실행: 2026-01-30 08:07:00 UTC 봉인 이후 달라진 것이 없어, 다시 빌드하지 않고 "
            "검사 결과를 재사용함",
            "봉인: 키 9f86d081884c로 서명함; 잠금 파일: /srv/hosts.lock.yml",
        ),
    ],
)
def test_a_run_that_changed_nothing_says_so(language: str, did: str, seal: str) -> None:
    report = sealed(language)
    jsonschema.validate(report, SCHEMA)
    printed = lines(report)
    assert printed[printed.index(did) + 1] == seal
    html = page(report)
    for line in (did, seal):
        label, words = line.replace("'", "&#39;").split(": ", 1)
        assert f"<b>{label}:</b> {words}" in html


def test_what_was_made_and_checked_anew_is_told_apart_from_what_was_reused() -> None:
    report = sealed(made=True, reused=["R2"], anew=True)
    assert (
        "This run: image built; model reused; checked anew: R4, R5; checks reused: R2; sealed anew"
    ) in lines(report)
    assert (
        "This run: image reused; model reused; checks reused: R2, R4, R5; sealed anew"
    ) in lines(sealed(anew=True))
    assert (
        "This run: image reused; model reused; checked anew: R2, R4, R5; the seal was kept"
    ) in lines(sealed(reused=[]))


def test_what_nobody_signed_says_so() -> None:
    assert "Seal: unsigned; lock: /srv/hosts.lock.yml" in lines(sealed(key_sha256=""))
    assert "Seal: unsigned" in lines(sealed(key_sha256="", lock=""))


def test_a_run_that_was_stopped_has_no_seal() -> None:
    report = build_report(stopped_in_r5(), language="en", now=NOW)
    jsonschema.validate(report, SCHEMA)
    assert report["seal"] is None
    assert not [line for line in lines(report) if line.startswith(("Seal", "This run"))]
