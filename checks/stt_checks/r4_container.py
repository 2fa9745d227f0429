# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""R4.1: the container runs as production will run it."""

from __future__ import annotations

import ast
import importlib
import os
import pwd
import sys
import tempfile
from pathlib import Path

from .lacks import ANOTHER_ENGINE
from .outcome import Outcome, failed, passed, require, skipped
from .registry import Progress, Registry
from .settings import Settings

registry = Registry()

NOT_CONTAINED = "not run in a container"
INTERFACES = Path("/sys/class/net")
INTERFACE_UP = 0x1
TEMPORARY = Path("/", "tmp")


@registry.check(
    "R4.1",
    "container_user",
    expected=lambda settings: f"uid {settings.expected.uid} with an entry in /etc/passwd",
    fix="create the user in the image (useradd -u 2000 stt-user) and start the container with it",
)
def container_user(settings: Settings, _progress: Progress) -> Outcome:
    if not settings.container:
        return skipped(NOT_CONTAINED)
    uid = os.getuid()
    require(uid == settings.expected.uid, f"the process runs as uid {uid}")
    require(os.geteuid() == uid, f"effective uid {os.geteuid()} under uid {uid}")
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return failed(f"uid {uid} has no entry in /etc/passwd: getuser() fails for it")
    return passed(f"uid {uid} is {entry.pw_name}", groups=os.getgroups(), home=entry.pw_dir)


@registry.check(
    "R4.1",
    "root_read_only",
    expected="the container's root file system is mounted read-only",
    fix="start the container with --read-only",
)
def root_read_only(settings: Settings, _progress: Progress) -> Outcome:
    if not settings.container:
        return skipped(NOT_CONTAINED)
    require(bool(os.statvfs("/").f_flag & os.ST_RDONLY), "/ is mounted writable")
    return passed("/ is mounted read-only")


@registry.check(
    "R4.1",
    "temporary_writable",
    expected="/tmp takes a file, which importing transformers needs",
    fix="start the container with --tmpfs /tmp",
)
def temporary_writable(_settings: Settings, _progress: Progress) -> Outcome:
    try:
        with tempfile.TemporaryFile(dir=TEMPORARY) as stream:
            stream.write(b"x" * 4096)
            stream.flush()
    except OSError as error:
        return failed(f"/tmp takes no file: {error.strerror}")
    space = os.statvfs(TEMPORARY)
    return passed("/tmp takes a file", free_bytes=space.f_bavail * space.f_frsize)


@registry.check(
    "R4.1",
    "network_isolated",
    expected="no network but the loopback interface, so that nothing can be fetched unseen",
    fix="start the container with --network none",
)
def network_isolated(settings: Settings, _progress: Progress) -> Outcome:
    if not settings.container:
        return skipped(NOT_CONTAINED)
    # Kernels show tunnel devices in every network namespace; they are down.
    up = sorted(
        path.name
        for path in INTERFACES.iterdir()
        if path.name != "lo" and int((path / "flags").read_text(), 16) & INTERFACE_UP
    )
    require(not up, f"interfaces that are up: {', '.join(up)}")
    routes = Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]
    require(not routes, f"{len(routes)} network routes")
    return passed("only the loopback interface is up, and there is no route")


@registry.check(
    "R4.1",
    "visible_devices",
    expected=lambda settings: (
        f"CUDA_VISIBLE_DEVICES={settings.expected.cuda_visible_devices}"
        if settings.expected.cuda_visible_devices is not None
        else "CUDA_VISIBLE_DEVICES as the caller sets it"
    ),
    fix="start the container with -e CUDA_VISIBLE_DEVICES=0",
)
def visible_devices(settings: Settings, _progress: Progress) -> Outcome:
    wanted = settings.expected.cuda_visible_devices
    if wanted is None:
        return skipped("no value was given to compare with")
    found = os.environ.get("CUDA_VISIBLE_DEVICES")
    require(found == wanted, f"CUDA_VISIBLE_DEVICES={found}" if found else "it is not set")
    return passed(f"CUDA_VISIBLE_DEVICES={found}")


@registry.check(
    "R4.1",
    "service_importable",
    expected="the service's program imports, with every package that it needs",
    fix="add what is missing to the image's package lock or to the Dockerfile's COPY list",
    deadline=120,
)
def service_importable(settings: Settings, progress: Progress) -> Outcome:
    if settings.foreign:
        return skipped(f"{ANOTHER_ENGINE}: R5.7 starts its service")
    if not (settings.app / "stt_engine").is_dir():
        if not settings.container:
            return skipped(f"no {settings.app}/stt_engine here")
        return failed(f"there is no {settings.app}/stt_engine")
    sys.path.insert(0, str(settings.app))
    # What is judged lies in the image's directory, not wherever it was imported from before.
    for name in [name for name in sys.modules if name.split(".")[0] == "stt_engine"]:
        del sys.modules[name]
    package = settings.app / "stt_engine"
    sources = sorted(package.rglob("*.py"))
    own = list(dict.fromkeys(filter(None, (_module_of(path, settings.app) for path in sources))))
    # Also what is imported only when it is needed: a server that starts may still die later.
    used = sorted({name for path in sources for name in imports_of(path)})
    for name in [*own, *used]:
        progress(f"importing {name}")
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:
            return failed(f"importing {name} ends with {type(error).__name__}: {error}")
    forms = sys.modules.get("starlette.formparsers")
    if forms is not None and getattr(forms, "multipart", forms) is None:
        return failed("python-multipart is not installed, so the service can take no upload")
    return passed(f"{len(own)} modules of the service and {len(used)} packages import", used=used)


def _module_of(path: Path, app: Path) -> str:
    """A source file's name for import; empty for what runs when it is imported."""
    parts = path.relative_to(app).with_suffix("").parts
    if parts[-1] == "__init__":
        return ".".join(parts[:-1])
    return "" if parts[-1] == "__main__" else ".".join(parts)


def imports_of(path: Path) -> set[str]:
    """The packages that a source file imports anywhere, by their first names."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found - {"stt_engine"}
