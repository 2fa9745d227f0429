# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can befall a conversion is said as such, and leaves what was published before alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.bench import caught
from tests.integration.verify_host import NAME, VerifyHost

# What the faults happen to; nothing of it may ever be published.
OTHER = "int8_bfloat16"
PROXY = """
import signal, socket, sys, threading

connections = []

def cut(*_signal):
    while connections:
        connections.pop().shutdown(socket.SHUT_RDWR)

def copy(source, target):
    while data := source.recv(65536):
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)

signal.signal(signal.SIGUSR1, cut)
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(16)
print("listening", flush=True)
while True:
    client, _address = listener.accept()
    server = socket.socket(socket.AF_UNIX)
    server.connect("/var/run/docker.sock")
    connections += [client, server]
    for pair in ((client, server), (server, client)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
"""


@pytest.fixture(autouse=True)
def untouched(
    host: VerifyHost, converted: dict[str, Any], record_property: caught.Record
) -> Iterator[None]:
    """The conversion that is published stays as it is, and no debris stays with it."""
    files = f"cd {host.directory}/models/{NAME} && find . -type f | sort | xargs sha256sum"
    before = host.ssh(files)
    yield
    assert host.ssh(files) == before
    assert host.ssh(f"ls {host.directory}/staging").split() == []
    assert host.convert_containers() == []
    again = host.ssh(f"stat -c '%a %u' {converted['path']}/* | sort -u").strip()
    assert again == "444 0"
    record_property("intact", True)


def meanwhile(host: VerifyHost, image: str, command: str, **changes: Any) -> dict[str, Any]:
    """Convert, and run a command as soon as the converter's container has started."""
    name = host.converter(image, quantization=OTHER, **changes)
    with ThreadPoolExecutor(1) as pool:
        converting = pool.submit(host.convert, image, quantization=OTHER, **changes)
        host.when_started(name, command.format(name=name))
        return converting.result()


@pytest.mark.fault("convert: out of memory")
def test_too_little_memory(host: VerifyHost, image: str, record_property: caught.Record) -> None:
    done = host.convert(image, quantization=OTHER, memory_bytes=150_000_000)
    caught.by_module(record_property, "stt_model_convert", done)
    assert "ended by the out-of-memory killer at its limit of 150000000 bytes" in done["msg"]
    assert "raise memory_bytes" in done["fix"]


@pytest.mark.fault("convert: container killed")
def test_a_container_that_is_killed(
    host: VerifyHost, image: str, record_property: caught.Record
) -> None:
    done = meanwhile(host, image, "docker kill {name}")
    caught.by_module(record_property, "stt_model_convert", done)
    assert "killed from outside (exit status 137, SIGKILL)" in done["msg"]
    assert "was not the cause" in done["msg"]


@pytest.fixture
def proxied(host: VerifyHost) -> Iterator[tuple[str, str]]:
    """A docker client whose way to the daemon can be cut: its path, and the proxy's process."""
    here = host.directory
    client = f"{here}/docker"
    script = f'#!/bin/sh\nDOCKER_HOST=unix://{here}/docker.sock exec docker "$@"\n'
    host.ssh(f"cat > {client} && chmod +x {client}", script.encode())
    host.ssh(f"cat > {here}/proxy.py", PROXY.encode())
    number = host.ssh(
        f"cd {here} && rm -f docker.sock && "
        f"(setsid python3 proxy.py {here}/docker.sock > proxy.log 2>&1 & echo $!) && "
        "timeout 20 sh -c 'until grep -q listening proxy.log; do :; done'"
    ).strip()
    yield client, number
    host.ssh(f"kill -9 {number} 2>/dev/null || true")


