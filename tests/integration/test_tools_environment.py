# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of the tools environment: complete, hashed, and good for each Python of a server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.integration.model_lab import CHECKOUT

LOCK = CHECKOUT / "requirements" / "tools.txt"
VERSIONS = ("3.11", "3.12", "3.13")
PROGRAM = (
    "import json, sys, huggingface_hub\n"
    "from huggingface_hub import HfApi, set_client_factory\n"
    "import httpx2, yaml\n"
    "print(json.dumps([sys.version_info[:2], huggingface_hub.__version__]))\n"
)


def interpreter(version: str) -> str | None:
    """A Python of that version on this machine, if there is one that runs."""
    own = ".".join(map(str, sys.version_info[:2]))
    if version == own:
        return sys.executable
    try:
        run = subprocess.run(
            [f"python{version}", "-c", "import sys; print(sys.executable)"],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return run.stdout.strip() if run.returncode == 0 else None


def test_every_line_is_pinned_and_hashed_and_names_no_index() -> None:
    text = LOCK.read_text()
    blocks = re.split(r"(?m)^(?=[a-z])", text)[1:]
    pins = [re.match(r"([a-z0-9-]+)==([0-9][^ ]*) \\\n", block) for block in blocks]
    assert all(pins), blocks
    names = {pin[1] for pin in pins if pin}
    assert "huggingface-hub" in names
    assert "hf-xet" not in names
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text


@pytest.mark.parametrize("version", VERSIONS)
def test_lock_installs_for_a_server_and_imports_there(tmp_path: Path, version: str) -> None:
    site, archive, environment = (tmp_path / name for name in ("site", "site.tar", "venv"))
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--target", str(site)),
            *("--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile"),
            *("--platform", "manylinux_2_28_x86_64", "--python-version", version),
            *("-r", str(LOCK)),
        ],
        check=True,
        capture_output=True,
    )
    assert (site / "huggingface_hub").is_dir()
    assert not (site / "hf_xet").exists()
    python = interpreter(version)
    if python is None:
        # Without such a Python here, that its wheels are complete is all there is to see.
        tags = {path.name for path in site.glob("yaml/_yaml*.so")}
        assert tags == {f"_yaml.cpython-{version.replace('.', '')}-x86_64-linux-gnu.so"}
        return
    with tarfile.open(archive, "w") as packed:
        packed.add(site, arcname=".")
    subprocess.run([python, "-m", "venv", "--without-pip", str(environment)], check=True)
    with tarfile.open(archive) as packed:
        target = environment / "lib" / f"python{version}" / "site-packages"
        packed.extractall(target, filter="data")
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(
        [str(environment / "bin" / "python"), "-I", "-c", PROGRAM],
        check=True,
        capture_output=True,
        text=True,
        env=clean,
    )
    assert run.stdout.strip() == f'[[{version.replace(".", ", ")}], "2.4.0"]'
