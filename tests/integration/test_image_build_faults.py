# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds that are killed, cut off or cannot succeed: nothing stays, and the cause is named."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import caught
from tests.integration.build_host import BuildHost, UnreachableError, kill_group
from tests.integration.relay import Relay

pytestmark = pytest.mark.long

CHECKOUT = Path(__file__).resolve().parents[2]
# How long a broken network lets nothing through.
OUTAGE_SECONDS = 30


@pytest.fixture
def host() -> Iterator[BuildHost]:
    host = BuildHost()
    try:
        yield host
    finally:
        host.clean()


@pytest.fixture
def relay(host: BuildHost) -> Iterator[Relay]:
    """A way to the build server that a test can interrupt; Ansible takes it."""
    with Relay() as relay:
        host.connection = relay.options
        yield relay


@pytest.fixture
def engine(host: BuildHost) -> str:
    """An engine image that was built before."""
    labelled = "--filter label=stt.engine.owner=stt.engine --filter label=stt.engine.variant=full"
    listed = host.ssh(f"docker image ls --format '{{{{.Repository}}}}:{{{{.Tag}}}}' {labelled}")
    names = [name for name in listed.split() if name.startswith("stt-engine:")]
    if not names:
        pytest.skip("no engine image on the lab's build server: `make release` builds one")
    return names[0]


def no_debris(host: BuildHost) -> None:
    """Nothing of a build is left: no client, no image, named or not, and no copy of a context."""
    host.until(f"! ps -eo args | grep -v grep | grep -q {host.prefix}")
    labelled = f"docker image ls --quiet --all --filter label=stt.engine.test={host.prefix}"
    assert host.ssh(labelled) == ""
    assert host.ssh(f"find {host.directory}/jobs -name work") == ""


def in_step(host: BuildHost, step: int) -> None:
    """Wait until the build is in a step."""
    host.until(f"grep -q '\"step\": {step}' {host.directory}/jobs/*/state.json")


@pytest.mark.fault("killed build")
def test_killed_build(host: BuildHost, record_property: caught.Record) -> None:
    labelled = f"LABEL stt.engine.test={host.prefix}"
    host.put_dockerfile(labelled, "RUN echo first", "RUN sleep 7 && echo done")
    started = host.build(wait=False)
    assert (started["status"], started["changed"]) == ("running", True)
    in_step(host, 3)
    host.ssh(f"kill -9 {host.job_state()['pid']}")
    host.until(f"! ps -eo args | grep -v grep | grep -q {host.prefix}")
    assert host.images() == []
    assert host.build(check=True)["status"] == "predicted"

    # A build of other inputs clears the place of the killed one.
    host.put_dockerfile(labelled, "RUN echo first", "RUN false")
    assert host.build()["step"] == "3/3"
    no_debris(host)

    host.put_dockerfile(labelled, "RUN echo first", "RUN sleep 7 && echo done")
    finished = host.build()
    assert (finished["status"], finished["input_digest"]) == ("built", started["input_digest"])
    assert host.images() == [finished["input_digest"][:12]]
    caught.recovered(record_property, "stt_image_build")


@pytest.mark.fault("killed build")
def test_killed_between_the_image_and_its_tag(
    host: BuildHost, record_property: caught.Record
) -> None:
    host.put_dockerfile(f"LABEL stt.engine.test={host.prefix}", "RUN echo done")
    # The job dies in the moment in which its image has no name yet.
    deadly = '#!/bin/sh\n[ "$1 $2" = \'image tag\' ] && kill -9 $PPID && exit 1\nexec docker "$@"\n'
    tools = host.put({"docker": deadly}, "tools")
    host.ssh(f"chmod 755 {tools}/docker")
    failed = host.build(docker=f"{tools}/docker")
    assert failed["found"] == "its process gone without a result"
    assert failed["fix"].startswith("run the same command again")
    assert host.images() == []
    no_debris(host)
    assert host.build()["status"] == "built"
    caught.recovered(record_property, "stt_image_build")


@pytest.mark.fault("killed controller")
def test_killed_controller(host: BuildHost, record_property: caught.Record) -> None:
    host.put_dockerfile("RUN echo first", "RUN sleep 10 && echo done")
    running = host.begin("stt_image_build", host.build_arguments())
    try:
        in_step(host, 3)
    finally:
        kill_group(running)
    began = host.job_state()["started"]
    attached = host.build()
    assert (attached["status"], attached["changed"]) == ("built", True)
    assert host.job_state()["started"] == began
    assert host.build()["changed"] is False
    caught.recovered(record_property, "stt_image_build")


