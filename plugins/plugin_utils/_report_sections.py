# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the sections of the report, in the order in which it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._check_titles import (
    check_label,
    check_title,
)
from ansible_collections.stt.engine.plugins.module_utils._report import CHECKLIST_ID
from ansible_collections.stt.engine.plugins.module_utils._report_checklist import (
    only_repeats,
    phase_of,
)
from ansible_collections.stt.engine.plugins.module_utils._report_self_test import (
    is_told as is_told_of,
)
from ansible_collections.stt.engine.plugins.module_utils._report_text import (
    FILES,
    is_told,
    moment,
    reason,
    size,
    text,
)

GATES = "R2.5"
IN_PART = "in_part"
# What the report itself is written as, beside the page, and what a sealed release has.
ALWAYS = ("report.json", "junit.xml", "report.tap")
SEALED = ("manifest.json",)

Check = Mapping[str, Any]
Section = dict[str, Any]


def told(check: Check, language: str) -> Section:
    """A check as every section shows it: its title, its name, and what was found in which words."""
    found = str(check["found"])
    return {
        **check,
        "title": check_title(check, language),
        "found": reason(found, language),
        "lang": language if is_told(found, language) else "en",
        "anchor": f"{check['id']}-{check['name']}",
    }


def problems(report: Mapping[str, Any], language: str) -> Section:
    """What stopped the release and the failed checks, without those that only repeat another."""
    failure = report["failure"]
    bad = [check for check in report["checks"] if check["status"] in ("failed", "error")]
    named = str((failure or {}).get("object", ""))
    rest = [check for check in bad if f"{check['id']} {check['name']}" != named]
    others = [check for check in rest if check["id"] != CHECKLIST_ID]
    shown = [told(check, language) for check in (others if others or failure else rest)]
    stopping = [check for check in bad if f"{check['id']} {check['name']}" == named]
    return {
        "failure": failure,
        "phase": phase_of(failure["task"], language) if failure else "",
        "title": check_title(stopping[0], language) if stopping else "",
        "only_checks": bool(failure) and only_repeats(failure, bad),
        "checks": shown,
    }


def warnings(report: Mapping[str, Any], language: str) -> list[Section]:
    """The checks that passed with a warning."""
    return [
        {**told(check, language), "warning": str(check["evidence"]["warning"])}
        for check in report["checks"]
        if check["status"] == "passed" and check["evidence"].get("warning")
    ]


def skips(report: Mapping[str, Any], language: str) -> list[Section]:
    """The skipped checks by their reason."""
    reasons: dict[str, Section] = {}
    for check in report["checks"]:
        if check["status"] == "skipped":
            one = told(check, language)
            group = reasons.setdefault(
                one["found"], {"reason": one["found"], "lang": one["lang"], "checks": []}
            )
            group["checks"].append(one)
    return list(reasons.values())


def lines(report: Mapping[str, Any], key: str, language: str) -> list[Section]:
    """The lines of a checklist with what must be said beside their mark."""
    by_key = {f"{check['id']}/{check['name']}": check for check in report["checks"]}
    return [
        {
            **line,
            # A tick would say that everything behind it passed.
            "mark": IN_PART if line["status"] == "passed" and line["note"] else line["status"],
            "notes": _notes(line, by_key, language),
            "size": _size(line, language),
        }
        for line in report[key]
    ]


def _notes(line: Mapping[str, Any], by_key: Mapping[str, Check], language: str) -> list[Section]:
    """Why a line is not passed, or what was skipped beside it; a reason of many is told once.

    What failed stands above with all that is known of it; here it is only named.
    """
    decided = [by_key[name] for name in line["checks"] if name in by_key]
    bad = [check for check in decided if check["status"] in ("failed", "error")]
    if bad:
        labels = "" if len(decided) == 1 else ", ".join(check_label(x, language) for x in bad)
        return [{"labels": labels, "found": "", "lang": language}]
    skipped = [check for check in decided if check["status"] == "skipped"]
    if not skipped:
        return [{"labels": "", "found": line["note"], "lang": language}] if line["note"] else []
    groups: dict[str, Section] = {}
    for check in skipped:
        one = told(check, language)
        group = groups.setdefault(one["found"], {"labels": [], "lang": one["lang"]})
        group["labels"].append(check_label(check, language))
    alone = len(skipped) == len(decided) and len(groups) == 1
    return [
        {
            "labels": "" if alone else ", ".join(group["labels"]),
            "found": found,
            "lang": group["lang"],
        }
        for found, group in groups.items()
    ]


