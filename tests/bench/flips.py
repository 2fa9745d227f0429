# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench-flips`: single flipped bits in model.bin, and which gate catches them."""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.bench.converting import engine_image
from tests.bench.page import on_machine, write_page
from tests.bench.place import CHECKOUT, machine
from tests.integration.verify_host import CLIPS, NAME, RUN, VerifyHost, tiny_model
from tests.lab.hosts import ssh_command
from tests.lab.layout import BUILD_HOST, Places, cache_root

TARGET = "bench-flips"
PAGE = CHECKOUT / "docs" / "verdict.md"
INSIDE = "flips_inside.py"
QUANTIZATIONS = ("int8_float16", "float32")
# Clips of both languages that are transcribed for every flip: all of them would take an hour.
FILES = ("en-greeting.flac", "en-order.flac", "ko-greeting.flac", "ko-delivery.flac")
SETS = {
    "anywhere": "anywhere in the file",
    "heavy": "sign and exponent bits, embeddings left out",
    "between": "names, shapes and settings between the weights",
}
# Columns: the gates that have to catch a flip, each of them alone or together.
COLUMNS: dict[str, tuple[str, ...]] = {
    "hash gate": ("hash",),
    "header walk": ("headers",),
    "encoder agreement": ("encoder",),
    "transcripts": ("texts",),
    "these three": ("headers", "encoder", "texts"),
}
LIMIT = 1800
Flip = dict[str, Any]


def catches(flip: Flip, gates: Sequence[str]) -> bool:
    """Whether one of these gates did not pass with the bit flipped."""
    return any(flip[gate] != "passed" for gate in gates)


def rows(flips: Sequence[Flip]) -> list[dict[str, Any]]:
    """How many flips of each kind each gate caught."""
    kinds = dict.fromkeys((one["quantization"], one["set"]) for one in flips)
    found = []
    for quantization, kind in sorted(kinds, key=lambda one: list(SETS).index(one[1])):
        of = [one for one in flips if (one["quantization"], one["set"]) == (quantization, kind)]
        caught = {
            column: sum(catches(one, gates) for one in of) for column, gates in COLUMNS.items()
        }
        row = {"quantization": quantization, "set": kind, "flips": len(of), **caught}
        found.append({**row, "crashed": sum("crashed" in str(one["said"]) for one in of)})
    return found


def table(made: Sequence[dict[str, Any]], *, markdown: bool = False) -> str:
    """The rows as a table."""
    head = ["weights", "flipped bits", "flips", *COLUMNS]
    lines = [
        [row["quantization"], SETS[row["set"]], *(str(row[name]) for name in ("flips", *COLUMNS))]
        for row in made
    ]
    if markdown:
        return "\n".join(
            f"| {' | '.join(line)} |" for line in (head, ["---" for _unused in head], *lines)
        )
    widths = [max(len(line[at]) for line in (head, *lines)) for at in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (head, *lines)
    )


def missed(flips: Sequence[Flip]) -> list[Flip]:
    """The flips that the hash gate let pass: there must be none."""
    return [one for one in flips if not catches(one, ("hash",))]


def document(flips: Sequence[Flip], facts: dict[str, Any]) -> dict[str, Any]:
    """The JSON result."""
    made = rows(flips)
    figures = {
        f"{row['quantization']}_{row['set']}_{column.replace(' ', '_')}": row[column]
        for row in made
        for column in ("flips", *COLUMNS)
    }
    return {
        "name": TARGET,
        "passed": len(flips) - len(missed(flips)),
        "failed": len(missed(flips)),
        "figures": figures,
        "ratios": {},
        "facts": facts,
        "table": made,
        "rows": list(flips),
    }


