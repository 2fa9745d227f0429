# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variant without torch: a quarter of the size, true labels, and it transcribes all the same.

Built from the lab's wheels; the second run takes its steps from the engine's cache.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.build_host import BASE, CHECKOUT
from tests.integration.package_server import DOCKERFILE
from tests.integration.verify_host import VerifyHost, failing
from tests.lab.layout import HUB_ADDRESS, HUB_PORT

pytestmark = pytest.mark.long

LARGEST_LAYER = 2_000_000_000
LARGEST_SHARE = 0.25
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
ARGUMENTS = {
    "VARIANT": "slim",
    "CUDA": "cu128",
    "OS": "debian12",
    "VERSION": "v1.2",
    "FIND_LINKS": f"http://{HUB_ADDRESS}:{HUB_PORT}/wheels/",
}
ABSENT = ("torch", "torchaudio", "transformers")
# What CTranslate2 opens by itself to compute on a GPU, apart from the driver's libcuda.
LOADS = """
import ctypes, importlib.util, json, os
import ctranslate2, faster_whisper, prometheus_client
for name in ("libcublas.so.12", "libcublasLt.so.12"):
    ctypes.CDLL(name)
print(json.dumps({
    "absent": [name for name in %r if importlib.util.find_spec(name) is None],
    "types": sorted(ctranslate2.get_supported_compute_types("cpu")),
    "path": [os.path.isdir(entry) for entry in os.environ["LD_LIBRARY_PATH"].split(":")],
    "wait": os.environ["OMP_WAIT_POLICY"],
    "user": os.getuid(),
}))
"""
ASK = """
import sys, urllib.request
clip = open(sys.argv[1], "rb").read()
head = b'--b\\r\\nContent-Disposition: form-data; name="file"; filename="clip"\\r\\n\\r\\n'
request = urllib.request.Request(
    "http://127.0.0.1:8003/transcribe", head + clip + b"\\r\\n--b--\\r\\n",
    {"Content-Type": "multipart/form-data; boundary=b"},
)
print(urllib.request.urlopen(request, timeout=60).read().decode())
"""


