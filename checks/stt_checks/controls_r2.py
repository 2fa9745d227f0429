# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Negative controls of R2.5: a small file system with every fault, an image that tells untruths."""

from __future__ import annotations

import importlib.metadata
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

from . import r2_files, r2_secrets
from .control import Controls, NotPlantableError, Plant, fails
from .elf import ElfError, read_elf
from .image_labels import OCI
from .r2_gate import STEP, SURVEY

controls = Controls()

LIBC, LIBSTDCXX = (b"GLIBC_2.", b"GLIBC_9."), (b"GLIBCXX_3.", b"GLIBCXX_9.")
# Where the header of a file says which processor it is for, and two of them.
MACHINE = 18
X86_64, AARCH64 = 62, 183
ABSENT_DIGEST = "sha256:" + "0" * 64


@controls.control(
    "another_base",
    "a base whose layers are not the image's lowest",
    {f"{STEP}/{SURVEY}": fails("they are not its base")},
)
def another_base(plant: Plant) -> None:
    plant.spec["base"] = {**plant.spec["base"], "layers": [ABSENT_DIGEST]}


@controls.control(
    "planted_files",
    "a small file system with one fault for each gate",
    {
        f"{STEP}/architecture": fails(r"libother\.so", "a library for another processor"),
        f"{STEP}/glibc": fails(
            r"libnewer\.so needs GLIBC_9", "a library that needs a newer C library"
        ),
        f"{STEP}/libstdcxx": fails(
            r"libnewerxx\.so needs GLIBCXX_9", "a library that needs a newer C++ library"
        ),
        f"{STEP}/dangling_links": fails(r"libdangling\.so", "a library that is a link to nothing"),
        f"{STEP}/no_os_additions": fails(
            "compiler usr/bin/gcc.*program usr/bin/sudo.*usr/bin/planted runs with its owner",
            "a compiler, a program sudo and one with its owner's rights",
        ),
        f"{STEP}/secrets": fails(
            r"planted\.env.*gone\.env", "a token in a file, and in one that a later layer removed"
        ),
    },
    first=(f"{STEP}/{SURVEY}",),
)
def planted_files(plant: Plant) -> None:
    root, layer = plant.place / "root", plant.place / "layer"
    for folder in (root / "usr/lib", root / "usr/bin", root / "app", layer / "app"):
        folder.mkdir(parents=True)
    library = _library()
    here = int.from_bytes(library[MACHINE : MACHINE + 2], "little")
    other = (X86_64 if here == AARCH64 else AARCH64).to_bytes(2, "little")
    libraries = {
        "libother.so": library[:MACHINE] + other + library[MACHINE + 2 :],
        "libnewer.so": library.replace(*LIBC),
        "libnewerxx.so": library.replace(*LIBSTDCXX),
    }
    for name, data in libraries.items():
        (root / "usr/lib" / name).write_bytes(data)
    (root / "usr/lib/libdangling.so").symlink_to("gone.so.1")
    for name, mode in (("gcc", 0o755), ("sudo", 0o755), ("planted", 0o4755)):
        (root / "usr/bin" / name).write_bytes(b"planted")
        (root / "usr/bin" / name).chmod(mode)
    for path in (root / "app/planted.env", layer / "app/gone.env"):
        path.write_text(f"PLANTED=hf_{secrets.token_hex(20)}\n", encoding="utf-8")
    plant.spec["base"] = {**plant.spec["base"], "files": {}, "packages": {}}
    plant.spec["layers"] = [str(layer)]
    for module in (r2_files, r2_secrets):
        vars(module)["ROOT"] = root


def _library() -> bytes:
    """A library of the image that needs both the C and the C++ library: the smallest."""
    found = sorted((path.stat().st_size, path) for path in _libraries())
    for _size, path in found:
        data = path.read_bytes()
        if all(old in data for old, _new in (LIBC, LIBSTDCXX)):
            return data
    raise NotPlantableError("the image has no library that needs the C++ library")


def _libraries() -> Iterator[Path]:
    for package in importlib.metadata.distributions():
        for file in package.files or ():
            path = Path(str(package.locate_file(file)))
            if ".so" not in file.suffixes or not path.is_file():
                continue
            try:
                needed = {name for name, _version in read_elf(path).needs}
            except (OSError, ElfError):
                continue
            if {r2_files.LIBSTDCXX, "libc.so.6"} <= needed:
                yield path


@controls.control(
    "root_image",
    "an image that runs as root",
    {f"{STEP}/user_and_port": fails("the image runs as uid 0")},
)
def root_image(plant: Plant) -> None:
    plant.spec["image"] = {**plant.spec["image"], "user": "0"}


@controls.control(
    "closed_image",
    "an image that exposes no port",
    {f"{STEP}/user_and_port": fails("the image exposes no port")},
)
def closed_image(plant: Plant) -> None:
    plant.spec["image"] = {**plant.spec["image"], "ports": []}


@controls.control(
    "untrue_label",
    "a label that names another base than the image was built on",
    {f"{STEP}/labels": fails(f"label {OCI}base.digest says {ABSENT_DIGEST}")},
)
def untrue_label(plant: Plant) -> None:
    image = plant.spec["image"]
    labels = {**image.get("labels", {}), f"{OCI}base.digest": ABSENT_DIGEST}
    plant.spec["image"] = {**image, "labels": labels}


@controls.control(
    "nameless_package",
    "an installed package that tells no version",
    {f"{STEP}/inventory": fails("1 entries without a name or version")},
)
def nameless_package(plant: Plant) -> None:
    described = plant.place / "site" / "planted-1.0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion:\n")
    sys.path.append(str(described.parent))
