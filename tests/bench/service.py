# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench-service`: the service in its image under load, over time, abused and stopped."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.bench.converting import engine_image
from tests.bench.figures import Line, Result, Sample
from tests.bench.model import write
from tests.bench.page import on_machine, write_page
from tests.bench.place import CHECKOUT, machine
from tests.bench.table import markdown, plain
from tests.integration.service_container import ServiceContainer
from tests.integration.verify_host import VerifyHost

NAME = "bench-service"
# One at work and this many waiting: fewer places than clients, so that refusals are part of it.
QUEUE = 4
SETTINGS = {"STT_QUEUE": str(QUEUE), "STT_RETRY_AFTER_SECONDS": "1"}
STEP = 50
# Memory is held against what it was after this many requests: by then everything is loaded.
SETTLED = 100
MOST_GROWTH = 1.05
STOPS = 3
MEGABYTES = 1e-6


@dataclass
class Stand:
    """What every part needs."""

    host: VerifyHost
    image: str
    model: str
    options: argparse.Namespace
    result: Result

    def start(self, name: str) -> ServiceContainer:
        """A new container of the service."""
        return ServiceContainer(
            self.host,
            self.image,
            self.model,
            name,
            own_source=self.options.own_source,
            settings=SETTINGS,
        )

    def keep(
        self, part: str, turn: int, seen: dict[str, Any], problem: str, **values: float
    ) -> None:
        """Keep one run, and say it."""
        self.result.samples.append(Sample(part, "ours", turn, values, problem))
        self.result.facts.setdefault(part, []).append(seen)
        said = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        print(f"    {part} {turn + 1}: {problem or said}", flush=True)


def measure_load(stand: Stand) -> None:
    """Clients for a while: everything begun is answered, with the right text."""
    options = stand.options
    with stand.start("load") as service:
        seen = service.do("load", clients=options.clients, seconds=options.seconds)
    problem = "; ".join(seen["problems"])
    if not problem and seen["counted_by_service"] != seen["statuses"]:
        problem = f"the service counted {seen['counted_by_service']}, they saw {seen['statuses']}"
    if not problem and seen["health_after"] != 200:
        problem = f"/health gives {seen['health_after']} afterwards"
    stand.keep(
        "load",
        0,
        seen,
        problem,
        begun=seen["begun"],
        lost=seen["begun"] - seen["answered"],
        refused=seen["statuses"].get("429", 0),
        per_second=seen["answered"] / seen["seconds"],
        wait_median=seen["wait_median_seconds"],
        wait_p95=seen["wait_p95_seconds"],
    )


def measure_memory(stand: Stand) -> None:
    """Many requests, one after another: memory stays what it was."""
    resident: dict[int, int] = {}
    wrong = 0
    with stand.start("memory") as service:
        for start in range(0, stand.options.requests, SETTLED):
            count = min(SETTLED, stand.options.requests - start)
            seen = service.do("repeat", start=start, count=count, step=STEP)
            resident |= {int(number): found for number, found in seen["resident_bytes"].items()}
            wrong += seen["wrong"]
    last, settled, first = max(resident), min(SETTLED, max(resident)), min(resident)
    seen = {"resident_bytes": resident, "wrong": wrong, "peak_bytes": seen["peak_bytes"]}
    stand.keep(
        "memory",
        0,
        seen,
        f"{wrong} answers were wrong" if wrong else "",
        first=resident[first] * MEGABYTES,
        settled=resident[settled] * MEGABYTES,
        last=resident[last] * MEGABYTES,
        growth=resident[last] / resident[settled],
    )


def measure_malformed(stand: Stand) -> None:
    """Uploads with a fault: each is refused with a reason, and the service goes on."""
    options = stand.options
    with stand.start("malformed") as service:
        seen = service.do("malformed", seed=options.seed, count=options.uploads)
    problem = "; ".join(seen["wrong"])
    if not problem and (seen["health_after"], seen["text_after"]) != (200, seen["text_expected"]):
        problem = f"afterwards /health gives {seen['health_after']}, text {seen['text_after']!r}"
    stand.keep(
        "malformed",
        0,
        seen,
        problem,
        sent=seen["count"],
        kinds=len(seen["kinds"]),
        not_refused=seen["count"] - seen["refused"],
    )


def measure_stop(stand: Stand) -> None:
    """SIGTERM while requests are inside: each is answered, the new are sent elsewhere."""
    count = QUEUE + 1
    for turn in range(STOPS):
        with stand.start(f"stop{turn}") as service:
            seen = service.do("stop", count=count)
        lost = count - seen["right_texts"]
        problem = "; ".join(seen["problems"])
        if lost and not problem:
            problem = f"answers {seen['statuses']}"
        if any(late[:2] != [503, "close"] for late in seen["late"]):
            problem = problem or f"new requests got {seen['late']}"
        if seen["exit_status"]:
            problem = problem or f"exit status {seen['exit_status']}"
        stand.keep("stop", turn, seen, problem, accepted=count, lost=lost, seconds=seen["seconds"])


PARTS: dict[str, Callable[[Stand], None]] = {
    "load": measure_load,
    "memory": measure_memory,
    "malformed": measure_malformed,
    "stop": measure_stop,
}


