# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R2.5: every file that the image adds to its base, judged without running any of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from ._os_packages import installed_packages
from .elf import DEVICE_MACHINES
from .image_facts import Base, Image
from .image_files import SHARED_OBJECT, AddedElf, AddedFiles, added_files
from .lacks import ANOTHER_ENGINE
from .outcome import Outcome, failed, first_few, passed, require, skipped
from .r2_gate import FILES, STEP, SURVEY, of_added, of_base
from .registry import Progress, Registry
from .settings import Settings, readable_size

registry = Registry()

ROOT = Path("/")
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64", "386": "i386", "arm": "arm"}
LIBSTDCXX = "libstdc++.so.6"
RPM_DATABASES = (
    "var/lib/rpm/Packages",
    "var/lib/rpm/Packages.db",
    "var/lib/rpm/rpmdb.sqlite",
    "usr/lib/sysimage/rpm/Packages.db",
    "usr/lib/sysimage/rpm/rpmdb.sqlite",
)
COMPILER = re.compile(
    r"(?:[a-z0-9_]+-(?:[a-z]+-)*)?(?:gcc|g\+\+|c\+\+|cc|cpp|cc1|cc1plus|clang|clang\+\+|gfortran"
    r"|ld|ld\.(?:bfd|gold|lld)|as|tcc|nvcc|rustc|cargo|go|javac|make|cmake|ninja)(?:-?\d+(?:\.\d+)*)?"
)
BECOMES_ROOT = frozenset({"sudo", "su", "doas", "pkexec"})
ELSEWHERE = "install a build of the package for RHEL 8 (manylinux_2_28 or older), from its lock"


@registry.check(
    STEP,
    SURVEY,
    expected="the image is made from its base, and every file that it adds can be read",
    fix="name the image's real base in the option base; build the image again",
    deadline=600,
    part=FILES,
)
@of_base
def survey(settings: Settings, progress: Progress, image: Image, base: Base) -> Outcome:
    own = image.layers[: len(base.layers)]
    require(
        bool(base.layers) and own == base.layers,
        f"the image's lowest layers are not those of {base.name}: they are not its base",
    )
    if settings.scratch is None:
        return failed("there is no place to leave the list", fix="run the check archive")
    progress(f"comparing all files with the {len(base.files)} of {base.name}")
    added = added_files(ROOT, base.files)
    require(
        not added.unreadable,
        f"{len(added.unreadable)} places cannot be read: {first_few(sorted(added.unreadable))}",
    )
    require(
        added.base_files > 0 or not base.files,
        f"not one of the files of {base.name} is in the image",
    )
    added.keep(settings.scratch)
    changed = [file.path for file in added.files if file.changed]
    size = sum(file.size for file in added.files)
    return passed(
        f"{len(added.files)} files, {readable_size(size)}, are added to {base.name}, "
        f"{len(added.elf)} of them are programs or libraries; {added.base_files} are the base's",
        base=base.name,
        base_files=added.base_files,
        files=len(added.files),
        bytes=size,
        links=len(added.links),
        elf=len(added.elf),
        changed=changed[:50],
    )


def _read(added: AddedFiles) -> list[AddedElf]:
    """What was read of programs and libraries; ends the check where one cannot be."""
    broken = [f"{one.path} ({one.problem})" for one in added.elf if one.problem]
    require(
        not broken,
        f"{len(broken)} programs or libraries are damaged: {first_few(broken)}",
        files=broken,
    )
    return added.elf


