# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judgement over the layers of a benchmark's images, and its lines."""

from __future__ import annotations

import pytest

from tests.bench.figures import Result, Sample
from tests.bench.image_lines import layers_text, lines
from tests.bench.image_runs import judge_layers


def stack(*names: str) -> list[dict[str, object]]:
    return [{"diff_id": f"sha256:{name * 32}", "size": 2_000_000} for name in names]


def test_a_lower_layer_that_differs_fails_the_run() -> None:
    result = Result("x")
    judge_layers(
        {"cold ours 0": stack("ba", "cd", "aa"), "cold docker 0": stack("ba", "ce", "aa")}, result
    )
    assert [sample.problem for sample in result.failed] == [
        "cold docker 0: other layers than the first image, at [1]"
    ]
    assert result.facts["layers"]["lower_equal_in_all"] is False
    result.facts["layers"]["shared_with_another_engine"] = 1
    assert "NOT the same 2 layers" in layers_text(result.facts["layers"])
    assert "shares 1 of the 3." in layers_text(result.facts["layers"])


@pytest.mark.parametrize("missing", [False, True])
def test_only_the_services_layer_may_differ(missing: bool) -> None:
    result = Result("x")
    layers = {
        "cold ours 0": stack("ba", "cd", "aa"),
        "app ours 0": stack("ba", "cd", "ab"),
        "app docker 0": stack("ba", *([] if missing else ["cd"]), "ac"),
    }
    judge_layers(layers, result)
    found = result.facts["layers"]
    assert found["lower_equal_in_all"] is not missing
    assert bool(result.failed) is missing
    assert (found["images"], found["built_from_nothing"], found["lower"]) == (3, 1, 2)
    assert found["service_differs_for_each_edit"] is True
    found["shared_with_another_engine"] = 3
    assert "| 3 | `aaaaaaaaaaaa` | 2.0 MB |" in layers_text(found)


def test_no_layers_say_nothing() -> None:
    result = Result("x")
    judge_layers({}, result)
    assert result.facts == {}


def test_goals() -> None:
    result = Result("x")
    for tool, seconds in (("ours", 11.0), ("docker", 10.0)):
        result.samples += [
            Sample("app", tool, 0, {"seconds": seconds}),
            Sample("cold", tool, 0, {"seconds": seconds}),
            Sample("nochange", tool, 0, {"seconds": 3.0, "module_seconds": 1.5}),
        ]
    found = {line.name: line.reached for line in lines(result, ["cold", "app", "nochange"])}
    assert found == {
        "image_cold": False,
        "image_app": True,
        "image_app_job": None,
        "image_nochange_module": True,
        "image_nochange_process": None,
    }
    assert lines(result, ["app"])[0].ratio == pytest.approx(1.1)
