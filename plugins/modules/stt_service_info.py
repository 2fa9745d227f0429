#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what a host serves, and which releases are recorded there."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stt_service_info
version_added: 0.1.0
short_description: Say which engines of ours run on a host and which releases it records
description:
  - Lists the running containers of images that this collection built, however they were started,
    but for those without a network, which only check or convert.
  - Lists the releases that were recorded below O(root), the one sealed last first.
options:
  root:
    description: The directory below which everything of ours lies.
    type: path
    required: true
  docker:
    description: The Docker command line client, by name or path.
    type: str
    default: docker
attributes:
  check_mode:
    support: full
    description: Can run in check mode; it changes nothing in either mode.
  diff_mode:
    support: none
    description: Returns details on what has changed (or possibly needs changing) in check mode.
  platform:
    support: full
    platforms: posix
    description: Target OS families that can be operated against.
author:
  - stt.engine contributors (@stt-engine)
"""

EXAMPLES = r"""
- name: What runs here
  stt.engine.stt_service_info:
    root: /opt/stt
"""

RETURN = r"""
services:
  description: The containers that serve.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The container's name.
      type: str
      returned: always
      sample: stt
    image_id:
      description: The id of its image.
      type: str
      returned: always
      sample: sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    model:
      description: The directory of the host that it serves; empty for one that no mount brings.
      type: str
      returned: always
      sample: /opt/stt/models/openai_whisper-large-v3-turbo/41f0-ct2-int8_float16-0123456789ab
    address:
      description: Where this host reaches it; empty where it does not.
      type: str
      returned: always
      sample: 127.0.0.1:8003
    started:
      description: Since when it runs.
      type: str
      returned: always
      sample: '2026-01-31T08:06:30.123456789Z'
recorded:
  description: The ids of the releases that are recorded on the host.
  returned: success
  type: list
  elements: str
  sample: [cuda129-rhel89-v1.2-0123456789ab]
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stt.engine.plugins.module_utils._clean import read_records
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._service import services

TOLD = ("name", "image_id", "model", "address", "started")


def look(root: Path, docker: DockerCli) -> dict[str, Any]:
    """What runs and what is recorded."""
    return {
        "services": [{key: getattr(one, key) for key in TOLD} for one in services(docker)],
        "recorded": [record.release for record in read_records(root / "releases")],
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "required": True},
            "docker": {"type": "str", "default": "docker"},
        },
        supports_check_mode=True,
    )
    try:
        result = look(Path(module.params["root"]), DockerCli(module.params["docker"]))
    except SttError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
