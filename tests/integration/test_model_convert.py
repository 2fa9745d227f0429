# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_model_convert in a real engine image: named by its inputs, made once, nothing half-made."""

from __future__ import annotations

import json
import shlex
from typing import Any

from tests.integration.verify_host import NAME, RUN, VerifyHost

QUANTIZATIONS = ("float16", "int8", "int8_float16", "int8_float32", "bfloat16", "float32")


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


def test_a_source_without_its_tokenizer_is_named(host: VerifyHost, image: str) -> None:
    bare = f"{host.directory}/models/bare/{'2' * 40}"
    host.ssh(f"mkdir -p {bare} && cp {host.source}/* {bare}/ && rm {bare}/preprocessor_config.json")
    done = host.convert(image, source=bare)
    assert done["failed"] is True
    assert f"{bare}/preprocessor_config.json: found no such file" in done["msg"]
    assert host.ssh(f"ls {host.directory}/models/bare").split() == ["2" * 40]


def test_every_quantization_is_the_command_line_tools_byte_for_byte(
    host: VerifyHost, image: str, converted: dict[str, Any]
) -> None:
    """The tool's own entry point converts to each; then the module does, and judges it."""
    tool = (
        "import hashlib, json, os, sys\n"
        "from ctranslate2.converters.transformers import main\n"
        "made = {}\n"
        "for kind in sys.argv[1:]:\n"
        "    out = f'/tmp/{kind}'\n"
        "    sys.argv = ['x', '--model', '/source', '--output_dir', out, '--quantization', kind,\n"
        "        '--copy_files', 'tokenizer.json', 'preprocessor_config.json']\n"
        "    main()\n"
        "    made[kind] = {name: hashlib.sha256(open(f'{out}/{name}', 'rb').read()).hexdigest()\n"
        "        for name in os.listdir(out)}\n"
        "print(json.dumps(made))\n"
    )
    printed = host.ssh(
        f"{RUN} --volume {host.source}:/source:ro -e HOME=/tmp --entrypoint python3 "
        f"{shlex.quote(image)} - {' '.join(QUANTIZATIONS)} 2>/dev/null",
        tool.encode(),
    )
    peers = json.loads(printed.splitlines()[-1])
    for kind in QUANTIZATIONS:
        done = converted if kind == "int8_float16" else host.convert(image, quantization=kind)
        assert not done.get("failed"), done["msg"]
        ours = {file["path"]: file["sha256"] for file in done["files"]}
        assert {name: ours.get(name) for name in peers[kind]} == peers[kind], kind
        stored = "int8_float16" if kind == "int8" else kind
        assert done["model_bin"]["quantization"] == stored
        assert done["inputs"]["quantization"] == kind
        assert [check["status"] for check in done["checks"]] == ["passed", "passed"]
