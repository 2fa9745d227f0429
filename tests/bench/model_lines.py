# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of the table of `make bench-model`, with the goals."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.figures import Line, Result, Spread

MEGABYTES = 1e-6
HF = "hf download"
CURL = "curl"
CONVERTER = "ct2-transformers-converter"


def lines(result: Result, parts: Sequence[str]) -> list[Line]:
    """The lines of the measured parts."""
    made = {
        "fetch": _fetch,
        "limited": _limited,
        "kill": _kill,
        "nochange": _no_change,
        "convert": _convert,
    }
    return [line for part in made if part in parts for line in made[part](result)]


def _fetch(result: Result) -> list[Line]:
    def seconds(tool: str) -> Spread | None:
        return result.spread("fetch", tool, "seconds")

    def on_disk(tool: str) -> Spread | None:
        return result.spread("fetch", tool, "seconds_until_on_disk")

    def memory(tool: str) -> Spread | None:
        return result.spread("fetch", tool, "peak_memory_bytes", MEGABYTES)

    def used(tool: str) -> Spread | None:
        return result.spread("fetch", tool, "processor_seconds")

    ours = seconds("ours")
    label = "fetch at loopback speed"
    return [
        Line("fetch_loopback_hf", label, "s", ours, seconds("hf"), HF, most_ratio=1.0),
        Line("fetch_loopback_curl", label, "s", ours, seconds("curl"), CURL, most_ratio=1.15),
        Line(
            "fetch_loopback_curl_hash",
            label,
            "s",
            ours,
            result.spread("fetch", "curl", "seconds_with_hash"),
            f"{CURL}, then openssl dgst -sha256",
        ),
        Line(
            "fetch_on_disk_hf", f"{label}, until on disk", "s", on_disk("ours"), on_disk("hf"), HF
        ),
        Line(
            "fetch_on_disk_curl",
            f"{label}, until on disk",
            "s",
            on_disk("ours"),
            on_disk("curl"),
            CURL,
        ),
        Line("fetch_processor_hf", "fetch, processor time", "s", used("ours"), used("hf"), HF),
        Line(
            "fetch_processor_curl", "fetch, processor time", "s", used("ours"), used("curl"), CURL
        ),
        Line(
            "fetch_memory_hf",
            "fetch, memory of the largest process",
            "MB",
            memory("ours"),
            memory("hf"),
            HF,
        ),
        Line(
            "fetch_job_memory_hf",
            "fetch, memory of the process that downloads",
            "MB",
            result.spread("fetch", "ours", "job_peak_memory_bytes", MEGABYTES),
            memory("hf"),
            HF,
        ),
    ]


def _limited(result: Result) -> list[Line]:
    def seconds(tool: str) -> Spread | None:
        return result.spread("limited", tool, "seconds")

    ours = seconds("ours")
    label = "fetch at 400 Mbit/s per connection"
    return [
        Line("fetch_limited_hf", label, "s", ours, seconds("hf"), HF, most_ratio=0.4),
        Line("fetch_limited_curl", label, "s", ours, seconds("curl"), CURL),
    ]


def _kill(result: Result) -> list[Line]:
    per_chunk = 1 / float(result.facts["chunk_bytes"])

    def twice(tool: str, scale: float) -> Spread | None:
        return result.spread("kill", tool, "bytes_twice", scale)

    return [
        Line(
            "kill_bytes_twice",
            "killed at 60 %, then finished: fetched twice",
            "MB",
            twice("ours", MEGABYTES),
            twice("hf", MEGABYTES),
            HF,
        ),
        Line(
            "kill_chunks_twice",
            f"the same in chunks, of {result.facts['streams']} streams",
            "chunks",
            twice("ours", per_chunk),
            never_over=float(result.facts["streams"]),
        ),
        Line(
            "kill_finish",
            "the finishing run, at 1.6 Gbit/s per connection",
            "s",
            result.spread("kill", "ours", "seconds"),
            result.spread("kill", "hf", "seconds"),
            HF,
        ),
    ]


def _no_change(result: Result) -> list[Line]:
    return [
        Line(
            "nochange_module",
            "nothing to do, inside the module",
            "ms",
            result.spread("nochange", "ours", "module_seconds", 1000),
            most=100.0,
        ),
        Line(
            "nochange_process",
            "nothing to do, whole process",
            "ms",
            result.spread("nochange", "ours", "seconds", 1000),
            result.spread("nochange", "hf", "seconds", 1000),
            HF,
        ),
    ]


def _convert(result: Result) -> list[Line]:
    def values(tool: str, value: str, scale: float = 1.0) -> Spread | None:
        return result.spread("convert", tool, value, scale)

    return [
        Line(
            "convert_time",
            "convert to int8_float16, whole call",
            "s",
            values("ours", "seconds"),
            values("converter", "seconds"),
            CONVERTER,
            most_ratio=1.05,
        ),
        Line(
            "convert_on_disk",
            "convert to int8_float16, until on disk",
            "s",
            values("ours", "seconds_until_on_disk"),
            values("converter", "seconds_until_on_disk"),
            CONVERTER,
        ),
        Line(
            "convert_memory",
            "convert, peak memory",
            "MB",
            values("ours", "peak_memory_bytes", MEGABYTES),
            values("converter", "peak_memory_bytes", MEGABYTES),
            CONVERTER,
            most_ratio=1.0,
        ),
    ]
