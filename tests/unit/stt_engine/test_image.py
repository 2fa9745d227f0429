# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts of the image's layers, as far as they can run outside a build."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from image import app, layer, verify
from image.base import add_entry, os_names
from image.layer import LayerError

from tests.unit.stt_engine.service_process import DOCKER

DOCKERFILE = (DOCKER / "Dockerfile.engine.rhel89").read_text()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('ID="rhel"\nVERSION_ID="8.10"\n', {"rhel8", "rhel810"}),
        ('NAME="x"\nID="rhel"\nVERSION_ID="8.9"\n', {"rhel8", "rhel89"}),
        ("ID=debian\nVERSION_ID='12'\n", {"debian12"}),
        ("no assignment here\n", {""}),
    ],
)
def test_the_names_of_an_operating_system(text: str, names: set[str]) -> None:
    assert os_names(text) == names


def test_a_user_is_added_once(tmp_path: Path) -> None:
    database = tmp_path / "passwd"
    database.write_text("root:x:0:0::/root:/bin/sh")

    for _unused in range(2):
        add_entry(database, "stt-user", 2000, "stt-user:x:2000:2000::/:/sbin/nologin")

    assert database.read_text().splitlines() == [
        "root:x:0:0::/root:/bin/sh", "stt-user:x:2000:2000::/:/sbin/nologin",
    ]  # fmt: skip


@pytest.mark.parametrize("taken", ["other:x:2000:2000", "stt-user:x:1000:1000"])
def test_a_number_or_name_that_is_taken(tmp_path: Path, taken: str) -> None:
    database = tmp_path / "passwd"
    database.write_text(f"{taken}::/:/bin/sh\n")

    with pytest.raises(LayerError, match="needed stt-user with number 2000"):
        add_entry(database, "stt-user", 2000, "unused")


def test_only_what_is_new_is_compiled_and_always_alike(tmp_path: Path) -> None:
    results = []
    for attempt in range(2):
        root = tmp_path / str(attempt)
        (root / "package").mkdir(parents=True)
        (root / "package" / "old.py").write_text("x = 1\n")
        time.sleep(0.05)
        since = layer.begin()
        for number in range(20):
            text = f"class A{number}:\n    names = {{'a', 'b'}}\n    x = {number}\n"
            (root / "package" / f"new{number}.py").write_text(text)
        (root / "package" / "broken.py").write_text("def f(:\n")
        assert layer.compile_changed(root, since) == 21
        compiled = sorted((root / "package" / "__pycache__").iterdir())
        results.append(
            [(path.name, path.read_bytes().replace(str(root).encode(), b"")) for path in compiled]
        )

    assert len(results[0]) == 20
    assert [name for name, _unused in results[0]] == [name for name, _unused in results[1]]
    for _name, data in results[0]:
        # Flags of the header: a hash, never checked.
        assert data[4:8] == b"\x01\x00\x00\x00"


def test_compiled_files_hold_without_their_time(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("value = 1\n")
    layer.compile_changed(tmp_path, 0)
    module.write_text("value = 2\n")

    run = subprocess.run(
        [sys.executable, "-B", "-c", "import module; print(module.value)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert run.stdout == "1\n"


def test_an_empty_lock_makes_an_empty_layer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lock.txt").write_text("# nothing\n")

    layer.install(tmp_path / "lock.txt")

    assert capsys.readouterr().out == "nothing to install for this variant\n"


@pytest.mark.parametrize(
    ("variables", "arguments"),
    [
        ({}, []),
        ({"INDEX_URL": "none", "FIND_LINKS": "/wheels"}, ["--no-index", "--find-links", "/wheels"]),
        (
            {"INDEX_URL": "https://a.example/simple", "TORCH_INDEX_URL": "https://b.example/cu129"},
            [
                "--index-url", "https://a.example/simple",
                "--extra-index-url", "https://b.example/cu129",
            ],
        ),
        (
            {"FIND_LINKS": "http://u:p@hub.example:8080/wheels/"},
            [
                "--find-links", "http://u:p@hub.example:8080/wheels/",
                "--trusted-host", "hub.example:8080",
            ],
        ),
    ],
)  # fmt: skip
def test_where_wheels_come_from(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], arguments: list[str]
) -> None:
    for name in ("INDEX_URL", "TORCH_INDEX_URL", "FIND_LINKS"):
        monkeypatch.setenv(name, variables.get(name, ""))

    assert layer.indexes() == arguments


def test_the_creation_label_must_be_the_epoch() -> None:
    app.check_created("", "")
    app.check_created("2023-11-14T22:13:20Z", "1700000000")
    with pytest.raises(LayerError, match="needed 2023-11-14T22:13:20Z"):
        app.check_created("2023-11-14T22:13:21Z", "1700000000")


def write_package(site_packages: Path, name: str, version: str) -> None:
    """Leave what an installed package leaves: its metadata."""
    info = site_packages / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def write_torch(site_packages: Path, version: str, cuda: str | None) -> None:
    write_package(site_packages, "torch", version)
    (site_packages / "torch").mkdir()
    (site_packages / "torch" / "version.py").write_text(
        f"__version__ = {version!r}\ncuda = {cuda!r}\n"
    )


def test_labels_must_be_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "SITE_PACKAGES", tmp_path)
    write_torch(tmp_path, "2.8.0+cu128", "12.8")
    write_package(tmp_path, "faster-whisper", "1.2.1")

    verify.check_label("torch", "2.8.0")
    verify.check_label("faster-whisper", "1.2.1")
    verify.check_label("transformers", "")
    with pytest.raises(LayerError, match=r"torch: found 2.8.0\+cu128 in .*; needed 2.9.0, as"):
        verify.check_label("torch", "2.9.0")
    with pytest.raises(LayerError, match=r"needed no such package, .* argument FASTER_WHISPER to"):
        verify.check_label("faster-whisper", "")
    with pytest.raises(LayerError, match=r"transformers: found no such package in .* needed 5"):
        verify.check_label("transformers", "5.23.0")


def test_torch_must_be_for_the_cuda_of_the_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "SITE_PACKAGES", tmp_path)
    write_torch(tmp_path, "2.8.0+cu128", "12.8")

    verify.check_cuda("cu128")
    with pytest.raises(LayerError, match=r"found cu128 \(torch 2.8.0\+cu128\); needed cu129"):
        verify.check_cuda("cu129")


