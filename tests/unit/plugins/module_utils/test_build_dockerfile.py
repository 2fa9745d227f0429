# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images a Dockerfile names."""

from __future__ import annotations

import pytest

from ansible_collections.stt.engine.plugins.module_utils._build_dockerfile import (
    copied_sources,
    expand,
    instructions,
    meaning,
    read_dockerfile,
)
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError


def test_without_from() -> None:
    with pytest.raises(SttError) as caught:
        read_dockerfile("ARG A=1\nRUN true\n", {}, name="Dockerfile /x")
    assert str(caught.value).startswith("Dockerfile /x: found no FROM instruction; needed a")


def test_unknown_target() -> None:
    with pytest.raises(SttError, match=r"found no such stage \(one, two\)"):
        read_dockerfile("FROM a AS one\nFROM one AS two\n", {}, "three")


@pytest.mark.parametrize(
    ("text", "args", "base", "argument"),
    [
        ("FROM debian:12\n", {}, "debian:12", None),
        ("ARG BASE\nFROM $BASE\n", {"BASE": "a:1"}, "a:1", "BASE"),
        ("ARG BASE=b:2\nFROM ${BASE} AS x\n", {}, "b:2", "BASE"),
        ("ARG BASE=b:2\nFROM ${BASE}\n", {"BASE": "c"}, "c", "BASE"),
        ("ARG BASE\nFROM ${BASE:-d:4}\n", {}, "d:4", "BASE"),
        ("ARG N=a V=1\nFROM $N:$V\n", {"V": "2"}, "a:2", None),
        ("from --platform=linux/amd64 debian:12 as x\n", {}, "debian:12", None),
        ("ARG BASE\nFROM $BASE AS a\nFROM a AS b\nFROM b\n", {"BASE": "z"}, "z", "BASE"),
        ("# FROM no\nFROM \\\n # comment\n\n  yes:1 \\\n  AS x\n", {}, "yes:1", None),
        ("FROM a\nRUN <<EOF\nFROM b\nEOF\nRUN true\n", {}, "a", None),
        ("FROM a\nCOPY <<'A' <<B /x/\nFROM b\nA\nFROM c\nB\n", {}, "a", None),
        ("# escape=`\nFROM `\na\n", {}, "a", None),
        ("FROM scratch\nRUN echo $((1<<2))\nFROM b\n", {}, "b", None),
        ("FROM scratch\nRUN cat <<-END\n\tFROM c\n\tEND\nFROM b\n", {}, "b", None),
        ("FROM a\nRUN cat <<END\n END\nFROM c\nEND\n", {}, "a", None),
        ("ARG X=it's\nFROM a\n", {}, "a", None),
        ("FROM scratch\n", {}, "scratch", None),
        ('ARG BASE="q:1"\nFROM ${BASE}\n', {}, "q:1", "BASE"),
        ("ARG BASE\nFROM $BASE\nARG BASE=later\n", {"BASE": "z"}, "z", "BASE"),
    ],
)
def test_base(text: str, args: dict[str, str], base: str, argument: str | None) -> None:
    found = read_dockerfile(text, args)
    assert (found.base, found.base_argument, found.images) == (base, argument, ())


def test_target_decides_the_base_and_the_others_are_images() -> None:
    text = (
        "FROM a:1 AS one\nFROM b:1 AS two\n"
        "COPY --from=one /x /x\nCOPY --from=c:1 /y /y\nCOPY --from=0 /z /z\n"
        "RUN --mount=type=bind,from=d:1,target=/m --mount=type=cache,target=/c true\n"
        "FROM two AS three\n"
    )
    found = read_dockerfile(text, {})
    assert (found.base, found.images) == ("b:1", ("a:1", "c:1", "d:1"))
    found = read_dockerfile(text, {}, "ONE")
    assert (found.base, found.images) == ("a:1", ("b:1", "c:1", "d:1"))


def test_declared_arguments() -> None:
    found = read_dockerfile("ARG A\nFROM a\nARG B=1 C\nRUN true\n", {})
    assert found.arguments == {"A", "B", "C"}


def test_same_name_later_stage() -> None:
    """A stage that takes an image's name is that image's child, not its own."""
    found = read_dockerfile("FROM python AS python\nFROM python\n", {})
    assert found.base == "python"


def test_expand() -> None:
    values = {"A": "1", "E": ""}
    assert expand("$A ${A} ${E:-x} ${N:-y} ${A:+z} ${E:+w}|$N", values) == "1 1 x y z |"


def test_continuations_are_joined() -> None:
    assert list(instructions("RUN a && \\\n    b\nENV X=1\n")) == [
        ("RUN", "a && b"),
        ("ENV", "X=1"),
    ]


@pytest.mark.parametrize(
    ("instruction", "sources"),
    [
        ("COPY a b/c /x/", ["a", "b/c"]),
        ("copy --chown=1:1 --link /a /x", ["a"]),
        ('COPY ["a b", "/x"]', ["a b"]),
        ("COPY [broken", []),
        ("COPY . /x", ["."]),
        ("COPY --from=one a /x", []),
        ("COPY *.py a? /x", []),
        ("ADD https://example.com/a b /x", ["b"]),
        ("COPY <<EOF /x", []),
        ("RUN cp a b", []),
    ],
)
def test_sources_of_a_copy(instruction: str, sources: list[str]) -> None:
    assert copied_sources(instruction) == sources


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("FROM a\n# one\n\n  # two\nRUN true\n", "FROM a\nRUN true\n"),
        ("FROM a\nRUN x && \\\n  # why\n  y\n", "FROM a\nRUN x && \\\n  y\n"),
        ("# escape=`\n# words\nFROM a", "# escape=`\nFROM a\n\n"),
    ],
)
def test_comments_and_empty_lines_mean_nothing(text: str, same: str) -> None:
    assert meaning(text) == meaning(same)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("FROM a\nRUN true\n", "FROM a\nRUN true \n"),
        ("# escape=`\nFROM a\n", "# escape=\\\nFROM a\n"),
        # An empty line first, and the line below it is an ordinary comment.
        ("# escape=`\nFROM a\n", "\n# escape=`\nFROM a\n"),
        ("FROM a\nRUN <<A\n# 1\nA\n", "FROM a\nRUN <<A\n# 2\nA\n"),
        ("FROM a\nRUN <<A\n\nA\n", "FROM a\nRUN <<A\nA\n"),
        ("FROM a\nCOPY <<A <<'B' /\nA\n# 1\nB\n", "FROM a\nCOPY <<A <<'B' /\nA\n# 2\nB\n"),
        ("FROM a\nRUN cat <<-A\n\t#1\n\tA\n", "FROM a\nRUN cat <<-A\n\t#2\n\tA\n"),
        # Perhaps none, but nothing below is left out then.
        ("FROM a\nRUN echo $((1<<2))\n# 1\n", "FROM a\nRUN echo $((1<<2))\n# 2\n"),
        ('FROM a\nRUN cat <<E"O"F\n# 1\nEOF\n', 'FROM a\nRUN cat <<E"O"F\n# 2\nEOF\n'),
    ],
)
def test_everything_else_does(text: str, other: str) -> None:
    assert meaning(text) != meaning(other)
