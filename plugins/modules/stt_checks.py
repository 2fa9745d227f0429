#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

DOCUMENTATION = r"""
module: stt_checks
version_added: 0.1.0
short_description: Turn statements into check results and stop when one of them does not hold
description:
  - Evaluates statements on the controller and returns one check result for each.
  - Fails when any result is C(failed) or C(error), naming every one of them with what was found,
    what was expected and how to fix it.
  - Runs on the controller only, touches nothing and needs no connection to the host.
options:
  checks:
    description: Statements to evaluate.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: The runbook's step id, such as V(R2.3).
        type: str
        required: true
      name:
        description: The check's name, unique within its step.
        type: str
        required: true
      that:
        description: The check passes when every one of these is true.
        type: list
        elements: bool
        required: true
      expected:
        description: What was needed, as a sentence.
        type: str
        required: true
      found:
        description: What was found, as a sentence.
        type: str
        required: true
      fix:
        description: What to do when it does not hold.
        type: str
        required: true
      seconds:
        description: How long finding out took.
        type: float
        default: 0.0
      evidence:
        description: Values that support the result.
        type: dict
        default: {}
      skip_reason:
        description:
          - Why the statement cannot be judged here. When given, the result is a skip with this
            reason.
        type: str
        default: ''
  results:
    description: Check results that another task returned; they are judged together with O(checks).
    type: list
    elements: dict
    default: []
  kept:
    description:
      - Say that M(stt.engine.stt_phase) has kept the results for the report. A failure is then
        short, and RV(checks) is left out of it, because Ansible prints all that a failed task
        returns.
    type: bool
    default: false
  log_path:
    description: The log on the host that tells more; a failure with O(kept) returns it.
    type: str
    default: ''
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
- name: Confirm the image
  stt.engine.stt_checks:
    checks:
      - id: R2.3
        name: library_path
        that: "{{ 'LD_LIBRARY_PATH' in environment }}"
        expected: LD_LIBRARY_PATH is set in the image
        found: "{{ environment }}"
        fix: Set LD_LIBRARY_PATH in the Dockerfile.
"""

RETURN = r"""
checks:
  description: O(results) followed by one result for each of O(checks).
  returned: always, but for a failure with O(kept)
  type: list
  elements: dict
  sample:
    - id: R2.3
      name: library_path
      status: passed
      expected: LD_LIBRARY_PATH is set in the image
      found: /opt/app-root/lib
      fix: ''
      seconds: 0.0
      evidence: {}
verdict:
  description: V(failed) when any result is failed or an error, otherwise V(passed).
  returned: always
  type: str
  sample: passed
log_path:
  description: O(log_path).
  returned: failure with O(kept)
  type: str
  sample: /opt/stt/releases/unsealed/logs/R5-20260131T081500000000Z.log
"""
