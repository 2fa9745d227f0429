# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gates before anything uses an image: the real one passes, and each fault is named.

The image is the newest full engine image on the lab's build server (``make release`` builds one),
or the one that STT_TEST_ENGINE_IMAGE names. Every fault is planted in an image of its own that is
derived from it, and no other gate than those that see it may fail.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bench import caught
from tests.integration.build_host import BASE
from tests.integration.verify_host import VerifyHost, failing
from tests.unit.elf_files import AARCH64, elf

pytestmark = pytest.mark.long

COMMANDS = Path(__file__).parents[1] / "unit" / "checks" / "commands"

SITE = "/opt/app-root/lib/python3.11/site-packages"
PASSWORD = "t0ps3cret"
PROXY = f"http://me:{PASSWORD}@proxy.example.com:3128"
KEY = b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\n"


@pytest.fixture
def derived(host: VerifyHost, image: str) -> Iterator[Callable[..., str]]:
    """Makes an image with something more in it, which goes when the test ends."""
    yield lambda *lines: host.derive(image, *lines)
    host.ssh(f"docker image rm --force {host.prefix}-derived >/dev/null 2>&1 || true")


@pytest.fixture(scope="module")
def judged(host: VerifyHost, image: str) -> dict[str, Any]:
    """The verdict on the engine image as it was built."""
    return host.judge(image)


def write(path: str, data: bytes) -> str:
    """A step that leaves a file; no byte of it passes through a shell."""
    code = f"open('{path}','wb').write(bytes.fromhex('{data.hex()}'))"
    return f'RUN python3 -c "{code}"'


def test_a_good_image_raises_no_alarm(host: VerifyHost, judged: dict[str, Any]) -> None:
    assert not judged.get("failed"), judged["msg"]
    assert judged["verdict"] == "passed"
    assert {one["status"] for one in judged["checks"]} == {"passed"}
    assert [one["name"] for one in judged["checks"]] == [one["name"] for one in judged["planned"]]
    assert host.containers() == []


def test_what_is_inside_is_listed(judged: dict[str, Any]) -> None:
    found = {(one["kind"], one["name"]): one for one in judged["components"]}
    assert found["pypi", "ctranslate2"]["purl"].startswith("pkg:pypi/ctranslate2@")
    assert found["pypi", "torch"]["licence"]
    assert len([kind for kind, _name in found if kind in ("deb", "rpm")]) > 20
    assert all(one["version"] for one in judged["components"])
    inventory = next(one for one in judged["checks"] if one["name"] == "inventory")
    assert "components" not in inventory["evidence"]


