#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes what earlier releases of ours left on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stt_host_clean
version_added: 0.1.0
short_description: Remove our own superseded images, models, clips and staging directories
description:
  - Removes images that were built by a job below O(root), models and abandoned staging directories
    there, when no kept release and no container uses them.
  - The newest O(keep_releases) releases stay whole, and those that a container has, running or not,
    however old they are. So does every model that a container has mounted.
  - The newest image, and the newest of each model and quantization, that were made but never sealed
    stay too, because the next run can go on from them.
  - Of the sets of clips that were carried to O(root), the newest stays, and each that a run used
    within a day.
  - A model is removed only when the manifest that our modules write lies beside it. Nothing else
    is ever removed; no C(prune) command is run.
options:
  root:
    description: The directory below which everything of ours lies.
    type: path
    required: true
  docker:
    description: The Docker command line client, by name or path.
    type: str
    default: docker
  keep_releases:
    description: How many releases stay whole; at least two, the current one and the way back.
    type: int
    default: 2
  keep_images:
    description:
      - How many superseded images stay beside the one of the newest release, also when that are
        more than the kept releases need.
    type: int
    default: 2
  staging_days:
    description: How many days a staging directory must be untouched before it is removed.
    type: float
    default: 7.0
  only:
    description: What is looked for; the rest is left as it is.
    type: list
    elements: str
    choices: [image, model, clips, staging]
    default: [image, model, clips, staging]
attributes:
  check_mode:
    support: full
    description: Can run in check mode and return changed status without modifying the host.
  diff_mode:
    support: full
    description: Returns details on what has changed (or possibly needs changing) in check mode.
  platform:
    support: full
    platforms: posix
    description: Target OS families that can be operated against.
author:
  - stt.engine contributors (@stt-engine)
"""

EXAMPLES = r"""
- name: Keep the current release and the one before
  stt.engine.stt_host_clean:
    root: /opt/stt
    keep_releases: 2
"""

RETURN = r"""
removed:
  description: What was removed, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(image), V(model), V(clips) or V(staging).
      type: str
      returned: always
    name:
      description: The image's id, or the directory.
      type: str
      returned: always
    bytes:
      description: Its size.
      type: int
      returned: always
    reason:
      description: Why nothing needs it.
      type: str
      returned: always
  sample:
    - kind: model
      name: /opt/stt/models/openai_whisper-large-v3-turbo/41f01f3fe87f28c78e2fbf8b568835947dd65ed9
      bytes: 1620000000
      reason: of an older release
left:
  description:
    - Directories that only our modules name so, or that an older release used, without a manifest
      that can be read. They stay; remove them by hand when nobody needs them.
  returned: success
  type: list
  elements: str
  sample: []
kept_releases:
  description: The releases that stay whole, newest first; after them those that a container has.
  returned: success
  type: list
  elements: str
  sample: [cuda129-rhel89-v1.2-0123456789ab]
checks:
  description: The check result of the step R1.3.
  returned: success
  type: list
  elements: dict
  sample: []
"""

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stt.engine.plugins.module_utils._clean import (
    Superseded,
    abandoned_staging,
    built_below,
    kept_records,
    read_records,
    superseded_clips,
    superseded_images,
    superseded_models,
)
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._model_manifest import manifest_path
from ansible_collections.stt.engine.plugins.module_utils._store import remove_tree

KINDS = ("image", "model", "clips", "staging")


def remove(found: Superseded, docker: DockerCli, root: Path) -> None:
    """Remove one image with all its tags, or one directory with its manifest."""
    if found.kind == "image":
        image = docker.image(found.name)
        for reference in (image or {}).get("RepoTags") or [found.name]:
            docker.remove_image(reference)
        return
    path = Path(found.name)
    remove_tree(path, root)
    if found.kind == "model":
        # Last: what an interruption leaves of the directory is still known as ours.
        manifest_path(path).unlink()


def superseded(
    parameters: dict[str, Any], docker: DockerCli
) -> tuple[list[Superseded], list[str], list[str]]:
    """What can go, the directories that only look like ours, and the releases that stay."""
    root, keep, only = Path(parameters["root"]), parameters["keep_releases"], parameters["only"]
    # Also what somebody started under labels of his own.
    containers = docker.containers(label="")
    found: list[Superseded] = []
    left: list[str] = []
    records = read_records(root / "releases") if {"image", "model"} & set(only) else []
    if "image" in only:
        images = built_below(docker.images(), root / "jobs")
        found += superseded_images(images, containers, records, keep, parameters["keep_images"])
    if "model" in only:
        models, left = superseded_models(root / "models", records, keep, containers)
        found += models
    if "clips" in only:
        found += superseded_clips(root / "clips", containers)
    if "staging" in only:
        found += abandoned_staging(root / "staging", parameters["staging_days"])
    kept = [record.release for record in kept_records(records, keep, containers)]
    return found, left, kept


def clean(parameters: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Decide everything first, then remove."""
    started = time.monotonic()
    root = Path(parameters["root"])
    docker = DockerCli(parameters["docker"])
    keep = parameters["keep_releases"]
    if keep < 2:
        raise SttError(
            "keep_releases",
            found=str(keep),
            needed="at least 2: the current release and the way back",
            fix="set docker_host_keep_releases to 2 or more",
        )
    if parameters["keep_images"] < 1:
        raise SttError(
            "keep_images",
            found=str(parameters["keep_images"]),
            needed="at least 1: the image to go back to",
            fix="set engine_image_keep to 1 or more",
        )
    found, left, kept = superseded(parameters, docker)
    if not check_mode:
        for one in found:
            remove(one, docker, root)
    removed = [vars(one) for one in found]
    total = sum(one.bytes for one in found)
    without = f"; left, because no manifest is beside it: {', '.join(left)}" if left else ""
    return {
        "changed": bool(found),
        "removed": removed,
        "left": left,
        "kept_releases": kept,
        "checks": [
            {
                "id": "R1.3",
                "name": "own_superseded_removed",
                "status": "passed",
                "expected": "only our own superseded images, models, clips and staging are removed",
                "found": f"{len(found)} removed, {total} bytes; kept releases: "
                f"{', '.join(kept) or 'none yet'}{without}",
                "fix": "",
                "seconds": round(time.monotonic() - started, 3),
                "evidence": {"removed": removed, "left": left},
            }
        ],
        "diff": {
            "before": "".join(f"{one.kind} {one.name}: {one.reason}\n" for one in found),
            "after": "",
        },
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "required": True},
            "docker": {"type": "str", "default": "docker"},
            "keep_releases": {"type": "int", "default": 2},
            "keep_images": {"type": "int", "default": 2},
            "staging_days": {"type": "float", "default": 7.0},
            "only": {
                "type": "list",
                "elements": "str",
                "choices": list(KINDS),
                "default": list(KINDS),
            },
        },
        supports_check_mode=True,
    )
    try:
        result = clean(module.params, module.check_mode)
    except SttError as error:
        module.fail_json(**error.result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
