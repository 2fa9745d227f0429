#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

DOCUMENTATION = r"""
module: stt_phase
version_added: 0.1.0
short_description: Keep when a phase of the release began and ended
description:
  - Keeps the beginning and the end of each phase as the host's fact C(stt_release_phases),
    and every check result handed to it as the fact C(stt_release_checks).
  - Phases may overlap, as the image build and the model's download do.
  - Facts of an earlier run of C(ansible-playbook), as a fact cache keeps them, are left behind.
  - Runs on the controller only, as an action; it needs no connection and is never C(changed).
options:
  phase:
    description: The phase of the runbook.
    type: str
    required: true
    choices: [R1, R2, R3, R4, R5, R6]
  state:
    description:
      - V(started) begins the phase, or begins it again.
      - V(finished) ends it; it must have begun.
    type: str
    required: true
    choices: [started, finished]
  changed:
    description: Whether the phase changed anything; once true it stays true for the run.
    type: bool
    default: false
  checks:
    description: The check results of this phase; its status is judged by them.
    type: list
    elements: dict
    default: []
attributes:
  check_mode:
    support: full
    description: Can run in check mode; it keeps facts in either mode and changes nothing else.
  diff_mode:
    support: none
    description: Returns details on what has changed (or possibly needs changing) in check mode.
author:
  - stt.engine contributors (@stt-engine)
"""

EXAMPLES = r"""
- name: R4 | Begin the phase
  stt.engine.stt_phase:
    phase: R4
    state: started

- name: R4 | End the phase
  stt.engine.stt_phase:
    phase: R4
    state: finished
    checks: "{{ verified['checks'] }}"
"""

RETURN = r"""
phases:
  description:
    - Every phase that has begun, in the order of the beginnings.
    - A phase that has ended also has C(finished), C(seconds), C(changed) and C(status), which is
      V(passed), V(failed) or V(skipped).
  returned: success
  type: list
  elements: dict
  sample:
    - id: R4
      started: "2026-01-31T08:15:00.250Z"
      finished: "2026-01-31T08:15:12.750Z"
      seconds: 12.5
      changed: false
      status: passed
ansible_facts:
  description: The facts that are kept for the host.
  returned: success
  type: dict
  contains:
    stt_release_phases:
      description: The same as RV(phases).
      type: list
      elements: dict
      sample: []
    stt_release_checks:
      description: All check results so far, the newest of each id and name.
      type: list
      elements: dict
      sample: []
    stt_release_run:
      description: Which run of C(ansible-playbook) the facts belong to.
      type: str
      sample: "4711"
"""
