# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold the packages of the image against what its labels will say, before the service goes in.

    python3 verify.py --requirements full.in --cuda cu128 --label torch=2.8.0

Adds nothing. A step of its own, so that a change of the service does not repeat it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import re
import runpy
import subprocess
import sys
import sysconfig
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from image.layer import EPOCH_NS, MOUNT_PARENTS, LayerError

SITE_PACKAGES = Path(sysconfig.get_path("purelib"))


def installed(name: str) -> str:
    """Return the version of an installed package, or nothing."""
    found = importlib.metadata.distributions(name=name, path=[str(SITE_PACKAGES)])
    return next((distribution.version for distribution in found), "")


def check_requirements(path: Path) -> None:
    """Refuse an image without one of the packages that the service itself imports."""
    wanted = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    for requirement in filter(None, wanted):
        name, _unused, version = requirement.partition("==")
        found = installed(name)
        if not found or (version and found.split("+")[0] != version):
            raise LayerError(
                f"package {name}: found {found or 'nothing'}; needed {version or 'any version'}; "
                f"fix: make the lock again from requirements/{path.name} with lock.py"
            )


def check_label(name: str, stated: str) -> None:
    """Refuse a label that states another version than the installed one; empty: none."""
    found = installed(name)
    if found.split("+")[0] != stated:
        raise LayerError(
            f"label stt.engine.{name}: found {found or 'no such package'} in the image; needed "
            f"{stated or 'no such package'}, as the label will say; fix: set the build argument "
            f"{name.upper().replace('-', '_')} to what the lock holds, or make the lock again"
        )


def check_cuda(cuda: str) -> None:
    """Refuse packages for another CUDA than the label will say: torch's, else that of cuBLAS."""
    torch = SITE_PACKAGES / "torch" / "version.py"
    if torch.is_file():
        facts = runpy.run_path(str(torch))
        source, release = f"torch {facts['__version__']}", facts["cuda"]
    else:
        source = f"nvidia-cublas-{cuda[:4]} {installed(f'nvidia-cublas-{cuda[:4]}') or 'missing'}"
        release = ".".join(installed(f"nvidia-cublas-{cuda[:4]}").split(".")[:2])
    found = "cu" + str(release).replace(".", "") if release else "no CUDA"
    if found != cuda:
        raise LayerError(
            f"CUDA: found {found} ({source}); needed {cuda}; fix: set the build argument CUDA to "
            f"what the lock holds, or make the lock for {cuda}"
        )


def check_library_path() -> None:
    """Refuse an LD_LIBRARY_PATH with a directory that does not exist or that misses CUDA."""
    entries = [Path(entry) for entry in os.environ["LD_LIBRARY_PATH"].split(":") if entry]
    missing = [str(entry) for entry in entries if not entry.is_dir()]
    present = {path.resolve() for path in SITE_PACKAGES.glob("nvidia/*/lib")}
    forgotten = sorted(map(str, present - {entry.resolve() for entry in entries}))
    if missing or forgotten:
        raise LayerError(
            f"LD_LIBRARY_PATH: found missing {missing}, not listed {forgotten}; needed exactly the "
            "library directories of the installed CUDA packages; fix: set the build argument "
            "LIBRARIES to them"
        )


def check_dependencies() -> None:
    """Refuse an environment in which a package misses what it depends on."""
    run = subprocess.run(
        [sys.executable, "-B", "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    if run.returncode != 0:
        words = re.sub(r"\s+", " ", run.stdout + run.stderr).strip()
        raise LayerError(
            f"pip check: found {words[-600:]}; needed no broken requirement; "
            "fix: make the lock again with lock.py"
        )


def main(arguments: list[str] | None = None) -> int:
    """Judge the packages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requirements", required=True, type=Path)
    parser.add_argument("--cuda", required=True)
    parser.add_argument(
        "--label", action="append", default=[], help="NAME=VERSION; no version: not in the image"
    )
    options = parser.parse_args(arguments)
    try:
        check_requirements(options.requirements)
        for label in options.label:
            name, _unused, version = label.partition("=")
            check_label(name, version)
        check_cuda(options.cuda)
        check_library_path()
        check_dependencies()
    except (LayerError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    # The step's own mounts have changed these, and nothing else.
    for parent in filter(os.path.isdir, MOUNT_PARENTS):
        os.utime(parent, ns=(EPOCH_NS, EPOCH_NS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
