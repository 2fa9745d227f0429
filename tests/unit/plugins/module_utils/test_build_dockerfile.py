# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images a Dockerfile names."""

from __future__ import annotations

import pytest

from ansible_collections.stt.engine.plugins.module_utils._build_dockerfile import (
    Dockerfile,
    copied_sources,
    pinned_text,
    read_dockerfile,
    shadowed,
)
from ansible_collections.stt.engine.plugins.module_utils._build_parser import (
    instructions,
    meaning,
)
from ansible_collections.stt.engine.plugins.module_utils._build_words import expand
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
        ("# other=x\n# escape=`\nFROM a\\\nb\n", {}, "ab", None),
        ("ARG\tBASE=a:1\nFROM\t$BASE\tAS\tx\n", {"BASE": "b:2"}, "b:2", "BASE"),
        ("FROM \\\nde\\  \nbian:12\n", {}, "debian:12", None),
        ("FROM a\nENV P=1\\\\\nFROM b\n", {}, "b", None),
        ("ARG BASE\nFROM ${BASE-d:4}\n", {}, "d:4", "BASE"),
        ("ARG BASE=x\nFROM ${BASE+d:4}\n", {}, "d:4", None),
        ("ARG HUB O=h.io\nFROM ${HUB:-${O}/img}:1\n", {}, "h.io/img:1", None),
        ("ARG B\nFROM ${B:-${O:-z}/img}\n", {}, "z/img", "B"),
        ("ARG B=v1.2\nFROM img:${B#v}-${B%.*}-${B/./_}\n", {}, "img:1.2-v1-v1_2", None),
        ("FROM ${NOBODY:-d:4}\n", {"NOBODY": "e"}, "d:4", None),
        ("FROM base-${TARGETARCH}$TARGETVARIANT-$TARGETOS\n", {}, "base-amd64-linux", None),
        ("FROM a-${TARGETARCH}\n", {"TARGETARCH": "x"}, "a-x", None),
        ("FROM nvcr.invalid/x AS gpu\nFROM b\n", {}, "b", None),
        ("FROM a\nONBUILD RUN <<EOF\nFROM b\nEOF\n", {}, "a", None),
        ('FROM a\nRUN cat <<"E F"\nFROM b\nE F\n', {}, "a", None),
        ("FROM a\nRUN echo 1\u2028FROM b\x0cFROM c\x85FROM d\rFROM e\r\n", {}, "a", None),
        ("FROM a\r\nRUN <<E\r\nFROM b\r\nE\r\n", {}, "a", None),
        ("FROM scratch\nRUN echo $((1<<2))\nFROM b\n", {}, "b", None),
        ("FROM scratch\nRUN cat <<-END\n\tFROM c\n\tEND\nFROM b\n", {}, "b", None),
        ("FROM a\nRUN cat <<END\n END\nFROM c\nEND\n", {}, "a", None),
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
    assert (found.base, found.images) == ("a:1", ())


def test_only_what_the_target_needs() -> None:
    text = (
        "ARG GPU=g ALL=x USED=u\nARG NAME=${USED}\n"
        "FROM ${GPU} AS gpu\nARG G\nCOPY --from=h /x /x\nADD https://e.invalid/x /x\n"
        "FROM ${NAME} AS tools\nARG T\n"
        "FROM a AS last\nARG L\nRUN --mount=type=bind,from=tools,target=/t --x=y from=z true\n"
    )
    found = read_dockerfile(text, {})
    assert (found.base, found.images) == ("a", ("u",))
    assert found.arguments == {"NAME", "USED", "T", "L"}
    found = read_dockerfile(text, {"NAME": "other"})
    assert found.arguments == {"NAME", "T", "L"}


def test_arguments_that_reach_the_target() -> None:
    def arguments(text: str, target: str = "") -> frozenset[str]:
        return read_dockerfile(text, {}, target).arguments

    assert arguments("ARG A\nFROM a\nARG B=1 C\nRUN true\n") == {"B", "C"}
    # A stage takes the value that stands before the first stage, and what that is made of.
    assert arguments("ARG A\nARG B=$A\nFROM a\nARG B\n") == {"A", "B"}
    assert arguments("FROM a AS one\nONBUILD\tARG\tX=1\nFROM one\n") == {"X"}
    assert arguments("FROM a AS one\nARG A\nFROM one\nARG B\n") == {"A", "B"}
    assert arguments("FROM a AS one\nARG A\nFROM b\nARG B\n") == {"B"}
    assert arguments("FROM a-$TARGETARCH\n") == {"TARGETARCH"}
    assert arguments("FROM a\nARG\tA='x y'\tB\n") == {"A", "B"}


SAME = "FROM golang AS golang\nRUN true\nFROM r4dep AS r4dep\nFROM golang\nCOPY --from={} /x /x\n"


