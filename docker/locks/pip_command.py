# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the lock scripts call pip: for the image's platform, with the indexes they are told only."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

PYTHON = "3.11"
# Newest glibc first: RHEL 8 and its UBI 8 images have 2.28.
PLATFORMS = (
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_26_x86_64",
    "manylinux_2_24_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
    "manylinux_2_12_x86_64",
    "manylinux2010_x86_64",
    "manylinux_2_5_x86_64",
    "manylinux1_x86_64",
    "linux_x86_64",
)
# Settings of this machine that would let a lock depend on where it was made.
FOREIGN = ("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX", "PIP_PRE")


class PipError(Exception):
    """pip ended with an error; the message is the end of its output."""


def add_index_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where wheels come from."""
    parser.add_argument("--index-url", default="", help="default: pip's own; none: no index at all")
    parser.add_argument("--torch-index-url", default="", help="a second index, for CUDA builds")
    parser.add_argument("--find-links", default="", help="directory or page of wheels")


def index_arguments(options: argparse.Namespace) -> list[str]:
    """Return pip's arguments for the indexes chosen on the command line.

    Plain http is accepted from the named host only: every file is held against a sha256 anyway.
    """
    arguments = []
    if options.index_url == "none":
        arguments.append("--no-index")
    elif options.index_url:
        arguments += ["--index-url", options.index_url]
    if options.torch_index_url:
        arguments += ["--extra-index-url", options.torch_index_url]
    if options.find_links:
        arguments += ["--find-links", options.find_links]
    addresses = [
        urlsplit(url) for url in (options.index_url, options.torch_index_url, options.find_links)
    ]
    # pip would trust such a host over https too: there verification stays on.
    verified = {parts.hostname for parts in addresses if parts.scheme == "https"}
    for parts in addresses:
        if parts.scheme == "http" and parts.hostname not in verified:
            arguments += ["--trusted-host", parts.netloc.rpartition("@")[2]]
    return arguments


def platform_arguments() -> list[str]:
    """Return pip's arguments that choose wheels for the image, wherever this runs."""
    tags = [argument for tag in PLATFORMS for argument in ("--platform", tag)]
    return ["--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp", *tags]


def pip(*arguments: str, isolated: bool = True, quiet: bool = True) -> None:
    """Run pip; raise PipError with the end of its output when it fails.

    Isolated from this machine's own pip configuration, unless told otherwise. Not quiet: pip
    writes straight to this process's output.
    """
    # Nobody is there to answer an index that asks for a password.
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    if isolated:
        environment = {name: environment[name] for name in environment if name not in FOREIGN}
        environment["PIP_CONFIG_FILE"] = os.devnull
    with tempfile.TemporaryDirectory(prefix="stt-pip-log-") as scratch:
        log = Path(scratch) / "log"
        run = subprocess.run(
            [sys.executable, "-B", "-m", "pip", "--log", str(log), *arguments],
            env=environment,
            capture_output=quiet,
            text=True,
            check=False,
        )
        if run.returncode == 0:
            return
        output = ((run.stdout or "") + (run.stderr or "")).strip().splitlines()
        end = output[-20:] or [f"pip ended with exit status {run.returncode}"]
        raise PipError("\n".join([*end, *refusals(log)]))


def refusals(log: Path) -> list[str]:
    """Return what pip only tells its log: an index that refuses looks like one without packages."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    return list(dict.fromkeys(re.findall(r"Could not fetch URL .*", text)))[-3:]


def is_wheel(path: Path) -> bool:
    """Whether a path is a finished wheel."""
    return path.suffix == ".whl" and path.is_file()