FAULTS = [
    pytest.param(
        (write("/opt/engine.so", elf({"libc.so.6": ["GLIBC_2.34"]})),),
        {"glibc": "opt/engine.so needs GLIBC_2.34"},
        marks=pytest.mark.fault("foreign glibc"),
        id="glibc",
    ),
    pytest.param(
        (write("/opt/engine.so", elf({"libstdc++.so.6": ["GLIBCXX_3.4.30"]})),),
        {"libstdcxx": "opt/engine.so needs GLIBCXX_3.4.30"},
        marks=pytest.mark.fault("foreign C++ library"),
        id="libstdcxx",
    ),
    pytest.param(
        (write("/opt/engine.so", elf(machine=AARCH64)),),
        {"architecture": "opt/engine.so (aarch64)"},
        marks=pytest.mark.fault("foreign processor"),
        id="architecture",
    ),
    pytest.param(
        (f"RUN ln -sf gone {SITE}/nvidia/cudnn/lib/libcudnn.so.9",),
        {
            "dangling_links": "libcudnn.so.9 -> gone",
            "cuda_libraries": "libcudnn.so.9",
            "packages": "libcudnn.so.9",
            "torch_cuda": "libcudnn.so.9",
        },
        marks=pytest.mark.fault("dangling library"),
        id="dangling",
    ),
    pytest.param(
        (f"RUN rm {SITE}/nvidia/cusparselt/lib/libcusparseLt.so.0",),
        {
            "cuda_libraries": "libcusparseLt.so.0",
            "packages": "libcusparseLt.so.0",
            "torch_cuda": "libcusparseLt.so.0",
        },
        marks=pytest.mark.fault("deleted library"),
        id="deleted",
    ),
    pytest.param(
        ("RUN rm $(readlink -f /usr/lib/x86_64-linux-gnu/libpamc.so.0)",),
        {"dangling_links": "libpamc.so.0 -> libpamc.so.0."},
        marks=pytest.mark.fault("library of the base removed"),
        id="cut",
    ),
    pytest.param(
        (
            f"RUN rm -f {SITE}/torch/__pycache__/version.* && "
            f"sed -i \"s/^cuda: .*/cuda = '11.8'/\" {SITE}/torch/version.py",
        ),
        {"torch_cuda": "torch is built for CUDA 11.8"},
        marks=pytest.mark.fault("wrong torch"),
        id="torch",
    ),
    pytest.param(
        # What the CPU wheel says of itself.
        (
            f"RUN rm -f {SITE}/torch/__pycache__/version.* && "
            f"sed -i -e 's/^cuda: .*/cuda = None/' -e 's/+cu[0-9]*/+cpu/' {SITE}/torch/version.py",
        ),
        {"torch_cuda": "+cpu is built without CUDA"},
        marks=pytest.mark.fault("CPU build of torch"),
        id="cpu",
    ),
    pytest.param(
        (f"RUN https_proxy={PROXY} true",),
        {"secrets": "credentials in a URL in step"},
        marks=pytest.mark.fault("secret in a RUN line"),
        id="run",
    ),
    pytest.param(
        (f"ENV HTTPS_PROXY={PROXY}",),
        {"secrets": "HTTPS_PROXY: credentials in a URL in the environment"},
        marks=pytest.mark.fault("secret in the environment"),
        id="environment",
    ),
    pytest.param(
        (
            "RUN mkdir -m 0700 /root/hidden",
            write("/root/hidden/.netrc", f"machine a login b password {PASSWORD}".encode()),
        ),
        {"secrets": "a password of .netrc in root/hidden/.netrc"},
        marks=pytest.mark.fault("secret in a file"),
        id="file",
    ),
    pytest.param(
        (f"RUN INDEX_PASSWORD={PASSWORD} true",),
        {"secrets": "a value of INDEX_PASSWORD in step"},
        marks=pytest.mark.fault("secret in an assignment of a RUN line"),
        id="assignment",
    ),
    pytest.param(
        (write("/root/key", KEY), "RUN rm /root/key"),
        {"secrets": "a private key in root/key, which a later layer removed or replaced"},
        marks=pytest.mark.fault("secret in a removed file"),
        id="removed",
    ),
    pytest.param(
        (write("/opt/app.env", f"DB_PASSWORD={PASSWORD}\n".encode()), "RUN echo > /opt/app.env"),
        {"secrets": "a value of DB_PASSWORD in opt/app.env, which a later layer"},
        marks=pytest.mark.fault("secret in a replaced file"),
        id="replaced",
    ),
    pytest.param(
        (write("/opt/config.yml", f"db:\n  password: {PASSWORD}\n".encode()),),
        {"secrets": "a value of password in opt/config.yml"},
        marks=pytest.mark.fault("secret in a file of settings"),
        id="settings",
    ),
    pytest.param(
        ("LABEL stt.engine.torch=2.9.0",),
        {"labels": "label stt.engine.torch says 2.9.0, installed is 2.8.0"},
        marks=pytest.mark.fault("tampered label"),
        id="label",
    ),
    pytest.param(
        ("LABEL stt.engine.cuda=12.8",),
        {"labels": "label stt.engine.cuda says '12.8', which is no CUDA version"},
        marks=pytest.mark.fault("tampered CUDA label"),
        id="cuda",
    ),
    pytest.param(
        ('LABEL stt.engine.variant=""',),
        {"labels": "label stt.engine.variant says '', which is no variant"},
        marks=pytest.mark.fault("tampered variant label"),
        id="variant",
    ),
    pytest.param(
        ("LABEL org.opencontainers.image.base.name=registry.access.redhat.com/ubi8/python-311",),
        {"labels": "label org.opencontainers.image.base.name says registry.access"},
        marks=pytest.mark.fault("tampered base label"),
        id="base",
    ),
    pytest.param(
        ("RUN cp /bin/true /usr/local/bin/gcc",),
        {"no_os_additions": "the compiler usr/local/bin/gcc", "glibc": "usr/local/bin/gcc needs"},
        marks=pytest.mark.fault("compiler added"),
        id="compiler",
    ),
    pytest.param(
        (
            "RUN printf 'Package: curl\\nStatus: install ok installed\\nVersion: 7\\n\\n' "
            ">> /var/lib/dpkg/status",
        ),
        {"no_os_additions": "deb packages curl 7"},
        marks=pytest.mark.fault("OS package added"),
        id="package",
    ),
    pytest.param(
        (f"RUN rm -r {SITE}/uvicorn",),
        {"packages": "files are gone", "modules": "No module named 'uvicorn'"},
        marks=pytest.mark.fault("package without its files"),
        id="module",
    ),
    pytest.param(
        ("ENV LD_LIBRARY_PATH=/none",),
        {"library_path": "directories that do not exist: /none"},
        marks=pytest.mark.fault("library path that leads nowhere"),
        id="path",
    ),
]


