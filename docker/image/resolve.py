# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolve a missing lock inside the base image, with the indexes and secrets of the build.

    python3 resolve.py --dest DIR

VARIANT, CUDA and the indexes are in the environment, as the Dockerfile's arguments put them there.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from image.layer import LayerError, indexes, use_secrets
from locks.pip_command import PipError, pip

LOCKS = Path(__file__).resolve().parent.parent / "locks"


def main(arguments: list[str] | None = None) -> int:
    """Install the locked pip beside the base's own, then resolve with it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dest", required=True, type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="stt-pip-") as directory:
        try:
            use_secrets()
            pip(
                "install", "--quiet", "--no-deps", "--require-hashes", "--no-cache-dir",
                "--target", directory, "--requirement", str(LOCKS / "resolver.txt"),
                *indexes(), isolated=False,
            )  # fmt: skip
        except (LayerError, PipError, OSError) as error:
            print(error, file=sys.stderr)
            return 1
        command = [
            sys.executable, "-B", str(LOCKS / "lock.py"), "--pip-config",
            "--variant", os.environ["VARIANT"], "--cuda", os.environ["CUDA"],
            "--dest", str(options.dest),
            "--index-url", os.environ.get("INDEX_URL", ""),
            "--torch-index-url", os.environ.get("TORCH_INDEX_URL", ""),
            "--find-links", os.environ.get("FIND_LINKS", ""),
        ]  # fmt: skip
        return subprocess.run(
            command, env={**os.environ, "PYTHONPATH": directory}, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