@pytest.fixture(scope="module")
def slim(host: VerifyHost) -> dict[str, Any]:
    """The image, built from what git knows of docker/."""
    listing = subprocess.run(
        ["git", "ls-files", "docker"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    names = [name.removeprefix("docker/") for name in listing.stdout.splitlines()]
    host.put({name: (CHECKOUT / "docker" / name).read_bytes() for name in names})
    built = host.build(
        dockerfile=DOCKERFILE,
        build_args=ARGUMENTS,
        secrets={"ca": CA_BUNDLE},
    )
    assert not built.get("failed"), built["msg"]
    return built


@pytest.fixture
def service(host: VerifyHost, slim: dict[str, Any], converted: dict[str, Any]) -> Iterator[str]:
    """The name of a container that runs as in production, healthy."""
    name = host.prefix
    host.ssh(
        f"docker run --detach --name {name} --network none --read-only --tmpfs /tmp "
        "--cap-drop ALL --security-opt no-new-privileges --memory 3g --env STT_DEVICE=cpu "
        f"--volume {converted['path']}:/app/models/ctranslate2_model:ro "
        f"--volume {host.directory}/clips:/clips:ro {slim['tag']} >/dev/null"
    )
    healthy = f"docker exec {name} /opt/app-root/bin/python3 -m stt_engine.healthcheck"
    wait = f"until {healthy} >/dev/null 2>&1; do :; done"
    try:
        host.ssh(f"timeout 60 sh -c {shlex.quote(wait)} || {{ docker logs {name} >&2; false; }}")
        yield name
    finally:
        host.ssh(f"docker container rm --force {name} >/dev/null")


def inspect(host: VerifyHost, image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(host.ssh(f"docker image inspect {image}"))[0]
    return found


def test_it_is_at_most_a_quarter_of_full(
    host: VerifyHost, image: str, slim: dict[str, Any]
) -> None:
    full = inspect(host, image)["Size"]

    print(f"slim {slim['size']} of {full} bytes, {slim['size'] / full:.3f}; {slim['seconds']} s")
    assert slim["size"] <= LARGEST_SHARE * full
    sizes = host.ssh(f"docker history --human=false --format '{{{{.Size}}}}' {image}").split()
    largest = max(map(int, sizes))
    assert max([largest, *(layer["size"] for layer in slim["layers"])]) <= LARGEST_LAYER


def test_its_labels_say_what_is_absent(host: VerifyHost, slim: dict[str, Any]) -> None:
    labels = inspect(host, slim["tag"])["Config"]["Labels"]
    pins = dict(
        line.split("==")
        for line in (CHECKOUT / "docker" / "requirements" / "slim.in").read_text().splitlines()
        if "==" in line
    )

    assert {name: labels[f"stt.engine.{name}"] for name in (*ABSENT, *pins)} == {
        **dict.fromkeys(ABSENT, ""),
        **pins,
    }
    assert (labels["stt.engine.variant"], labels["stt.engine.cuda"]) == ("slim", "cu128")
    assert labels["org.opencontainers.image.base.name"].split("@")[0] == BASE
    assert labels["org.opencontainers.image.base.digest"] == slim["base_digest"]


def test_it_loads_what_ctranslate2_needs(host: VerifyHost, slim: dict[str, Any]) -> None:
    run = "docker run --rm --interactive --network none --read-only --tmpfs /tmp"
    said = host.ssh(
        f"{run} --entrypoint /opt/app-root/bin/python3 {slim['tag']} -",
        (LOADS % (ABSENT,)).encode(),
    )

    found = json.loads(said)
    assert found["absent"] == list(ABSENT)
    assert {"float32", "int8", "int8_float32"} <= set(found["types"])
    assert found["path"] == [True]
    assert (found["wait"], found["user"]) == ("PASSIVE", 2000)


def test_it_transcribes(host: VerifyHost, service: str) -> None:
    clips = json.loads(host.ssh(f"cat {host.directory}/clips/clips.json"))
    wanted = {clip["file"]: clip["text"] for clip in clips if clip["kind"] == "speech"}
    for name in ("en-greeting.flac", "ko-greeting.flac"):
        answer = json.loads(
            host.ssh(
                f"docker exec --interactive {service} /opt/app-root/bin/python3 - /clips/{name}",
                ASK.encode(),
            )
        )
        assert answer["text"] == wanted[name]


def test_its_gates_raise_no_alarm(host: VerifyHost, slim: dict[str, Any]) -> None:
    judged = host.judge(slim["tag"])

    assert failing(judged) == {}
    assert judged["verdict"] == "passed"
    print(f"{len(judged['checks'])} gates, {judged['seconds']} s")
    assert {one["status"] for one in judged["checks"]} == {"passed"}


@pytest.mark.parametrize(
    ("module", "borrowed"),
    [
        ("stt_image_verify", {"R4.3 torch_version", "R4.3 torchaudio_resample"}),
        ("stt_model_verify", {"R5.3 transformers_load", "R5.8 encoder_agreement"}),
    ],
)
def test_full_judges_beside_it_what_it_cannot(
    host: VerifyHost,
    image: str,
    slim: dict[str, Any],
    converted: dict[str, Any],
    module: str,
    borrowed: set[str],
) -> None:
    clips: dict[str, Any] = {}
    if module == "stt_model_verify":
        clips["clips"] = f"{host.directory}/clips"
    done = host.verify(module, slim["tag"], converted["path"], reference_image=image, **clips)

    assert failing(done) == {}
    assert done["verdict"] == "passed"
    full = inspect(host, image)["Id"]
    elsewhere = {
        f"{one['id']} {one['name']}": one["status"]
        for one in done["checks"]
        if one["evidence"].get("image") == full
    }
    assert {elsewhere.get(name) for name in borrowed} == {"passed"}
    # What is about this image is judged in it.
    assert not [name for name in elsewhere if "service" in name or "faster_whisper" in name]


def test_a_label_that_is_not_true_stops_the_build(host: VerifyHost, slim: dict[str, Any]) -> None:
    failed = host.build(
        dockerfile=DOCKERFILE,
        build_args={**ARGUMENTS, "TORCH": "2.8.0"},
        secrets={"ca": CA_BUNDLE},
    )

    assert failed["failed"] is True
    assert "label stt.engine.torch: found no such package in the image" in failed["found"]
    assert host.images() == [slim["input_digest"][:12]]
