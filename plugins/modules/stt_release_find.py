#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

DOCUMENTATION = r"""
module: stt_release_find
version_added: 0.1.0
short_description: Find the sealed release that is meant, or that a host runs
description:
  - Looks through the sealed releases in a directory of the controller.
  - A release that was named is found by its id. Without a name it is the one whose image, and if
    several share that, whose model a running service has; else the newest that the host records;
    else the newest in O(directory).
  - Reads manifests without proving them.
  - Runs on the controller only, as an action; it needs no connection to the host.
options:
  directory:
    description: The directory of all releases.
    type: path
    required: true
  release:
    description: The id of the release, or C(latest) for what the link of that name points at.
    type: str
    default: ''
  services:
    description: What runs on the host, as M(stt.engine.stt_service_info) returns it.
    type: list
    elements: dict
    default: []
  recorded:
    description: What is recorded on the host, as M(stt.engine.stt_service_info) returns it.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Can run in check mode; it changes nothing in either mode.
  diff_mode:
    support: none
    description: Returns details on what has changed (or possibly needs changing) in check mode.
author:
  - stt.engine contributors (@stt-engine)
"""

EXAMPLES = r"""
- name: What runs on the host
  stt.engine.stt_service_info:
    root: /opt/stt
  register: running

- name: Which release that is
  stt.engine.stt_release_find:
    directory: "{{ playbook_dir }}/releases"
    services: "{{ running['services'] }}"
    recorded: "{{ running['recorded'] }}"
"""

RETURN = r"""
release:
  description: The release's id.
  returned: success
  type: str
  sample: cuda129-rhel89-v1.2-3f2a9c51d07e
path:
  description: The release's directory on the controller.
  returned: success
  type: str
  sample: /home/operator/stt/releases/cuda129-rhel89-v1.2-3f2a9c51d07e
reason:
  description: How it was found.
  returned: success
  type: str
  sample: the container stt runs it
"""
