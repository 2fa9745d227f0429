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
    to it.
  - A model that is published is not asked for again. Files whose size, times or inode number have
    moved since their hash was taken are hashed anew; V(full) in O(verify) hashes all. Only files
    that are missing or damaged are then downloaded, and files that do not belong to the commit are
    removed.
  - Failures that pass by themselves (broken connections, HTTP 429 and 5xx) are tried again as long
    as data arrives within O(stall_seconds); Retry-After is honoured.
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
      - Directory on the server with a model that was brought by hand, instead of the hub. Its
        files are copied after the same checks; needs O(expected_files).
    type: path
  tools_python:
    description:
      - Python of an environment with huggingface_hub, as requirements/tools.txt locks it.
      - Needed when there is something to fetch from a hub.
    type: path
  streams:
    description: How many ranges are downloaded at once, from 1 to 64.
    type: int
    default: 4
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
    source_path: /mnt/usb/whisper-large-v3-turbo
    expected_files: "{{ model.files }}"
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
    - The files of the model, sorted by path. In check mode, or while the job runs, those that the
      hub lists, with a null RV(files[].sha256) where the list does not tell it.
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
  description: Bytes that this fetch transferred, repeats included.
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
seconds:
  description: Seconds that the fetch took; without one, the look at the published files.
  returned: success
  type: float
  sample: 32.5
log_path:
  description: Log of the job.
  returned: when there is a job
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

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._fetch_model import (
    FetchSettings,
    ModelFetch,
    Plan,
    check_writable,
)
from ansible_collections.stt.engine.plugins.module_utils._fetch_select import (
    DEFAULT_PATTERNS,
    DEFAULT_REQUIRED,
    Selection,
    parse_expected,
)
from ansible_collections.stt.engine.plugins.module_utils._hub import check_commit, check_repository
from ansible_collections.stt.engine.plugins.module_utils._hub_access import (
    HubAccess,
    checked_token,
    proxy_secrets,
    read_token,
)
from ansible_collections.stt.engine.plugins.module_utils._jobs import Job, JobState

_LEAST_CHUNK_BYTES = 65536
_MOST_STREAMS = 64


def build(params: dict[str, Any]) -> ModelFetch:
    """Turn the parameters into a fetch; everything that can be judged by itself is judged here."""
    check_repository(params["repository"])
    check_commit(params["commit"])
    _check_range("streams", params["streams"], 1, _MOST_STREAMS)
    _check_range("chunk_bytes", params["chunk_bytes"], _LEAST_CHUNK_BYTES, 1 << 30)
    _check_range("stall_seconds", params["stall_seconds"], 1, 86400)
    root = Path(params["root"])
    if not root.is_absolute():
        raise SttError("root", found=repr(str(root)), needed="an absolute path", fix="correct root")
    check_writable(root)
    check_writable(jobs_root(params))
    token = (
        checked_token(params["token"], "token")
        if params["token"]
        else read_token(params["token_file"])
    )
    access = HubAccess(
        endpoint=params["endpoint"],
        token=token,
        ca_bundle=params["ca_bundle"] or None,
        proxy=params["proxy"] or None,
    )
    selection = Selection(
        repository=params["repository"],
        commit=params["commit"],
        patterns=tuple(params["files"]),
        required=tuple(params["required_files"]),
        expected=parse_expected(params["expected_files"]),
    )
    settings = FetchSettings(
        root=root,
        access=access,
        tools_python=params["tools_python"] or None,
        source_path=Path(params["source_path"]) if params["source_path"] else None,
        streams=params["streams"],
        chunk_bytes=params["chunk_bytes"],
        stall_seconds=params["stall_seconds"],
        full=params["verify"] == "full",
    )
    return ModelFetch(selection, settings)


def jobs_root(params: dict[str, Any]) -> Path:
    """Where the jobs are kept."""
    return Path(params["jobs_root"] or Path(params["root"]) / "jobs")


def run(fetch: ModelFetch, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """See what is to do, do it, and return the module's result."""
    began = time.monotonic()
    before = [_line(file.as_dict()) for file in fetch.published.files()]
    result: dict[str, Any] = {
        "changed": False,
        "path": str(fetch.published.directory),
        "commit": fetch.selection.commit,
        "bytes_downloaded": 0,
        "bytes_resumed": 0,
        "bytes_planned": 0,
        "repeated": [],
        "reason": "",
    }
    job = Job(jobs_root(params), "fetch", fetch.key, _inputs(params))
    for _attempt in range(2):
        reason = fetch.needs_fetch()
        if reason is None:
            break
        result.update(changed=True, reason=result["reason"] or reason)
        attached = not check_mode and job.state().status == "running"
        if not attached:
            plan = fetch.plan()
            result["bytes_planned"] = plan.bytes_planned
            if check_mode:
                return _finish(result, _planned(plan), before, began)
            job.start(fetch.work)
        if not params["wait"]:
            state = job.state()
            if state.status == "running":
                files = [] if attached else _planned(plan)
                result.update(job=_job(state), log_path=state.log_path)
                return _finish(result, files, before, began)
        state = _ended(job, params["timeout"])
        result.update({**(state.result or {}), "log_path": state.log_path})
    else:
        raise SttError(
            fetch.selection.name,
            found=f"still not as it should be after the fetch: {fetch.needs_fetch()}",
            needed="a model that stays as it was published",
            fix=f"see what else writes to {fetch.published.directory}",
        )
    if not check_mode:
        fetch.published.refresh_stamps()
    return _finish(result, [file.as_dict() for file in fetch.published.files()], before, began)


def _ended(job: Job, timeout: float | None) -> JobState:
    """Wait for the job; its failure is raised as it was in the job."""
    state = job.wait(timeout)
    failure = job.failure(state)
    if failure is not None:
        failure.details.setdefault("log_tail", job.log_tail())
        raise failure
    if state.status == "running":
        raise SttError(
            f"job {job.name}",
            found=f"it still runs after {timeout:g} s: {state.progress}",
            needed="its end",
            fix="run again to attach to it, or give more timeout",
            job=_job(state),
        )
    return state


def _finish(
    result: dict[str, Any], files: list[dict[str, Any]], before: list[str], began: float
) -> dict[str, Any]:
    result["files"] = files
    result.setdefault("seconds", round(time.monotonic() - began, 3))
    result["diff"] = {
        "before": "".join(before),
        "after": "".join(_line(file) for file in files),
        "before_header": f"{result['path']} (published)",
        "after_header": f"{result['path']} (wanted)",
    }
    return result


def _planned(plan: Plan) -> list[dict[str, Any]]:
    return [
        {"path": file.path, "size": file.size, "sha256": plan.whole.get(file.path, file.sha256)}
        for file in plan.wanted
    ]


def _line(file: dict[str, Any]) -> str:
    return f"{file['path']} {file['size']} {file['sha256'] or 'by git hash'}\n"


def _job(state: JobState) -> dict[str, Any]:
    return {"status": state.status, "progress": state.progress, "log_path": state.log_path}


def _inputs(params: dict[str, Any]) -> dict[str, Any]:
    names = ("endpoint", "repository", "commit", "root", "files", "source_path", "verify")
    return {name: params[name] for name in names}


def _check_range(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise SttError(
            name, found=f"{value:g}", needed=f"{least:g} to {most:g}", fix=f"correct {name}"
        )


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
            "tools_python": {"type": "path"},
            "streams": {"type": "int", "default": 4},
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
        fetch = build(module.params)
        token = fetch.settings.access.token
        module.no_log_values.update({token} if token else set())
        result = run(fetch, module.params, module.check_mode)
    except SttError as error:
        module.fail_json(**error.result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
