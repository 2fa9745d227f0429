# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch every wheel of a lock into a directory, so that builds need no index.

    python3 docker/locks/fill_wheelhouse.py --lock docker/locks/full-cu128 --dest DIR

Only what is missing is fetched; a wheel appears in the directory whole and with the locked sha256
or not at all. A full directory is recognised by size and time of its verified files, in
milliseconds; --verify hashes every file again. Wheels of other locks are left alone.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from locks.pip_command import (
    PipError,
    add_index_arguments,
    index_arguments,
    is_wheel,
    pip,
    platform_arguments,
)

PIN = re.compile(
    r"^([A-Za-z0-9._-]+==\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M
)
HASH = re.compile(r"sha256:([0-9a-f]{64})")
NOTE = ".verified.json"


def pins_of(lock: Path) -> dict[str, set[str]]:
    """Return the requirements of a lock (a directory or one file) with their allowed digests."""
    files = sorted(lock.glob("*.txt")) if lock.is_dir() else [lock]
    pins: dict[str, set[str]] = {}
    for path in files:
        text = path.read_text()
        found = {match[1]: set(HASH.findall(match[2])) for match in PIN.finditer(text)}
        if len(found) != text.count("=="):
            raise ValueError(f"{path}: a requirement without a sha256; make the lock with lock.py")
        pins.update(found)
    if not pins:
        raise ValueError(f"{lock}: no pinned requirement; make the lock with lock.py")
    return pins


def digests_of(directory: Path, *, verify: bool) -> dict[str, str]:
    """Return the digest of every wheel in a directory; unchanged files are not read again."""
    note = directory / NOTE
    known = json.loads(note.read_text()) if note.is_file() and not verify else {}
    digests: dict[str, str] = {}
    entries: dict[str, list[object]] = {}
    for path in sorted(filter(is_wheel, directory.iterdir())):
        stamp = [path.stat().st_size, path.stat().st_mtime_ns]
        entry = known.get(path.name)
        if entry and entry[:2] == stamp:
            digests[path.name] = entry[2]
        else:
            with path.open("rb") as stream:
                digests[path.name] = hashlib.file_digest(stream, "sha256").hexdigest()
        entries[path.name] = [*stamp, digests[path.name]]
    draft = note.with_suffix(".part")
    draft.write_text(json.dumps(entries, indent=1, sort_keys=True) + "\n")
    draft.replace(note)
    return digests


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the directory for one filler at a time."""
    with (directory / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def fill(pins: dict[str, set[str]], destination: Path, indexes: list[str], *, verify: bool) -> int:
    """Fetch the missing wheels and return how many there were."""
    have = set(digests_of(destination, verify=verify).values())
    missing = {name: hashes for name, hashes in pins.items() if not hashes & have}
    if not missing:
        return 0
    with tempfile.TemporaryDirectory(prefix=".staging-", dir=destination) as scratch:
        wanted = Path(scratch) / "missing.txt"
        wanted.write_text(
            "".join(
                f"{name} " + " ".join(f"--hash=sha256:{digest}" for digest in sorted(hashes)) + "\n"
                for name, hashes in sorted(missing.items())
            )
        )
        pip(
            "download", "--quiet", "--no-deps", "--require-hashes", "--no-cache-dir",
            "--dest", scratch, "--requirement", str(wanted), *platform_arguments(), *indexes,
        )  # fmt: skip
        for path in filter(is_wheel, Path(scratch).iterdir()):
            path.replace(destination / path.name)
    have = set(digests_of(destination, verify=False).values())
    absent = sorted(name for name, hashes in pins.items() if not hashes & have)
    if absent:
        raise PipError(f"pip reported success but these are still missing: {', '.join(absent)}")
    return len(missing)


def main(arguments: list[str] | None = None) -> int:
    """Fill one directory for one or more locks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lock", type=Path, action="append", required=True)
    parser.add_argument("--dest", type=Path, required=True)
    parser.add_argument("--verify", action="store_true", help="hash every file again")
    add_index_arguments(parser)
    options = parser.parse_args(arguments)
    begin = time.monotonic()
    try:
        pins: dict[str, set[str]] = {}
        for lock in options.lock:
            pins.update(pins_of(lock))
        options.dest.mkdir(parents=True, exist_ok=True)
        with locked(options.dest):
            indexes = index_arguments(options)
            fetched = fill(pins, options.dest, indexes, verify=options.verify)
    except (OSError, ValueError, PipError) as error:
        print(f"{options.dest}: {error}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - begin
    print(f"{options.dest}: {len(pins)} wheels, {fetched} fetched, {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
