# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_clips by the real ansible-playbook, in folders with names that are patterns elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from tests.integration.controller import Controller

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "
SAID = "주문한 상품이 아직 오지 않았습니다."


def test_clips_are_read_as_the_checks_read_them(tmp_path: Path) -> None:
    controller = Controller(tmp_path)
    clips = tmp_path / "odd [2026] 녹음"
    (clips / "1월").mkdir(parents=True)
    (clips / "1월" / "주문 {a}.wav").write_bytes(WAV)
    (clips / "private.txt").write_text("listed nowhere")
    entries = [{"file": "1월/주문 {a}.wav", "kind": None, "text": SAID}]
    (clips / "clips.json").write_text(json.dumps(entries), encoding="utf-8-sig")
    heard = {
        "clip": "주문 {a}.wav",
        "text": SAID,
        "good": True,
        "sha256": hashlib.sha256(WAV).hexdigest(),
    }
    checks = [{"name": "service_transcribes", "evidence": {"transcripts": [heard]}}]
    (tmp_path / "report.json").write_text(json.dumps({"checks": checks}))
    report = str(tmp_path / "report.json")
    run = controller.run({"stt.engine.stt_clips": {"directory": str(clips), "report": report}})
    assert run.rc == 0, run.output
    assert run.results == [
        {
            "changed": False,
            "failed": False,
            "files": ["1월/주문 {a}.wav", "clips.json"],
            "recording": {
                "name": "주문 {a}.wav",
                "content": base64.b64encode(WAV).decode(),
                "text": SAID,
                "limit": 0.2,
            },
            "timeout": 120,
        }
    ]
