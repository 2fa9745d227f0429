# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_clips by the real ansible-playbook, in folders with names that are patterns elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path

from tests.integration.controller import CHECKOUT, Controller

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


def test_a_set_carries_what_it_lists_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    controller = Controller(tmp_path)
    clips, root, cache = tmp_path / "녹음", tmp_path / "stt", tmp_path / "cache"
    (tmp_path / "nas").mkdir()
    (tmp_path / "nas" / "주문.wav").write_bytes(WAV)
    clips.mkdir()
    (clips / "raw").symlink_to("../nas")
    (clips / "private.wav").write_bytes(WAV)
    os.mkfifo(clips / "fifo")
    (clips / "clips.json").write_text(json.dumps([{"file": "raw/주문.wav"}]))
    # As an earlier version has left it, open to everybody.
    (root / "clips" / "0123456789ab").mkdir(parents=True)
    (root / "clips").chmod(0o755)
    os.utime(root / "clips" / "0123456789ab", (1, 1))
    carry = {
        "ansible.builtin.include_tasks": str(CHECKOUT / "roles/model_check/tasks/clips.yml"),
        "vars": {
            "model_check_clips": str(clips),
            "model_check_root": str(root),
            "model_check_cache": str(cache),
            # An engine without a container.
            "model_check_docker": "true",
        },
    }
    first = controller.run(carry)
    assert first.rc == 0, first.output
    assert first.recap["failed"] == first.recap["ignored"] == 0
    (carried,) = (root / "clips").iterdir()
    files = sorted(str(path.relative_to(carried)) for path in carried.rglob("*") if path.is_file())
    assert files == ["clips.json", "raw/주문.wav"]
    packed = cache / "clips" / f"clips-{carried.name}.tar"
    modes = [path.stat().st_mode & 0o777 for path in (root / "clips", cache / "clips", packed)]
    assert modes == [0o700, 0o700, 0o600]
    # Inside a container the set is all that there is, and its user has to read it.
    assert carried.stat().st_mode & 0o777 == 0o755
    assert (carried / "raw" / "주문.wav").stat().st_mode & 0o777 == 0o644
    os.utime(carried, (1, 1))
    again = controller.run(carry)
    assert again.rc == 0, again.output
    # What keeps the results for this test, and nothing else.
    assert again.recap["changed"] == 1
    assert carried.stat().st_mtime > 1