def content(flips: Sequence[Flip], facts: dict[str, Any]) -> str:
    """The table and its conditions, for the page."""
    of_headers = Counter(one["set"] for one in flips if one["place"] == "headers")
    crashed = sum(row["crashed"] for row in rows(flips))
    return "\n\n".join(
        [
            table(rows(flips), markdown=True),
            f"Flips that were caught. Seed {facts['seed']}; {of_headers['anywhere']} of the flips "
            "anywhere in the file hit the headers or settings between the weights, and "
            f"{crashed} made a library crash. Transcribed were {len(FILES)} clips. "
            f"On {on_machine(facts['machine'], facts['seconds'])}",
        ]
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument("--count", type=int, default=100, help="flips anywhere in the file")
    parser.add_argument("--heavy", type=int, default=50, help="flips of sign and exponent bits")
    parser.add_argument("--between", type=int, default=25, help="flips outside of weights")
    parser.add_argument("--seed", type=int, default=1, help="which flips")
    parser.add_argument(
        "--only", default=",".join(QUANTIZATIONS), help="quantizations, with commas"
    )
    parser.add_argument("--image", default="", help="default: the newest full engine image there")
    parser.add_argument(
        "--markdown", action="store_true", help="also write the table into docs/verdict.md"
    )


def main(options: argparse.Namespace) -> int:
    """Flip, print the table and write the result; 1 when the hash gate missed a flip."""
    print("==> Flipped bits, and what catches them: about 10 minutes", flush=True)
    began = time.monotonic()
    host = VerifyHost()
    try:
        flips = measure(host, options)
    finally:
        host.clean()
    facts = {
        "seed": options.seed,
        "clips": FILES,
        "machine": machine(),
        "seconds": round(time.monotonic() - began),
    }
    print(f"\n{table(rows(flips))}\n")
    for one in missed(flips):
        print(f"missed by the hash gate: {json.dumps(one)}")
    path = CHECKOUT / "results" / f"{TARGET}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{json.dumps(document(flips, facts), indent=2)}\n", encoding="utf-8")
    print(f"{len(flips)} flips, {len(missed(flips))} missed by the hash gate")
    print(f"written: {path.relative_to(CHECKOUT)}")
    if options.markdown:
        page = write_page(TARGET, content(flips, facts), PAGE)
        print(f"written: {page.relative_to(CHECKOUT)}")
    return 1 if missed(flips) or not flips else 0


def measure(host: VerifyHost, options: argparse.Namespace) -> list[Flip]:
    """Convert the tiny model, and let one container flip and judge."""
    image = options.image or engine_image(host)
    host.carry()
    conversions = []
    for quantization in options.only.split(","):
        done = host.convert(image, quantization=quantization)
        if done.get("failed"):
            raise SystemExit(done["msg"])
        place = f"/app/models/{quantization}"
        conversions.append(
            {
                "quantization": quantization,
                "path": place,
                "files": done["files"],
                "on": done["path"],
            }
        )
    missing = sorted(set(FILES) - {path.name for path in CLIPS.iterdir()})
    if missing:
        raise SystemExit(f"clips: found no {', '.join(missing)} in {CLIPS}; needed all")
    program = (CHECKOUT / "tests" / "bench" / INSIDE).read_bytes()
    mounts = {
        f"{host.put({INSIDE: program}, 'flips')}/{INSIDE}": f"/checks/{INSIDE}",
        f"{host.directory}/checks/checks.pyz": "/checks/checks.pyz",
        f"{host.directory}/clips": "/checks/clips",
        host.source: f"/app/models/{NAME}",
        **{str(one["on"]): str(one["path"]) for one in conversions},
    }
    order = {
        "count": options.count,
        "heavy": options.heavy,
        "between": options.between,
        "seed": options.seed,
        "name": NAME,
        "original": f"/app/models/{NAME}",
        "original_files": original_files(),
        "clips": "/checks/clips",
        "files": FILES,
        "conversions": conversions,
    }
    return converse(host, image, mounts, order)


def unharmed(message: dict[str, Any]) -> bool:
    """Whether everything passed before a bit was flipped."""
    if "reference" in message:
        return bool(message["reference"]["status"] == "passed")
    return not message["unharmed"]["said"]


def original_files() -> list[dict[str, Any]]:
    """The original's manifest, which the hash gate holds it against too."""
    return [
        {"path": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in sorted(tiny_model().items())
    ]


def converse(
    host: VerifyHost, image: str, mounts: dict[str, str], order: dict[str, Any]
) -> list[Flip]:
    """Run the container and read its lines as they come."""
    volumes = " ".join(f"--volume {path}:{place}:ro" for path, place in mounts.items())
    command = (
        f"{RUN} --name {host.prefix} --env HOME=/tmp {volumes} --entrypoint python3 "
        f"{shlex.quote(image)} -B /checks/{INSIDE}"
    )
    flips: list[Flip] = []
    running = subprocess.Popen(
        ssh_command(BUILD_HOST, Places(cache_root()), f"timeout {LIMIT} {command}"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    if running.stdin is None or running.stdout is None:
        raise SystemExit("ssh: found no pipes; needed them to talk to the container")
    with running.stdin as stream:
        stream.write(json.dumps(order))
    for line in running.stdout:
        message = json.loads(line)
        if "flip" in message:
            flips.append(message["flip"])
            if len(flips) % 25 == 0:
                print(f"    {len(flips)} flips", flush=True)
        elif not unharmed(message):
            raise SystemExit(f"without a flip: found {line.strip()}; needed every gate passed")
    if running.wait() != 0:
        raise SystemExit(f"the container ended with {running.returncode}: its log is above")
    return flips
