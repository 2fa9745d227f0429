#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch one commit of a model, whole and by hash, or not at all."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stt_model_fetch
version_added: 0.1.0
short_description: Fetch a model by commit, every file by its hash
description:
  - Brings one commit of a model repository to C(ROOT/models/NAME/COMMIT), where NAME is the
    repository with C(/) replaced by C(_). The directory holds the chosen files of the repository
    and nothing else; C(COMMIT.manifest.json) beside it holds their hashes.
  - Asks the hub for the list of files first, and begins only when the required files are in it and
    the file system has room.
  - Downloads into C(ROOT/staging), several ranges of one file at a time. What a killed or broken
    download has brought stays there and is used by the next run.
  - Every file is hashed while it arrives (SHA-256 for large file storage, git's blob id for the
    others). Wrong content is downloaded again, at most twice, and never published.
  - Files are published by one rename, readable by every user and writable by none.
  - The download is a job in O(jobs_root) that outlives a lost connection. A second call attaches
    to it when its O(endpoint), O(source_path), O(transport), O(files) and O(expected_files) are
    those of the job; otherwise it fails at once and says what differs, because one commit in one
    place has one job at a time. All other options do not matter for that, the token included.
  - A model that is published is not asked for again. Files whose size, times or inode number have
    moved since their hash was taken are hashed anew; V(full) in O(verify) hashes all. Only files
    that are missing or damaged are then downloaded, and files that do not belong to the commit are
    removed.
  - Failures that pass by themselves (broken connections, HTTP 429 and 5xx) are tried again as long
    as data arrives within O(stall_seconds); Retry-After is honoured.
  - When something else fills the disk, the job says so and what was fetched is kept.
  - The token is sent over HTTPS or to this very host only, and appears in no command line,
    environment, log or result. TLS verification cannot be switched off.
options:
  endpoint:
    description: Address of the hub or of a mirror that speaks its protocol.
    type: str
    default: https://huggingface.co
  repository:
    description: Repository as OWNER/NAME.
    type: str
    required: true
  commit:
    description: Commit of 40 hexadecimal digits. M(stt.engine.stt_model_info) resolves a branch.
    type: str
    required: true
  root:
    description: Directory that holds C(models) and C(staging), on one file system.
    type: path
    required: true
  files:
    description:
      - Shell patterns of the wanted files. A pattern that begins with C(!) leaves out again.
    type: list
    elements: str
    default: ["*.json", "*.txt", "*.model", model.safetensors, "model-*.safetensors", "!*/*"]
  required_files:
    description:
      - Files that must be among the wanted ones. C(a|b) is satisfied by either of the two.
    type: list
    elements: str
    default:
      - config.json
      - tokenizer.json
      - preprocessor_config.json
      - model.safetensors|model.safetensors.index.json
  expected_files:
    description:
      - Exactly the files that the commit must have, as C(files) of an earlier result listed them.
      - Any difference is an error that names it.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path inside the repository.
        type: str
        required: true
      size:
        description: Size in bytes.
        type: int
        required: true
      sha256:
        description: SHA-256 of the content.
        type: str
        required: true
  source_path:
    description:
      - Directory or archive on the server with a model that was brought by hand, instead of the
        hub. An archive is a tar (plain or compressed with gzip, bzip2 or xz) or a zip.
      - The wanted files are copied once through, hashed while they are copied, and published only
        when all are right; nothing else is unpacked. They may lie on top or in directories of any
        depth, in a directory as in an archive; of several files with one name the first with the
        right size and hash is taken. A directory in it that cannot be read stops nothing unless a
        file is missing. Links in a directory are followed for reading; links in an archive are
        refused.
      - The hashes are those of O(expected_files). Without it a manifest of another server's store,
        C(models/NAME/COMMIT.manifest.json), for the same commit and O(files) must lie beside or in
        the directory or archive, at any depth; in a compressed archive it must come first.
        RV(trust) and RV(reason) then say so.
      - Once the model is published it is not looked at any more.
    type: path
  transport:
    description:
      - V(http) downloads ranges over plain HTTP, with resumption and little memory.
      - V(xet) lets huggingface_hub with hf-xet bring the files of large file storage, in a process
        that is ended when no new byte arrives. What it brings is hashed and published like
        everything else; a broken download begins anew. It needs a tools environment made from
        requirements/tools-xet.txt.
      - V(xet) has not been tried against a real Xet service, and its memory has no limit.
    type: str
    choices: [http, xet]
    default: http
  tools_python:
    description:
      - Python of an environment with huggingface_hub, as requirements/tools.txt locks it.
      - Needed when there is something to fetch from a hub.
    type: path
  streams:
    description:
      - How many ranges are downloaded at once, from 1 to 64.
      - Hubs and proxies often limit each connection; eight of them fill a line of 1 Gbit/s when
        one gets 125 Mbit/s.
    type: int
    default: 8
  chunk_bytes:
    description:
      - Length of a range in bytes, at least 65536. A killed download repeats at most one for each
        stream.
    type: int
    default: 8388608
  stall_seconds:
    description:
      - The download fails when no new byte arrives for so many seconds. A single connection that
        is silent for a third of it is replaced.
    type: float
    default: 60
  verify:
    description:
      - V(manifest) hashes published files whose size, times or inode number have moved.
      - V(full) hashes all of them.
    type: str
    choices: [manifest, full]
    default: manifest
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
  jobs_root:
    description: Directory of the jobs; C(ROOT/jobs) by default.
    type: path
  wait:
    description: Whether to wait for the job's end; V(false) only starts it.
    type: bool
    default: true
  timeout:
    description:
      - For how many seconds to wait. The module then fails, the job goes on.
      - Without it the wait has no limit of its own.
    type: float
