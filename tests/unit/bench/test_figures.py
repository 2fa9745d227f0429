# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Medians, ratios, goals and the JSON result of a benchmark."""

from __future__ import annotations

import json

import pytest

from tests.bench.figures import Line, Result, Sample, Spread, rotated
from tests.bench.model_lines import lines

TWO = Spread(2.0, 1.0, 3.0, 5)
FOUR = Spread(4.0, 3.5, 5.0, 5)


def test_spread_is_median_least_and_most() -> None:
    assert Spread.of([5.0, 1.0, 3.0]) == Spread(3.0, 1.0, 5.0, 3)
    assert Spread.of([4.0, 1.0, 2.0, 3.0]) == Spread(2.5, 1.0, 4.0, 4)
    assert Spread.of([]) is None


def test_every_round_begins_with_another_tool() -> None:
    tools = ["ours", "hf", "curl"]
    assert [rotated(tools, turn)[0] for turn in range(4)] == ["ours", "hf", "curl", "ours"]
    assert all(sorted(rotated(tools, turn)) == sorted(tools) for turn in range(4))
    assert rotated([], 3) == []


def test_ratio_is_ours_by_the_peers() -> None:
    assert Line("x", "x", "s", TWO, FOUR, "hf").ratio == 0.5
    assert Line("x", "x", "s", TWO).ratio is None
    assert Line("x", "x", "s", None, FOUR, "hf").ratio is None
    assert Line("x", "x", "s", TWO, Spread(0.0, 0.0, 0.0, 5), "hf").ratio is None


@pytest.mark.parametrize(
    ("line", "reached"),
    [
        (Line("x", "x", "s", TWO, FOUR, "hf"), None),
        (Line("x", "x", "s", TWO, FOUR, "hf", most_ratio=0.5), True),
        (Line("x", "x", "s", TWO, FOUR, "hf", most_ratio=0.49), False),
        (Line("x", "x", "s", TWO, None, "hf", most_ratio=0.5), False),
        (Line("x", "x", "ms", TWO, most=2.0), True),
        (Line("x", "x", "ms", TWO, most=1.9), False),
        (Line("x", "x", "chunks", TWO, never_over=3.0), True),
        (Line("x", "x", "chunks", TWO, never_over=2.9), False),
        (Line("x", "x", "chunks", None, never_over=2.9), False),
        (Line("x", "x", "s", TWO, FOUR, "hf", most_ratio=0.5, most=1.0), False),
    ],
)
def test_goal_is_reached_only_by_what_was_measured(line: Line, reached: bool | None) -> None:
    assert line.reached is reached


def test_result_counts_invalid_runs_and_leaves_their_numbers_out() -> None:
    result = Result("bench-model", facts={"size": "small"})
    for turn, seconds in enumerate([1.0, 3.0, 2.0]):
        result.samples.append(Sample("fetch", "ours", turn, {"seconds": seconds}))
    result.samples.append(Sample("fetch", "ours", 3, {"seconds": 0.1}, "wrong bytes"))
    result.samples.append(Sample("fetch", "hf", 0, {"seconds": 4.0}))
    ours = result.spread("fetch", "ours", "seconds")
    assert ours == Spread(2.0, 1.0, 3.0, 3)
    assert result.spread("fetch", "ours", "seconds", 1000) == Spread(2000.0, 1000.0, 3000.0, 3)
    assert result.spread("fetch", "curl", "seconds") is None
    peer = result.spread("fetch", "hf", "seconds")
    result.lines = [Line("fetch_hf", "fetch", "s", ours, peer, "hf download", most_ratio=1.0)]
    document = json.loads(json.dumps(result.document()))
    assert {name: document[name] for name in ("name", "passed", "failed", "ratios")} == {
        "name": "bench-model",
        "passed": 4,
        "failed": 1,
        "ratios": {"fetch_hf": 0.5},
    }
    assert document["goals_reached"] == {"fetch_hf": True}
    assert document["figures"] == {
        "fetch_hf_ours": 2.0,
        "fetch_hf_ours_least": 1.0,
        "fetch_hf_ours_most": 3.0,
        "fetch_hf_hf_download": 4.0,
        "fetch_hf_hf_download_least": 4.0,
        "fetch_hf_hf_download_most": 4.0,
    }
    assert document["rows"][3] == {
        "part": "fetch",
        "tool": "ours",
        "round": 3,
        "seconds": 0.1,
        "problem": "wrong bytes",
    }


def test_goals_of_the_model_are_the_demanded_ones() -> None:
    result = Result("bench-model", facts={"chunk_bytes": 8 << 20, "streams": 4})
    made = lines(result, ["fetch", "limited", "kill", "nochange", "convert"])
    assert len({line.name for line in made}) == len(made)
    goals = {
        line.name: (line.most_ratio, line.most, line.never_over)
        for line in made
        if line.reached is not None
    }
    assert goals == {
        "fetch_loopback_hf": (1.0, None, None),
        "fetch_loopback_curl": (1.15, None, None),
        "fetch_limited_hf": (0.4, None, None),
        "kill_chunks_twice": (None, None, 4.0),
        "nochange_module": (None, 100.0, None),
        "convert_time": (1.05, None, None),
        "convert_memory": (1.0, None, None),
    }
    assert [line.name for line in lines(result, ["nochange"])] == [
        "nochange_module",
        "nochange_process",
    ]


def test_bytes_fetched_twice_are_counted_in_chunks() -> None:
    result = Result("bench-model", facts={"chunk_bytes": 1_000_000, "streams": 4})
    result.samples = [Sample("kill", "ours", n, {"bytes_twice": n * 1e6}) for n in range(5)]
    chunks = {line.name: line for line in lines(result, ["kill"])}["kill_chunks_twice"]
    assert chunks.ours == Spread(2.0, 0.0, 4.0, 5)
    assert chunks.reached is True
