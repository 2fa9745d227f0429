# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R2.5: the installed packages are whole, fit together, import, and are those of the lock."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import subprocess
import sys
from pathlib import Path

from . import r4_container, r4_torch
from .image_facts import normalised
from .lacks import ANOTHER_ENGINE, lacking
from .outcome import CheckFailedError, Outcome, failed, first_few, passed, require, skipped
from .r2_gate import ENGINE, LOCK, NOT_CONTAINED, STEP
from .registry import Progress, Registry
from .settings import Settings

registry = Registry()

PIP_SECONDS = 100.0
CUBLAS = "nvidia-cublas-cu12"

registry.check(
    STEP,
    "cuda_libraries",
    expected="every CUDA library of the installed packages is there and loads",
    fix="install the packages again from their lock; do not remove or relink library files",
    deadline=180,
    part=ENGINE,
)(r4_torch.cuda_libraries)

registry.check(
    STEP,
    "library_path",
    expected="LD_LIBRARY_PATH is set and every directory in it exists",
    fix="set LD_LIBRARY_PATH in the Dockerfile to the directories of the CUDA libraries",
    part=ENGINE,
)(r4_torch.library_path)


@registry.check(
    STEP,
    "packages",
    expected=lambda settings: (
        "no installed package lacks what it depends on or a file that it brought"
        + (", and all are those of the lock" if settings.expected.packages is not None else "")
    ),
    fix=LOCK,
    deadline=180,
    part=ENGINE,
)
def packages(settings: Settings, progress: Progress) -> Outcome:
    if not settings.container:
        return skipped(NOT_CONTAINED)
    installed = installed_versions()
    require(bool(installed), "not one Python package is installed")
    progress("looking for the files that packages recorded")
    count = _recorded(settings)
    if settings.expected.packages is not None:
        _equal_to_lock(settings, installed)
    progress("asking pip whether dependencies are met")
    checked = _pip_check(settings)
    locked = ", as locked" if settings.expected.packages is not None else ""
    sentence = f"{len(installed)} packages{locked}, {count} modules and libraries are there"
    if not checked:
        return skipped(f"{sentence}; pip is not installed, so nobody can tell what they depend on")
    return passed(f"{sentence}, all dependencies are met", packages=installed)


def installed_versions() -> dict[str, str]:
    """Every installed distribution with its version."""
    return {
        normalised(package.metadata["Name"] or ""): package.version
        for package in importlib.metadata.distributions()
        if package.metadata["Name"]
    }


def _recorded(settings: Settings) -> int:
    """How many modules and libraries packages recorded; ends the check where one is not there."""
    before = settings.base.distributions if settings.base is not None else frozenset()
    count = 0
    missing: list[str] = []
    for package in importlib.metadata.distributions():
        name = str(package.metadata["Name"])
        if package.files is None:
            # What an OS package or the base brought may keep its list elsewhere.
            if normalised(name) not in before and not settings.foreign:
                missing.append(f"the record of {name}")
            continue
        files = [file for file in package.files if file.suffix == ".py" or ".so" in file.suffixes]
        count += len(files)
        missing += [str(file) for file in files if not Path(str(file.locate())).exists()]
    require(not missing, f"{len(missing)} files are gone: {first_few(sorted(missing))}")
    return count


def _equal_to_lock(settings: Settings, installed: dict[str, str]) -> None:
    before = settings.base.distributions if settings.base is not None else frozenset()
    lock = {
        normalised(name): str(text) for name, text in (settings.expected.packages or {}).items()
    }
    wrong = []
    for name, wanted in sorted(lock.items()):
        found = installed.get(name)
        # A version without a local part, such as 2.8.0, accepts any build of it.
        same = found == wanted if "+" in wanted else (found or "").partition("+")[0] == wanted
        if not same:
            wrong.append(f"{name} {found or 'is not installed'} instead of {wanted}")
    wrong += [
        f"{name} {version} is in no lock"
        for name, version in sorted(installed.items())
        if name not in lock and name not in before
    ]
    require(not wrong, f"{len(wrong)} packages differ: {first_few(wrong)}", packages=wrong)


def _pip_check(settings: Settings) -> bool:
    """Whether pip judged the dependencies; ends the check where one is not met."""
    if importlib.util.find_spec("pip") is None:
        require(settings.foreign, "pip is not installed, although the base brings it")
        return False
    command = [sys.executable, "-B", "-m", "pip", "check", "--disable-pip-version-check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    require(done.returncode == 0, f"pip check: {first_few(said)}", output=said[:50])
    return True


@registry.check(
    STEP,
    "modules",
    expected="every module of the engine imports, with every package that it needs",
    fix="add what is missing to the image's package lock or to the Dockerfile's COPY list",
    deadline=120,
    part=ENGINE,
)
def modules(settings: Settings, progress: Progress) -> Outcome:
    if not settings.container:
        return skipped(NOT_CONTAINED)
    named = settings.expected.modules
    if named is None:
        if settings.foreign:
            return skipped(f"{ANOTHER_ENGINE}, and expected.modules names none of its modules")
        return r4_container.service_importable(settings, progress)
    # As its own service starts: from its directory.
    sys.path.insert(0, settings.service_directory)
    for name in named:
        progress(f"importing {name}")
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:
            return failed(f"importing {name} ends with {type(error).__name__}: {error}")
    return passed(f"{len(named)} modules import: {first_few(list(named))}", modules=list(named))


@registry.check(
    STEP,
    "torch_cuda",
    expected=lambda settings: (
        "torch, or where it is left out the CUDA libraries, of CUDA "
        f"{settings.expected.cuda or '(any version)'}"
    ),
    fix="install torch from the index of this CUDA version; a CPU build must not reach the image",
    deadline=120,
    part=ENGINE,
)
def torch_cuda(settings: Settings, progress: Progress) -> Outcome:
    if not settings.container:
        return skipped(NOT_CONTAINED)
    if lacking(settings, "torch") is None:
        return r4_torch.torch_cuda_build(settings, progress)
    try:
        version = importlib.metadata.version(CUBLAS)
    except importlib.metadata.PackageNotFoundError:
        if settings.foreign:
            return skipped("this engine has no torch and no CUDA libraries")
        raise CheckFailedError(f"neither torch nor {CUBLAS} is installed") from None
    # Its versions are CUDA's own: 12.8.4.1 belongs to 12.8.
    found = ".".join(version.split(".")[:2])
    wanted = settings.expected.cuda
    require(wanted is None or found == wanted, f"{CUBLAS} {version} belongs to CUDA {found}")
    return passed(f"no torch; {CUBLAS} {version} belongs to CUDA {found}", cuda=found)