def lines(result: Result, options: argparse.Namespace) -> list[Line]:
    """The lines of the table."""

    def line(part: str, value: str, label: str, unit: str, most: float | None = None) -> Line:
        spread = result.spread(part, "ours", value)
        return Line(f"{part}_{value}", label, unit, spread, never_over=most)

    clients = f"{options.clients} clients, {options.seconds} s"
    return [
        line("load", "begun", f"{clients}: recordings sent", "recordings"),
        line("load", "lost", f"{clients}: lost", "recordings", 0),
        line("load", "refused", f"{clients}: refused for a moment, then answered", "refusals"),
        line("load", "per_second", f"{clients}: answered", "recordings/s"),
        line("load", "wait_median", f"{clients}: wait, median", "s"),
        line("load", "wait_p95", f"{clients}: wait, 95 of 100", "s"),
        line("memory", "first", f"memory after {STEP} requests", "MB"),
        line("memory", "settled", f"memory after {SETTLED} requests", "MB"),
        line("memory", "last", f"memory after {options.requests} requests", "MB"),
        line("memory", "growth", f"memory, {options.requests} / {SETTLED}", "x", MOST_GROWTH),
        line("malformed", "sent", "malformed uploads", "uploads"),
        line("malformed", "kinds", "malformed uploads, kinds", "kinds"),
        line("malformed", "not_refused", "malformed uploads not refused", "uploads", 0),
        line("stop", "accepted", "inside when SIGTERM came", "recordings"),
        line("stop", "lost", "of these lost", "recordings", 0),
        line("stop", "seconds", "from SIGTERM to the end", "s"),
    ]


def content(result: Result) -> str:
    """The table, the settings and the machine of one run."""
    facts = result.facts
    settings = ", ".join(f"`{name}={value}`" for name, value in facts["settings"].items())
    return "\n\n".join(
        [
            markdown(result.lines),
            f"One run, the stop {STOPS} times (in brackets the least and the most), with "
            f"{settings}, else the service's defaults. "
            f"{len(result.samples) - len(result.failed)} runs were valid, {len(result.failed)} "
            f"failed. On {on_machine(facts['machine'], facts['seconds'])}",
        ]
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas (default: all)")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=60, help="how long the clients send")
    parser.add_argument("--requests", type=int, default=500, help="requests while memory is read")
    parser.add_argument("--uploads", type=int, default=100, help="malformed uploads")
    parser.add_argument("--seed", type=int, default=1, help="which malformed uploads")
    parser.add_argument("--image", default="", help="default: the newest full engine image there")
    parser.add_argument(
        "--own-source", action="store_true", help="this checkout's service over the image's"
    )
    parser.add_argument(
        "--markdown", action="store_true", help="also write the table into docs/benchmarks.md"
    )


def main(options: argparse.Namespace) -> int:
    """Measure, print the table and write the result; 1 when anything was lost or wrong."""
    parts = [part for part in PARTS if part in options.only.split(",")]
    unknown = sorted(set(options.only.split(",")) - set(PARTS))
    if unknown or options.requests < SETTLED:
        print(f"--only: found {', '.join(unknown)}; needed some of {', '.join(PARTS)}; and at")
        print(f"least {SETTLED} --requests")
        return 2
    if options.markdown and len(parts) < len(PARTS):
        print("--markdown: found some parts; needed all")
        return 2
    print(f"==> Benchmark of the service: {', '.join(parts)}: about 6 minutes", flush=True)
    began = time.monotonic()
    result = Result(NAME)
    host = VerifyHost()
    try:
        measure(host, parts, options, result)
    finally:
        host.clean()
    result.facts["seconds"] = round(time.monotonic() - began)
    # A part that failed stays in the table as not measured.
    result.lines = [line for line in lines(result, options) if line.name.partition("_")[0] in parts]
    path = write(result)
    print(f"\n{plain(result.lines)}\n")
    for sample in result.failed:
        print(f"failed: {sample.part} {sample.turn + 1}: {sample.problem}")
    missed = [line.label for line in result.lines if line.reached is False]
    print(f"{len(result.samples) - len(result.failed)} runs valid, {len(result.failed)} failed")
    print(f"goals missed: {'; '.join(missed) or 'none'}")
    print(f"written: {path.relative_to(CHECKOUT)}")
    if options.markdown:
        print(f"written: {write_page(NAME, content(result)).relative_to(CHECKOUT)}")
    return 1 if result.failed or missed else 0


def measure(
    host: VerifyHost, parts: list[str], options: argparse.Namespace, result: Result
) -> None:
    """Run the chosen parts, each in a container of its own."""
    image = options.image or engine_image(host)
    host.carry()
    converted = host.convert(image)
    if converted.get("failed"):
        raise SystemExit(converted["msg"])
    result.facts = {
        "image": image,
        "image_id": host.ssh(f"docker image inspect --format '{{{{.Id}}}}' {image}").strip(),
        "own_source": options.own_source,
        "settings": SETTINGS,
        "machine": machine(),
    }
    stand = Stand(host, image, converted["path"], options, result)
    for part in parts:
        print(f"--> {part}", flush=True)
        PARTS[part](stand)
