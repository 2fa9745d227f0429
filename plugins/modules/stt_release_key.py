#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

DOCUMENTATION = r"""
module: stt_release_key
version_added: 0.1.0
short_description: Bring the key that signs a release out of a vault
description:
  - Names the file that openssl reads the private key from.
  - A key that is given as text, or a file that C(ansible-vault) encrypted, is written to Ansible's
    temporary directory on the controller, which only its user may read (mode 0600), and which
    Ansible removes at the end of the run. Any other file is named as it is, whether it exists or
    not.
  - Runs on the controller only, as an action; it needs no connection to the host.
options:
  key_file:
    description: The private key in PEM form, also one that C(ansible-vault) encrypted.
    type: path
    required: true
  key:
    description: The private key itself in PEM form; it goes before O(key_file).
    type: str
    default: ''
attributes:
  check_mode:
    support: full
    description: Can run in check mode; it does the same there.
  diff_mode:
    support: none
    description: Returns details on what has changed (or possibly needs changing) in check mode.
author:
  - stt.engine contributors (@stt-engine)
"""

EXAMPLES = r"""
- name: The key of a file that ansible-vault may have encrypted
  stt.engine.stt_release_key:
    key_file: ~/.config/stt-engine/release.pem
  register: key

- name: A key that a variable of the vault holds
  stt.engine.stt_release_key:
    key_file: ~/.config/stt-engine/release.pem
    key: "{{ vault_release_key }}"
  register: key
  no_log: true
"""

RETURN = r"""
path:
  description: The file that holds the key in plain PEM form.
  returned: success
  type: str
  sample: /home/operator/.config/stt-engine/release.pem
from_vault:
  description: Whether it is a private copy that ends with the run.
  returned: success
  type: bool
  sample: false
"""
