# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_model_convert in a real engine image: named by its inputs, made once, nothing half-made."""

from __future__ import annotations

import json
import shlex
from typing import Any

from tests.integration.build_host import CHECKOUT
from tests.integration.verify_host import NAME, RUN, VerifyHost


def test_a_conversion_is_made_once_and_named_by_its_inputs(
    host: VerifyHost, image: str, converted: dict[str, Any]
) -> None:
    assert converted["path"].startswith(f"{host.source}-ct2-int8_float16-")
    assert converted["path"].endswith(converted["input_digest"][:12])
    modes = host.ssh(f"stat -c '%a %u' {converted['path']}/* | sort -u").strip()
    assert modes == "444 0"
    before = host.ssh("date +%s").strip()
    again = host.convert(image)
    assert (again["changed"], again["reason"]) == (False, "")
    assert again["files"] == converted["files"]
    events = f"docker events --since {before} --until $(date +%s) --filter event=create"
    started = [line for line in host.ssh(events).splitlines() if "container create" in line]
    assert not any("--versions" in line or "stt-convert" in line for line in started)
    dry = host.convert(image, check=True, quantization="int8_bfloat16")
    assert (dry["changed"], dry["files"]) == (True, [])
    assert "int8_bfloat16" not in host.ssh(f"ls {host.directory}/models/{NAME}")


def test_a_damaged_conversion_is_seen_and_made_again(host: VerifyHost, image: str) -> None:
    done = host.convert(image, quantization="int8")
    host.ssh(f"chmod u+w {done['path']}/model.bin && truncate -s 1000 {done['path']}/model.bin")
    again = host.convert(image, quantization="int8")
    assert again["changed"] is True
    assert again["reason"].startswith("model.bin has 1000 bytes instead of")
    assert again["files"] == done["files"]
    assert host.ssh(f"ls {host.directory}/staging").split() == []


def test_a_failed_conversion_leaves_the_old_one(
    host: VerifyHost, image: str, converted: dict[str, Any]
) -> None:
    files = f"cd {host.directory}/models/{NAME} && find . -type f | sort | xargs sha256sum"
    before = host.ssh(files)
    done = host.convert(image, quantization="int8_bfloat16", memory_bytes=150_000_000)
    assert done["failed"] is True
    assert "ended by the out-of-memory killer at its limit of 150000000 bytes" in done["msg"]
    assert "raise memory_bytes" in done["fix"]
    locked = [{**file, "sha256": "0" * 64} for file in converted["files"]]
    done = host.convert(image, quantization="int8_bfloat16", expected_files=locked)
    assert done["failed"] is True
    assert "found other files than locked" in done["msg"]
    assert host.ssh(files) == before
    assert host.ssh(f"ls {host.directory}/staging").split() == []
    assert host.containers() == []


def test_a_source_without_its_tokenizer_is_named(host: VerifyHost, image: str) -> None:
    bare = f"{host.directory}/models/bare/{'2' * 40}"
    host.ssh(f"mkdir -p {bare} && cp {host.source}/* {bare}/ && rm {bare}/preprocessor_config.json")
    done = host.convert(image, source=bare)
    assert done["failed"] is True
    assert "preprocessor_config.json" in done["msg"]
    assert host.ssh(f"ls {host.directory}/models/bare").split() == ["2" * 40]


def test_a_disk_that_fills_up_is_said_as_such(host: VerifyHost, image: str) -> None:
    """Foreseen by the module; here the converter itself meets it."""
    source = (CHECKOUT / "plugins" / "module_utils" / "_convert_payload.py").read_bytes()
    printed = host.ssh(
        f"{RUN} --tmpfs /destination:size=2m,mode=1777 --volume {host.source}:/source:ro "
        f"-e HOME=/tmp --entrypoint python3 {shlex.quote(image)} - --source /source "
        "--destination /destination/model --quantization float32 2>/dev/null || [ $? = 1 ]",
        source,
    )
    answer = json.loads(printed.splitlines()[-1])
    assert answer["error"]["kind"] == "disk_full", answer
