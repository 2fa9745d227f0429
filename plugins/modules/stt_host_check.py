#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at everything on a host that a release needs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stt_host_check
version_added: 0.1.0
short_description: Look at everything on a host that a release needs
description:
  - Checks Docker engine, buildx, processor architecture, free disk space where it will be used,
    memory, commands, Python, the release root, the way to the endpoints, and the GPU.
  - Every check runs, whatever the others say, and each gives a result; the module itself fails
    only when it cannot run at all.
  - Reads only. It changes nothing on the host.
options:
  root:
    description: The directory below which everything of ours lies.
    type: path
    required: true
  docker:
    description: The Docker command line client, by name or path.
    type: str
    default: docker
  minimum_engine:
    description: The oldest Docker engine and CLI that are accepted.
    type: str
    default: '23.0'
  minimum_buildx:
    description: The oldest buildx that is accepted.
    type: str
    default: '0.13'
  architecture:
    description: The processor architecture that the host must have, as C(uname -m) names it.
    type: str
    default: x86_64
  need_docker_bytes:
    description: Free bytes needed on the file system of Docker's data root.
    type: int
    default: 0
  need_root_bytes:
    description:
      - Free bytes needed on the file system of O(root). When that is Docker's file system too,
        the two needs are added.
    type: int
    default: 0
  recommended_free_bytes:
    description: Free bytes below which a passed disk check carries a warning.
    type: int
    default: 100000000000
  minimum_memory_bytes:
    description: Bytes of memory that the host must have.
    type: int
    default: 0
  endpoints:
    description:
      - What must answer. Any HTTP status of the server is an answer; redirects are not followed.
      - The same URL with the same proxy and CA bundle is asked once.
    type: list
    elements: dict
    default: []
    suboptions:
      url:
        description: The URL; a user name and password in it are neither sent nor shown.
        type: str
        required: true
      ca_bundle:
        description:
          - File on the host with the certificate authorities to trust, in PEM form, instead of the
            host's own.
        type: path
        default: ''
      proxy:
        description:
          - Address of an HTTP proxy, such as C(http://proxy.example.com:3128). This host itself and
            hosts in E(no_proxy) are reached directly.
          - Without it E(http_proxy) and E(https_proxy) of the environment are used.
        type: str
        default: ''
      proxy_file:
        description:
          - File on the host that holds the proxy's address, instead of O(endpoints[].proxy). One
            that cannot be read counts as none; O(files) reports it.
        type: path
        default: ''
      needed_for:
        description: Which later step needs it, to be read in the result.
        type: str
        default: ''
  gpu:
    description:
      - V(required) fails unless GPU, driver and Docker's nvidia runtime are there.
      - V(auto) skips the check on a host without a GPU, and fails when a GPU is there but cannot
        be used.
      - V(absent) skips it everywhere.
    type: str
    choices: [required, auto, absent]
    default: auto
  commands:
    description: Commands that must be on the host's path.
    type: list
    elements: str
    default: []
  files:
    description:
      - Files and directories on the host that later steps will read; all that cannot be read are
        named in one check, which is left out when none is given.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where it has to be.
        type: path
        required: true
      variable:
        description: The variable in which the user named it, to be read in the result.
        type: str
        required: true
attributes:
  check_mode:
    support: full
    description: Can run in check mode; it changes nothing in either mode.
  diff_mode:
    support: none
    description: Returns details on what has changed (or possibly needs changing) in check mode.
  platform:
    support: full
    description: Target OS/families that can be operated against.
    platforms: posix
author:
  - stt.engine contributors (@stt-engine)
"""

EXAMPLES = r"""
- name: Look at the build server
  stt.engine.stt_host_check:
    root: /opt/stt
    need_docker_bytes: 20000000000
    need_root_bytes: 6000000000
    commands: [openssl, rsync]
    endpoints:
      - url: https://registry.access.redhat.com
        needed_for: R2 (the base image)
      - url: https://huggingface.co
        proxy: http://proxy.example.com:3128
  register: host

- name: Stop when something is missing
  ansible.builtin.assert:
    that: host.checks | rejectattr('status', 'in', ['passed', 'skipped']) | list | length == 0
"""

RETURN = r"""
checks:
  description: One result for each check, all with the step id R1.1.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The runbook's step.
      type: str
      sample: R1.1
    name:
      description:
        - C(docker_engine), C(buildx), C(architecture), C(disk_docker), C(disk_root), C(memory),
          C(commands), C(python), C(root_writable), C(reachability_HOST) for each endpoint, C(gpu).
      type: str
    status:
      description: C(passed), C(failed), C(error) or C(skipped).
      type: str
    expected:
      description: What was needed.
      type: str
    found:
      description: What was found.
      type: str
    fix:
      description: What to do; empty unless failed.
      type: str
    seconds:
      description: How long the check took.
      type: float
    evidence:
      description: Values behind the result; C(warning) when it passed with one.
      type: dict
facts:
  description: What later steps need to know of the host; empty texts where Docker does not answer.
  returned: always
  type: dict
  sample:
    docker_version: 26.1.5
    buildx_version: 0.13.1
    storage_driver: overlay2
    containerd_store: false
    data_root: /var/lib/docker
    free_docker_bytes: 180000000000
    free_root_bytes: 180000000000
    memory_bytes: 25276502016
    architecture: x86_64
    python_version: 3.11.7
    python_executable: /usr/bin/python3.11
    boot_id: 2f5ca56f-3ac9-4b6e-8d13-5a8bbcf8d0a3
    os: Red Hat Enterprise Linux 8.9 (Ootpa)
    gpu:
      present: false
      name: ''
      driver: ''
      device: false
      runtime: false
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._host_check import HostCheck
from ansible_collections.stt.engine.plugins.module_utils._host_check_needs import (
    NeededFile,
    Needs,
)
from ansible_collections.stt.engine.plugins.module_utils._host_check_reach import (
    Endpoint,
    proxy_in,
)
from ansible_collections.stt.engine.plugins.module_utils._hub_access import proxy_secrets


def make_endpoint(proxy: str, proxy_file: str, **fields: str) -> Endpoint:
    """The endpoint with the proxy that is given or lies in a file of this host."""
    return Endpoint(proxy=proxy or proxy_in(proxy_file), **fields)


def main() -> None:
    """Read the parameters, look, and speak to Ansible."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "required": True},
            "docker": {"type": "str", "default": "docker"},
            "minimum_engine": {"type": "str", "default": "23.0"},
            "minimum_buildx": {"type": "str", "default": "0.13"},
            "architecture": {"type": "str", "default": "x86_64"},
            "need_docker_bytes": {"type": "int", "default": 0},
            "need_root_bytes": {"type": "int", "default": 0},
            "recommended_free_bytes": {"type": "int", "default": 100000000000},
            "minimum_memory_bytes": {"type": "int", "default": 0},
            "endpoints": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "url": {"type": "str", "required": True},
                    "ca_bundle": {"type": "path", "default": ""},
                    "proxy": {"type": "str", "default": ""},
                    "proxy_file": {"type": "path", "default": ""},
                    "needed_for": {"type": "str", "default": ""},
                },
            },
            "gpu": {
                "type": "str",
                "choices": ["required", "auto", "absent"],
                "default": "auto",
            },
            "commands": {"type": "list", "elements": "str", "default": []},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "variable": {"type": "str", "required": True},
                },
            },
        },
        supports_check_mode=True,
    )
    params = module.params
    endpoints = [make_endpoint(**endpoint) for endpoint in params["endpoints"]]
    for endpoint in endpoints:
        module.no_log_values.update(proxy_secrets(endpoint.proxy) | proxy_secrets(endpoint.url))
    needs = Needs(
        root=Path(params["root"]),
        minimum_engine=params["minimum_engine"],
        minimum_buildx=params["minimum_buildx"],
        docker_bytes=params["need_docker_bytes"],
        root_bytes=params["need_root_bytes"],
        recommended_bytes=params["recommended_free_bytes"],
        memory_bytes=params["minimum_memory_bytes"],
        architecture=params["architecture"],
        endpoints=endpoints,
        gpu=params["gpu"],
        commands=params["commands"],
        files=[NeededFile(**file) for file in params["files"]],
    )
    try:
        host = HostCheck(DockerCli(params["docker"]), needs)
        checks, facts = host.run(), host.facts()
    except SttError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, checks=checks, facts=facts)


if __name__ == "__main__":
    main()
