# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runs of building: from nothing, with another service, and with no change at all."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.figures import Result, Sample, rotated
from tests.bench.image_server import ThrowawayServer
from tests.bench.place import CHECKOUT, sha256
from tests.integration.build_host import BuildHost
from tests.lab.layout import BASE_IMAGE, HUB_ADDRESS, HUB_PORT, Places, cache_root

DOCKERFILE = "Dockerfile.engine.rhel89"
EDITED = "stt_engine/service.py"
# What the lab's inventory builds.
ARGUMENTS = {
    "VARIANT": "full",
    "CUDA": "cu128",
    "OS": "debian12",
    "VERSION": "bench",
    "FIND_LINKS": f"http://{HUB_ADDRESS}:{HUB_PORT}/wheels/",
}
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
TOOLS = ("ours", "docker")
QUICK_ROUNDS = 5


@dataclass
class Stand:
    """What every part works with."""

    server: ThrowawayServer
    rounds: int
    result: Result
    layers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def quick_rounds(self) -> int:
        """Rounds of what takes seconds."""
        return max(self.rounds, QUICK_ROUNDS)

    @property
    def context(self) -> str:
        """The directory that is built, on the server."""
        return f"{self.server.directory}/context"

    def put_context(self) -> None:
        """Write the engine's source to the server, as the release would."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(CHECKOUT / "docker", "context", filter=_sources)
        self.server.unpack(packed.getvalue(), ".")

    def edit(self, words: str) -> None:
        """Change one line of the service."""
        self.server.ssh(f"echo '# {words}' >> {self.context}/{EDITED}")

    def build(self, part: str, tool: str, turn: int) -> None:
        """Build once, keep what it took and the image's layers."""
        answer = self._ours() if tool == "ours" else self._docker(f"bench-docker:{part}-{turn}")
        values: dict[str, float] = {
            name: answer[name] for name in ("seconds", "module_seconds") if name in answer
        }
        if not answer["problem"]:
            self.layers[f"{part} {tool} {turn}"] = answer["layers"]
        self.result.samples.append(Sample(part, tool, turn, values, answer["problem"]))
        said = answer["problem"] or ", ".join(
            f"{name} {value:.2f}" for name, value in values.items()
        )
        print(f"    {part} {turn + 1} {tool}: {said}", flush=True)

    def forget(self) -> None:
        """Remove every image but the base, and the whole build cache."""
        self.server.ssh(
            f"rm -rf {self.server.directory}/jobs; "
            "docker image ls --format '{{.Repository}}:{{.Tag}}' 'bench-*' | "
            "xargs -r docker image rm --force >/dev/null; "
            "docker builder prune --all --force >/dev/null; sync"
        )

    def _ours(self) -> dict[str, Any]:
        answer = self.server.timed_module(
            "stt_image_build",
            {
                "context": self.context,
                "dockerfile": DOCKERFILE,
                "base": BASE_IMAGE,
                "build_args": ARGUMENTS,
                "secrets": {"ca": BUNDLE},
                "repository": "bench-ours",
                "jobs_root": f"{self.server.directory}/jobs",
            },
        )
        result = answer["result"]
        if result.get("failed"):
            return {"problem": str(result["msg"]), **answer}
        return {
            "problem": "",
            "seconds": answer["seconds"],
            "module_seconds": result["seconds"],
            "layers": result["layers"],
            "changed": result["changed"],
        }

    def _docker(self, tag: str) -> dict[str, Any]:
        """What a person types for the same image."""
        words = ["docker", "build", "-f", f"{self.context}/{DOCKERFILE}", "-t", tag]
        for name, value in {"BASE_IMAGE": BASE_IMAGE, **ARGUMENTS}.items():
            words += ["--build-arg", f"{name}={value}"]
        answer = self.server.timed([*words, "--secret", f"id=ca,src={BUNDLE}", self.context])
        if answer["status"] != 0:
            last = answer["complaints"].strip().splitlines()[-1:]
            return {"problem": f"ended with {answer['status']}: {''.join(last)}", **answer}
        return {"problem": "", "seconds": answer["seconds"], "layers": self._layers(tag)}

    def _layers(self, tag: str) -> list[dict[str, Any]]:
        said = self.server.ssh(f"docker image inspect {tag}")
        return [{"diff_id": layer} for layer in json.loads(said)[0]["RootFS"]["Layers"]]


def _sources(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name else entry


def measure_cold(stand: Stand) -> None:
    """Build from nothing with each in turn; wheels come from the lab's hub where it has them."""
    for wheel in Places(cache_root()).wheels.glob("*.whl"):
        # Into the page cache: the first to build would otherwise wait for the disk, the next not.
        sha256(wheel)
    for turn in range(stand.rounds):
        for tool in rotated(TOOLS, turn):
            stand.forget()
            stand.build("cold", tool, turn)


def measure_app(stand: Stand) -> None:
    """Build with one edited line of the service; every layer below comes from the cache."""
    for turn in range(stand.quick_rounds):
        for tool in rotated(TOOLS, turn):
            stand.edit(f"{tool} {turn}")
            stand.build("app", tool, turn)


def measure_no_change(stand: Stand) -> None:
    """Ask again for what is there."""
    for tool in TOOLS:
        stand.build("prepare", tool, 0)
    for turn in range(stand.quick_rounds):
        for tool in rotated(TOOLS, turn):
            stand.build("nochange", tool, turn)


def judge_layers(layers: Mapping[str, list[dict[str, Any]]], result: Result) -> None:
    """Say of how many images which layers were equal; an unequal lower layer fails the run."""
    stacks = {name: [str(one["diff_id"]) for one in found] for name, found in layers.items()}
    if not stacks:
        return
    first = next(iter(stacks.values()))
    sized = next((found for found in layers.values() if "size" in found[0]), [])
    # The last one is the service's.
    wrong = [name for name, stack in stacks.items() if stack[:-1] != first[:-1]]
    cold = {name: stack for name, stack in stacks.items() if name.startswith("cold")}
    edited = [stack[-1] for name, stack in stacks.items() if name.startswith("app")]
    result.facts["layers"] = {
        "images": len(stacks),
        "built_from_nothing": len(cold),
        "lower": len(first) - 1,
        "lower_equal_in_all": not wrong,
        "service_equal_from_nothing": len({stack[-1] for stack in cold.values()}) <= 1,
        "service_differs_for_each_edit": len(set(edited)) == len(edited),
        "stack": [
            {"diff_id": diff_id, **({"size": sized[index]["size"]} if sized else {})}
            for index, diff_id in enumerate(first)
        ],
    }
    for name in wrong:
        differing = [
            index
            for index, (one, other) in enumerate(zip(stacks[name], first, strict=False))
            if one != other
        ]
        problem = f"{name}: other layers than the first image, at {differing}"
        result.samples.append(Sample("layers", name, 0, {}, problem))


def shared_with(other: BuildHost, stack: Sequence[Mapping[str, Any]]) -> int:
    """How many of the layers, from the lowest up, the most similar image of another engine has."""
    listed = "docker image ls --quiet --filter label=stt.engine.variant=full | sort -u"
    said = other.ssh(f"{listed} | xargs -r docker image inspect --format '{{{{json .RootFS}}}}'")
    most = 0
    for line in said.splitlines():
        same = 0
        for one, layer in zip(stack, json.loads(line)["Layers"], strict=False):
            if one["diff_id"] != layer:
                break
            same += 1
        most = max(most, same)
    return most
