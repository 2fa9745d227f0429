#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

DOCUMENTATION = r"""
module: stt_inputs
version_added: 0.1.0
short_description: Refuse unknown variables, malformed values and an empty group
description:
  - Judges what an operator gave, in the inventory and with C(-e), before anything is touched.
  - Every variable that begins with the name of one of this collection's roles and an underscore
    must be in that role's argument specification; a near miss is named.
  - Every value given must satisfy its specification, templates evaluated. A template that cannot be
    evaluated is a problem.
  - C(stt_root) must be an absolute path and C(stt_language) one of C(ko) and C(en);
    C(stt_self_test) is a boolean.
  - A path must begin with C(/) or C(~) and be without C($), because what reads it starts in more
    than one directory.
  - C(model_check_clips) and C(release_seal_clips), directories on this controller, must hold clips
    that the checks can use.
  - All problems are reported at once, one sentence each.
  - Runs on the controller only, as an action; it connects to nothing and changes nothing.
options:
  group:
    description:
      - The inventory group, or the host, whose variables are judged; it must be there and have
        hosts.
      - Without it, or when it has no hosts, the variables of the current host are judged.
    type: str
  hosts:
    description: How many hosts O(group) must have; V(0) accepts one or more.
    type: int
    default: 0
  roles:
    description: Roles whose required variables must have been given.
    type: list
    elements: str
    default: []
  patterns:
    description:
      - Regular expressions by variable.
      - A value that was given must match its expression from beginning to end.
    type: dict
    default: {}
  extras:
    description:
      - Regular expressions by variable, for what this playbook itself takes from C(-e), such as
        C(release).
      - Such a variable of another playbook, or one that is misspelt, is refused when C(-e) gave it.
    type: dict
    default: {}
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
- name: Inputs | Refuse unknown variables, malformed values and an empty group
  stt.engine.stt_inputs:
    group: build
    hosts: 1
    patterns:
      whisper_model_revision: '[0-9A-Za-z][0-9A-Za-z._/-]{0,254}'
"""

RETURN = r"""
hosts:
  description: The hosts whose variables were judged.
  returned: always
  type: list
  elements: str
  sample: [build-server]
problems:
  description: What was refused; empty on success.
  returned: always
  type: list
  elements: dict
  contains:
    object:
      description: The variable or group, with the hosts when it does not concern all of them.
      type: str
      sample: whisper_model_revison
    found:
      description: What was found.
      type: str
      sample: a variable that the role whisper_model does not know
    needed:
      description: What was needed.
      type: str
      sample: a variable of roles/whisper_model/meta/argument_specs.yml
    fix:
      description: What to do.
      type: str
      sample: did you mean whisper_model_revision?
"""