@pytest.mark.parametrize(("lines", "wanted"), FAULTS)
def test_a_fault_is_named_before_anything_uses_the_image(
    host: VerifyHost,
    derived: Callable[..., str],
    lines: tuple[str, ...],
    wanted: dict[str, str],
    record_property: caught.Record,
) -> None:
    done = host.judge(derived(*lines))
    assert done["failed"] is True
    wrong = failing(done)
    assert set(wrong) == {f"R2.5 {name}" for name in wanted}, wrong
    for name, words in wanted.items():
        assert words in wrong[f"R2.5 {name}"]
        assert f"R2.5 {name}: found " in done["msg"]
    assert PASSWORD not in json.dumps(done)
    assert PASSWORD not in host.ssh(f"cat {done['log_path']}")
    caught.by_checks(record_property, done["checks"])


@pytest.mark.parametrize("kind", ["secret", "harmless"])
def test_the_history_that_units_judge_is_the_engines(host: VerifyHost, kind: str) -> None:
    """No line is run: the shell of the image is a program that does nothing."""
    lines = (COMMANDS / f"{kind}.txt").read_text(encoding="utf-8").splitlines()
    tag = host.derive(BASE, 'RUN ["cp", "/bin/true", "/bin/sh"]', *lines, name=kind)
    try:
        form = "--no-trunc --format '{{json .CreatedBy}}'"
        listed = host.ssh(f"docker image history {form} {tag}").splitlines()
        history = [json.loads(line) for line in reversed(listed)]
        # Behind them stands the user's line that every derived image has.
        assert history[-len(lines) - 1 : -1] == json.loads(
            (COMMANDS / f"{kind}.json").read_text(encoding="utf-8")
        )
    finally:
        host.ssh(f"docker image rm --force {tag} >/dev/null 2>&1 || true")


def test_labels_say_what_the_image_was_built_as(host: VerifyHost, image: str) -> None:
    found = host.ssh(f"docker image inspect --format '{{{{json .Config.Labels}}}}' {image}")
    labels = json.loads(found)
    built = {
        "variant": "full",
        "cuda": labels["stt.engine.cuda"],
        "version": labels["version"],
        "revision": "",
        "base": BASE,
        "base_digest": labels["stt.engine.base-digest"],
    }
    assert host.judge(image, expected=built)["verdict"] == "passed"
    done = host.judge(image, expected={**built, "cuda": "cu118", "version": "v0", "base": "ubi8"})
    wrong = failing(done)
    assert set(wrong) == {"R2.5 labels", "R2.5 torch_cuda"}
    for value in ("cu118", "v0", "ubi8"):
        assert f"this image was built as '{value}'" in wrong["R2.5 labels"]


def test_another_user_or_port_is_named(host: VerifyHost, derived: Callable[..., str]) -> None:
    """The image stays as it is; another is asked for."""
    done = host.judge(derived("EXPOSE 9000"), expected={"uid": 2001, "port": 9001})
    # The checks run as that user, who is nobody in this image, but can import.
    assert failing(done)["R2.5 user_and_port"] == "the image runs as uid 2000"
    assert set(failing(done)) == {"R2.5 user_and_port"}


def test_the_lock_is_held_against_what_is_installed(
    host: VerifyHost, image: str, judged: dict[str, Any]
) -> None:
    before = {"pip", "setuptools", "wheel"}
    lock = {
        one["name"]: one["version"]
        for one in judged["components"]
        if one["kind"] == "pypi" and one["name"] not in before
    }
    assert host.judge(image, expected={"packages": lock})["verdict"] == "passed"
    changed = {**{name: lock[name] for name in lock if name != "uvicorn"}, "torch": "2.7.1"}
    done = host.judge(image, expected={"packages": changed})
    assert failing(done) == {
        "R2.5 packages": f"2 packages differ: torch {lock['torch']} instead of 2.7.1, "
        f"uvicorn {lock['uvicorn']} is in no lock"
    }


def test_a_verdict_is_reused_with_what_is_inside(
    host: VerifyHost, image: str, judged: dict[str, Any]
) -> None:
    kept = f"{host.directory}/R2.json"
    host.ssh(f"cat > {kept}", json.dumps(judged).encode())
    again = host.judge(image, reuse=kept)
    assert again["reused"] is True
    assert again["components"] == judged["components"]
    other = host.judge(image, reuse=kept, expected={"glibc": "2.27"})
    assert other["reused"] is False
    assert "GLIBC_2.28" in failing(other)["R2.5 glibc"]


def test_an_absent_or_wrong_base_is_said(host: VerifyHost, image: str) -> None:
    done = host.judge(image, base="no-such-base:1")
    assert done["failed"] is True
    assert "base image no-such-base:1: found no such image on this host" in done["msg"]
    assert host.judge(image, base="no-such-base:1", check=True)["skipped"] is True
    # It has the right files below others: an image is no base of itself's own base.
    done = host.judge(BASE, base=image)
    assert "the image's lowest layers are not those of" in failing(done)["R2.5 added_files"]
