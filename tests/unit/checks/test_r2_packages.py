# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gates of what is installed, of configuration and labels, and the inventory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stt_checks import catalogue, r2_image, r2_inventory, r2_packages
from stt_checks.settings import Expected, Settings

from tests.unit.checks.image_gates import HASH, judge, with_image


@pytest.fixture
def root(image_root: Path) -> Path:
    return image_root


@pytest.fixture
def settings(image_settings: Settings) -> Settings:
    return image_settings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"user": ""}, "names no user"),
        ({"user": "0"}, "runs as uid 0"),
        ({"user": "root:root"}, "runs as uid 0"),
        ({"user": "nobody-of-this-name"}, "has no entry"),
        ({"ports": ()}, "exposes no port"),
        ({"ports": (8000,)}, "exposes 8000"),
    ],
)
def test_another_user_or_port_fails(
    settings: Settings, changes: dict[str, Any], words: str
) -> None:
    assert judge(r2_image.user_and_port, settings).status == "passed"
    outcome = judge(r2_image.user_and_port, with_image(settings, **changes))
    assert (outcome.status, words in outcome.found) == ("failed", True), outcome


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment of two distributions, and an operating system."""
    site = tmp_path / "site"
    for name, version in (("Ctranslate2", "4.8.5"), ("nvidia-cublas-cu12", "12.8.4.1")):
        place = site / f"{name.replace('-', '_')}-{version}.dist-info"
        place.mkdir(parents=True)
        (place / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            "Classifier: License :: OSI Approved :: MIT License\n"
        )
        (place / "RECORD").write_text(f"{name}.py,,\n{place.name}/METADATA,,\n")
        (site / f"{name}.py").write_text("")
    monkeypatch.setattr("sys.path", [str(site)])
    release = tmp_path / "os-release"
    release.write_text('ID="rhel"\nVERSION_ID="8.9"\n')
    monkeypatch.setattr(r2_image, "OS_RELEASE", release)
    return site


TRUE = {
    "stt.engine.variant": "slim",
    "stt.engine.cuda": "cu128",
    "stt.engine.torch": "",
    "stt.engine.ctranslate2": "4.8.5",
    "stt.engine.os": "rhel89",
    "stt.engine.base-digest": HASH,
    "org.opencontainers.image.base.digest": HASH,
    "org.opencontainers.image.base.name": "docker.io/library/a-base:1",
    "org.opencontainers.image.title": "stt-engine",
    "org.opencontainers.image.licenses": "GPL-3.0-or-later AND LicenseRef-packages",
    "org.opencontainers.image.version": "v1.2",
    "org.opencontainers.image.revision": "",
    "name": "stt-engine",
    "version": "v1.2",
}
BUILT = Expected(
    variant="slim",
    cuda_label="cu128",
    version="v1.2",
    revision="",
    base="docker.io/library/a-base:1",
    base_digest=HASH,
)
LIES = [
    ({"stt.engine.ctranslate2": "4.8.4"}, "ctranslate2 says 4.8.4, installed is 4.8.5"),
    ({"stt.engine.ctranslate2": ""}, "ctranslate2 says nothing, installed is 4.8.5"),
    ({"stt.engine.torch": "2.8.0"}, "torch says 2.8.0, installed is nothing"),
    ({"stt.engine.variant": "full"}, "says full, and torch is not there"),
    ({"stt.engine.variant": "big"}, "which is no variant"),
    ({"stt.engine.variant": ""}, "which is no variant"),
    ({"stt.engine.cuda": ""}, "stt.engine.cuda says nothing, which is no CUDA version"),
    ({"stt.engine.cuda": "12.8"}, "stt.engine.cuda says '12.8', which is no CUDA version"),
    ({"stt.engine.os": "debian12"}, "stt.engine.os says debian12, /etc/os-release says rhel8"),
    ({"stt.engine.os": ""}, "stt.engine.os says nothing"),
    ({"stt.engine.base-digest": "sha256:0"}, "base-digest says sha256:0, the base a-base:1"),
    ({"org.opencontainers.image.base.digest": "sha256:0"}, "base.digest says sha256:0"),
    ({"org.opencontainers.image.base.name": "ubi8"}, "base.name says ubi8, the base is known as"),
]
UNLIKE = [
    ({"stt.engine.cuda": "cu129"}, "stt.engine.cuda says 'cu129', this image was built as 'cu128'"),
    (
        {"stt.engine.base-digest": ""},
        "stt.engine.base-digest says nothing, this image was built as",
    ),
    ({"org.opencontainers.image.base.name": "a-base:1"}, "base.name says 'a-base:1', this image"),
    ({"org.opencontainers.image.base.name": ""}, "base.name says nothing, this image was"),
    ({"org.opencontainers.image.title": "other"}, "image.title says 'other', this image was built"),
    (
        {"org.opencontainers.image.licenses": "MIT"},
        "image.licenses says 'MIT', this image was built",
    ),
    (
        {"org.opencontainers.image.version": "v9"},
        "image.version says 'v9', this image was built as",
    ),
    ({"version": "v9"}, "label version says 'v9', this image was built as 'v1.2'"),
    ({"org.opencontainers.image.revision": "abc"}, "image.revision says 'abc', this image was"),
]


@pytest.fixture
def built(settings: Settings) -> Settings:
    """An image of ours; nobody has said what it was built as."""
    assert settings.base is not None
    known = replace(settings.base, repositories=("a-base",))
    return with_image(replace(settings, base=known), labels=TRUE)


@pytest.mark.parametrize("expected", [Expected(), BUILT])
@pytest.mark.parametrize(("labels", "words"), LIES)
@pytest.mark.usefixtures("installed")
def test_a_label_that_is_not_true_fails(
    built: Settings, expected: Expected, labels: dict[str, str], words: str
) -> None:
    told = replace(built, expected=expected)
    outcome = judge(r2_image.labels, told)
    assert outcome.status == "passed", outcome
    if expected is BUILT and "is known as" in words:
        words = "says 'ubi8', this image was built as"
    outcome = judge(r2_image.labels, with_image(told, labels={**TRUE, **labels}))
    assert (outcome.status, words in outcome.found) == ("failed", True), outcome


@pytest.mark.parametrize(("labels", "words"), UNLIKE)
@pytest.mark.usefixtures("installed")
def test_a_label_says_what_the_image_was_built_as(
    built: Settings, labels: dict[str, str], words: str
) -> None:
    told = with_image(replace(built, expected=BUILT), labels={**TRUE, **labels})
    outcome = judge(r2_image.labels, told)
    assert (outcome.status, words in str(outcome.evidence)) == ("failed", True), outcome


def test_another_engines_labels_must_not_lie_about_its_base(built: Settings) -> None:
    foreign = replace(built, variant="foreign")
    base = {key: value for key, value in TRUE.items() if ".base." in key}
    for labels in ({}, base, {"org.opencontainers.image.title": "theirs", "version": "7"}):
        assert judge(r2_image.labels, with_image(foreign, labels=labels)).status == "skipped"
    lie = {"org.opencontainers.image.base.digest": "sha256:0"}
    outcome = judge(r2_image.labels, with_image(foreign, labels=lie))
    assert (outcome.status, "base.digest says sha256:0" in outcome.found) == ("failed", True)
    # The base says it of its own base, and it is only taken over.
    assert foreign.base is not None
    inherited = replace(foreign, base=replace(foreign.base, labels=lie))
    assert judge(r2_image.labels, with_image(inherited, labels=lie)).status == "skipped"


def locked(settings: Settings, **packages: str) -> Settings:
    return replace(settings, variant="foreign", expected=Expected(packages=packages))


GOOD = {"ctranslate2": "4.8.5", "nvidia_cublas.cu12": "12.8.4.1"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ctranslate2": "4.8.4"}, "ctranslate2 4.8.5 instead of 4.8.4"),
        ({"ctranslate2": "4.8.5+cu129"}, "ctranslate2 4.8.5 instead of 4.8.5+cu129"),
        ({"uvicorn": "1.0"}, "uvicorn is not installed instead of 1.0"),
    ],
)
@pytest.mark.usefixtures("installed")
def test_other_packages_than_the_lock_has_fail(
    settings: Settings, changes: dict[str, str], words: str
) -> None:
    # This environment has no pip, which is another engine's right.
    assert judge(r2_packages.packages, locked(settings, **GOOD)).status == "skipped"
    outcome = judge(r2_packages.packages, locked(settings, **{**GOOD, **changes}))
    assert (outcome.status, words in outcome.found) == ("failed", True), outcome


def test_a_package_beside_the_lock_or_without_its_files_fails(
    settings: Settings, installed: Path
) -> None:
    outcome = judge(r2_packages.packages, locked(settings, ctranslate2="4.8.5"))
    assert "nvidia-cublas-cu12 12.8.4.1 is in no lock" in outcome.found
    assert settings.base is not None
    files = {"usr/lib/nvidia_cublas_cu12-12.8.4.1.dist-info/METADATA": "f:1:x:"}
    based = replace(settings, base=replace(settings.base, files=files))
    assert judge(r2_packages.packages, locked(based, ctranslate2="4.8.5")).status == "skipped"
    assert judge(r2_packages.packages, settings).found.startswith("pip is not installed")
    (installed / "Ctranslate2.py").unlink()
    outcome = judge(r2_packages.packages, locked(settings, **GOOD))
    assert outcome.found == "1 files are gone: Ctranslate2.py"


@pytest.mark.usefixtures("installed")
def test_cuda_is_that_of_cublas_where_there_is_no_torch(settings: Settings) -> None:
    slim = replace(settings, variant="slim", expected=Expected(cuda="12.8"))
    assert judge(r2_packages.torch_cuda, slim).status == "passed"
    other = judge(r2_packages.torch_cuda, replace(slim, expected=Expected(cuda="12.9")))
    assert other.found == "nvidia-cublas-cu12 12.8.4.1 belongs to CUDA 12.8"
    assert other.status == "failed"


def test_modules_of_another_engine_are_imported_where_they_are_named(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [])
    (tmp_path / "r2_test_server.py").write_text("")
    (tmp_path / "r2_test_broken.py").write_text("def (:\n")
    foreign = replace(settings, variant="foreign", service_directory=str(tmp_path))
    assert judge(r2_packages.modules, foreign).status == "skipped"
    named = replace(foreign, expected=Expected(modules=["r2_test_server"]))
    assert judge(r2_packages.modules, named).status == "passed"
    named = replace(foreign, expected=Expected(modules=["r2_test_broken"]))
    assert (
        "importing r2_test_broken ends with SyntaxError" in judge(r2_packages.modules, named).found
    )
    named = replace(foreign, expected=Expected(modules=["r2_test_gone"]))
    assert "ends with ModuleNotFoundError" in judge(r2_packages.modules, named).found


@pytest.mark.usefixtures("installed")
def test_the_inventory_names_what_is_inside(
    settings: Settings, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(r2_inventory, "ROOT", root)
    monkeypatch.setattr(r2_inventory, "RPM_DIRECTORIES", (root / "none",))
    components = judge(r2_inventory.inventory, settings).evidence["components"]
    assert [(one["kind"], one["name"], one["version"]) for one in components] == [
        ("deb", "libc6", "2.36-9"),
        ("pypi", "ctranslate2", "4.8.5"),
        ("pypi", "nvidia-cublas-cu12", "12.8.4.1"),
    ]
    assert components[1]["licence"] == "MIT License"
    assert components[1]["purl"] == "pkg:pypi/ctranslate2@4.8.5"
    assert components[0]["purl"].endswith("/libc6@2.36-9?arch=amd64")


def test_an_rpm_database_without_rpm_is_not_passed_over(
    settings: Settings, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "rpm").mkdir()
    (root / "rpm" / "Packages").write_bytes(b"x")
    monkeypatch.setattr(r2_inventory, "ROOT", root)
    monkeypatch.setattr(r2_inventory, "RPM_DIRECTORIES", (root / "rpm",))
    monkeypatch.setattr("shutil.which", lambda _name: None)
    assert "no rpm that reads it" in judge(r2_inventory.inventory, settings).found


def test_outside_of_a_container_every_gate_is_skipped(settings: Settings) -> None:
    outside = replace(settings, container=False, expected=Expected(library_path=False))
    gates = [check for check in catalogue.checks("R2") if check.name != "cuda_libraries"]
    assert len(gates) == 14
    assert {judge(check.run, outside).status for check in gates} == {"skipped"}