@pytest.mark.fault("convert: docker lost")
def test_a_docker_that_goes_away(host: VerifyHost, image: str, proxied: tuple[str, str]) -> None:
    """The container runs on; the next call removes it and begins again."""
    client, number = proxied
    done = meanwhile(host, image, f"kill -9 {number}", docker=client)
    assert done["failed"] is True
    assert done["msg"].startswith("docker daemon: found ")
    assert "start it (systemctl enable --now docker)" in done["fix"]
    # A limit keeps the result from being published.
    done = host.convert(image, quantization=OTHER, memory_bytes=150_000_000)
    assert "out-of-memory killer" in done["msg"]


@pytest.mark.fault("convert: docker's connection lost")
def test_a_docker_that_comes_back(host: VerifyHost, image: str, proxied: tuple[str, str]) -> None:
    client, number = proxied
    done = meanwhile(host, image, f"kill -USR1 {number}", docker=client)
    assert done["failed"] is True
    assert "the connection to it lost while the converter ran" in done["msg"]


@pytest.mark.fault("convert: job killed with -9")
def test_a_job_that_is_killed(host: VerifyHost, image: str) -> None:
    name = host.converter(image, quantization=OTHER)
    started = host.convert(image, quantization=OTHER, wait=False)
    assert started["job"]["status"] == "running"
    state = f"{host.directory}/jobs/model-convert-{started['input_digest'][:12]}/state.json"
    pid = json.loads(host.ssh(f"cat {state}"))["pid"]
    host.when_started(name, f"kill -9 {pid}")
    assert len(host.ssh(f"ls {host.directory}/staging").split()) == 1
    # The next call begins again; a limit keeps the result from being published.
    done = host.convert(image, quantization=OTHER, memory_bytes=150_000_000)
    assert "out-of-memory killer" in done["msg"]
    assert done["log_path"].endswith("job.log")


@pytest.mark.fault("convert: disk full")
def test_a_disk_that_fills_up(host: VerifyHost, image: str, record_property: caught.Record) -> None:
    """There is room when the conversion begins, and none when the converter writes."""
    small = f"{host.directory}/small"
    host.ssh(f"mkdir {small} && mount -t tmpfs -o size=120m none {small} && mkdir {small}/models")
    try:
        places = {"destination_root": f"{small}/models"}
        good = host.convert(image, **places)
        assert not good.get("failed"), good["msg"]
        hashes = f"cd {good['path']} && sha256sum *"
        before = host.ssh(hashes)
        fill = f"head -c 200M /dev/zero > {small}/more || df {small} | grep -q 100%"
        done = meanwhile(host, image, fill, **places)
        caught.by_module(record_property, "stt_model_convert", done)
        assert "it became full while the model was converted" in done["msg"]
        assert "No space left on device" in done["msg"]
        assert host.ssh(hashes) == before
        assert host.ssh(f"ls {small}/staging").split() == []
        # Now it is foreseen.
        done = host.convert(image, quantization=OTHER, **places)
        assert "bytes free; needed" in done["msg"]
    finally:
        host.ssh(f"umount --lazy {small}")


@pytest.mark.fault("convert: output differs from the lock")
def test_an_output_that_is_not_the_locked_one(
    host: VerifyHost, image: str, converted: dict[str, Any], record_property: caught.Record
) -> None:
    locked = [{**file, "sha256": "0" * 64} for file in converted["files"]]
    inputs = converted["inputs"]
    other = {**inputs, "converter": {**inputs["converter"], "ctranslate2": "4.8.4"}}
    found = inputs["converter"]["ctranslate2"]
    for changes in ({"quantization": OTHER}, {}):
        done = host.convert(image, expected_files=locked, expected_inputs=other, **changes)
        caught.by_module(record_property, "stt_model_convert", done)
        assert "found other files than locked" in done["msg"]
        assert f"converter.ctranslate2 {found}, locked 4.8.4" in done["msg"]
    assert done["differing_inputs"] == [f"converter.ctranslate2 {found}, locked 4.8.4"]
    done = host.convert(image, expected_files=locked, expected_inputs=inputs)
    assert "every recorded input is equal" in done["msg"]