attributes:
  check_mode:
    support: full
    description:
      - Can run in check mode and predicts the change. It asks the hub for the list of files when
        the model is not there, and writes nothing.
  diff_mode:
    support: full
    description: Lists the files with size and hash, before and after.
  platform:
    support: full
    description: Target OS/families that can be operated against.
    platforms: linux
seealso:
  - module: stt.engine.stt_model_info
author:
  - stt.engine contributors (@stt-engine)
"""

EXAMPLES = r"""
- name: Fetch a model
  stt.engine.stt_model_fetch:
    repository: openai/whisper-large-v3-turbo
    commit: 41f01f3fe87f28c78e2fbf8b568835947dd65ed9
    root: /opt/stt
    tools_python: /opt/stt/tools/0123456789ab/bin/python
  register: model

- name: Start the download and go on with other work
  stt.engine.stt_model_fetch:
    repository: openai/whisper-large-v3-turbo
    commit: 41f01f3fe87f28c78e2fbf8b568835947dd65ed9
    root: /opt/stt
    tools_python: /opt/stt/tools/0123456789ab/bin/python
    wait: false

- name: Hash every file again and repair what is damaged
  stt.engine.stt_model_fetch:
    repository: openai/whisper-large-v3-turbo
    commit: 41f01f3fe87f28c78e2fbf8b568835947dd65ed9
    root: /opt/stt
    tools_python: /opt/stt/tools/0123456789ab/bin/python
    verify: full

- name: Take the same model from a disk that was brought by hand
  stt.engine.stt_model_fetch:
    repository: openai/whisper-large-v3-turbo
    commit: 41f01f3fe87f28c78e2fbf8b568835947dd65ed9
    root: /opt/stt
    source_path: /mnt/usb/whisper-large-v3-turbo.tar
    expected_files: "{{ model.files }}"

- name: Take it with the manifest of another server's store, models/openai_whisper-large-v3-turbo/
  stt.engine.stt_model_fetch:
    repository: openai/whisper-large-v3-turbo
    commit: 41f01f3fe87f28c78e2fbf8b568835947dd65ed9
    root: /opt/stt
    source_path: /mnt/usb/openai_whisper-large-v3-turbo
"""

RETURN = r"""
path:
  description: Directory of the published model.
  returned: success
  type: str
  sample: /opt/stt/models/openai_whisper-large-v3-turbo/41f01f3fe87f28c78e2fbf8b568835947dd65ed9
commit:
  description: The commit, as given.
  returned: success
  type: str
  sample: 41f01f3fe87f28c78e2fbf8b568835947dd65ed9
