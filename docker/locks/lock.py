# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolve the engine's requirements and write their lock: the one command that makes a lock.

    python3 docker/locks/lock.py --variant full --cuda cu128
    python3 docker/locks/lock.py --variant full --cuda cu129 --torch-index-url URL
    python3 docker/locks/lock.py --resolver

Reads requirements/<variant>.in and writes locks/<variant>-<cuda>/; --resolver locks the pip that
the Dockerfile's target `lock` resolves with. pip (23.3 or newer) fetches
metadata, not wheels; where an index states no sha256 the wheel is fetched once and hashed. Versions
of torch from an index of CUDA builds carry the build's name: with a torch index, torch==2.8.0 is
resolved as torch==2.8.0+<cuda>, so that no other build can slip in.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from locks.lock_from_report import (
    LockError,
    heading,
    pins_of,
    sha256_of,
    write_file,
    write_lock,
)
from locks.pip_command import (
    PipError,
    add_index_arguments,
    index_arguments,
    is_wheel,
    pip,
    platform_arguments,
)

DOCKER = Path(__file__).resolve().parent.parent
CUDA_BUILDS = re.compile(r"(torch|torchaudio)==([0-9][0-9.]*)$")


def requirements_of(path: Path, local_version: str) -> list[str]:
    """Return the requirements of an input file; torch's with a local version where one is given."""
    lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    suffix = rf"\1==\2+{local_version}" if local_version else r"\1==\2"
    return [CUDA_BUILDS.sub(suffix, line) for line in lines if line]


def resolve(
    requirements: list[str], indexes: list[str], scratch: Path, *, isolated: bool
) -> dict[str, Any]:
    """Return pip's report for the requirements, with a sha256 for every wheel."""
    wanted = scratch / "requirements.in"
    wanted.write_text("\n".join(requirements) + "\n")
    report = scratch / "report.json"
    pip(
        "install", "--dry-run", "--ignore-installed", "--report", str(report), "--quiet",
        "--target", str(scratch / "unused"), "--requirement", str(wanted),
        *platform_arguments(), *indexes, isolated=isolated,
    )  # fmt: skip
    resolved: dict[str, Any] = json.loads(report.read_text())
    for item in resolved["install"]:
        archive = item["download_info"].get("archive_info")
        if archive is not None and not archive.get("hashes") and not archive.get("hash"):
            digest = _hash_of_wheel(item["metadata"], indexes, scratch, isolated=isolated)
            archive["hashes"] = {"sha256": digest}
        sha256_of(item)
    return resolved


def _hash_of_wheel(
    metadata: dict[str, str], indexes: list[str], scratch: Path, *, isolated: bool
) -> str:
    """Fetch one wheel and return its sha256."""
    directory = scratch / metadata["name"]
    requirement = f"{metadata['name']}=={metadata['version']}"
    pip(
        "download", "--quiet", "--no-deps", "--dest", str(directory),
        *platform_arguments(), *indexes, requirement, isolated=isolated,
    )  # fmt: skip
    wheels = [path for path in directory.iterdir() if is_wheel(path)]
    if len(wheels) != 1:
        raise LockError(f"{requirement}: found {len(wheels)} wheels; needed exactly one")
    with wheels[0].open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    wheels[0].unlink()
    return digest


def main(arguments: list[str] | None = None) -> int:
    """Resolve and write one lock."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", default="full")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--cuda", help="cu128, cu129 ...: names the lock")
    what.add_argument("--resolver", action="store_true", help="lock the resolving pip instead")
    parser.add_argument("--dest", type=Path, help="default: locks/<variant>-<cuda>")
    parser.add_argument(
        "--pip-config", action="store_true", help="obey this machine's own pip configuration"
    )
    add_index_arguments(parser)
    options = parser.parse_args(arguments)
    name = "resolver" if options.resolver else options.variant
    source = DOCKER / "requirements" / f"{name}.in"
    locks = DOCKER / "locks"
    destination = options.dest or locks / f"{options.variant}-{options.cuda}"
    try:
        requirements = requirements_of(source, options.cuda if options.torch_index_url else "")
        with tempfile.TemporaryDirectory(prefix="stt-lock-") as scratch:
            indexes = index_arguments(options)
            isolated = not options.pip_config
            report = resolve(requirements, indexes, Path(scratch), isolated=isolated)
        if options.resolver:
            destination, pins = locks / "resolver.txt", pins_of(report)
            lines = "".join(pin.line() for pin in pins)
            write_file(destination, f"{heading('the resolving pip')}{lines}")
        else:
            pins = write_lock(report, destination)
    except (LockError, PipError, OSError) as error:
        print(f"{source}: {error}", file=sys.stderr)
        return 1
    print(f"{destination}: {len(pins)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
