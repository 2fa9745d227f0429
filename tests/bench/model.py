# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench-model`: fetching and converting a model, beside the tools that others use."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.converting import engine_image, measure_convert
from tests.bench.fetching import (
    LIMITED_RATE,
    Stand,
    measure_fetch,
    measure_kill,
    measure_no_change,
)
from tests.bench.figures import Result
from tests.bench.model_lines import lines
from tests.bench.page import content, write_page
from tests.bench.place import CHECKOUT, machine, make_model, workshop
from tests.bench.table import plain
from tests.bench.tools import check_tools, peer_versions, stream_settings
from tests.integration.build_host import BuildHost
from tests.integration.model_lab import HubProcess

NAME = "bench-model"
# Seconds of one round at full size on two cores; told before the start.
ROUND_SECONDS = {"fetch": 25, "limited": 82, "kill": 28, "nochange": 4, "convert": 35}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument("--runs", type=int, default=5, help="rounds of each part (default 5)")
    parser.add_argument("--size", choices=("full", "small"), default="full")
    parser.add_argument(
        "--only", default=",".join(ROUND_SECONDS), help="parts, with commas (default: all)"
    )
    parser.add_argument(
        "--markdown", action="store_true", help="also write the table into docs/benchmarks.md"
    )


def main(options: argparse.Namespace) -> int:
    """Measure, print the table and write the result; 1 when a run did not do what it had to."""
    parts = [part for part in ROUND_SECONDS if part in options.only.split(",")]
    unknown = sorted(set(options.only.split(",")) - set(ROUND_SECONDS))
    if unknown or options.runs < 1:
        print(f"--only: found {', '.join(unknown)}; needed some of {', '.join(ROUND_SECONDS)}")
        return 2
    if options.markdown and (len(parts) < len(ROUND_SECONDS) or options.size != "full"):
        print("--markdown: found some parts or the small size; needed all parts at full size")
        return 2
    check_tools()
    if "convert" in parts:
        # Before the other parts, which take minutes.
        engine_image(BuildHost())
    announce(parts, options)
    began = time.monotonic()
    result = measure(parts, options)
    result.facts["seconds"] = round(time.monotonic() - began)
    result.lines = lines(result, parts)
    path = write(result)
    print(f"\n{plain(result.lines)}\n")
    for sample in result.failed:
        print(f"failed: {sample.part} {sample.tool} {sample.turn + 1}: {sample.problem}")
    missed = [line.label for line in result.lines if line.reached is False]
    print(f"{len(result.samples) - len(result.failed)} runs valid, {len(result.failed)} failed")
    print(f"goals missed: {'; '.join(missed) or 'none'}")
    print(f"written: {path.relative_to(CHECKOUT)}")
    if options.markdown:
        print(f"written: {write_page(NAME, content(result)).relative_to(CHECKOUT)}")
    return 1 if result.failed else 0


def announce(parts: list[str], options: argparse.Namespace) -> None:
    """Say how long it will take."""
    seconds = options.runs * sum(ROUND_SECONDS[part] for part in parts)
    minutes = 1 if options.size == "small" else max(1, round(seconds / 60))
    print(
        f"==> Benchmark of the model's way: {', '.join(parts)}; {options.runs} rounds, size "
        f"{options.size}: about {minutes} minutes",
        flush=True,
    )


def measure(parts: list[str], options: argparse.Namespace) -> Result:
    """Run the chosen parts."""
    result = Result(NAME)
    model = make_model(options.size)
    streams, chunk_bytes = stream_settings()
    result.facts = {
        "size": options.size,
        "weight_bytes": model.weight_bytes,
        "runs": options.runs,
        "streams": streams,
        "chunk_bytes": chunk_bytes,
        "peers": peer_versions(),
        "machine": machine(),
    }
    if set(parts) - {"convert"}:
        with workshop(model) as work, HubProcess(work / "repositories") as hub:
            # Every file of the model is in the page cache from here on, for each tool alike.
            assert model.sha256
            stand = Stand(model, hub, hub.commit(), work, options.runs, result)
            measures: dict[str, Callable[[], None]] = {
                "fetch": lambda: measure_fetch(stand, "fetch"),
                "limited": lambda: measure_fetch(stand, "limited", LIMITED_RATE),
                "kill": lambda: measure_kill(stand),
                "nochange": lambda: measure_no_change(stand),
            }
            for part in parts:
                if part in measures:
                    print(f"--> {part}", flush=True)
                    measures[part]()
    if "convert" in parts:
        print("--> convert", flush=True)
        measure_convert(model, options.runs, result)
    return result


def write(result: Result) -> Path:
    """Write the JSON result; it appears when it is complete."""
    path = CHECKOUT / "results" / f"{result.name}.json"
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_text(f"{json.dumps(result.document(), indent=2)}\n", encoding="utf-8")
    return draft.replace(path)
