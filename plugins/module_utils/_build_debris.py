# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build leaves behind when it is killed, and how the next call removes it."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from ansible_collections.stt.engine.plugins.module_utils._build_inputs import input_digest
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import (
    INPUT_DIGEST_LABEL,
    DockerCli,
)
from ansible_collections.stt.engine.plugins.module_utils._store import file_lock, remove_tree

WORKSPACE = "work"


def sweep(docker: DockerCli, jobs_root: Path, kind: str) -> None:
    """Remove what killed builds of any inputs left: their workspaces and their unnamed images.

    A build that runs is not touched, and none of these can start meanwhile.
    """
    for workspace in sorted(jobs_root.glob(f"{kind}-*/{WORKSPACE}")):
        job = workspace.parent
        with file_lock(job / "guard"):
            if _runs(job):
                continue
            digest = _digest(job)
            for image in docker.images(f"{INPUT_DIGEST_LABEL}={digest}") if digest else ():
                discard(docker, str(image["Id"]))
            clear_workspace(workspace)


def _runs(job: Path) -> bool:
    with (job / "lock").open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _digest(job: Path) -> str:
    """The digest that the job's image would carry; empty when a full disk cut the record."""
    try:
        return input_digest(json.loads((job / "inputs.json").read_bytes()))
    except (FileNotFoundError, ValueError):
        return ""


def clear_workspace(workspace: Path) -> None:
    """Remove the workspace, also one that a killed build left, read-only directories included."""
    if not workspace.exists():
        return
    for folder, folders, _files in os.walk(workspace):
        for name in folders:
            entry = Path(folder, name)
            if not entry.is_symlink():
                entry.chmod(0o700)
    remove_tree(workspace, below=workspace.parent)


def discard(docker: DockerCli, image_id: str) -> None:
    """Remove an image without a name; one that a container uses or a tag names stays."""
    image = docker.image(image_id)
    if image is not None and not image.get("RepoTags"):
        docker.run(["image", "rm", image_id], check=False)
