# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install one lock file as one layer of the image, so that two builds make the same bytes.

    python3 layer.py LOCK

Packages go into the environment of the interpreter that runs this, by hash and without their
dependencies: the lock is complete. Where they come from is in INDEX_URL ("none": no index),
TORCH_INDEX_URL and FIND_LINKS; CA bundle, index credentials and proxy are in the build's secrets.
"""

from __future__ import annotations

import argparse
import os
import py_compile
import re
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from locks.pip_command import PipError, index_arguments, pip

# 2020-01-01: every file that a layer adds carries this time, whenever it was built.
EPOCH_NS = 1577836800 * 10**9
SECRETS = Path("/run/secrets")
PROXY = re.compile(r"https?://([^\s/?#@]+@)?([\w.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?/?")
# Directories in which the builder mounts something during the step.
MOUNT_PARENTS = ("/etc", "/run", "/run/secrets", "/tmp")
# Fixed, not the number of processors: what is compiled together decides some bytes.
COMPILE_GROUPS = 8


class LayerError(Exception):
    """A layer that must not be made; the message names object, found, needed and fix."""


def begin() -> int:
    """Return the moment after which every change is this layer's."""
    now = time.time_ns()
    # File times come from a clock that lags by up to one tick.
    time.sleep(0.02)
    return now


def finish(since: int) -> None:
    """Give everything this step changed one fixed time."""
    for path in _changed(Path("/"), since):
        os.utime(path, ns=(EPOCH_NS, EPOCH_NS), follow_symlinks=False)
    for parent in MOUNT_PARENTS:
        if Path(parent).is_dir() and Path(parent).stat().st_mtime_ns != EPOCH_NS:
            os.utime(parent, ns=(EPOCH_NS, EPOCH_NS))


def _changed(root: Path, since: int) -> Iterator[Path]:
    """Yield what changed below root on its own file system since a moment."""
    device = root.stat().st_dev
    for name, directories, files in os.walk(root, topdown=True):
        directory = Path(name)
        directories[:] = [
            entry for entry in directories if (directory / entry).lstat().st_dev == device
        ]
        for entry in (*files, *directories):
            status = (directory / entry).lstat()
            if status.st_dev == device and status.st_ctime_ns >= since:
                yield directory / entry


def compile_changed(root: Path, since: int) -> int:
    """Compile every Python file below root that this step brought; return how many there were.

    The compiled files are never checked against their source: the image is read-only, and its
    sources all carry the same time.
    """
    sources = sorted(str(path) for path in _changed(root, since) if path.suffix == ".py")
    groups = [sources[start::COMPILE_GROUPS] for start in range(COMPILE_GROUPS)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_compile_group, groups))
    return len(sources)


def _compile_group(sources: list[str]) -> None:
    """Compile in a fresh interpreter, whose state is the same every time."""
    subprocess.run(
        [sys.executable, "-s", "-S", "-B", __file__, "--compile"],
        input="\n".join(sources),
        env={"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"},
        text=True,
        check=True,
    )


def compile_listed(names: list[str]) -> None:
    """Compile files one after another; one that is no valid Python 3.11 stays as it is."""
    for name in names:
        try:
            py_compile.compile(
                name,
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        except (py_compile.PyCompileError, UnicodeDecodeError, ValueError) as error:
            print(f"not compiled: {name}: {str(error).splitlines()[-1]}", flush=True)


def use_secrets() -> None:
    """Let pip use the secrets of the build, where given: a CA bundle, a netrc, a proxy.

    Through the environment of this process, which ends with the step: nothing of it is kept.
    """
    bundle = SECRETS / "ca"
    if bundle.is_file():
        os.environ["PIP_CERT"] = str(bundle)
    credentials = SECRETS / "netrc"
    if credentials.is_file():
        os.environ["NETRC"] = str(credentials)
    proxy = SECRETS / "proxy"
    if proxy.is_file():
        address = proxy_address(proxy.read_text())
        os.environ.update(http_proxy=address, https_proxy=address)


def proxy_address(text: str) -> str:
    """Return the one address that the secret of a proxy holds; an error repeats nothing of it."""
    address = text.strip()
    if not PROXY.fullmatch(address):
        raise LayerError(
            f"secret proxy: found {len(address.splitlines())} lines that are not one address; "
            "needed http://[user:password@]host[:port] alone; fix: write it so, with every sign "
            "of user and password percent-encoded that is no letter or digit"
        )
    return address


def indexes() -> list[str]:
    """Return pip's arguments for the indexes in the environment."""
    names = ("index_url", "torch_index_url", "find_links")
    chosen = {name: os.environ.get(name.upper(), "") for name in names}
    return index_arguments(argparse.Namespace(**chosen))


def install(lock: Path) -> None:
    """Install a lock file; one without requirements makes an empty layer."""
    if "==" not in lock.read_text():
        print("nothing to install for this variant", flush=True)
        return
    since = begin()
    use_secrets()
    pip(
        "install", "--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile",
        "--no-cache-dir", "--progress-bar=off", "--root-user-action=ignore",
        "--requirement", str(lock), *indexes(), isolated=False, quiet=False,
    )  # fmt: skip
    count = compile_changed(Path(sysconfig.get_path("purelib")), since)
    print(f"{count} Python files compiled", flush=True)
    finish(since)


def main(arguments: list[str] | None = None) -> int:
    """Install one lock, or compile the files named on stdin."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("lock", nargs="?", type=Path)
    what.add_argument("--compile", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.compile:
        compile_listed([line for line in sys.stdin.read().splitlines() if line])
        return 0
    try:
        install(options.lock)
    except (LayerError, PipError, OSError, subprocess.CalledProcessError) as error:
        print(f"{options.lock}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