def test_a_torch_without_cuda_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "SITE_PACKAGES", tmp_path)
    write_torch(tmp_path, "2.8.0+cpu", None)

    with pytest.raises(LayerError, match=r"found no CUDA \(torch 2.8.0\+cpu\)"):
        verify.check_cuda("cu128")


def test_without_torch_cublas_says_which_cuda(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "SITE_PACKAGES", tmp_path)

    with pytest.raises(LayerError, match=r"found no CUDA \(nvidia-cublas-cu12 missing\)"):
        verify.check_cuda("cu128")
    write_package(tmp_path, "nvidia-cublas-cu12", "12.8.4.1")
    verify.check_cuda("cu128")
    with pytest.raises(LayerError, match=r"found cu128 \(nvidia-cublas-cu12 12.8.4.1\)"):
        verify.check_cuda("cu129")


def test_the_library_path_is_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "SITE_PACKAGES", tmp_path)
    libraries = [tmp_path / "nvidia" / name / "lib" for name in ("cublas", "cudnn")]
    for path in libraries:
        path.mkdir(parents=True)

    monkeypatch.setenv("LD_LIBRARY_PATH", ":".join(map(str, libraries)))
    verify.check_library_path()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(libraries[0]))
    with pytest.raises(LayerError, match=r"not listed \['.*/cudnn/lib'\]"):
        verify.check_library_path()
    monkeypatch.setenv("LD_LIBRARY_PATH", ":".join(map(str, [*libraries, tmp_path / "gone"])))
    with pytest.raises(LayerError, match=r"missing \['.*/gone'\]"):
        verify.check_library_path()


def test_what_the_service_imports_must_be_installed(tmp_path: Path) -> None:
    requirements = tmp_path / "full.in"
    requirements.write_text("# a comment\nctranslate2\nstt-nothing==1.0\n")

    with pytest.raises(LayerError, match=r"package stt-nothing: found nothing; needed 1.0"):
        verify.check_requirements(requirements)
    requirements.write_text("ctranslate2==0.1\n")
    with pytest.raises(LayerError, match=r"package ctranslate2: found 4\S+; needed 0.1"):
        verify.check_requirements(requirements)


@pytest.mark.parametrize(
    "text",
    [
        "http://proxy.example.com:3128\n",
        "https://ci:p%40ss%2Fword@proxy.example.com/",
        "  http://u:@[2001:db8::1]:8080 \n\n",
    ],
)
def test_the_address_of_a_proxy(text: str) -> None:
    assert layer.proxy_address(text) == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "proxy.example.com:3128",
        "socks5://proxy.example.com",
        "http://ci:hunter2/x@proxy.example.com",
        "http://ci:hunter2@x@proxy.example.com",
        "http://ci:hunter2@proxy.example.com:3128/path",
        "http://ci:hunter2@proxy.example.com:3128\nhttp://other",
    ],
)
def test_an_address_that_is_none_is_not_repeated(text: str) -> None:
    with pytest.raises(LayerError, match="secret proxy: found") as caught:
        layer.proxy_address(text)

    assert "hunter2" not in str(caught.value)


