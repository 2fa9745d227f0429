#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

DOCUMENTATION = r"""
module: stt_release_files
version_added: 0.1.0
short_description: List and sign the files of a sealed release
description:
  - Writes C(SHA256SUMS), which names every other file of the release's directory with its SHA-256
    in the format of C(sha256sum), and signs it with ECDSA P-256 into C(SHA256SUMS.sig).
  - With it the release's C(verify.sh), stock openssl and C(sha256sum) prove the whole directory.
  - Run it last, when manifest, report and logs are written.
  - Signed is what every run makes, what this one O(brought), and what the list that is there names,
    if this key signed it. Anything else is refused, such as a log or report of an earlier run that
    was edited, whatever became of the list. Without a key whatever list is there counts.
  - Links, and names that C(sha256sum) would have to escape, are refused.
  - The list is renewed for a report that only has other times, which does not count as a change.
  - The callback P(stt.engine.stt_timeline#callback) completes the report after the last task, and
    signs the list again with the same key.
  - Runs on the controller only, as an action; it needs no connection to the host.
options:
  dest:
    description: The release's directory on the controller.
    type: path
    required: true
  brought:
    description:
      - Names within O(dest) of what this run fetched, such as V(logs/build.log.gz).
      - They may differ from what was signed before.
    type: list
    elements: str
    default: []
  key_file:
    description:
      - The private key in PEM form, which only its owner may read.
      - It is required unless O(unsigned) is true, and then it must be missing.
    type: path
  unsigned:
    description: Write the list without a signature.
    type: bool
    default: false
  openssl:
    description: The openssl command on the controller, 1.1.1 or newer.
    type: str
    default: openssl
attributes:
  check_mode:
    support: full
    description: Can run in check mode and return changed status without writing anything.
  diff_mode:
    support: none
    description: Returns details on what has changed (or possibly needs changing) in check mode.
seealso:
  - module: stt.engine.stt_release_manifest
  - module: stt.engine.stt_release_report
author:
  - stt.engine contributors (@stt-engine)
"""

EXAMPLES = r"""
- name: List and sign the release's files
  stt.engine.stt_release_files:
    dest: "{{ playbook_dir }}/releases/{{ release }}"
    brought: [logs/build.log.gz, logs/fetch.log.gz]
    key_file: ~/.config/stt-engine/release.pem
"""

RETURN = r"""
path:
  description: The list.
  returned: success
  type: str
  sample: /home/operator/stt/releases/cuda129-rhel89-v1.2-3f2a9c51d07e/SHA256SUMS
signature:
  description: Its signature; empty for a release that is unsigned.
  returned: success
  type: str
  sample: /home/operator/stt/releases/cuda129-rhel89-v1.2-3f2a9c51d07e/SHA256SUMS.sig
files:
  description: The names on the list, sorted.
  returned: success
  type: list
  elements: str
  sample: [junit.xml, logs/build.log.gz, manifest.json]
reason:
  description: Why it was written, or empty.
  returned: success
  type: str
  sample: the list there differs in logs/build.log.gz
key_file:
  description: The private key's file, by which the callback signs again; empty when unsigned.
  returned: success
  type: str
  sample: /home/operator/.config/stt-engine/release.pem
openssl:
  description: The openssl command that signed.
  returned: success
  type: str
  sample: openssl
"""
