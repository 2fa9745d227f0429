# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make an image's tree from a registry's Debian image, where mmdebstrap cannot be had."""

from __future__ import annotations

import io
import select
import subprocess
import tarfile
from pathlib import Path
from typing import IO

from .engine import Engine
from .images import EPOCH, LEFT_OUT, ROOTFS, Recipe
from .layout import OWNER_LABEL
from .shell import LabError

ANSWER_SECONDS = 10.0
PULL_SECONDS = 600.0
# What the engine puts into every container, and what apt leaves behind.
NOT_OURS = (".dockerenv", "dev/", "proc/", "sys/", "var/lib/apt/lists/")
SCRIPT = """set -eu
printf 'path-exclude=%s\\n' {excluded} >/etc/dpkg/dpkg.cfg.d/lab
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y install --no-install-recommends {packages}
/recipe/{hook} /
"""


def bootstrap(recipe: Recipe, layer: Path, engine: Engine) -> None:
    """Write the recipe's Debian tree as a tar, made in a container of the registry's image."""
    debian = f"debian:{recipe.suite}-slim"
    if engine.inspect("image", debian) is None:
        _pull(engine, debian)
    script = SCRIPT.format(
        excluded=" ".join(f"'{pattern}'" for pattern in LEFT_OUT),
        packages=" ".join(recipe.packages),
        hook=recipe.hook,
    )
    name = f"stt-lab-make-{recipe.name}"
    engine.docker("rm", "--force", name, check=False)
    try:
        engine.docker(
            "run",
            f"--name={name}",
            f"--label={OWNER_LABEL}",
            f"--volume={ROOTFS}:/recipe:ro",
            debian,
            "sh",
            "-c",
            script,
            timeout=900,
        )
        raw = layer.with_suffix(".raw")
        engine.docker("export", f"--output={raw}", name, timeout=300)
    finally:
        engine.docker("rm", "--force", name, check=False)
    with raw.open("rb") as source, layer.open("wb") as target:
        clamp(source, target)
    raw.unlink()


def clamp(source: IO[bytes], target: IO[bytes]) -> None:
    """Copy a tar without what is not ours, no file newer than the images' time."""
    with (
        tarfile.open(fileobj=source, mode="r|") as old,
        tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as new,
    ):
        for entry in old:
            if entry.name.startswith(NOT_OURS):
                continue
            entry.mtime = min(int(entry.mtime), EPOCH)
            entry.pax_headers = {
                key: value
                for key, value in entry.pax_headers.items()
                if key not in ("mtime", "atime", "ctime")
            }
            content = old.extractfile(entry) if entry.isreg() else None
            new.addfile(entry, content if content is not None else io.BytesIO())


def _pull(engine: Engine, debian: str) -> None:
    """Pull an image; give up at once when the registry does not begin to answer."""
    process = subprocess.Popen(
        [engine.client, "pull", debian], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    try:
        answered = select.select([process.stdout], [], [], ANSWER_SECONDS)[0]
        if not answered:
            raise LabError(f"{debian}: no registry answers within {ANSWER_SECONDS:.0f} s")
        said, _unused = process.communicate(timeout=PULL_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{debian}: not pulled within {PULL_SECONDS:.0f} s") from error
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise LabError(f"{debian}: cannot be pulled: {said.decode(errors='replace').strip()}")
