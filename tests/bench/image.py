# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench-image`: building the engine image, beside the docker build that a person types."""

from __future__ import annotations

import argparse
import shutil
import time

from tests.bench.figures import Result
from tests.bench.image_lines import content, lines
from tests.bench.image_runs import (
    QUICK_ROUNDS,
    Stand,
    judge_layers,
    measure_app,
    measure_cold,
    measure_no_change,
    shared_with,
)
from tests.bench.image_server import ThrowawayServer
from tests.bench.model import write
from tests.bench.page import write_page
from tests.bench.place import CHECKOUT, machine
from tests.bench.table import plain
from tests.integration.build_host import BuildHost
from tests.lab import engine as docker_engine

NAME = "bench-image"
# Seconds of one round on two cores, both tools together; told before the start.
ROUND_SECONDS = {"cold": 340, "app": 12, "nochange": 4}
PREPARE_SECONDS = 200
# An image with its build cache, and what the engine needs to remove one while making another.
ROOM_BYTES = 25_000_000_000
MEASURES = {"cold": measure_cold, "app": measure_app, "nochange": measure_no_change}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds (default 3; quick parts: at least 5)"
    )
    parser.add_argument(
        "--only", default=",".join(MEASURES), help="parts, with commas (default: all)"
    )
    parser.add_argument(
        "--markdown", action="store_true", help="also write the table into docs/benchmarks.md"
    )


def main(options: argparse.Namespace) -> int:
    """Measure, print the table and write the result; 1 when a run did not do what it had to."""
    asked = options.only.split(",")
    parts = [part for part in MEASURES if part in asked]
    unknown = sorted(set(asked) - set(MEASURES))
    if unknown or options.rounds < 1:
        print(f"--only: found {', '.join(unknown)}; needed some of {', '.join(MEASURES)}")
        return 2
    if options.markdown and len(parts) < len(MEASURES):
        print("--markdown: found some parts; needed all")
        return 2
    seconds = max(options.rounds, QUICK_ROUNDS) * sum(
        ROUND_SECONDS[part] for part in parts if part != "cold"
    )
    seconds += options.rounds * ROUND_SECONDS["cold"] if "cold" in parts else 0
    seconds += PREPARE_SECONDS if "cold" not in parts else 0
    print(
        f"==> Benchmark of the image's build: {', '.join(parts)}; {options.rounds} rounds: "
        f"about {max(1, round(seconds / 60))} minutes",
        flush=True,
    )
    began = time.monotonic()
    result = measure(parts, options.rounds)
    result.facts["seconds"] = round(time.monotonic() - began)
    result.lines = lines(result, parts)
    path = write(result)
    print(f"\n{plain(result.lines)}\n")
    for sample in result.failed:
        print(f"failed: {sample.part} {sample.tool} {sample.turn + 1}: {sample.problem}")
    missed = [line.label for line in result.lines if line.reached is False]
    layers = result.facts.get("layers", {})
    print(f"{len(result.samples) - len(result.failed)} runs valid, {len(result.failed)} failed")
    print(
        f"layers below the service: {layers.get('lower', 0)} in each of "
        f"{layers.get('images', 0)} images, equal in all: {layers.get('lower_equal_in_all')}; "
        f"layers shared with an image of the lab's own engine: "
        f"{layers.get('shared_with_another_engine')} of {len(layers.get('stack', []))}"
    )
    print(f"goals missed: {'; '.join(missed) or 'none'}")
    print(f"written: {path.relative_to(CHECKOUT)}")
    if options.markdown:
        print(f"written: {write_page(NAME, content(result)).relative_to(CHECKOUT)}")
    return 1 if result.failed else 0


def measure(parts: list[str], rounds: int) -> Result:
    """Run the chosen parts on a build server of this run's own."""
    result = Result(NAME)
    check_room()
    with ThrowawayServer() as server:
        server.carry()
        result.facts = {
            "rounds": rounds,
            "quick_rounds": max(rounds, QUICK_ROUNDS),
            "engine": server.ssh("docker version --format '{{.Server.Version}}'").strip(),
            "buildx": server.ssh("docker buildx version").split()[1],
            "machine": machine(),
        }
        stand = Stand(server, rounds, result)
        stand.put_context()
        if "cold" not in parts:
            print("--> an image to begin with", flush=True)
            stand.build("prepare", "ours", 0)
        for part in parts:
            print(f"--> {part}", flush=True)
            MEASURES[part](stand)
        judge_layers(stand.layers, result)
    if "layers" in result.facts:
        layers = result.facts["layers"]
        layers["shared_with_another_engine"] = shared_with(BuildHost(), layers["stack"])
    return result


def check_room() -> None:
    """Refuse to begin where the images would not fit."""
    found = docker_engine.find()
    if found is None:
        raise SystemExit("docker: found no engine that answers; needed one; fix: make lab-up")
    root = found.data_root()
    free = shutil.disk_usage(root).free
    if free < ROOM_BYTES:
        raise SystemExit(
            f"disk: found {free / 1e9:.1f} GB free at {root}; needed {ROOM_BYTES / 1e9:.0f} GB; "
            "fix: free some"
        )
