#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives a sealed release its tags and its record on the build server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stt_release_record
version_added: 0.1.0
short_description: Tag a sealed release's image and record the release on the host
description:
  - Writes the release's record and its verdicts below O(root) and then sets the image's final tags.
  - Later runs keep what the record names, and reuse a verdict on the same content.
options:
  root:
    description: The directory below which everything of ours lies.
    type: path
    required: true
  docker:
    description: The Docker command line client, by name or path.
    type: str
    default: docker
  release:
    description: The release's id.
    type: str
    required: true
  sequence:
    description: Seconds since 1970-01-01 UTC at sealing; a newer release has a higher number.
    type: int
    required: true
  image_id:
    description: The id of the release's image.
    type: str
    required: true
  reference_image_id:
    description:
      - Id of the image that the engine was compared with; it stays as long as the release does.
    type: str
    default: ''
  tags:
    description: The references that the image gets.
    type: list
    elements: str
    required: true
  models:
    description: The directories of the release's models.
    type: list
    elements: path
    required: true
  verdicts:
    description: Verdicts to keep, by phase; each is written to C(PHASE.json).
    type: dict
    default: {}
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
- name: Record the release
  stt.engine.stt_release_record:
    root: /opt/stt
    release: cuda129-rhel89-v1.2-0123456789ab
    sequence: 1766000000
    image_id: sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    tags: [stt-engine:cuda129-rhel89-v1.2-0123456789ab, stt-engine:cuda129-rhel89-v1.2]
    models: [/opt/stt/models/openai_whisper-large-v3-turbo/41f01f3fe87f28c78e2fbf8b568835947dd65ed9]
"""

RETURN = r"""
path:
  description: The release's directory on the host.
  returned: success
  type: str
  sample: /opt/stt/releases/cuda129-rhel89-v1.2-0123456789ab
reason:
  description: What was missing, or empty when everything was there.
  returned: success
  type: str
  sample: tag stt-engine:cuda129-rhel89-v1.2 is not set
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stt.engine.plugins.module_utils._clean import RECORD
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._store import write_atomically


@dataclass
class ReleaseRecorder:
    """Decides what is missing, then writes files before tags."""

    parameters: dict[str, Any]
    docker: DockerCli

    @property
    def directory(self) -> Path:
        """The release's directory on the host."""
        return Path(self.parameters["root"]) / "releases" / str(self.parameters["release"])

    def files(self) -> dict[Path, bytes]:
        """What the release's directory must hold."""
        record = {
            name: self.parameters[name] for name in ("release", "sequence", "image_id", "models")
        }
        if self.parameters["reference_image_id"]:
            record["reference_image_id"] = self.parameters["reference_image_id"]
        documents = {RECORD: record}
        documents |= {f"{name}.json": value for name, value in self.parameters["verdicts"].items()}
        return {
            self.directory / name: json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"
            for name, document in documents.items()
        }

    def missing_files(self) -> dict[Path, bytes]:
        """The files whose content on the host differs."""
        return {
            path: content
            for path, content in self.files().items()
            if not path.is_file() or path.read_bytes() != content
        }

    def missing_tags(self) -> dict[str, str]:
        """The tags to set, with the image id that each points at now, or an empty string."""
        image_id = self.parameters["image_id"]
        if self.docker.image(image_id) is None:
            raise SttError(
                f"image {image_id}",
                found="no such image on this host",
                needed="the image that was judged",
                fix="run the release again from the build",
            )
        found = {tag: self.docker.image(tag) for tag in self.parameters["tags"]}
        current = {tag: str(image["Id"]) if image else "" for tag, image in found.items()}
        return {tag: now for tag, now in current.items() if now != image_id}

    def run(self, check_mode: bool) -> dict[str, Any]:
        """Write what is missing and say what it was."""
        files, tags = self.missing_files(), self.missing_tags()
        reasons = [f"{path.name} is to be written" for path in files]
        reasons += [f"tag {tag} is not set" for tag in tags]
        if not check_mode:
            for path, content in files.items():
                path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                write_atomically(path, content)
            for tag in tags:
                self.docker.run(["image", "tag", self.parameters["image_id"], tag])
        return {
            "changed": bool(reasons),
            "path": str(self.directory),
            "reason": ", ".join(reasons),
            "diff": {
                "before": "".join(f"{tag} -> {now or 'nothing'}\n" for tag, now in tags.items()),
                "after": "".join(f"{tag} -> {self.parameters['image_id']}\n" for tag in tags)
                + "".join(f"{path}\n" for path in files),
            },
        }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "required": True},
            "docker": {"type": "str", "default": "docker"},
            "release": {"type": "str", "required": True},
            "sequence": {"type": "int", "required": True},
            "image_id": {"type": "str", "required": True},
            "reference_image_id": {"type": "str", "default": ""},
            "tags": {"type": "list", "elements": "str", "required": True},
            "models": {"type": "list", "elements": "path", "required": True},
            "verdicts": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    try:
        result = ReleaseRecorder(module.params, DockerCli(module.params["docker"])).run(
            module.check_mode
        )
    except SttError as error:
        module.fail_json(**error.result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
