# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A comparison of two releases as lines for a terminal, in the manner of a diff."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._report_terminal import (
    Line,
    pad,
    printable,
    width,
)
from ansible_collections.stt.engine.plugins.module_utils._report_text import size, text
from ansible_collections.stt.engine.plugins.plugin_utils._compare_text import (
    check_named,
    counts,
    file_named,
    file_told,
    head,
    layer_counts,
    status,
    word,
)
from ansible_collections.stt.engine.plugins.plugin_utils._report_transcripts import difference

# What names a part of a difference in a line of text, as a diff by words does.
MARKS = {"same": "{}", "lost": "[-{}-]", "came": "{{+{}+}}"}
DIGEST = 19
# The page and the JSON have them whole.
LONG_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{28,52}\b")

Row = tuple[str, str | None, str | None]


def comparison_lines(found: Mapping[str, Any], language: str, page: str = "") -> list[Line]:
    """All lines; ``page`` is the path of the page that says the same, if it is written."""
    lines = [*_heads(found, language), *_parts(found, language)]
    if page:
        lines += [Line(""), Line(f"{word('page', language)}: {page}")]
    return [Line(printable(line.text), line.status) for line in lines]


def _heads(found: Mapping[str, Any], language: str) -> Iterator[Line]:
    yield Line(word("title", language))
    labels = {key: word(key, language) for key in ("from", "to")}
    column = max(width(label) for label in labels.values())
    for key, label in labels.items():
        release = found[key]
        yield Line(f"  {pad(label, column)}  {release['id']}  ({head(release, language)})")
    if found["from"]["id"] == found["to"]["id"]:
        yield Line(word("same_release", language), "same")
    elif found["same"]:
        yield Line(word("nothing", language), "same")


def _parts(found: Mapping[str, Any], language: str) -> Iterator[Line]:
    if found["same"]:
        return
    packages, files = found["packages"], found["files"]
    yield from _section("versions", "", _plain(found["versions"]), language)
    told = counts(packages["changes"], packages["same"], language)
    yield from _section("packages", told, _plain(packages["changes"]), language)
    yield from _layers(found["layers"], language)
    rows = [
        (file_named(row, language), file_told(row["before"]), file_told(row["after"]))
        for row in files["changes"]
    ]
    told = counts(files["changes"], files["same"], language)
    yield from _section("files", told, rows, language)
    yield from _quantizations(found["quantizations"], language)
    rows = [
        (
            check_named(row["name"], language),
            status(row["before"], language),
            status(row["after"], language),
        )
        for row in found["checks"]
    ]
    yield from _section("checks", "", rows, language)
    yield from _transcripts(found["transcripts"], language)
    yield from _bytes(found["bytes"], language)


def _plain(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    return [(str(row["name"]), _short(row["before"]), _short(row["after"])) for row in rows]


def _short(value: str | None) -> str | None:
    return None if value is None else LONG_DIGEST.sub(r"\1", value)


def _title(key: str, told: str, language: str) -> Iterator[Line]:
    yield Line("")
    yield Line(f"{word(key, language)}{f': {told}' if told else ''}")


def _section(key: str, told: str, rows: Sequence[Row], language: str) -> Iterator[Line]:
    """A heading and its rows; one without a difference says so in its heading alone."""
    yield from _title(key, told or ("" if rows else word("same", language)), language)
    column = max((width(row[0]) for row in rows), default=0)
    for name, before, after in rows:
        yield _row(pad(name, column), before, after)


def _row(name: str, before: str | None, after: str | None) -> Line:
    if before is None:
        return Line(f"  + {name}  {after}", "added")
    if after is None:
        return Line(f"  - {name}  {before}", "removed")
    return Line(f"  ~ {name}  {before} -> {after}", "changed")


def _layers(layers: Mapping[str, Any], language: str) -> Iterator[Line]:
    yield from _title("layers", layer_counts(layers, language), language)
    for key, mark, kind in (("gone", "-", "removed"), ("new", "+", "added")):
        for layer in layers[key]:
            yield Line(f"  {mark} {layer['diff_id'][:DIGEST]}  {size(layer['size'])}", kind)


def _quantizations(found: Mapping[str, Any], language: str) -> Iterator[Line]:
    before, after = (", ".join(found[key]) for key in ("from", "to"))
    if before == after:
        yield from _title("quantizations", f"{word('same', language)} ({after})", language)
        return
    yield from _title("quantizations", "", language)
    yield Line(f"  ~ {before} -> {after}", "changed")


def _transcripts(found: Mapping[str, Any], language: str) -> Iterator[Line]:
    changes = found["changes"]
    told = word("transcript_counts", language, compared=found["compared"], changed=len(changes))
    yield from _title("transcripts", told, language)
    for key, kind, mark in (("removed", "removed", "-"), ("added", "added", "+")):
        if found[key]:
            label = word(f"clips_{key}", language)
            yield Line(f"  {mark} {label}: {', '.join(found[key])}", kind)
    for row in changes:
        yield from _transcript(row, language)


def _transcript(row: Mapping[str, Any], language: str) -> Iterator[Line]:
    """One clip: who transcribed it, and its text with the differences marked."""
    before, after = row["before"], row["after"]
    labels = ", ".join(check_named(check, language) for check in row["checks"])
    ended = [text("passed" if one["good"] else "failed", language) for one in (before, after)]
    said = ended[0] if ended[0] == ended[1] else f"{ended[0]} -> {ended[1]}"
    yield Line(f"  ~ {row['clip']}  {said}  ({labels})", "changed")
    if before["text"] != after["text"]:
        yield Line(f"      {marked(before['text'], after['text'], after['language'])}")
    if before["expected"] != after["expected"]:
        for key, one in (("reference_before", before), ("reference_after", after)):
            yield Line(f"      {word(key, language)}: {one['expected']}")


def marked(before: str, after: str, language: str) -> str:
    """A text in which ``[-what is gone-]`` and ``{+what came+}`` are marked."""
    parts = list(difference(before, after, language))
    glue = parts[0]["glue"] if parts else ""
    return glue.join(MARKS[part["kind"]].format(part["text"]) for part in parts)


def _bytes(found: Mapping[str, Any], language: str) -> Iterator[Line]:
    keys = {"bytes_layers": "layers_uncompressed", "bytes_models": "models", "bytes_total": "total"}
    rows = [(word(key, language), size(found[name])) for key, name in keys.items()]
    columns = [max(width(row[place]) for row in rows) for place in (0, 1)]
    yield from _title("bytes", "", language)
    for label, figure in rows:
        yield Line(f"  {pad(label, columns[0])}  {' ' * (columns[1] - width(figure))}{figure}")
    yield from (
        Line(f"  {sentence.rstrip('.')}.") for sentence in word("bytes_note", language).split(". ")
    )
