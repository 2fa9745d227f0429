# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's model hub as a container."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

from .engine import Engine
from .hosts import converge
from .images import Archive
from .layout import HUB_ADDRESS, HUB_LOCAL_PORT, HUB_NAME, HUB_PORT, MODEL_OWNER, Places
from .shell import LabError, last_lines

HERE = Path(__file__).resolve().parent
HEALTH = f"http://127.0.0.1:{HUB_LOCAL_PORT}/_health"
READY_SECONDS = 30.0
MODULES = (
    "__init__.py",
    "hub.py",
    "hub_faults.py",
    "hub_files.py",
    "hub_handler.py",
    "hub_http.py",
)


def start(engine: Engine, image: Archive, places: Places) -> bool:
    """Start the hub unless it runs as described, with a copy of this checkout's hub."""
    modules = [HERE / name for name in MODULES]
    content = hashlib.sha256(b"".join(module.read_bytes() for module in modules)).hexdigest()
    # A copy, so that the hub does not hang on a checkout that may be moved or removed.
    code = places.lab / "hub" / content[:12]
    package = code / "tests" / "lab"
    if not package.is_dir():
        draft = code.with_suffix(".part")
        shutil.rmtree(draft, ignore_errors=True)
        (draft / "tests" / "lab").mkdir(parents=True)
        for module in modules:
            shutil.copyfile(module, draft / "tests" / "lab" / module.name)
        draft.rename(code)
    state = places.lab / "hub" / "state"
    state.mkdir(exist_ok=True)
    arguments = [
        f"--publish=127.0.0.1:{HUB_LOCAL_PORT}:{HUB_PORT}",
        "--user=0:0",
        "--read-only",
        "--cap-drop=ALL",
        "--cap-add=DAC_OVERRIDE",
        "--env=PYTHONDONTWRITEBYTECODE=1",
        f"--volume={code}:/hub:ro",
        f"--volume={state}:/state",
        f"--volume={places.repositories}:/repos:ro",
        f"--volume={places.fixtures}:/repos/{MODEL_OWNER}:ro",
        f"--volume={places.wheels}:/wheels:ro",
        "--workdir=/hub",
    ]
    command = ["python", "-m", "tests.lab.hub", "--host=0.0.0.0", f"--port={HUB_PORT}"]
    command += ["--repos=/repos", "--wheels=/wheels", "--hashes=/state/hashes.json"]
    return converge(engine, HUB_NAME, HUB_ADDRESS, image, arguments, command, content)


def wait(engine: Engine) -> list[str]:
    """Wait until the hub answers; return its repositories."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(HEALTH, timeout=5) as answer:
                repositories: list[str] = json.load(answer)["repositories"]
                return repositories
        except (urllib.error.URLError, OSError) as error:
            if time.monotonic() > deadline:
                log = engine.docker("logs", "--tail", "5", HUB_NAME, check=False)
                raise LabError(f"{HUB_NAME}: {error} ({last_lines(log.stderr)})") from error
            time.sleep(0.2)