@pytest.mark.parametrize(
    ("source", "images"),
    [("r4dep", ("r4dep",)), ("1", ("r4dep",)), ("0", ()), ("R4DEP", ("r4dep",)), ("$X", ())],
)
def test_a_stage_that_has_an_images_name(source: str, images: tuple[str, ...]) -> None:
    """It is that image's child, not its own: the image is still what it is made of."""
    found = read_dockerfile(SAME.format(source), {})
    assert (found.base, found.base_argument, found.images) == ("golang", None, images)


def test_a_number_is_a_stage_to_copy_only() -> None:
    text = "FROM a\nFROM b\nRUN --mount=from=0,target=/x true\n"
    assert read_dockerfile(text, {}).images == ("0",)


def test_target_by_number_says_that_the_engine_wants_a_name() -> None:
    with pytest.raises(SttError) as caught:
        read_dockerfile("FROM a\nFROM b\n", {}, "0")
    assert "FROM ... AS NAME" in caught.value.fix


def test_an_image_with_a_stages_name_is_pinned_in_the_text() -> None:
    text = (
        "FROM --platform=linux/amd64 \\\n  golang \\\n  as golang\r\nRUN true\n"
        "FROM x AS y\nFROM golang\nRUN <<E\nFROM golang\nE\n"
    )
    stages = read_dockerfile(text, {}).stages
    names = ("golang", "golang:latest", "docker.io/library/golang", "golang:1", "x", "h/golang")
    assert [shadowed(stages, name) for name in names] == [True] * 3 + [False] * 3
    pinned = pinned_text(text, stages, {"golang": "golang@sha256:1"})
    assert pinned == (
        "FROM --platform=linux/amd64 golang@sha256:1 as golang\n\n\nRUN true\n"
        "FROM x AS y\nFROM golang\nRUN <<E\nFROM golang\nE\n"
    )


def test_platform_fills_in_its_arguments() -> None:
    text = "FROM x-$TARGETPLATFORM-$TARGETOS-$TARGETARCH-$TARGETVARIANT-$BUILDOS\n"
    for platform, base in (
        ("linux/amd64", "x-linux/amd64-linux-amd64--linux"),
        ("linux/arm64/v8", "x-linux/arm64-linux-arm64--linux"),
        ("linux/amd64/v2", "x-linux/amd64/v2-linux-amd64-v2-linux"),
        ("linux/arm", "x-linux/arm/v7-linux-arm-v7-linux"),
    ):
        assert read_dockerfile(text, {}, platform=platform).base == base


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("FROM ${A:0:3}\n", "FROM ${A:0:3}"),
        ("FROM ${A\n", "FROM ${A"),
        ("FROM 'a\n", "FROM 'a"),
        ("ARG A\nFROM ${A:?give it}\n", "FROM ${A:?give it}"),
        ("ARG X=it's\nFROM a\n", "ARG X"),
    ],
)
def test_what_the_engine_cannot_fill_in(text: str, where: str) -> None:
    with pytest.raises(SttError) as caught:
        read_dockerfile(text, {}, name="Dockerfile /x")
    assert caught.value.object == f"Dockerfile /x, {where}"


SUM, COMMIT = f"sha256:{'0' * 64}", "0" * 40


def added(*lines: str, args: dict[str, str] | None = None) -> Dockerfile:
    return read_dockerfile("\n".join(("ARG G=https://g", "FROM a", *lines, "")), args or {})


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["ADD https://e.com/x /x"], "a download without a checksum"),
        (["ADD\thttp://e.com/x\t/x"], "a download without a checksum"),
        (['ADD ["https://e.com/x", "/x"]'], "a download without a checksum"),
        (["add --chown=1:1 local HTTPS://e.com/x /x"], "a download without a checksum"),
        (["ADD --checksum=sha256:12 https://e.com/x /x"], "a download without a checksum"),
        (["ADD --checksum=$S https://e.com/x /x"], "a download without a checksum"),
        (["ARG U=https://e.com/x", "ADD $U /x"], "a download without a checksum"),
        (["ENV U=https://e.com V=1", 'ADD "${U}/x" /x'], "a download without a checksum"),
        (["ENV U https://e.com", "ADD ${U} /x"], "a download without a checksum"),
        (["ARG G", "ADD $G/x /x"], "a download without a checksum"),
        (["ADD ${U:-https://e.com}/x /x"], "a download without a checksum"),
        (["ADD $U/x /x"], "a variable whose value the Dockerfile does not say"),
        (["ADD git@e.com:x/y.git /x"], "a git repository without a full commit"),
        (["ADD https://e.com/x.git /x"], "a git repository without a full commit"),
        (["ADD https://e.com/x.git#main:dir /x"], "a git repository without a full commit"),
        (["ADD https://e.com/x.git#0123456 /x"], "a git repository without a full commit"),
        (["ADD ssh://e.com/x /x"], "a git repository without a full commit"),
        (["ONBUILD ADD https://e.com/x /x"], "a download without a checksum"),
        (["onbuild\tadd\tgit@e.com:x /x"], "a git repository without a full commit"),
    ],
)
def test_what_is_added_without_saying_what_it_is(lines: list[str], found: str) -> None:
    with pytest.raises(SttError) as caught:
        added(*lines)
    assert caught.value.found == found
    assert caught.value.object.startswith("Dockerfile, ADD ")


