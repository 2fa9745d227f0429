#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a model hub which commit a revision names and which files it holds."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stt_model_info
version_added: 0.1.0
short_description: Resolve a model's branch or tag to its commit and list its files
description:
  - Asks a model hub, or a mirror that speaks its protocol, which commit a branch or tag names at
    this moment, and which files that commit holds with their sizes and hashes.
  - Downloads nothing and writes nothing.
  - The token is sent over HTTPS or to this very host only, and appears in no command line,
    environment, log or result. TLS verification cannot be switched off.
options:
  endpoint:
    description: Address of the hub or mirror.
    type: str
    default: https://huggingface.co
  repository:
    description: Repository as OWNER/NAME.
    type: str
    required: true
  revision:
    description: Branch, tag or commit.
    type: str
    default: main
  tools_python:
    description: Python of an environment with huggingface_hub, as requirements/tools.txt locks it.
    type: path
    required: true
  ca_bundle:
    description:
      - File on the server with the certificate authorities to trust, in PEM form.
      - Without it the system's own are used.
    type: path
  proxy:
    description:
      - Address of an HTTP proxy; a host in C(no_proxy) of the environment is reached directly.
      - Without it C(http_proxy) and C(https_proxy) of the environment are used.
    type: str
  token_file:
    description: File on the server that holds the access token and nothing else.
    type: path
  token:
    description: The access token itself, from a vault; excludes O(token_file).
    type: str
  timeout:
    description: For how many seconds failures that pass by themselves are tried again.
    type: float
    default: 60
attributes:
  check_mode:
    support: full
    description: Can run in check mode; it changes nothing in either mode.
  diff_mode:
    support: none
    description: Has nothing to show, as it changes nothing.
  platform:
    support: full
    description: Target OS/families that can be operated against.
    platforms: linux
author:
  - stt.engine contributors (@stt-engine)
"""

EXAMPLES = r"""
- name: Ask which commit the branch main is today
  stt.engine.stt_model_info:
    repository: openai/whisper-large-v3-turbo
    revision: main
    tools_python: /opt/stt/tools/0123456789ab/bin/python
  register: model

- name: Ask a company's mirror behind its own certificate authority
  stt.engine.stt_model_info:
    endpoint: https://models.example.com
    repository: openai/whisper-large-v3-turbo
    revision: 41f01f3fe87f28c78e2fbf8b568835947dd65ed9
    tools_python: /opt/stt/tools/0123456789ab/bin/python
    ca_bundle: /etc/pki/tls/certs/company.pem
    token_file: /root/model-hub-token
  register: mirrored
"""

RETURN = r"""
commit:
  description: The commit that O(revision) names, 40 hexadecimal digits.
  returned: success
  type: str
  sample: 41f01f3fe87f28c78e2fbf8b568835947dd65ed9
files:
  description: The files of the commit, sorted by path.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Path inside the repository.
      type: str
      returned: always
    size:
      description: Size in bytes.
      type: int
      returned: always
    lfs:
      description: Whether the file is kept in large file storage, and so named by its SHA-256.
      type: bool
      returned: always
    sha256:
      description: SHA-256 of the content; null for a file that is not in large file storage.
      type: str
      returned: always
    git_sha1:
      description: Git's id of the content; null for a file in large file storage.
      type: str
      returned: always
  sample:
    - {path: config.json, size: 1256, lfs: false, sha256: null,
       git_sha1: 5a3c9dc3f1e9b2dbd0e9a9d26f1c1b2ac1fb0e3d}
bytes:
  description: Sum of all sizes.
  returned: success
  type: int
  sample: 1625586976
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._hub import check_repository, list_model
from ansible_collections.stt.engine.plugins.module_utils._hub_access import (
    HubAccess,
    checked_token,
    proxy_secrets,
    read_token,
)


def main() -> None:
    """Read the parameters, ask the hub, and speak to Ansible."""
    module = AnsibleModule(
        argument_spec={
            "endpoint": {"type": "str", "default": "https://huggingface.co"},
            "repository": {"type": "str", "required": True},
            "revision": {"type": "str", "default": "main"},
            "tools_python": {"type": "path", "required": True},
            "ca_bundle": {"type": "path"},
            "proxy": {"type": "str"},
            "token_file": {"type": "path", "no_log": False},
            "token": {"type": "str", "no_log": True},
            "timeout": {"type": "float", "default": 60},
        },
        mutually_exclusive=[("token", "token_file")],
        supports_check_mode=True,
    )
    params = module.params
    module.no_log_values.update(proxy_secrets(params["proxy"]))
    try:
        check_repository(params["repository"])
        token = (
            checked_token(params["token"], "token")
            if params["token"]
            else read_token(params["token_file"])
        )
        module.no_log_values.update({token} if token else set())
        tree = list_model(
            HubAccess(
                endpoint=params["endpoint"],
                token=token,
                ca_bundle=params["ca_bundle"] or None,
                proxy=params["proxy"] or None,
            ),
            params["repository"],
            params["revision"],
            params["tools_python"],
            patience=params["timeout"],
        )
    except SttError as error:
        module.fail_json(**error.result())
    module.exit_json(
        changed=False,
        commit=tree.commit,
        files=[file.as_dict() for file in tree.files],
        bytes=sum(file.size for file in tree.files),
    )


if __name__ == "__main__":
    main()