@registry.check(
    STEP,
    "architecture",
    expected=lambda settings: (
        "every added program and library is for the image's processor, "
        f"{settings.image.architecture if settings.image else 'as its configuration says'}"
    ),
    fix="build with --platform linux/amd64, and from wheels of that platform",
    part=FILES,
)
@of_added
def architecture(settings: Settings, added: AddedFiles) -> Outcome:
    wanted = settings.image.architecture if settings.image is not None else ""
    machine = ARCHITECTURES.get(wanted)
    require(machine is not None, f"the image says it is for {wanted!r}, which is not known here")
    judged = [one for one in _read(added) if one.machine not in DEVICE_MACHINES]
    wrong = [f"{one.path} ({one.machine_name})" for one in judged if one.machine_name != machine]
    require(
        not wrong,
        f"{len(wrong)} added files are for another processor: {first_few(wrong)}",
        files=wrong,
    )
    return passed(f"{len(judged)} programs and libraries are for {machine}", files=len(judged))


def _above(
    added: AddedFiles, highest: Mapping[str, str], counts: Callable[[str, str], bool]
) -> tuple[list[str], dict[str, str]]:
    """Files that need a higher version than allowed, and the highest that is needed of each."""
    limits = {prefix: version_of(limit) for prefix, limit in highest.items()}
    wrong: dict[str, list[str]] = {}
    most: dict[str, tuple[int, ...]] = {}
    for one in _read(added):
        for file, symbol in one.needs:
            prefix, _mark, version = symbol.partition("_")
            if prefix not in limits or not counts(file, prefix):
                continue
            number = version_of(version)
            # What is no number, such as ABI_DT_RELR or PRIVATE, comes with one certain release.
            if not number or number > limits[prefix]:
                wrong.setdefault(one.path, []).append(symbol)
            else:
                most[prefix] = max(most.get(prefix, ()), number)
    said = [f"{path} needs {', '.join(sorted(symbols))}" for path, symbols in sorted(wrong.items())]
    return said, {prefix: ".".join(map(str, number)) for prefix, number in most.items()}


def version_of(text: str) -> tuple[int, ...]:
    """``2.28`` as numbers; empty for what is none."""
    return tuple(map(int, text.split("."))) if re.fullmatch(r"\d+(?:\.\d+)*", text) else ()


@registry.check(
    STEP,
    "glibc",
    expected=lambda settings: (
        f"every added program and library needs at most GLIBC_{settings.expected.glibc}"
    ),
    fix=ELSEWHERE,
    part=FILES,
)
@of_added
def glibc(settings: Settings, added: AddedFiles) -> Outcome:
    limit = {"GLIBC": settings.expected.glibc}
    wrong, most = _above(added, limit, lambda _file, _prefix: True)
    require(
        not wrong,
        f"{len(wrong)} added files need a newer C library: {first_few(wrong)}",
        files=wrong,
    )
    return passed(
        f"{len(added.elf)} programs and libraries need at most GLIBC_{most.get('GLIBC', '(none)')}",
        highest=most,
    )


@registry.check(
    STEP,
    "libstdcxx",
    expected=lambda settings: (
        f"every added program and library needs at most GLIBCXX_{settings.expected.glibcxx} and "
        f"CXXABI_{settings.expected.cxxabi}"
    ),
    fix=ELSEWHERE,
    part=FILES,
)
@of_added
def libstdcxx(settings: Settings, added: AddedFiles) -> Outcome:
    limits = {"GLIBCXX": settings.expected.glibcxx, "CXXABI": settings.expected.cxxabi}
    # A package may bring a C++ library of its own, under a name of its own.
    wrong, most = _above(added, limits, lambda file, _prefix: file == LIBSTDCXX)
    require(
        not wrong,
        f"{len(wrong)} added files need a newer C++ library: {first_few(wrong)}",
        files=wrong,
    )
    needed = ", ".join(f"{prefix}_{version}" for prefix, version in sorted(most.items()))
    return passed(
        f"{len(added.elf)} programs and libraries need at most {needed or 'no C++ library'}",
        highest=most,
    )


