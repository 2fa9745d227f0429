# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runs of converting: our module and CTranslate2's own command, in the same image."""

from __future__ import annotations

import json
from typing import Any

from tests.bench.figures import Result, Sample, rotated
from tests.bench.place import Model
from tests.bench.server import BenchServer
from tests.integration.build_host import BuildHost

QUANTIZATION = "int8_float16"


def measure_convert(model: Model, runs: int, result: Result) -> None:
    """Convert with each in turn on the build server; both must write the same model.bin."""
    server = BenchServer()
    try:
        image = engine_image(server)
        server.carry()
        source = server.send_model(model)
        wanted = ""
        for turn in range(runs):
            for tool in rotated(["ours", "converter"], turn):
                # Nothing that an earlier run has left in memory is still to be written.
                server.ssh("sync")
                answer = (_ours if tool == "ours" else _converter)(server, image, source)
                digest, problem = answer["sha256"], answer["problem"]
                wanted = wanted or digest
                if not problem and digest != wanted:
                    problem = f"model.bin is {digest}, the first one was {wanted}"
                values = {
                    "seconds": answer["seconds"],
                    "seconds_until_on_disk": answer["seconds"] + answer["settle_seconds"],
                    "peak_memory_bytes": float(answer["peak_memory_bytes"]),
                }
                if not problem and not answer["peak_memory_bytes"]:
                    problem = "its container was not seen"
                result.samples.append(Sample("convert", tool, turn, values, problem))
                said = problem or f"{values['seconds']:.1f} s, {values['peak_memory_bytes']:.4g} B"
                print(f"    convert {turn + 1}/{runs} {tool}: {said}", flush=True)
        result.facts["model_bin_sha256"] = wanted
    finally:
        server.clean()


def engine_image(server: BuildHost) -> str:
    """The newest full engine image on the server."""
    filters = "--filter label=stt.engine.owner=stt.engine --filter label=stt.engine.variant=full"
    listed = server.ssh(f"docker image ls --format '{{{{.Repository}}}}:{{{{.Tag}}}}' {filters}")
    names = [name for name in listed.split() if name.startswith("stt-engine:")]
    names = [name for name in names if "<none>" not in name]
    if not names:
        raise SystemExit(
            "engine image: found none on the lab's build server; needed to convert in; "
            "fix: make release, or leave convert out with --only"
        )
    return names[0]


def _ours(server: BenchServer, image: str, source: str) -> dict[str, Any]:
    """Our module: it also hashes the outcome, judges it and brings it to the disk."""
    root = f"{server.directory}/converted/models"
    answer = server.measure_module(
        "stt_model_convert",
        {
            "image": image,
            "source": source,
            "destination_root": root,
            "quantization": QUANTIZATION,
            "jobs_root": f"{server.directory}/converted/jobs",
        },
        source,
        root,
    )
    problem = str(answer["result"]["msg"]) if answer["result"].get("failed") else ""
    return _ended(server, answer, str(answer["result"].get("path")), problem)


def _converter(server: BenchServer, image: str, source: str) -> dict[str, Any]:
    """The command that CTranslate2 brings, with its defaults, without a network as ours."""
    target = f"{server.directory}/converted"
    server.ssh(f"mkdir -p {target} && chmod 777 {target}")
    command = [
        *("docker", "run", "--rm", "--network=none"),
        *("--volume", f"{source}:/source:ro", "--volume", f"{target}:/out"),
        *("--entrypoint", "ct2-transformers-converter", image),
        *("--model", "/source", "--output_dir", "/out/model", "--quantization", QUANTIZATION),
        *("--copy_files", "tokenizer.json", "preprocessor_config.json"),
    ]
    answer = server.measure(command, "", {}, source, target)
    problem = "" if answer["status"] == 0 else f"ended with {json.dumps(answer['complaints'])}"
    return _ended(server, answer, f"{target}/model", problem)


def _ended(server: BenchServer, answer: dict[str, Any], path: str, problem: str) -> dict[str, Any]:
    """Take the hash of what came out and remove it."""
    digest = "" if problem else server.ssh(f"sha256sum {path}/model.bin").split()[0]
    server.ssh(f"rm -rf {server.directory}/converted")
    return {**answer, "problem": problem, "sha256": digest}