def test_secrets_reach_pip_by_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer, "SECRETS", tmp_path)
    monkeypatch.setattr(os, "environ", {"HTTPS_PROXY": "http://other"})
    layer.use_secrets()
    assert os.environ == {"HTTPS_PROXY": "http://other"}

    for name in ("ca", "netrc"):
        (tmp_path / name).touch()
    (tmp_path / "proxy").write_text("http://a:b@c:1\n")
    layer.use_secrets()

    # The small spelling goes before the other one.
    assert os.environ == {
        "HTTPS_PROXY": "http://other",
        "http_proxy": "http://a:b@c:1",
        "https_proxy": "http://a:b@c:1",
        "NETRC": str(tmp_path / "netrc"),
        "PIP_CERT": str(tmp_path / "ca"),
    }
    assert urllib.request.getproxies_environment()["https"] == "http://a:b@c:1"


def arguments_of(variant: str) -> dict[str, str]:
    """The build arguments that hold for a variant and what they are unless told otherwise."""
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.M)
    kept = [text for text in stages if re.match(rf"\S+ AS (variant-{variant}|engine)\n", text)]
    assert len(kept) == 2
    return dict(re.findall(r'^ARG ([A-Z_0-9]+)="?([^"\n]*)"?$', "".join(kept), re.M))


@pytest.mark.parametrize("variant", ["full", "slim"])
def test_the_version_labels_are_those_of_the_requirements(variant: str) -> None:
    lines = (DOCKER / "requirements" / f"{variant}.in").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    labels = dict(re.findall(r'stt\.engine\.([a-z0-9-]+)="\$\{([A-Z_0-9]+)}"', DOCKERFILE))
    versions = {name: labels[name] for name in labels if name not in ("os", "variant", "cuda")}
    judged = dict(re.findall(r'--label "([a-z0-9-]+)=\$\{([A-Z_0-9]+)}"', DOCKERFILE))

    assert set(versions) == {
        "torch", "torchaudio", "transformers", "ctranslate2", "faster-whisper",
    }  # fmt: skip
    assert judged == versions
    arguments = arguments_of(variant)
    assert {name: arguments[versions[name]] for name in versions} == {
        name: pins.get(name, "") for name in versions
    }


@pytest.mark.parametrize("variant", ["full", "slim"])
def test_the_library_path_lists_the_locked_cuda_packages(variant: str) -> None:
    arguments = arguments_of(variant)
    path = arguments["LIBRARIES"].replace("${SITE}", arguments.get("SITE", ""))
    site = "/opt/app-root/lib/python3.11/site-packages"
    locks = (DOCKER / "locks" / f"{variant}-cu128").glob("*.txt")
    names = re.findall(r"^nvidia-(\S+)-cu12==", "".join(map(Path.read_text, locks)), re.M)

    wanted = [f"{site}/nvidia/{name.replace('-', '_')}/lib" for name in sorted(names)]
    assert path.split(":") == wanted + ([f"{site}/torch/lib"] if variant == "full" else [])


def test_everything_that_the_dockerfile_mounts_is_in_the_context() -> None:
    sources = set(re.findall(r"source=([^,\s]+)", DOCKERFILE))
    kept = {
        line[1:] for line in (DOCKER / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }

    for source in sources:
        for variant in ("full", "slim"):
            name = source.replace("${VARIANT}", variant).replace("${CUDA}", "cu128")
            assert (DOCKER / name).exists(), name
            assert name.split("/")[0] in kept, source


def test_every_step_that_fetches_may_read_every_secret() -> None:
    steps = re.findall(r"^RUN .*?[^\\]$", DOCKERFILE, re.M | re.S)
    fetching = [step for step in steps if re.search(r"/(layer|resolve)\.py\"", step)]

    assert len(fetching) == 7
    for step in steps:
        found = re.findall(r"--mount=type=secret,id=(\w+)", step)
        assert found == (["ca", "netrc", "proxy"] if step in fetching else [])


def test_the_dockerfile_needs_no_registry_beside_the_base() -> None:
    assert not DOCKERFILE.lower().lstrip("# \n").startswith("syntax")
    assert not re.search(r"^#\s*syntax\s*=", DOCKERFILE, re.M)
    assert "://" not in re.sub(r"^#.*$", "", DOCKERFILE, flags=re.M)
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.M) == [
        "${BASE_IMAGE}", "scratch", "${BASE_IMAGE}", "packages", "packages", "variant-${VARIANT}",
    ]  # fmt: skip
    assert not re.search(r"\b(apt|apt-get|dnf|yum|microdnf|sudo|gcc|useradd)\b", DOCKERFILE)
