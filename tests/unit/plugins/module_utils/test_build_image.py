# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of layers, and the words of a failed build."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._build_base import ResolvedImage
from ansible_collections.stt.engine.plugins.module_utils._build_dockerfile import (
    read_dockerfile,
)
from ansible_collections.stt.engine.plugins.module_utils._build_faults import build_error
from ansible_collections.stt.engine.plugins.module_utils._build_image import layers
from ansible_collections.stt.engine.plugins.module_utils._build_inputs import (
    BuildRequest,
    context_lines,
    current_entries,
    input_digest,
    make_document,
)
from ansible_collections.stt.engine.plugins.module_utils._build_progress import Failure
from ansible_collections.stt.engine.plugins.module_utils._build_run import (
    Build,
    build_command,
    pin_shadowed,
    run_build,
)
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._jobs import JobContext


def history(*newest_first: tuple[int, str]) -> list[dict[str, Any]]:
    return [{"Size": str(size), "CreatedBy": words} for size, words in newest_first]


def test_history_without_enough_layers_is_refused() -> None:
    with pytest.raises(SttError, match="found 1 entries with a layer for 2 layers"):
        layers(["sha256:a", "sha256:b"], history((1, "RUN x")))


@pytest.mark.parametrize(
    ("diff_ids", "entries", "sizes"),
    [
        (["a"], history((0, "ENV X=1"), (5, "Imported from -")), [5]),
        (["a", "b"], history((0, "RUN true"), (0, "USER 0"), (5, "ADD x")), [5, 0]),
        (
            ["a", "b", "c"],
            history((0, "CMD x"), (7, "COPY a"), (0, "WORKDIR /app"), (0, "ENV A"), (5, "ADD x")),
            [5, 0, 7],
        ),
        # A WORKDIR that the engine counted as metadata after all.
        (["a", "b"], history((7, "COPY a"), (0, "WORKDIR /app"), (5, "ADD x")), [5, 7]),
        ([], history((0, "LABEL a=b")), []),
    ],
)
def test_layers_get_their_sizes(
    diff_ids: list[str], entries: list[dict[str, Any]], sizes: list[int]
) -> None:
    found = layers(diff_ids, entries)
    assert [layer["diff_id"] for layer in found] == diff_ids
    assert [layer["size"] for layer in found] == sizes


def make_build(tmp_path: Path, **overrides: Any) -> Build:
    (tmp_path / "app").mkdir(exist_ok=True)
    request = BuildRequest(
        tmp_path,
        tmp_path / "Dockerfile",
        build_args={"CUDA": "cu128"},
        labels={"kind": "x"},
        secrets={"ca": Path("/etc/ca.pem")},
        **overrides,
    )
    base = ResolvedImage("ubi:1", "sha256:b", "ubi@sha256:b", local=True)
    tool = ResolvedImage("tool:1", "sha256:t", "tool@sha256:t", local=True)
    return Build(
        docker=DockerCli(),
        builder="default",
        request=request,
        document={},
        digest="d" * 64,
        tag="stt-engine:dddddddddddd",
        base=base,
        base_argument="BASE_IMAGE",
        declared=frozenset({"BASE_IMAGE", "BASE_DIGEST"}),
        stages=(),
        images=(tool,),
        timeout=10,
    )


def error_of(tmp_path: Path, failure: Failure, log: Path = Path("/l")) -> SttError:
    build = make_build(tmp_path)
    return build_error(build.tag, build.request, failure, 1, log)


def test_command(tmp_path: Path) -> None:
    words = build_command(make_build(tmp_path, target="engine"), tmp_path / "w", tmp_path / "D")
    assert words[:2] == ["buildx", "build"]
    assert words[-1] == f"{tmp_path}/w/{'d' * 64}"
    pairs = list(pairwise(words))
    for pair in (
        ("--target", "engine"),
        ("--build-arg", "BASE_IMAGE=ubi@sha256:b"),
        ("--build-arg", "BASE_DIGEST=sha256:b"),
        ("--build-arg", "CUDA=cu128"),
        ("--label", "kind=x"),
        ("--label", "stt.engine.owner=stt.engine"),
        ("--label", f"stt.engine.input-digest={'d' * 64}"),
        ("--label", "stt.engine.base-digest=sha256:b"),
        ("--secret", "id=ca,src=/etc/ca.pem"),
        ("--build-context", "tool:1=docker-image://tool@sha256:t"),
    ):
        assert pair in pairs
    assert "--provenance=false" in words
    assert "--tag" not in words


def test_image_with_a_stages_name_is_pinned_in_the_copy(tmp_path: Path) -> None:
    """As a named context it would take the stage's place, and its commands would be left out."""
    text = "FROM golang AS golang\nRUN true\nFROM tool:1\nCOPY --from=golang /x /x\n"
    (tmp_path / "Dockerfile").write_text(text)
    build = make_build(tmp_path)
    golang = ResolvedImage("golang", "sha256:g", "golang@sha256:g", local=True)
    build = replace(build, stages=read_dockerfile(text, {}).stages, images=(*build.images, golang))
    words = build_command(build, tmp_path / "w", tmp_path / "D")
    contexts = [after for before, after in pairwise(words) if before == "--build-context"]
    assert contexts == ["tool:1=docker-image://tool@sha256:t"]
    pin_shadowed(build, tmp_path / "Dockerfile")
    assert (tmp_path / "Dockerfile").read_text() == text.replace(
        "FROM golang AS", "FROM golang@sha256:g AS"
    )


