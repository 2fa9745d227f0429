# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the image's top layer: the service itself.

    python3 app.py --source DIR

Everything else of the image is below, so that a change of the service changes only this layer.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from image.layer import EPOCH_NS, MOUNT_PARENTS, LayerError, begin, compile_changed

APP = Path("/app")
SITE_PACKAGES = Path(sysconfig.get_path("purelib"))


def copy_package(source: Path) -> Path:
    """Copy the package with fixed modes and let the environment's Python find it; return it."""
    target = APP / source.name
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    _link_of(target).write_text(f"{APP}\n")
    return target


def give_fixed_times(package: Path) -> None:
    """Give everything this step changed one fixed time, like every other layer.

    These are all its changes: to look for them in the whole image would take longer than the step.
    """
    changed = [package, *package.rglob("*"), APP, SITE_PACKAGES, _link_of(package)]
    for path in (*changed, *map(Path, MOUNT_PARENTS)):
        if path.exists() and path.stat().st_mtime_ns != EPOCH_NS:
            os.utime(path, ns=(EPOCH_NS, EPOCH_NS))


def _link_of(package: Path) -> Path:
    """The file that lets the environment's Python find a package of /app from anywhere."""
    return SITE_PACKAGES / f"{package.name}.pth"


def check_created(created: str, epoch: str) -> None:
    """Refuse a creation label that differs from SOURCE_DATE_EPOCH."""
    if not created:
        return
    needed = datetime.fromtimestamp(int(epoch or 0), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if created != needed:
        raise LayerError(
            f"label org.opencontainers.image.created: found {created}; needed {needed}; "
            "fix: derive CREATED from SOURCE_DATE_EPOCH"
        )


def check_service() -> None:
    """Refuse a service whose own modules do not import."""
    run = subprocess.run(
        [sys.executable, "-B", "-m", "stt_engine", "--version"],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        words = re.sub(r"\s+", " ", run.stdout + run.stderr).strip()
        raise LayerError(
            f"service: found {words[-600:]}; needed that it imports; fix: mend docker/stt_engine, "
            "or add what it imports to the requirements and lock again"
        )
    print(run.stdout.strip(), flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Install the service."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", required=True, type=Path)
    parser.add_argument("--created", default="")
    parser.add_argument("--epoch", default="")
    options = parser.parse_args(arguments)
    since = begin()
    try:
        check_created(options.created, options.epoch)
        package = copy_package(options.source)
        compile_changed(APP, since)
        check_service()
    except (LayerError, OSError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    give_fixed_times(package)
    return 0


if __name__ == "__main__":
    sys.exit(main())
