# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dockerfiles as others write them: what the engine reads in them is what the digest is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._build_words import expand
from tests.integration.build_host import BASE, BuildHost

VALUES = {"A": "1", "E": "", "P": "a/b/c", "S": "x*y?z"}
EXPRESSIONS = (
    *("$A", "${A}b", "$Ab", "a$", "$$A", "x$1y", "$?", "${N}x", "'$A'", '"$A"', "\\$A", "\\\\"),
    *("${E:-d}", "${E-d}x", "${N:-d}", "${N-d}", "${A:+d}", "${E:+d}x", "${E+d}", "${N+d}x"),
    *("${N:-${E:-$A}}", "${N:-'}'}", '${N:-"}"}', "${N:-a\\}b}", "\"${N:-'x'}\"", "${A:?no}"),
    *("${P#*/}", "${P##*/}", "${P%/*}", "${P%%/*}", "${P#b}", "${S#x\\*}", "${S%\\?z}", "${N#x}y"),
    *(
        "${P/\\//-}",
        "${P//\\//-}",
        "${P//*/z}",
        "${P/?/z}",
        "${P//b/}",
        "${S//[xy]/z}",
        "${P/b/\\0}",
    ),
    *("a\"b\"'c'", '"\\$A\\x"', "'\\$A'", "<<EOF", "a<b", "a=b=c", "${A}${P/a/$A}"),
)


@pytest.fixture
def host() -> Iterator[BuildHost]:
    host = BuildHost()
    try:
        yield host
    finally:
        host.clean()


def task(host: BuildHost, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
    """A task that builds, for a play of several."""
    asked = host.build_arguments(**arguments)
    return {"stt.engine.stt_image_build": asked, "check_mode": check}


def imported(host: BuildHost, name: str, content: str) -> str:
    """A script that makes an image of the one file /content."""
    folder = f"{host.directory}/imported"
    return (
        f"mkdir -p {folder} && echo '{content}' > {folder}/content && "
        f"tar -C {folder} -c content | docker import - {name} >/dev/null"
    )


def content(tag: str) -> str:
    """A script that prints the file /content of an image."""
    return f"id=$(docker create {tag} x); docker cp $id:/content - | tar -xO; docker rm $id >&2"


@pytest.mark.long
def test_tabs_and_a_stage_named_like_its_image(host: BuildHost) -> None:
    name = f"{host.prefix}-same"
    text = (
        f"FROM\t{name}\tAS\t{name}\nFROM scratch\nARG\tV=1\nLABEL v=$V\nCOPY\t--from={name} / /\n"
    )
    host.put({"Dockerfile": text})
    same = task(host, base="", build_args={"V": "1"})
    built, again, _moved, after, other = host.play(
        [
            {"ansible.builtin.shell": {"cmd": imported(host, name, "one")}},
            same,
            same,
            {"ansible.builtin.shell": {"cmd": imported(host, name, "two")}},
            same,
            task(host, check=True, base="", build_args={"V": "2"}),
        ]
    )[1:]
    assert (built["status"], again["changed"]) == ("built", False)
    assert after["status"] == "built"
    assert after["reason"] == f"no image of these inputs: changed image {name}"
    assert other["reason"] == "no image of these inputs: changed build argument V"
    found = host.ssh(f"{content(built['tag'])}; {content(after['tag'])}")
    assert found.split() == ["one", "two"]


def test_a_dockerfile_of_another_project(host: BuildHost) -> None:
    lines = (
        "ARG GPU_IMAGE=nvcr.invalid/cuda",
        f"ARG HUB NAME={host.prefix}",
        "FROM ${GPU_IMAGE} AS gpu",
        "ARG GPU=1",
        "RUN --mount=from=nvcr.invalid/tools,target=/t make gpu",
        "FROM ${HUB:-${NAME}}-${TARGETARCH}",
        f"FROM ${{BASE-{BASE}}} AS last",
        "USER 0",
        "COPY --from=1 /content /content",
        "RUN printf ' a\u2028FROM b\x0cFROM c\x85FROM d' >> /content",
        'RUN cat <<"E F" >> /content',
        "FROM nowhere",
        "E F",
    )
    host.put({"Dockerfile": "\n".join((*lines, ""))})
    host.ssh(imported(host, f"{host.prefix}-amd64", "for amd64"))
    unused = {"GPU": "2", "GPU_IMAGE": "nvcr.invalid/other"}
    built, again, gpu = host.play(
        [
            task(host, base=""),
            task(host, base="", build_args=unused),
            task(host, check=True, base="", target="gpu"),
        ]
    )
    assert built.get("status") == "built", built["msg"]
    assert again["changed"] is False
    assert gpu["object"] == "base image nvcr.invalid/cuda"
    found = host.ssh(content(built["tag"]))
    assert found.startswith("for amd64\n a\u2028FROM b")
    assert found.endswith("FROM nowhere\n")


def test_additions_that_nobody_named_are_refused(host: BuildHost) -> None:
    name = f"{host.prefix}-trigger"
    texts = {
        "download": f"FROM {BASE}\nADD https://h.invalid/x /x\n",
        "trigger": f"FROM {BASE}\nONBUILD ADD git@h.invalid:x/y.git#main /x\n",
        # What a base makes every build do is seen when the base is there, before the build.
        "base": f"FROM {name}\nUSER 0\n",
    }
    host.put({f"{folder}/Dockerfile": text for folder, text in texts.items()}, "contexts")
    host.ssh(f"docker build -q -t {name} {host.directory}/contexts/trigger >/dev/null")
    contexts = [f"{host.directory}/contexts/{folder}" for folder in texts]
    download, trigger, base = host.play(
        [task(host, base="", context=context) for context in contexts]
    )
    assert download["found"] == "a download without a checksum"
    assert trigger["found"] == base["found"] == "a git repository without a full commit"
    assert base["object"] == f"ONBUILD of base image {name}, ADD git@h.invalid:x/y.git#main"
    assert host.images() == []


def test_variables_and_quotes_are_filled_in_as_the_engine_does(host: BuildHost) -> None:
    lines = ["FROM scratch", *(f"ENV {name}='{value}'" for name, value in VALUES.items())]
    lines += [f"LABEL l{number}={text}" for number, text in enumerate(EXPRESSIONS)]
    host.put({"Dockerfile": "\n".join((*lines, ""))})
    said = host.ssh(
        f"docker build -q -t {host.prefix}:l {host.directory}/context >/dev/null && "
        f"docker image inspect --format '{{{{json .Config.Labels}}}}' {host.prefix}:l"
    )
    labels = json.loads(said)
    found = {text: labels[f"l{number}"] for number, text in enumerate(EXPRESSIONS)}
    assert {text: expand(text, VALUES) for text in EXPRESSIONS} == found
