# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of the table of `make bench-image`, with the goals, and its part of the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.bench.figures import Line, Result, Spread
from tests.bench.page import on_machine
from tests.bench.table import markdown

DOCKER = "docker build"


def lines(result: Result, parts: Sequence[str]) -> list[Line]:
    """The lines of the measured parts."""

    def seconds(part: str, tool: str, value: str = "seconds") -> Spread | None:
        return result.spread(part, tool, value)

    made = {
        "cold": [
            Line(
                "image_cold",
                "from nothing",
                "s",
                seconds("cold", "ours"),
                seconds("cold", "docker"),
                DOCKER,
                most_ratio=1.03,
            )
        ],
        "app": [
            Line(
                "image_app",
                "one line of the service edited",
                "s",
                seconds("app", "ours"),
                seconds("app", "docker"),
                DOCKER,
                most_ratio=1.1,
            ),
            Line(
                "image_app_job",
                "one line of the service edited, the job alone",
                "s",
                seconds("app", "ours", "module_seconds"),
                seconds("app", "docker"),
                DOCKER,
            ),
        ],
        "nochange": [
            Line(
                "image_nochange_module",
                "nothing changed, inside the module",
                "s",
                seconds("nochange", "ours", "module_seconds"),
                most=2.0,
            ),
            Line(
                "image_nochange_process",
                "nothing changed, whole process",
                "s",
                seconds("nochange", "ours"),
                seconds("nochange", "docker"),
                DOCKER,
            ),
        ],
    }
    return [line for part, found in made.items() if part in parts for line in found]


def content(result: Result) -> str:
    """The table, the layers and the machine of one run."""
    facts = result.facts
    missed = "; ".join(line.label for line in result.lines if line.reached is False)
    return "\n\n".join(
        [
            markdown(result.lines),
            f"Medians of {facts['rounds']} rounds, {facts['quick_rounds']} where a line or nothing "
            f"changed; in brackets the least and the most. Goals missed: {missed or 'none'}. "
            f"Docker {facts['engine']}, buildx {facts['buildx']}; "
            f"{on_machine(facts['machine'], facts['seconds'])}",
            layers_text(facts["layers"]),
        ]
    )


def layers_text(layers: dict[str, Any]) -> str:
    """What the builds had in common, and the layers with their digests."""
    equal = "the same" if layers["lower_equal_in_all"] else "NOT the same"
    rows = [
        f"| {number} | `{layer['diff_id'][7:19]}` | {layer.get('size', 0) / 1e6:,.1f} MB |"
        for number, layer in enumerate(layers["stack"], start=1)
    ]
    return "\n".join(
        [
            f"All {layers['images']} images of the run, {layers['built_from_nothing']} of them "
            f"built from nothing with the cache emptied before each, have {equal} "
            f"{layers['lower']} layers below the service, byte for byte; an edit of the service "
            "makes the last one anew and no other. An image that another engine built on its own, "
            f"the one of the lab's build server, shares {layers['shared_with_another_engine']} of "
            f"the {len(layers['stack'])}.",
            "",
            "| layer | diff id | size |",
            "| --- | --- | --- |",
            *rows,
        ]
    )