@registry.check(
    STEP,
    "dangling_links",
    expected="no link to a shared library leads nowhere that the build added or has cut, and every "
    "library of the base that is needed is the base's",
    fix="install the packages again from their lock; do not remove or relink library files",
    part=FILES,
)
@of_added
def dangling_links(settings: Settings, added: AddedFiles) -> Outcome:
    dangling = sorted(f"{link.path} -> {link.target}" for link in added.links if link.dangling)
    cut = sorted(f"{link.path} -> {link.target}" for link in added.cut)
    libraries = [
        *(text for text in dangling if SHARED_OBJECT.search(text.partition(" -> ")[0])),
        *(f"{text}, whose target the base had" for text in cut if SHARED_OBJECT.search(text)),
    ]
    require(
        not libraries,
        f"{len(libraries)} links lead nowhere: {first_few(libraries)}",
        links=libraries,
    )
    lost = _lost_libraries(added, settings.foreign)
    require(not lost, f"{len(lost)} libraries of the base: {first_few(lost)}", libraries=lost)
    return passed(f"{len(added.links)} added links", others_that_lead_nowhere=[*dangling, *cut])


def _lost_libraries(added: AddedFiles, foreign: bool) -> list[str]:
    """Libraries of the base that added ones need, and that the build removed or replaced."""
    needed: dict[str, str] = {}
    for one in added.elf:
        for name, _version in one.needs:
            needed.setdefault(name, one.path)
    gone = [(path, "is gone") for path in added.gone]
    # Another engine may bring its operating system up to date.
    replaced = [file.path for file in added.files if file.changed and not foreign]
    lost = []
    for path, fate in [*gone, *((path, "is another one") for path in replaced)]:
        name = PurePosixPath(path).name
        if name in needed:
            lost.append(f"{path} {fate}, and {needed[name]} needs it")
    return sorted(lost)


@registry.check(
    STEP,
    "no_os_additions",
    expected="no OS package, compiler, sudo or program with its owner's rights beyond the base's",
    fix="leave it out of the Dockerfile; what must be compiled belongs into a wheel",
    part=FILES,
)
@of_base
def no_os_additions(settings: Settings, _progress: Progress, _image: Image, base: Base) -> Outcome:
    body = of_added(lambda _settings, added: _judge_additions(added, base, settings.foreign))
    return body(settings, _progress)


def _judge_additions(added: AddedFiles, base: Base, foreign: bool) -> Outcome:
    findings = [*_packages_beyond(base), *_databases(added), *_programs(added)]
    if foreign:
        reason = "what it adds to its base is its own affair"
        return skipped(f"{ANOTHER_ENGINE}: {reason}", additions=findings)
    require(not findings, f"beyond {base.name}: {first_few(findings)}", additions=findings)
    return passed(f"no OS package, compiler or sudo beyond those of {base.name}")


def _packages_beyond(base: Base) -> list[str]:
    findings = []
    for kind, packages in installed_packages(ROOT).items():
        known = base.packages.get(kind, {})
        more = sorted(
            f"{name} {version}" for name, version in packages.items() if name not in known
        )
        other = sorted(
            f"{name} {version} instead of {known[name]}"
            for name, version in packages.items()
            if name in known and known[name] != version
        )
        if more or other:
            findings.append(f"{kind} packages {first_few([*more, *other])}")
    return findings


def _databases(added: AddedFiles) -> list[str]:
    return [
        f"the database of rpm, {file.path}, is not the base's"
        for file in added.files
        if file.path in RPM_DATABASES
    ]


def _programs(added: AddedFiles) -> list[str]:
    places = {file.path: file.executable for file in added.files}
    places.update((link.path, True) for link in added.links)
    findings = []
    for path, executable in sorted(places.items()):
        name = PurePosixPath(path).name
        if executable and COMPILER.fullmatch(name):
            findings.append(f"the compiler {path}")
        elif executable and name in BECOMES_ROOT:
            findings.append(f"the program {path}")
    rights = sorted(file.path for file in added.files if file.owners_rights)
    return findings + [f"{path} runs with its owner's rights" for path in rights]
