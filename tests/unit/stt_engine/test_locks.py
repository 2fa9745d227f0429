# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks: made by a real pip from a real index, complete or refused, and fetched by hash."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from locks.lock_from_report import (
    PARTS,
    Pin,
    lock_files,
    locked_versions,
    part_of,
)

from tests.unit.stt_engine.package_index import PackageIndex, package_index
from tests.unit.stt_engine.service_process import DOCKER

PIN = re.compile(r"^([a-z0-9-]+)==(\S+) \\\n    --hash=sha256:[0-9a-f]{64}\n", re.M)
COMMITTED = sorted({path.parent for path in (DOCKER / "locks").glob("*/*.txt")})


@pytest.fixture
def index(tmp_path: Path) -> Iterator[PackageIndex]:
    """An index with what a small engine needs."""
    with package_index(tmp_path / "index") as served:
        served.add("nvidia-cudnn-cu12", "9.1")
        served.add("nvidia-nccl-cu12", "2.2")
        served.add("torch", "2.8.0+cu129", "nvidia-cudnn-cu12==9.1", "nvidia-nccl-cu12")
        served.add("torchaudio", "2.8.0+cu129", "torch==2.8.0")
        served.add("fastapi", "0.1", "h11", tag="py3-none-any")
        served.add("h11", "0.2", tag="py3-none-any")
        yield served


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the scripts beside small requirements."""
    target = tmp_path / "docker"
    shutil.copytree(
        DOCKER / "locks", target / "locks", ignore=shutil.ignore_patterns("full-*", "slim-*")
    )
    (target / "requirements").mkdir()
    (target / "requirements" / "full.in").write_text("torch==2.8.0\ntorchaudio==2.8.0\nfastapi\n")
    return target


def run_script(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of the scripts as an operator does."""
    # A setting of the machine that must not reach the lock.
    environment = {**os.environ, "PIP_FIND_LINKS": "/nowhere/else"}
    return subprocess.run(
        [sys.executable, str(path), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


@pytest.mark.parametrize("directory", COMMITTED, ids=lambda path: str(path.name))
def test_the_committed_locks_are_complete(directory: Path) -> None:
    found = {}
    for path in directory.iterdir():
        text = path.read_text()
        pins = PIN.findall(text)
        assert len(pins) == text.count("==")
        assert [name for name, _unused in pins] == sorted(name for name, _unused in pins)
        assert {part_of(name) for name, _unused in pins} <= {path.stem}
        found.update(dict(pins))
    assert {f"{part}.txt" for part, _unused, _unused in PARTS} == {
        path.name for path in directory.iterdir()
    }
    variant = directory.name.split("-")[0]
    for line in (DOCKER / "requirements" / f"{variant}.in").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _unused, version = line.partition("==")
            assert found[name].split("+")[0] == (version or found[name])


def test_variants_agree_on_every_common_version() -> None:
    """What was proven with full's libraries is proven for slim's."""
    full, slim = (
        {
            match[0]
            for path in (DOCKER / "locks" / name).iterdir()
            for match in PIN.finditer(path.read_text())
        }
        for name in ("full-cu128", "slim-cu128")
    )

    assert slim
    assert slim - full == set()


def test_slim_is_without_torch_and_transformers() -> None:
    names = set(locked_versions(DOCKER / "locks" / "slim-cu128"))

    assert not names & {"torch", "torchaudio", "transformers", "triton"}
    assert {name for name in names if name.startswith("nvidia-")} == {"nvidia-cublas-cu12"}


def test_the_dockerfile_installs_every_part_in_its_order() -> None:
    text = (DOCKER / "Dockerfile.engine.rhel89").read_text()

    installed = re.findall(r"source=locks/\$\{VARIANT}-\$\{CUDA}/([a-z-]+)\.txt", text)

    assert installed == [part for part, _unused, _unused in PARTS]


@pytest.mark.parametrize("stated", [True, False])
def test_a_lock_from_an_index_of_cuda_builds(
    index: PackageIndex, checkout: Path, stated: bool
) -> None:
    digest = index.add("nvidia-nccl-cu12", "2.3", stated=stated)
    index.add("torch", "2.8.0+cu128")

    run = run_script(
        checkout / "locks" / "lock.py",
        "--variant", "full", "--cuda", "cu129", "--index-url", index.url,
        "--torch-index-url", index.url,
    )  # fmt: skip

    assert run.returncode == 0, run.stderr
    lock = checkout / "locks" / "full-cu129"
    texts = {path.stem: path.read_text() for path in lock.iterdir()}
    assert "torch==2.8.0+cu129" in texts["torch"]
    assert "torchaudio==2.8.0+cu129" in texts["torch"]
    assert "nvidia-cudnn-cu12==9.1" in texts["cuda-cudnn"]
    assert f"nvidia-nccl-cu12==2.3 \\\n    --hash=sha256:{digest}\n" in texts["cuda-rest"]
    assert "fastapi==0.1" in texts["packages"]
    assert "h11==0.2" in texts["packages"]
    assert index.url not in "".join(texts.values())


def lock_again(checkout: Path, index: PackageIndex, *options: str) -> dict[str, str]:
    """Make a lock with the command and return the versions that it holds."""
    run = run_script(
        checkout / "locks" / "lock.py", "--cuda", "cu129", "--index-url", index.url,
        "--torch-index-url", index.url, *options,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return locked_versions(Path(run.stdout.rpartition(": ")[0]))


def test_only_what_is_asked_for_moves(index: PackageIndex, checkout: Path) -> None:
    first = lock_again(checkout, index)
    index.add("h11", "0.3", tag="py3-none-any")
    index.add("uvicorn", "1.0", tag="py3-none-any")
    index.add("fastapi", "0.2", "h11>=0.3", tag="py3-none-any")
    requirements = checkout / "requirements" / "full.in"

    requirements.write_text(requirements.read_text() + "uvicorn\n")
    assert lock_again(checkout, index) == {**first, "uvicorn": "1.0"}
    assert lock_again(checkout, index, "--upgrade")["h11"] == "0.3"

    # A version that is asked for goes before the locked one; what would have to follow is said.
    assert lock_again(checkout, index, "--upgrade")["fastapi"] == "0.2"
    index.add("fastapi", "0.3", "h11<0.3", tag="py3-none-any")
    requirements.write_text("torch==2.8.0\nfastapi==0.3\n")
    run = run_script(
        checkout / "locks" / "lock.py", "--cuda", "cu129", "--index-url", index.url,
        "--torch-index-url", index.url,
    )  # fmt: skip
    assert run.returncode == 1
    assert "fix: --upgrade lets what is locked move" in run.stderr


def test_slim_takes_the_versions_of_full(index: PackageIndex, checkout: Path) -> None:
    index.add("nvidia-cublas-cu12", "12.8.4")
    index.add("nvidia-cublas-cu12", "12.9.1")
    slim = checkout / "requirements" / "slim.in"
    slim.write_text("fastapi\nnvidia-cublas-cu12\n")
    index.add("nvidia-cublas-cu12", "13.0")

    # CUDA 12.9's, without full's lock to go by.
    assert lock_again(checkout, index, "--variant", "slim") == {
        "fastapi": "0.1", "h11": "0.2", "nvidia-cublas-cu12": "12.9.1",
    }  # fmt: skip
    full = lock_again(checkout, index)
    index.add("h11", "0.3", tag="py3-none-any")
    for options in ((), ("--upgrade",)):
        assert lock_again(checkout, index, "--variant", "slim", *options)["h11"] == full["h11"]


def test_a_package_that_the_index_lacks(index: PackageIndex, checkout: Path) -> None:
    (checkout / "requirements" / "full.in").write_text("torch==2.9.0\n")

    run = run_script(
        checkout / "locks" / "lock.py", "--cuda", "cu129", "--index-url", index.url,
        "--torch-index-url", index.url,
    )  # fmt: skip

    assert run.returncode == 1
    assert "No matching distribution found for torch==2.9.0+cu129" in run.stderr
    assert not (checkout / "locks" / "full-cu129").exists()


def test_an_index_that_refuses_is_told_from_one_without_the_package(
    index: PackageIndex, checkout: Path
) -> None:
    index.refused = "/simple/h11"

    run = run_script(
        checkout / "locks" / "lock.py", "--cuda", "cu129", "--index-url", index.url,
        "--torch-index-url", index.url,
    )  # fmt: skip

    assert run.returncode == 1
    assert f"Could not fetch URL {index.url}h11/: 401 Client Error: Unauthorized" in run.stderr


@pytest.fixture
def lock(index: PackageIndex, checkout: Path) -> Path:
    """A lock of the whole index."""
    directory = checkout / "locks" / "full-cu129"
    directory.mkdir()
    for name, text in lock_files(Pin(*key, sha256) for key, sha256 in index.pins.items()).items():
        (directory / name).write_text(text)
    return directory


def fill(lock: Path, wheels: Path, index: PackageIndex, *options: str) -> str:
    """Fill a wheelhouse and return what the command printed; fails with its error."""
    run = run_script(
        lock.parent / "fill_wheelhouse.py", "--lock", str(lock), "--dest", str(wheels),
        "--index-url", index.url, *options,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_a_wheelhouse_is_filled_once(index: PackageIndex, lock: Path, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"

    assert "6 wheels, 6 fetched" in fill(lock, wheels, index)
    index.requests.clear()
    assert "6 wheels, 0 fetched" in fill(lock, wheels, index)
    assert index.requests == []
    assert "6 wheels, 0 fetched" in fill(lock, wheels, index, "--verify")
    assert len(list(wheels.glob("*.whl"))) == 6


def test_only_the_missing_wheel_is_fetched(index: PackageIndex, lock: Path, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    fill(lock, wheels, index)
    next(wheels.glob("h11-*")).unlink()
    index.requests.clear()

    assert "6 wheels, 1 fetched" in fill(lock, wheels, index)
    assert index.fetched() == [index.wheel("h11").name]


def test_a_damaged_wheel_is_replaced(index: PackageIndex, lock: Path, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    fill(lock, wheels, index)
    (wheel,) = wheels.glob("h11-*")
    good = wheel.read_bytes()
    wheel.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))

    assert "6 wheels, 1 fetched" in fill(lock, wheels, index)
    assert wheel.read_bytes() == good


def test_a_wheel_with_another_hash_never_appears(
    index: PackageIndex, lock: Path, tmp_path: Path
) -> None:
    packages = lock / "packages.txt"
    packages.write_text(re.sub(r"(?<=sha256:)[0-9a-f]{64}", "0" * 64, packages.read_text()))

    run = run_script(
        lock.parent / "fill_wheelhouse.py", "--lock", str(lock), "--dest", str(tmp_path / "wheels"),
        "--index-url", index.url,
    )  # fmt: skip

    assert run.returncode == 1
    assert "DO NOT MATCH THE HASHES" in run.stderr
    assert list((tmp_path / "wheels").glob("*.whl")) == []
    assert [path.name for path in (tmp_path / "wheels").iterdir() if path.is_dir()] == []


def test_a_lock_without_hashes_is_refused(lock: Path, tmp_path: Path) -> None:
    (lock / "packages.txt").write_text("h11==0.2\n")

    run = run_script(
        lock.parent / "fill_wheelhouse.py", "--lock", str(lock), "--dest", str(tmp_path / "wheels")
    )

    assert run.returncode == 1
    assert "packages.txt: a requirement without a sha256" in run.stderr