@pytest.mark.parametrize(
    "lines",
    [
        [f"ADD --checksum={SUM} https://e.com/x /x"],
        [f"ARG S={SUM}", "ADD --checksum=${S} --chmod=644 https://e.com/x /x"],
        [f"ADD https://e.com/x.git#{COMMIT} /x"],
        [f"ADD git@e.com:x/y.git#{COMMIT}:dir /x"],
        [f"ADD --checksum={COMMIT} https://e.com/x.git#v1 /x"],
        [f"ADD https://e.com/x.git?branch=main&commit={COMMIT} /x"],
        ["ADD github.com/x /x"],
        ["ADD a$V https://e.com"],
        ["ARG V=dir W", "ADD $V/x ./$V ${W:-dir} /x"],
        ["ADD <<EOF /x", "ADD https://e.com/x /x", "EOF"],
        ["RUN true ADD https://e.com/x /x"],
    ],
)
def test_what_is_added_and_known(lines: list[str]) -> None:
    assert added(*lines).base == "a"


def test_a_stage_knows_the_variables_of_the_one_below() -> None:
    text = "FROM a AS one\nENV U=https://e.com\nFROM b AS two\nADD x /x\nFROM one\nADD $U /x\n"
    with pytest.raises(SttError, match="a download without a checksum"):
        read_dockerfile(text, {})
    assert read_dockerfile(text, {}, "two").base == "b"


def test_credentials_stay_out_of_the_refusal() -> None:
    with pytest.raises(SttError) as caught:
        added("ADD https://u:pass@e.com/x?token=abc /x")
    assert caught.value.object == "Dockerfile, ADD https://e.com/x"


def test_expand() -> None:
    values = {"A": "1", "E": ""}
    assert expand("$A ${A} ${E:-x} ${N:-y} ${A:+z} ${E:+w}|$N", values) == "1 1 x y z |"
    assert expand("${E-x}${N-y}${E+z}${N+w}|${N:-${E:-{a\\}}}", values) == "yz|{a}"
    assert expand("'$A'\"$A'\"\\$A\\\\", values) == "$A1'$A\\"
    assert expand("$A`$A", values, "`") == "1$A"
    assert expand("${P##*/} ${P#*/} ${P%/*} ${P%%/*} ${P//\\//-}", {"P": "a/b/c"}) == (
        "c b/c a/b a a-b-c"
    )
    assert expand("${P//*/z} ${P/?/z} ${P//b/}", {"P": "a/b/c"}) == "z z/b/c a//c"


def test_continuations_are_joined() -> None:
    found = [entry[:2] for entry in instructions("RUN a && \\\n    b\nENV\tX=1\\\n2\n")]
    assert found == [("RUN", "a &&     b"), ("ENV", "X=12")]


@pytest.mark.parametrize(
    ("instruction", "sources"),
    [
        ("COPY a b/c /x/", ["a", "b/c"]),
        ("copy --chown=1:1 --link /a /x", ["a"]),
        ('COPY ["a b", "/x"]', ["a b"]),
        ("COPY [broken", []),
        ("COPY . /x", ["."]),
        ("COPY --from=one a /x", []),
        ("COPY\ta\t--from=b\t/x", ["a", "--from=b"]),
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
        ('FROM a\nRUN <<"A B"\n#1\nA B\n', 'FROM a\nRUN <<"A B"\n#2\nA B\n'),
        ("FROM a\nONBUILD RUN <<A\n#1\nA\n", "FROM a\nONBUILD RUN <<A\n#2\nA\n"),
        ("FROM a\nRUN \\\n<<A <<B\nB\nA\n#1\nB\n", "FROM a\nRUN \\\n<<A <<B\nB\nA\n#2\nB\n"),
        ('FROM a\nRUN <<A"B"\nA\n#1\nAB\n', 'FROM a\nRUN <<A"B"\nA\n#2\nAB\n'),
        ("FROM a\nCOPY <<A <<'B' /\nA\n# 1\nB\n", "FROM a\nCOPY <<A <<'B' /\nA\n# 2\nB\n"),
        ("FROM a\nRUN cat <<-A\n\t#1\n\tA\n", "FROM a\nRUN cat <<-A\n\t#2\n\tA\n"),
        # Perhaps none, but nothing below is left out then.
        ("FROM a\nRUN echo $((1<<2))\n# 1\n", "FROM a\nRUN echo $((1<<2))\n# 2\n"),
        ('FROM a\nRUN cat <<E"O"F\n# 1\nEOF\n', 'FROM a\nRUN cat <<E"O"F\n# 2\nEOF\n'),
    ],
)
def test_everything_else_does(text: str, other: str) -> None:
    assert meaning(text) != meaning(other)