files:
  description:
    - The files of the model, sorted by path. In check mode, or while a job runs that this call
      has started, those that the hub lists, with a null RV(files[].sha256) where the list does not
      tell it. Empty while a job runs that this call has not started.
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
    sha256:
      description: SHA-256 of the content.
      type: str
      returned: always
bytes_downloaded:
  description: Bytes that this fetch transferred or copied, repeats included.
  returned: success
  type: int
  sample: 1625586976
bytes_resumed:
  description: Bytes that an earlier, interrupted fetch had left.
  returned: success
  type: int
  sample: 0
bytes_planned:
  description: Bytes still to be transferred when the fetch began; in check mode the prediction.
  returned: success
  type: int
  sample: 1625586976
repeated:
  description: Files whose content was wrong at first and was downloaded again.
  returned: success
  type: list
  elements: str
  sample: []
reason:
  description: Why there was something to do; empty when there was nothing.
  returned: success
  type: str
  sample: it is not there yet
trust:
  description:
    - On whose word the hashes are that the files were judged by.
    - V(lock) is O(expected_files), V(hub) the hub's list of files, V(manifest) a manifest that was
      brought by hand with the files. Empty while a job runs that this call has not started.
  returned: success
  type: str
  sample: lock
seconds:
  description: Seconds that the fetch took; without one, the look at the published files.
  returned: success
  type: float
  sample: 32.5
log_path:
  description: Log of the job that fetched the model; empty when there is none.
  returned: success
  type: str
  sample: /opt/stt/jobs/fetch-0f343b093112/job.log.gz
job:
  description: The job while it runs.
  returned: when O(wait=false) and the job runs
  type: dict
  contains:
    status:
      description: V(running).
      type: str
      returned: always
    progress:
      description: Phase, bytes, total and rate in bytes per second.
      type: dict
      returned: always
    log_path:
      description: Log of the job.
      type: str
      returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._fetch_parameters import (
    make_fetch,
    make_waiting,
)
from ansible_collections.stt.engine.plugins.module_utils._fetch_run import run_fetch
from ansible_collections.stt.engine.plugins.module_utils._fetch_select import (
    DEFAULT_PATTERNS,
    DEFAULT_REQUIRED,
)
from ansible_collections.stt.engine.plugins.module_utils._hub_access import proxy_secrets


def main() -> None:
    """Read the parameters, fetch, and speak to Ansible."""
    module = AnsibleModule(
        argument_spec={
            "endpoint": {"type": "str", "default": "https://huggingface.co"},
            "repository": {"type": "str", "required": True},
            "commit": {"type": "str", "required": True},
            "root": {"type": "path", "required": True},
            "files": {"type": "list", "elements": "str", "default": list(DEFAULT_PATTERNS)},
            "required_files": {
                "type": "list",
                "elements": "str",
                "default": list(DEFAULT_REQUIRED),
            },
            "expected_files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "str", "required": True},
                    "size": {"type": "int", "required": True},
                    "sha256": {"type": "str", "required": True},
                },
            },
            "source_path": {"type": "path"},
            "transport": {"type": "str", "choices": ["http", "xet"], "default": "http"},
            "tools_python": {"type": "path"},
            "streams": {"type": "int", "default": 8},
            "chunk_bytes": {"type": "int", "default": 8388608},
            "stall_seconds": {"type": "float", "default": 60},
            "verify": {"type": "str", "choices": ["manifest", "full"], "default": "manifest"},
            "ca_bundle": {"type": "path"},
            "proxy": {"type": "str"},
            "token_file": {"type": "path", "no_log": False},
            "token": {"type": "str", "no_log": True},
            "jobs_root": {"type": "path"},
            "wait": {"type": "bool", "default": True},
            "timeout": {"type": "float"},
        },
        mutually_exclusive=[("token", "token_file")],
        supports_check_mode=True,
    )
    module.no_log_values.update(proxy_secrets(module.params["proxy"]))
    try:
        fetch = make_fetch(module.params)
        token = fetch.settings.access.token
        module.no_log_values.update({token} if token else set())
        result = run_fetch(fetch, make_waiting(module.params), check_mode=module.check_mode)
    except SttError as error:
        module.fail_json(**error.result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
