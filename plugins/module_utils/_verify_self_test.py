# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has the checks show that they can fail: each is given a planted fault that it must name.

The gates run as in the release, in containers of the same image with the same mounts; one more is
started wrongly on purpose. What the release itself could not ask, no fault can be planted for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._digest import sha256_file
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._verify_base import BaseImage
from ansible_collections.stt.engine.plugins.module_utils._verify_collect import ending
from ansible_collections.stt.engine.plugins.module_utils._verify_container import (
    CheckContainer,
    ContainerRun,
    Part,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_parts import (
    LACKS,
    OF_THE_IMAGE,
    REFERENCE,
    PhaseRun,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_request import VerifyRequest
from ansible_collections.stt.engine.plugins.module_utils._verify_subject import (
    describe_subject,
    specification,
)

NAME = "self-test"
PLACE = "place"
SURROUNDINGS = "surroundings"
# The phase in which containers are what is judged.
OF_CONTAINERS = "R4"
FAILED = ("failed", "error")
MENDED = (
    "do not trust what these checks passed: use the check archive of this collection as it is, and "
    "in clips.json no limits that allow any text"
)

Row = dict[str, Any]


@dataclass
class Rows:
    """How each gate ended on what was planted, and the gates that nothing is planted for."""

    rows: list[Row] = field(default_factory=list)
    without: dict[str, str] = field(default_factory=dict)

    def add(self, other: Rows) -> None:
        self.rows += other.rows
        self.without |= other.without


def key_of(entry: Mapping[str, Any]) -> str:
    """A check's step and name in one word."""
    return f"{entry['id']}/{entry['name']}"


def show_failures(phase: PhaseRun, checks: Sequence[Mapping[str, Any]], found: Rows) -> Row:
    """How the gates that gave these results ended on what was planted for them."""
    now = datetime.now(UTC)
    return {
        "ran": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "seconds": phase.seconds(),
        "phase": phase.request.phase,
        "checks": sha256_file(phase.request.checks),
        "image": phase.subject.image_id,
        **summary(found, checks),
    }


def plant_in_image(phase: PhaseRun, image: Mapping[str, Any], base: BaseImage) -> Rows:
    """Plant every fault of phase R2, each in the container whose gates watch over it."""
    found = Rows()
    with phase.image_parts(image, base) as parts:
        for part, document, _gates in parts:
            name = f"{NAME}-{part.name}" if part.name else NAME
            found.add(_run(phase, replace(part, name=name, self_test=PLACE), document))
    return found


def plant_in_models(phase: PhaseRun, reference: Mapping[str, Any] | None) -> Rows:
    """Plant every fault of the phases R4 and R5."""
    document = specification(phase.request, phase.subject, gpu_given=phase.gpu)
    part = Part(phase.subject.image_id, NAME, python=phase.subject.python, self_test=PLACE)
    found = _run(phase, part, document)
    if phase.request.phase == OF_CONTAINERS:
        wrong = replace(part, name=f"{NAME}-{SURROUNDINGS}", self_test=SURROUNDINGS)
        found.add(_run(phase, wrong, document))
    return found if reference is None else _with_reference(phase, found, reference)


def _run(phase: PhaseRun, part: Part, document: Mapping[str, Any]) -> Rows:
    request = replace(phase.request, timeout=phase.time_left())
    run = CheckContainer(phase.docker, request, part).run(document, gpu=phase.gpu, log=phase.log)
    for line in run.noise:
        phase.log.write(line.encode() + b"\n")
    for message in run.messages:
        phase.log.write(json.dumps(message, ensure_ascii=False).encode() + b"\n")
    return read_rows(run, request.timeout)


def _with_reference(phase: PhaseRun, found: Rows, reference: Mapping[str, Any]) -> Rows:
    """What the image has no packages for is shown where the release judged it."""
    keys = list(dict.fromkeys(key_of(row) for row in found.rows if row.get(LACKS)))
    if not keys:
        return found
    request = phase.request
    expected = {name: value for name, value in request.expected.items() if name not in OF_THE_IMAGE}
    other = describe_subject(replace(request, expected=expected), reference)
    only = tuple((step, name) for step, _slash, name in (key.partition("/") for key in keys))
    part = Part(
        other.image_id, f"{NAME}-{REFERENCE}", only=only, python=other.python, self_test=PLACE
    )
    there = _run(phase, part, specification(request, other, gpu_given=phase.gpu))
    kept = [row for row in found.rows if key_of(row) not in keys]
    return Rows([*kept, *there.rows], found.without)


def read_rows(run: ContainerRun, limit: float) -> Rows:
    """Exactly one row for every gate of every control that was announced."""
    announced: list[tuple[str, str]] = []
    found = Rows()
    given: dict[tuple[str, str], Row] = {}
    for message in run.messages:
        if isinstance(message.get("planned"), list):
            found.without |= message.get("without") or {}
            announced += [
                (str(entry["control"]), str(gate))
                for entry in message["planned"]
                for gate in entry.get("gates") or ()
            ]
        elif "control" in message and "id" in message:
            given[str(message["control"]), key_of(message)] = message
    for control, gate in announced:
        step, _slash, name = gate.partition("/")
        lost = {
            "id": step,
            "name": name,
            "control": control,
            "planted": control.replace("_", " "),
            "status": "error",
            "found": f"no result: {ending(run, limit)}",
            "as_planted": False,
        }
        found.rows.append(given.get((control, gate), lost))
    if not announced or not any("finished" in message for message in run.messages):
        found.rows.append(
            {
                "id": NAME,
                "name": "finished",
                "control": "",
                "planted": "nothing",
                "status": "error",
                "found": f"it did not say that it is finished; {ending(run, limit)}",
                "as_planted": False,
            }
        )
    return found


def summary(found: Rows, checks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the rows prove of the gates that the release was judged by."""
    skipped = {key_of(one): one["found"] for one in checks if one["status"] == "skipped"}
    shown: dict[str, bool] = {}
    # By gate and reason: also of a gate that another fault has shown.
    left: dict[tuple[str, str], None] = {}
    wrong: list[Row] = []
    for row in found.rows:
        key = key_of(row)
        if row["as_planted"]:
            shown.setdefault(key, True)
        elif row["status"] == "skipped" and row.get("left_out"):
            left[key, str(row["found"])] = None
        elif row["status"] == "skipped" and key in skipped:
            left[key, f"skipped in the release too: {row['found']}"] = None
        else:
            wrong.append(row)
    watched = {key_of(row) for row in found.rows}
    for key in (key_of(one) for one in checks):
        if key in watched:
            continue
        if found.without.get(key):
            left[key, found.without[key]] = None
        else:
            wrong.append(_unwatched(key))
    shown.update((key_of(row), False) for row in wrong)
    return {
        "controls": len({row["control"] for row in found.rows if row["as_planted"]}),
        "gates": len(shown),
        "failed_as_planted": sum(shown.values()),
        "left_out": [{"gate": key, "reason": reason} for key, reason in left],
        "rows": [told(row) for row in found.rows],
        "wrong": [told(row) for row in wrong],
    }


def _unwatched(key: str) -> Row:
    step, _slash, name = key.partition("/")
    return {
        "id": step,
        "name": name,
        "control": "",
        "planted": "nothing",
        "status": "error",
        "found": "no fault is planted for this gate, and no reason is given",
        "as_planted": False,
    }


def told(row: Mapping[str, Any]) -> Row:
    """A row as the result and the report hold it."""
    kept = {name: str(row[name]) for name in ("control", "planted", "status", "found")}
    return {"gate": key_of(row), **kept, "as_planted": bool(row["as_planted"])}


def refuse_useless(result: Mapping[str, Any]) -> None:
    """Raise SttError, with what was found, when the checks that gave a result cannot fail."""
    error = complaint(result["self_test"])
    if error is not None:
        error.details = {key: value for key, value in result.items() if key != "msg"}
        raise error


def complaint(result: Mapping[str, Any]) -> SttError | None:
    """Why these checks are no judge; None when every gate failed as planted."""
    if not result or not result["wrong"]:
        return None
    sentences = "; ".join(
        f"{row['gate']} {_ended(row['status'])} although {row['planted']} was planted "
        f"({row['found']})"
        for row in result["wrong"]
    )
    short = result["gates"] - result["failed_as_planted"]
    return SttError(
        f"self-test of the checks of {result['phase']}",
        found=f"{short} of {result['gates']} gates that did not fail as planted: {sentences}",
        needed="every gate fails on what is planted for it, and names it",
        fix=MENDED,
    )


def _ended(status: str) -> str:
    return {"passed": "passed", "skipped": "was skipped"}.get(status, f"ended as {status}")


def read_record(request: VerifyRequest, image_id: str) -> dict[str, Any]:
    """What these checks showed in this image when they were last asked; empty when never."""
    if request.self_test_record is None:
        return {}
    try:
        kept = json.loads(Path(request.self_test_record).read_bytes())
    except (OSError, ValueError):
        return {}
    same = (
        isinstance(kept, dict)
        and kept.get("image") == image_id
        and kept.get("phase") == request.phase
        and kept.get("checks") == sha256_file(request.checks)
        and kept.get("gates")
        and kept.get("wrong") == []
    )
    return kept if same else {}
