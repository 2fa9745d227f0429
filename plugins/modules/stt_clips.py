#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

DOCUMENTATION = r"""
module: stt_clips
version_added: 0.1.0
short_description: Read a directory of clips, and choose one to send to a running service
description:
  - Reads C(clips.json) in a directory of the controller by the same rules as the checks of R5 do,
    and refuses a directory that they would refuse.
  - Lists the files that belong to the clips, so that nothing else in the directory is carried
    anywhere.
  - With a sealed release's report it chooses a recording of speech as well. The first choice is one
    whose text the release's own service gave when it was sealed, which is decided by the
    recording's SHA-256 and not by its name; then any other one. A short one is preferred.
  - Runs on the controller only, as an action; it needs no connection to the host.
options:
  directory:
    description: The directory with C(clips.json) and recordings.
    type: path
    required: true
  report:
    description: The C(report.json) of a sealed release. Without it no recording is chosen.
    type: path
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
- name: Which files belong to the clips
  stt.engine.stt_clips:
    directory: ~/our-recordings
  register: clips

- name: Pack them, and nothing else that lies there
  stt.engine.stt_bundle:
    path: ~/our-recordings
    files: "{{ clips['files'] }}"
    dest: ~/.cache/stt-engine/clips
    name: clips
  delegate_to: localhost
"""

RETURN = r"""
files:
  description: Paths below O(directory) of C(clips.json) and of every recording in it, sorted.
  returned: success
  type: list
  elements: str
  sample: [clips.json, order-friday.wav]
recording:
  description: What to send, as M(stt.engine.stt_service_verify) takes it.
  returned: when O(report) is given and somebody speaks in a clip
  type: dict
  contains:
    name:
      description: The file's name without folders.
      type: str
      returned: always
    content:
      description: The file in base64.
      type: str
      returned: always
    text:
      description: What the release's own service gave for it, or empty where that is not known.
      type: str
      returned: always
    limit:
      description: The share of its letters in which an answer may differ.
      type: float
      returned: always
  sample:
    name: order-friday.wav
    content: UklGRg==
    text: 금요일에 도착한다고 하셨는데요.
    limit: 0.1
timeout:
  description: For how many seconds an answer is to be waited for.
  returned: with RV(recording)
  type: int
  sample: 120
"""
