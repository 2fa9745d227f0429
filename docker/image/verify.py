# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold the packages of the image against what its labels will say, before the service goes in.

    python3 verify.py --requirements full.in --cuda cu128 --torch 2.8.0

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


def check_requirements(path: Path) -> None:
    """Refuse an image without one of the packages that the service itself imports."""
    wanted = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    for requirement in filter(None, wanted):
        name, _unused, version = requirement.partition("==")
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found = "nothing"
        if found == "nothing" or (version and found.split("+")[0] != version):
            raise LayerError(
                f"package {name}: found {found}; needed {version or 'any version'}; "
                f"fix: make the lock again from requirements/{path.name} with lock.py"
            )


def check_torch(torch: str, cuda: str) -> None:
    """Refuse another torch, or one for another CUDA, than the labels will say."""
    facts = runpy.run_path(str(SITE_PACKAGES / "torch" / "version.py"))
    found_cuda = "cu" + str(facts["cuda"]).replace(".", "") if facts["cuda"] else "no CUDA"
    found_torch = facts["__version__"].split("+")[0]
    if (found_torch, found_cuda) != (torch, cuda):
        raise LayerError(
            f"torch: found {found_torch} for {found_cuda} ({facts['__version__']}); needed {torch} "
            f"for {cuda}; fix: set the build arguments TORCH and CUDA to what the lock holds, "
            f"or make the lock for {cuda}"
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
    parser.add_argument("--torch", required=True, help="empty for a variant without it")
    options = parser.parse_args(arguments)
    try:
        check_requirements(options.requirements)
        if options.torch:
            check_torch(options.torch, options.cuda)
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
