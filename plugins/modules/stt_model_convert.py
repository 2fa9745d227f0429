#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert a fetched model to CTranslate2 inside the engine image, judged before it is published."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stt_model_convert
version_added: 0.1.0
short_description: Convert a Whisper model to CTranslate2 inside the engine image
description:
  - Runs CTranslate2's converter in a container of the engine image, so that the versions that
    convert are the versions that will load. The container has no network, a read-only root file
    system, a memory limit, no capabilities, and sees the fetched model read-only.
  - The conversion is named by what goes into it - the hashes of the source files, the quantization
    and the versions of the converter's packages - and published by one rename as
    C(ROOT/NAME/COMMIT-ct2-QUANTIZATION-DIGEST), with C(....manifest.json) beside it. Its files are
    readable by every user and writable by none.
  - The source is judged first - it must have every tensor that its C(config.json) describes, as the
    converter would put random values in the place of a missing one.
  - The conversion is judged before it is published - every header of C(model.bin) is read, and its
    variables, types and size must be exactly what the source's tensors give; vocabulary, tokenizer,
    preprocessor, suppressed tokens, languages and alignment heads must belong to it. With
    O(expected_files) every hash must be the locked one.
  - The conversion is a job in O(jobs_root) that outlives a lost connection. A second call attaches
    to it.
  - A published conversion of the same name is not made again, and no container is started for it.
    Files whose size, times or inode number have moved are hashed anew. A damaged conversion is made
    again and replaced.
  - A failure (out of memory, disk full, a file that is missing) leaves everything that was
    published before as it was.
options:
  image:
    description: Id or reference of the engine image; it must be on the host.
    type: str
    required: true
  source:
    description:
      - Directory of the fetched model, C(.../NAME/COMMIT). Its hashes come from the manifest that
        M(stt.engine.stt_model_fetch) leaves beside it; without one they are computed.
    type: path
    required: true
  destination_root:
    description:
      - Directory of the models. C(staging) beside it must be on the same file system.
    type: path
    required: true
  quantization:
    description:
      - How weights are stored. V(int8) keeps the source's floating type beside the int8 matrices.
    type: str
    choices: [float32, float16, bfloat16, int8, int8_float32, int8_float16, int8_bfloat16]
    required: true
  memory_bytes:
    description:
      - Memory limit of the container, which gets no swap. By default four times the size of the
        weights and 2 GiB.
    type: int
  expected_files:
    description: Files that must come out, as a lock holds them; empty accepts what comes out.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Name of the file.
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
  expected_inputs:
    description:
      - The RV(inputs) of the conversion whose files are in O(expected_files), as a lock holds them.
        They decide nothing; when the files differ, the error names each of them that differs; one
        that is left out, such as C(image), is not compared. Give none when the lock is about
        another quantization or commit.
    type: dict
    default: {}
  verify:
    description: V(full) hashes every published file, V(manifest) those that seem to have moved.
    type: str
    choices: [manifest, full]
    default: manifest
  jobs_root:
    description: Directory of the jobs; by default C(jobs) beside O(destination_root).
    type: path
  wait:
    description: Whether to wait for the end of the job; otherwise it is only started.
    type: bool
    default: true
  timeout:
    description: Seconds to wait for the job; without it as long as it takes.
    type: float
  docker:
    description: The Docker command line client, by name or path.
    type: str
    default: docker
attributes:
  check_mode:
    support: full
    description: Can run in check mode and return changed status without modifying the target.
  diff_mode:
    support: full
    description: Returns details on what has changed (or possibly needs changing) in check mode.
  platform:
    support: full
    platforms: posix
    description: Target OS/families that can be operated against.
notes:
  - Where the image's labels do not name the versions of its converter, and no earlier conversion
    was made with it, they are asked for in a container that lives for a second, in check mode too.
requirements:
  - Docker engine 23 or newer
  - python >= 3.11
author:
  - stt.engine contributors (@stt-engine)
"""

EXAMPLES = r"""
- name: Convert the fetched model
  stt.engine.stt_model_convert:
    image: "{{ built['image_id'] }}"
    source: "{{ fetched['path'] }}"
    destination_root: /opt/stt/models
    quantization: int8_float16
  register: converted
