#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

DOCUMENTATION = r"""
module: stt_release_compare
version_added: 0.1.0
short_description: Say what differs between two sealed releases
description:
  - Compares the manifests, reports and bills of materials of two sealed releases on the controller.
  - Told are packages, image layers, model files, quantizations, checks that ended otherwise,
    transcripts clip by clip, inputs and versions, and how many bytes a host that has the first
    release would need for the second.
  - Prints that, and keeps it in the directory C(compare) below O(directory) as a page in the
    report's style and as JSON, both named C(FROM..TO). They change only when what they say does.
  - Both releases are proven first, by O(prove) if it is given. Without it, or for a release that is
    unsigned and may be so by O(allow_unsigned), the files are held against the release's own list
    C(SHA256SUMS), and the comparison says so. A release that does not hold is refused.
  - A release that is compared with itself is said to be the same; nothing is written then.
  - Runs on the controller only, as an action; it needs no connection to the host.
options:
  directory:
    description: The directory of all releases.
    type: path
    required: true
  from:
    description:
      - Id of the first release, or C(latest).
      - By default the one that was sealed before O(to).
    type: str
    default: ''
  to:
    description:
      - Id of the second release, or C(latest).
      - By default the one that was sealed last.
    type: str
    default: ''
  prove:
    description:
      - A command that proves a release when the options and the directory for C(verify.sh) are
        appended to it.
      - Empty where the key that sealed is not known.
    type: list
    elements: str
    default: []
  allow_unsigned:
    description:
      - Compare a release that says it is unsigned, and has no signature, although O(prove) is
        given.
      - Without this it is refused, because whoever edits a release can write that into it.
    type: bool
    default: false
  language:
    description: The language of page and lines.
    type: str
    choices: [ko, en]
    default: en
  print:
    description: Print the comparison.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Can run in check mode; it prints and predicts C(changed), and writes nothing.
  diff_mode:
    support: none
    description: Returns details on what has changed (or possibly needs changing) in check mode.
author:
  - stt.engine contributors (@stt-engine)
"""

EXAMPLES = r"""
- name: What is new in the newest release
  stt.engine.stt_release_compare:
    directory: "{{ playbook_dir }}/releases"
    prove: [sh, verify.sh, /home/auditor/release.pub]
"""

RETURN = r"""
comparison:
  description: All that differs, in the form that is written as JSON.
  returned: success
  type: dict
  sample:
    format: 1
    same: false
    bytes:
      layers_uncompressed: 2100000
      models: 0
      total: 2100000
lines:
  description: The printed lines.
  returned: success
  type: list
  elements: str
  sample:
    - stt.engine releases compared
paths:
  description: The files with the comparison; empty for a release and itself.
  returned: success
  type: dict
  sample:
    html: /home/operator/stt/releases/compare/a..b.html
    json: /home/operator/stt/releases/compare/a..b.json
"""