@pytest.mark.parametrize(
    ("command", "reason", "lines", "advice"),
    [
        (
            "RUN pip install x",
            "exit code 1",
            ["ERROR: No matching distribution found for torch==2.6.0"],
            "ask for a version that the package index has, or name the right index",
        ),
        (
            "RUN pip install x",
            "exit code 1",
            [
                "https://index/simple/h11/: 401 Client Error",
                "ERROR: No matching distribution found",
            ],
            "give the build a netrc secret with the name and password that the index accepts",
        ),
        (
            "RUN pip install x",
            "exit code 1",
            ["ProxyError: Tunnel connection failed: 407 Proxy Authentication Required"],
            "give the build a proxy secret with the name and password that the proxy accepts",
        ),
        (
            "RUN pip install x",
            "exit code 1",
            ["SSLError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed"],
            "pass the company's CA bundle as a build secret; verification stays on",
        ),
        (
            "RUN pip install x",
            "exit code 1",
            ["ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."],
            "renew the lock: a package is not the one that was locked",
        ),
        (
            "RUN x",
            "write /x: no space left on device",
            [],
            "free space on the file system of Docker's data root",
        ),
        (
            "RUN x",
            "exit code 137",
            [],
            "give the build more memory: the step was killed",
        ),
        (
            "RUN x",
            "exit code 2",
            [],
            "correct what the lines above name in this step and run again",
        ),
    ],
)
def test_advice(tmp_path: Path, command: str, reason: str, lines: list[str], advice: str) -> None:
    failure = Failure(2, 3, command, reason, lines)
    error = error_of(tmp_path, failure, Path("/jobs/job.log"))
    assert error.object == f"build of stt-engine:dddddddddddd, step 2/3 {command!r}"
    assert error.found == " | ".join([reason, *lines])
    assert error.fix == f"{advice.format(root=tmp_path)} (log: /jobs/job.log)"
    assert error.details["log_path"] == "/jobs/job.log"


NOT_FOUND = 'failed to calculate checksum of ref 1::2: "/{name}": not found'
NO_DIRECTORY = (
    "failed to calculate checksum of ref 1::2: failed to walk /v/tmp/buildkit-mount1/{name}: "
    "lstat /v/tmp/buildkit-mount1/{name}: no such file or directory"
)


@pytest.mark.parametrize(
    ("command", "reason", "missing", "advice"),
    [
        (
            "COPY a ab /x/",
            NOT_FOUND.format(name="a"),
            "a",
            "add {root}/a to the context or remove it from the COPY",
        ),
        (
            "ADD --chown=1:1 lib/a ./lib/b library /x/",
            NO_DIRECTORY.format(name="lib"),
            "lib/a, ./lib/b",
            "add {root}/lib/a, {root}/lib/b to the context or remove it from the ADD",
        ),
        (
            'COPY ["app", "/a"]',
            NOT_FOUND.format(name="app"),
            "app",
            "{root}/app is there but ignored: take it out of .dockerignore",
        ),
    ],
)
def test_files_that_were_not_sent(
    tmp_path: Path, command: str, reason: str, missing: str, advice: str
) -> None:
    failure = Failure(2, 3, command, reason, [])
    error = error_of(tmp_path, failure)
    assert error.found == f"{missing} not in the build context"
    assert error.fix == f"{advice.format(root=tmp_path)} (log: /l)"


def test_failure_outside_of_a_step(tmp_path: Path) -> None:
    error = error_of(tmp_path, Failure(0, 0, "", "x", []))
    assert error.object == "build of stt-engine:dddddddddddd"
    assert error.fix == "correct Dockerfile or what the message names, and run again (log: /l)"
    assert error.details["step"] == ""


def test_context_that_moves_while_it_is_read_is_refused(tmp_path: Path) -> None:
    """The copy is hashed again: what is built is what was named, or nothing is."""
    source, jobs = tmp_path / "source", tmp_path / "job"
    source.mkdir()
    jobs.mkdir()
    (source / "Dockerfile").write_text("FROM scratch\n")
    (source / "x").write_text("as hashed")
    asked = BuildRequest(source, source / "Dockerfile")
    document = make_document(
        asked, context_lines(source, current_entries(asked)), base={}, images={}, declared=()
    )
    build = replace(
        make_build(tmp_path), request=asked, document=document, digest=input_digest(document)
    )
    (source / "x").write_text("as edited")
    with (jobs / "log").open("wb", buffering=0) as log:
        job = JobContext(jobs, log, {"progress": {}})
        with pytest.raises(SttError, match="found files that changed while they were read"):
            run_build(build, job)
    assert not (jobs / "work").exists()


def test_modules_import_without_site_packages() -> None:
    """A target has no packages: the module utilities import from the standard library alone."""
    root = Path(__file__).resolve().parents[4]
    code = (
        "import importlib, pathlib, sys\n"
        f"sys.path[:0] = [{str(root / '.collections')!r}]\n"
        "base = 'ansible_collections.stt.engine.plugins.module_utils.'\n"
        "for name in ('_build_image', '_host_check', '_docker_cli'):\n"
        "    importlib.import_module(base + name)\n"
    )
    subprocess.run(["/usr/bin/env", "python3", "-I", "-S", "-c", code], check=True)