"""

RETURN = r"""
path:
  description: Directory of the published conversion.
  returned: success
  type: str
  sample: /opt/stt/models/openai_whisper-large-v3-turbo/41f01f3fe87f-ct2-int8_float16-0123456789ab
files:
  description: The files of the conversion, sorted by path; empty in check mode when there is none.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Name of the file.
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
quantization:
  description: How the weights are stored, as asked for.
  returned: success
  type: str
  sample: int8_float16
converter:
  description: Versions of the packages that convert.
  returned: success
  type: dict
  sample: {"ctranslate2": "4.8.5", "transformers": "5.23.0"}
input_digest:
  description: Digest of everything that the conversion is made from.
  returned: success
  type: str
  sample: 0123456789ab0123456789ab0123456789ab0123456789ab0123456789ab0123
inputs:
  description:
    - What the published conversion was made from, or what it would be made from - the digest over
      the hashes of the source's files (C(source)), the packages (C(converter)), C(quantization),
      the way of converting (C(method)), the input digest or id of the C(image), and the C(machine).
  returned: success
  type: dict
  sample:
    source: 0123456789ab0123456789ab0123456789ab0123456789ab0123456789ab0123
    converter: {"ctranslate2": "4.8.5", "transformers": "5.23.0"}
    quantization: int8_float16
    method: 1
    image: 89ab0123456789ab0123456789ab0123456789ab0123456789ab0123456789ab
    machine: x86_64
model_bin:
  description: What the headers of C(model.bin) say.
  returned: success
  type: dict
  sample: {"mel_bins": 128, "quantization": "int8_float16", "vocabulary_size": 51866}
checks:
  description: Check results for the runbook's steps R3.1 and R3.3.
  returned: when there is a conversion
  type: list
  elements: dict
  sample: [{"id": "R3.3", "name": "structure_int8_float16", "status": "passed"}]
reason:
  description: Why there was something to do; empty when there was nothing.
  returned: success
  type: str
  sample: it is not converted yet
seconds:
  description: Seconds that the conversion took; without one, the look at the published files.
  returned: success
  type: float
  sample: 31.2
peak_memory_bytes:
  description: The most memory that the converter used.
  returned: when there is a conversion
  type: int
  sample: 3200000000
log_path:
  description: Log of the job that converted the model; empty when there is none.
  returned: success
  type: str
  sample: /opt/stt/jobs/model-convert-0123456789ab/job.log.gz
job:
  description: The job while it runs.
  returned: when O(wait=false) and the job runs
  type: dict
  sample: {"status": "running", "progress": {"step": "converting"}}
