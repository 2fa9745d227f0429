# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolve the engine's requirements and write their lock: the one command that makes a lock.

    python3 docker/locks/lock.py --variant full --cuda cu128
    python3 docker/locks/lock.py --variant full --cuda cu129 --torch-index-url URL
    python3 docker/locks/lock.py --variant slim --cuda cu128
    python3 docker/locks/lock.py --resolver

Reads requirements/<variant>.in and writes locks/<variant>-<cuda>/; --resolver locks the pip that
the Dockerfile's target `lock` resolves with. pip (23.3 or newer) fetches
metadata, not wheels; where an index states no sha256 the wheel is fetched once and hashed.

What is locked stays as it is unless the requirements say otherwise; with --upgrade all of it may
move. Any other variant takes the versions that full has for this CUDA, so lock full first.
Versions of torch from an index of CUDA builds carry the build's name: with a torch index,
torch==2.8.0 is resolved as torch==2.8.0+<cuda>, so that no other build can slip in. A CUDA library
without a version is taken from that CUDA: nvidia-cublas-cu12 as nvidia-cublas-cu12==12.8.*.
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
    locked_versions,
    normalized,
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
LOCKS = DOCKER / "locks"
MAIN_VARIANT = "full"
CUDA_BUILDS = re.compile(r"(torch|torchaudio)==([0-9][0-9.]*)$")
CUDA_LIBRARIES = re.compile(r"(nvidia-[a-z]+-cu[0-9]+)$")
PINNED = re.compile(r"([A-Za-z0-9._-]+)==[^*]+$")


def requirements_of(path: Path, cuda: str, *, torch_index: bool) -> list[str]:
    """Return the requirements of an input file, those of CUDA for the one that is locked."""
    lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    build = rf"\1==\2+{cuda}" if torch_index else r"\1==\2"
    release = rf"\1=={cuda[2:-1]}.{cuda[-1:]}.*"
    return [CUDA_LIBRARIES.sub(release, CUDA_BUILDS.sub(build, line)) for line in lines if line]


def constraints_of(options: argparse.Namespace, lock: Path, requirements: list[str]) -> list[str]:
    """Return what may not move: what the lock holds already, and what full holds for this CUDA."""
    pinned = {normalized(match[1]) for match in map(PINNED.match, requirements) if match}
    kept = {} if options.upgrade else locked_versions(lock)
    kept = {name: version for name, version in kept.items() if name not in pinned}
    if options.cuda and options.variant != MAIN_VARIANT:
        kept.update(locked_versions(LOCKS / f"{MAIN_VARIANT}-{options.cuda}"))
    return [f"{name}=={version}" for name, version in sorted(kept.items())]


def resolve(
    requirements: list[str],
    constraints: list[str],
    indexes: list[str],
    scratch: Path,
    *,
    isolated: bool,
) -> dict[str, Any]:
    """Return pip's report for the requirements, with a sha256 for every wheel."""
    wanted, kept = scratch / "requirements.in", scratch / "constraints.txt"
    wanted.write_text("\n".join(requirements) + "\n")
    kept.write_text("\n".join(constraints) + "\n")
    report = scratch / "report.json"
    pip(
        "install", "--dry-run", "--ignore-installed", "--report", str(report), "--quiet",
        "--target", str(scratch / "unused"), "--requirement", str(wanted),
        "--constraint", str(kept), *platform_arguments(), *indexes, isolated=isolated,
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


def read_options(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", default=MAIN_VARIANT)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--cuda", default="", help="cu128, cu129 ...: names the lock")
    what.add_argument("--resolver", action="store_true", help="lock the resolving pip instead")
    parser.add_argument("--dest", type=Path, help="default: locks/<variant>-<cuda>")
    parser.add_argument("--upgrade", action="store_true", help="let what is locked move")
    parser.add_argument(
        "--pip-config", action="store_true", help="obey this machine's own pip configuration"
    )
    add_index_arguments(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Resolve and write one lock."""
    options = read_options(arguments)
    name = "resolver" if options.resolver else options.variant
    source = DOCKER / "requirements" / f"{name}.in"
    lock = LOCKS / ("resolver.txt" if options.resolver else f"{options.variant}-{options.cuda}")
    lock = options.dest or lock
    try:
        torch_index = bool(options.torch_index_url)
        requirements = requirements_of(source, options.cuda, torch_index=torch_index)
        constraints = constraints_of(options, lock, requirements)
        with tempfile.TemporaryDirectory(prefix="stt-lock-") as scratch:
            indexes = index_arguments(options)
            isolated = not options.pip_config
            report = resolve(requirements, constraints, indexes, Path(scratch), isolated=isolated)
        if options.resolver:
            pins = pins_of(report)
            lines = "".join(pin.line() for pin in pins)
            write_file(lock, f"{heading('the resolving pip')}{lines}")
        else:
            pins = write_lock(report, lock)
    except (LockError, PipError, OSError) as error:
        print(f"{source}: {error}", file=sys.stderr)
        if "conflicting dependencies" in str(error):
            print("fix: --upgrade lets what is locked move; full goes first", file=sys.stderr)
        return 1
    print(f"{lock}: {len(pins)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
