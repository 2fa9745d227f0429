#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

DOCUMENTATION = r"""
module: stt_release_lock
version_added: 0.1.0
short_description: Read, compare and write the release lock
description:
  - The lock is one small sorted YAML file beside the inventory directory, committed by its user.
    Its key C(inputs) holds what a release is made of, C(expected_outputs) what must come out of it,
    and C(accepted_transcripts), if there is one, what a person has accepted as the text of
    recordings whose text nobody has typed.
  - What a release found is held against it. A key of the first level that the lock does not have
    yet is an addition; every other difference is drift.
  - Lists of files are compared by the files' C(path), whatever their order.
  - The file is replaced as a whole or not at all.
  - Runs on the controller only, as an action; it needs no connection to the host.
options:
  path:
    description: The lock file, usually C({{ inventory_dir }}.lock.yml).
    type: path
    required: true
  state:
    description:
      - V(read) reads the lock, reports drift and never writes.
      - V(present) writes a missing lock and additions, and fails on drift unless O(update) is true.
    type: str
    choices: [read, present]
    default: read
  inputs:
    description: What the release is made of. Empty means that it was not looked at.
    type: dict
    default: {}
  expected_outputs:
    description: What came out of the release. Empty means that it was not looked at.
    type: dict
    default: {}
  accepted_transcripts:
    description:
      - What was heard and is now accepted, as M(stt.engine.stt_model_verify) returns it; it takes
        the place of all that was accepted before, and is printed with O(state=present), so that a
        person reads it. Empty leaves what is there. It never is drift, and O(update) does not
        touch it.
    type: dict
    default: {}
  language:
    description: Language of what is printed.
    type: str
    choices: [en, ko]
    default: en
  update:
    description: Accept drift; O(inputs) or O(expected_outputs) that moved is written as given.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Can run in check mode; it predicts C(changed) and writes nothing.
  diff_mode:
    support: full
    description: Returns details on what has changed (or possibly needs changing) in check mode.
author:
  - stt.engine contributors (@stt-engine)
"""

EXAMPLES = r"""
- name: Read what is locked
  stt.engine.stt_release_lock:
    path: "{{ inventory_dir }}.lock.yml"
  register: locked

- name: Write the lock of a sealed release
  stt.engine.stt_release_lock:
    path: "{{ inventory_dir }}.lock.yml"
    state: present
    inputs:
      model:
        repository: openai/whisper-large-v3-turbo
        commit: 41f01f3fe87f28c78e2fbf8b568835947dd65ed9
    update: "{{ release_lock_update }}"
"""

RETURN = r"""
path:
  description: The lock file.
  returned: success
  type: str
  sample: /home/operator/stt/build.lock.yml
exists:
  description: Whether the file was there before.
  returned: success
  type: bool
  sample: true
inputs:
  description: The locked inputs, after writing if O(state=present).
  returned: success
  type: dict
  sample:
    model:
      commit: 41f01f3fe87f28c78e2fbf8b568835947dd65ed9
expected_outputs:
  description: The locked outputs, after writing if O(state=present).
  returned: success
  type: dict
  sample: {}
accepted_transcripts:
  description:
    - The accepted transcripts, after writing if O(state=present); empty when none ever was.
  returned: success
  type: dict
  sample: {}
drift:
  description: What moved since the lock was written; with O(update) what was accepted.
  returned: success, and when the lock refuses the release
  type: list
  elements: dict
  contains:
    path:
      description: The place within the lock.
      type: str
      sample: inputs.model.commit
    locked:
      description: The locked value; null when the lock has none there.
      type: raw
      sample: 41f01f3fe87f28c78e2fbf8b568835947dd65ed9
    found:
      description: The value found; null when there is none.
      type: raw
      sample: 0000000000000000000000000000000000000000
    fix:
      description: What to do.
      type: str
      sample: bring inputs.model.commit back to what is locked, or accept what was found
additions:
  description: Keys of the first level that the lock did not have.
  returned: success
  type: list
  elements: str
  sample: [expected_outputs.model]
"""