"""

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stt.engine.plugins.module_utils._convert import (
    QUANTIZATIONS,
    Conversion,
    ConvertRequest,
)
from ansible_collections.stt.engine.plugins.module_utils._convert_faults import disk_full_as_such
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._jobs import Job, JobState

JOB_KIND = "model-convert"


def build(params: dict[str, Any]) -> Conversion:
    """Turn the parameters into a conversion; refuses what is not there."""
    request = ConvertRequest(
        image=params["image"],
        source=Path(params["source"]),
        destination_root=Path(params["destination_root"]),
        quantization=params["quantization"],
        memory_bytes=params["memory_bytes"],
        expected_files=params["expected_files"],
        full=params["verify"] == "full",
        docker=params["docker"],
        expected_inputs=params["expected_inputs"],
    )
    if not request.source.is_absolute() or not (request.source / "config.json").is_file():
        raise SttError(
            f"model {request.source}",
            found="no config.json there",
            needed="the directory of a fetched model",
            fix="fetch the model first, or correct source",
        )
    docker = DockerCli(request.docker)
    docker.version(minimum_buildx=None)
    image = docker.image(request.image)
    if image is None:
        raise SttError(
            f"image {request.image}",
            found="no such image on this host",
            needed="the engine image",
            fix="build or deliver the image first",
        )
    return Conversion(request, image, docker)


def run(conversion: Conversion, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """See what is to do, do it, and return the module's result."""
    began = time.monotonic()
    root = Path(params["jobs_root"] or Path(params["destination_root"]).parent / "jobs")
    job = Job(root, JOB_KIND, conversion.digest, _inputs(conversion, params))
    before = _lines(conversion)
    outcome: dict[str, Any] = {"changed": False, "reason": "", "log_path": job.kept_log()}
    reason = conversion.needs_conversion()
    if reason is not None:
        outcome.update(changed=True, reason=reason)
        if job.state().status != "running":
            conversion.check_preconditions()
        if check_mode:
            return {**conversion.result(), **outcome, **_end(conversion, began, before)}
        state = job.run(conversion.work, wait=params["wait"], timeout=params["timeout"])
        outcome["log_path"] = state.log_path
        _refuse_failure(job, state)
        if state.status == "running":
            if params["wait"]:
                raise _late(job, state, params["timeout"])
            outcome["job"] = {"status": state.status, "progress": state.progress}
            return {**conversion.result(), **outcome, **_end(conversion, began, before)}
        outcome.update(state.result or {})
        # Reality decides, not the job's record.
        again = conversion.needs_conversion()
        if again is not None:
            raise SttError(
                f"conversion {conversion.destination}",
                found=f"not as it should be right after it was made: {again}",
                needed="a model that stays as it was published",
                fix=f"see what else writes to {conversion.destination}",
            )
    elif not check_mode:
        conversion.refresh()
    seconds = float(outcome.get("seconds", round(time.monotonic() - began, 3)))
    return {
        **conversion.result(),
        **_end(conversion, began, before),
        **outcome,
        "checks": conversion.checks(reason, seconds),
    }


def _refuse_failure(job: Job, state: JobState) -> None:
    failure = job.failure(state)
    if failure is not None:
        failure.details.setdefault("log_tail", job.log_tail())
        raise failure


def _late(job: Job, state: JobState, timeout: float) -> SttError:
    return SttError(
        f"job {job.name}",
        found=f"it still runs after {timeout:g} s: {state.progress}",
        needed="its end",
        fix="run again to attach to it, or give more timeout",
        log_path=state.log_path,
    )


def _inputs(conversion: Conversion, params: dict[str, Any]) -> dict[str, Any]:
    names = ("image", "source", "destination_root", "quantization", "memory_bytes")
    return {**{name: params[name] for name in names}, "converter": conversion.versions}


def _lines(conversion: Conversion) -> str:
    files = conversion.result()["files"]
    return "".join(f"{file['path']} {file['size']} {file['sha256']}\n" for file in files)


def _end(conversion: Conversion, began: float, before: str) -> dict[str, Any]:
    after = _lines(conversion)
    return {
        "seconds": round(time.monotonic() - began, 3),
        "diff": {
            "before": before,
            # What comes out is known when it is there; until then its name.
            "after": after if after != before or before else f"{conversion.destination}\n",
            "before_header": f"{conversion.destination} (published)",
            "after_header": f"{conversion.destination} (wanted)",
        },
    }


def main() -> None:
    """Read the parameters, convert, and speak to Ansible."""
    module = AnsibleModule(
        argument_spec={
            "image": {"type": "str", "required": True},
            "source": {"type": "path", "required": True},
            "destination_root": {"type": "path", "required": True},
            "quantization": {"type": "str", "choices": list(QUANTIZATIONS), "required": True},
            "memory_bytes": {"type": "int"},
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
            "expected_inputs": {"type": "dict", "default": {}},
            "verify": {"type": "str", "choices": ["manifest", "full"], "default": "manifest"},
            "jobs_root": {"type": "path"},
            "wait": {"type": "bool", "default": True},
            "timeout": {"type": "float"},
            "docker": {"type": "str", "default": "docker"},
        },
        supports_check_mode=True,
    )
    try:
        with disk_full_as_such(Path(module.params["destination_root"])):
            conversion = build(module.params)
            result = run(conversion, module.params, module.check_mode)
    except SttError as error:
        module.fail_json(**error.result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