@pytest.mark.fault("lost connection")
def test_connection_that_is_cut(
    host: BuildHost, relay: Relay, record_property: caught.Record
) -> None:
    host.put_dockerfile("RUN echo first", "RUN sleep 10 && echo done")
    running = host.begin("stt_image_build", host.build_arguments())
    try:
        in_step(host, 3)
        relay.cut()
        with pytest.raises(UnreachableError):
            host.finish(running)
    finally:
        kill_group(running)
    began = host.job_state()["started"]
    host.connection = []
    attached = host.build()
    assert (attached["status"], attached["changed"]) == ("built", True)
    assert host.job_state()["started"] == began
    caught.recovered(record_property, "stt_image_build")


@pytest.mark.fault("lost connection")
def test_connection_that_is_lost_for_a_while(
    host: BuildHost, relay: Relay, record_property: caught.Record
) -> None:
    """The build ends while nothing comes through; the same call then gives its result."""
    host.put_dockerfile("RUN echo first", "RUN sleep 10 && echo done")
    running = host.begin("stt_image_build", host.build_arguments())
    try:
        in_step(host, 3)
        relay.hold()
        time.sleep(OUTAGE_SECONDS)
        assert host.job_state()["status"] == "succeeded"
        relay.resume()
        built = host.finish(running)
    finally:
        kill_group(running)
    assert (built["status"], built["changed"]) == ("built", True)
    assert host.images() == [built["input_digest"][:12]]
    caught.recovered(record_property, "stt_image_build")


@pytest.mark.fault("bad package version")
def test_version_that_no_index_has(host: BuildHost, record_property: caught.Record) -> None:
    # An index of our own without any package: pip's line is the same and needs no network.
    host.put_dockerfile(
        f"LABEL stt.engine.test={host.prefix}",
        "RUN python3 -m pip install --no-index --find-links /tmp torch==2.6.0+cu129",
    )
    failed = host.build()
    assert "ERROR: No matching distribution found for torch==2.6.0+cu129" in failed["found"]
    assert failed["fix"].startswith("ask for a version that the package index has")
    no_debris(host)
    caught.by_module(record_property, "stt_image_build", failed)


@pytest.mark.fault("file missing from the build context")
def test_file_missing_from_the_context(host: BuildHost, record_property: caught.Record) -> None:
    host.put_dockerfile(f"LABEL stt.engine.test={host.prefix}", "COPY app/missing.py /app/")
    failed = host.build()
    assert failed["step"] == "2/2"
    assert failed["found"] == "app/missing.py not in the build context"
    context = f"{host.directory}/context"
    assert failed["fix"].startswith(f"add {context}/app/missing.py to the context or remove it")
    no_debris(host)

    host.put({"app/missing.py": "", ".dockerignore": "app\n"})
    failed = host.build()
    assert failed["fix"].startswith(
        f"{context}/app/missing.py is there but ignored: take it out of .dockerignore"
    )
    caught.by_module(record_property, "stt_image_build", failed)


@pytest.mark.fault("syntax error")
def test_syntax_error_in_the_dockerfile(host: BuildHost, record_property: caught.Record) -> None:
    host.put({"Dockerfile": "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUNN echo\n"})
    failed = host.build()
    assert failed["step"] == ""
    assert "unknown instruction: RUNN" in failed["found"]
    assert host.images() == []
    caught.by_module(record_property, "stt_image_build", failed)


@pytest.mark.fault("syntax error")
def test_syntax_error_in_the_service(
    host: BuildHost, engine: str, record_property: caught.Record
) -> None:
    """The image's own last step, on top of an image that was built before."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in ("image", "locks/pip_command.py", "stt_engine"):
            archive.add(CHECKOUT / "docker" / name, name)
    host.unpack(packed.getvalue(), "context")
    host.ssh(f"echo 'def broken(:' >> {host.directory}/context/stt_engine/service.py")
    step = "/opt/app-root/bin/python3 -B /run/stt/image/app.py --source /run/stt/stt_engine"
    host.put_dockerfile("RUN rm -r /app/stt_engine", f"RUN --mount=target=/run/stt {step}")
    failed = host.build(base=engine)
    assert failed["step"] == "3/3"
    assert "service.py" in failed["found"]
    assert "SyntaxError: invalid syntax" in failed["found"]
    assert host.images() == []
    caught.by_module(record_property, "stt_image_build", failed)
