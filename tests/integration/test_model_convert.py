# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_model_convert in a real engine image: named by its inputs, made once, nothing half-made."""

from __future__ import annotations

import array
import json
import shlex
import struct
from collections.abc import Iterable, Sequence
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._convert_run import PAYLOAD
from tests.integration.verify_host import NAME, RUN, VerifyHost, tiny_model

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


TOOL = """
import hashlib, json, os, sys
from ctranslate2.converters.transformers import main
made = {}
for kind in sys.argv[1:]:
    out = f"/tmp/{kind}"
    sys.argv = ["x", "--model", "/source", "--output_dir", out, "--quantization", kind]
    sys.argv += ["--copy_files", "tokenizer.json", "preprocessor_config.json"]
    main()
    made[kind] = {
        name: hashlib.sha256(open(f"{out}/{name}", "rb").read()).hexdigest()
        for name in os.listdir(out)
    }
print(json.dumps(made))
"""


def command_line_tool(
    host: VerifyHost, image: str, source: str, kinds: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Hashes of what the tool's own entry point writes, by quantization and file."""
    printed = host.ssh(
        f"{RUN} --volume {source}:/source:ro -e HOME=/tmp --entrypoint python3 "
        f"{shlex.quote(image)} - {' '.join(kinds)} 2>/dev/null",
        TOOL.encode(),
    )
    return dict(json.loads(printed.splitlines()[-1]))


def hashes(done: dict[str, Any], names: Iterable[str]) -> dict[str, str | None]:
    """Those of the files of a conversion that the tool writes too."""
    assert not done.get("failed"), done["msg"]
    ours = {file["path"]: file["sha256"] for file in done["files"]}
    return {name: ours.get(name) for name in names}


def test_every_quantization_is_the_command_line_tools_byte_for_byte(
    host: VerifyHost, image: str, converted: dict[str, Any]
) -> None:
    peers = command_line_tool(host, image, host.source, QUANTIZATIONS)
    assert set(peers) == set(QUANTIZATIONS)
    for kind, peer in peers.items():
        done = converted if kind == "int8_float16" else host.convert(image, quantization=kind)
        assert hashes(done, peer) == peer, kind
        stored = "int8_float16" if kind == "int8" else kind
        assert done["model_bin"]["quantization"] == stored
        assert done["inputs"]["quantization"] == kind
        assert [check["status"] for check in done["checks"]] == ["passed", "passed"]
        # Otherwise this would compare the tool with itself.
        assert "all at once" not in host.ssh(f"zcat -f {done['log_path']}")


def test_a_converter_that_lacks_what_is_borrowed_makes_the_same_in_its_own_way(
    host: VerifyHost, image: str
) -> None:
    peer = command_line_tool(host, image, host.source, ("int8_float16",))["int8_float16"]
    payload = PAYLOAD.replace(b'"index_spec"', b'"index_spec", "not_there"')
    assert payload != PAYLOAD
    convert = "python3 - --source /source --destination /tmp/out --quantization int8_float16"
    printed = host.ssh(
        f"{RUN} --volume {host.source}:/source:ro -e HOME=/tmp --entrypoint sh "
        f"{shlex.quote(image)} -c '{convert} 2>&1 && sha256sum /tmp/out/model.bin'",
        payload,
    )
    assert "all at once: CTranslate2 has no not_there" in printed
    assert printed.split()[-2] == peer["model.bin"]


def finer(weights: bytes) -> bytes:
    """A file of float16 tensors as one of float32, each value a little beside a float16."""
    (length,) = struct.unpack_from("<Q", weights)
    header = json.loads(weights[8 : 8 + length])
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            entry.update(dtype="F32", data_offsets=[2 * begin, 2 * end])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    halves = struct.iter_unpack("<e", weights[8 + length :])
    values = array.array("f", (value * (1 + 2**-13) for (value,) in halves))
    return struct.pack("<Q", len(text)) + text + values.tobytes()


def test_a_checkpoint_of_float32_is_the_command_line_tools_too(
    host: VerifyHost, image: str
) -> None:
    """Values that float16 does not hold: the tool rounds them before it quantizes."""
    source = f"{host.directory}/models/full/{'3' * 40}"
    files = tiny_model()
    config = files["config.json"].replace(b'"float16"', b'"float32"')
    weights = finer(files["model.safetensors"])
    changed = {"model.safetensors": weights, "config.json": config}
    host.put({**files, **changed}, f"models/full/{'3' * 40}")
    kinds = ("int8_float16", "int8")
    peers = command_line_tool(host, image, source, kinds)
    for kind, peer in peers.items():
        done = host.convert(image, source=source, quantization=kind)
        assert hashes(done, peer) == peer, kind