def _size(line: Mapping[str, Any], language: str) -> str:
    if line["measured_bytes"] is None:
        return ""
    plan = text("planned_size", language, planned=line["planned_size"])
    return f"{size(line['measured_bytes'])}, {plan}"


def check_groups(report: Mapping[str, Any], language: str) -> list[Section]:
    """All checks by phase; those of the image by itself stand alone."""
    groups = []
    for phase in report["phases"]:
        mine = [check for check in report["checks"] if check["id"].startswith(f"{phase['id']}.")]
        gates = [check for check in mine if check["id"] == GATES]
        rest = [check for check in mine if check["id"] != GATES]
        title = f"{text('phase', language)} {phase['id'][1:]}: {phase['name']}"
        groups.append({"title": title, "checks": rest})
        groups.append({"title": f"{text('gates', language)} ({GATES})", "checks": gates})
    known = tuple(f"{phase['id']}." for phase in report["phases"])
    others = [check for check in report["checks"] if not check["id"].startswith(known)]
    groups.append({"title": text("check", language), "checks": others})
    return [
        {**group, "checks": [told(check, language) for check in group["checks"]]}
        for group in groups
        if group["checks"]
    ]


def self_test(report: Mapping[str, Any], language: str) -> Section | None:
    """What was planted for each gate and what it said, and which gates were left out."""
    if not is_told_of(report):
        return None
    shown = report["self_test"] or {"rows": [], "left_out": []}
    return {
        "rows": [
            {**row, **_gate(row["gate"], language)} for row in shown["rows"] if row["as_planted"]
        ],
        "left_out": [{**one, **_gate(one["gate"], language)} for one in shown["left_out"]],
    }


def _gate(key: str, language: str) -> dict[str, str]:
    step, _slash, name = key.partition("/")
    return {"title": check_title({"id": step, "name": name}, language), "id": step, "name": name}


def identity(report: Mapping[str, Any], language: str) -> list[Section]:
    """Everything by which a release can be told from another."""
    image = report["image"]
    keys = ("tag", "image_id", "input_digest", "base", "base_digest", "cuda", "variant")
    layers = enumerate(image.get("layers") or [], 1)
    groups = [
        {
            "title": text("release", language),
            "rows": [
                _row(report["release"], text("release", language)),
                _row(report["tag"], text("tag", language)),
                _row(report["started"] and moment(report["started"]), text("started", language)),
                _row(moment(report["finished"]), text("finished", language)),
            ],
        },
        {
            "title": text("image", language),
            "rows": [
                *(_row(image.get(key), text(key, language)) for key in keys),
                *(
                    _row(layer.get("diff_id"), f"{text('layer', language)} {number}", layer["size"])
                    for number, layer in layers
                ),
            ],
        },
        *(_model(model, language) for model in report["models"]),
        {
            "title": text("versions", language),
            "rows": [_row(value, name=name) for name, value in sorted(report["versions"].items())],
        },
        {"title": text("lock", language), "rows": _flat(report["lock"])},
    ]
    kept = [{**group, "rows": [row for row in group["rows"] if row["value"]]} for group in groups]
    return [group for group in kept if group["rows"]]


def _row(value: Any, label: str = "", count: int | None = None, *, name: str = "") -> Section:
    """A value under a label in the report's language, or under a name that has no language."""
    return {
        "label": label,
        "name": name,
        "size": "" if count is None else size(count),
        "value": value,
    }


def _model(model: Mapping[str, Any], language: str) -> Section:
    kind = model["quantization"] or text("original", language)
    return {
        "title": f"{model['repository']} ({kind})",
        "rows": [
            _row(model["commit"], text("commit", language)),
            *(_row(f["sha256"], "", f["size"], name=f["path"]) for f in model["files"]),
        ],
    }


def _flat(value: Any, path: str = "") -> list[Section]:
    """Nested mappings as rows of dotted names; lists stay out, their files are shown above."""
    if isinstance(value, Mapping):
        rows = [_flat(item, f"{path}.{key}" if path else str(key)) for key, item in value.items()]
        return [row for part in rows for row in part]
    return [] if isinstance(value, list) else [_row(value, name=path)]


def files(report: Mapping[str, Any], language: str) -> list[dict[str, str]]:
    """The other files of the release, each with what it is for as far as that is known."""
    names = [*ALWAYS, *(SEALED if report["verdict"] == "passed" else ())]
    beside = [{"name": name, "path": name} for name in names]
    paths = [file["path"] for file in beside]
    beside += [file for file in report["files"] if file["path"] not in paths]
    return [{**file, "what": FILES.get(file["path"], {}).get(language, "")} for file in beside]
