#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build an image that is named by what goes into it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stt_image_build
version_added: 0.1.0
short_description: Build an image that is named by what goes into it
description:
  - Computes one SHA-256, the input digest, over everything that decides what the image becomes,
    that is the Dockerfile, the build context after C(.dockerignore) with modes and links, build
    arguments, labels, target, platform, the base image's digest, and the ids of secrets.
  - Builds with BuildKit when no image of that digest is on the host and tags the result
    C(REPOSITORY:DIGEST) with the digest's first 12 digits. When the image is there, nothing runs.
  - The build is a detached job on the host. A lost connection or an ended controller does not stop
    it; the next call attaches to it or finds its result.
  - Comments and empty lines of the Dockerfile do not count, nor do build arguments that no stage
    which the target needs declares (C(SOURCE_DATE_EPOCH) and those that begin with C(BUILDKIT_)
    always do), modification times, owners, and the content of secrets. Images of stages that the
    target does not need are not asked for.
  - What an C(ADD) fetches from elsewhere must be named by its content, with C(--checksum=sha256:)
    for a download and with the full commit for a git repository. Anything else is refused before
    the build, because the same inputs could then make another image.
  - The engine gets a private copy of exactly the files that were hashed, all with one modification
    time, so that C(.dockerignore) and the time of a checkout cannot make a difference.
  - The tag is written last, after the new image was proven to carry the digest and to rest on the
    resolved base. A failed or killed build leaves no tag, and the next build removes what a killed
    one left.
requirements:
  - Docker engine and CLI 23 or newer
  - buildx 0.13 or newer
options:
  context:
    description: Directory with the build context, on the host.
    type: path
    required: true
  dockerfile:
    description: The Dockerfile, absolute or relative to O(context).
    type: str
    default: Dockerfile
  base:
    description:
      - Reference of the base image. It is passed as the build argument that the Dockerfile's
        C(FROM) consists of, such as C(FROM ${BASE_IMAGE}).
      - When empty, the Dockerfile's own base is used.
      - A Dockerfile that declares C(ARG BASE_DIGEST) gets the base image's digest in it.
    type: str
    default: ''
  base_digest:
    description:
      - The digest that the base image must have, the registry's digest or, for an image that comes
        from no registry, its image id.
      - When empty, the image on the host counts, or else what the registry answers.
    type: str
    default: ''
  base_archive:
    description: An archive of O(base) made with C(docker save), on the host; loaded when needed.
    type: path
  build_args:
    description:
      - Build arguments. Values that look like credentials are refused, because they would stay in
        the image's history.
      - V(SOURCE_DATE_EPOCH) also sets the modification time of the files in the context.
    type: dict
    default: {}
  labels:
    description: Labels to add to the image; names that begin with C(stt.engine.) are refused.
    type: dict
    default: {}
  secrets:
    description:
      - Files on the host, by the id that C(RUN --mount=type=secret,id=ID) asks for.
      - Only the ids are part of the input digest. Values in files of up to 16 KiB are masked in
        the log.
    type: dict
    default: {}
  target:
    description: Name of the Dockerfile's stage to build; the last one by default.
    type: str
    default: ''
  platform:
    description: Platform of the image.
    type: str
    default: linux/amd64
  repository:
    description: Name of the image without its tag.
    type: str
    default: stt-engine
  jobs_root:
    description: Directory for the state and the log of jobs; made if missing.
    type: path
    default: /opt/stt/jobs
  wait:
    description: Wait for the end of the build. When false, the build is started and goes on.
    type: bool
    default: true
  timeout:
    description: Seconds after which the build is stopped.
    type: int
    default: 7200
  docker:
    description: The Docker command line client, by name or path.
    type: str
    default: docker
attributes:
  check_mode:
    support: full
    description: Can run in check mode and predicts the change from the input digest.
    details:
      - Neither a job nor an image is made, and no archive is loaded.
  diff_mode:
    support: full
    description: Names the files, arguments and other inputs that moved since the last build.
  platform:
    support: full
    description: Target OS/families that can be operated against.
    platforms: posix
author:
  - stt.engine contributors (@stt-engine)
"""

EXAMPLES = r"""
- name: Build the engine
  stt.engine.stt_image_build:
    context: /opt/stt/sources/0f343b093112
    dockerfile: Dockerfile.engine.rhel89
    base: registry.access.redhat.com/ubi8/python-311
    base_digest: sha256:7a6e0e2d5c7b0a3f6d7b9d6a2f6ac0f2c7e3a5a64b0de5e0b1a8b0d6d1d3c4b5
    build_args:
      CUDA: cu129
    secrets:
      ca: /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem
  register: image

- name: Start the build and go on
  stt.engine.stt_image_build:
    context: /opt/stt/sources/0f343b093112
    wait: false
"""

RETURN = r"""
input_digest:
  description: The digest of everything that goes into the image, 64 hexadecimal digits.
  returned: success
  type: str
  sample: 3f0c9c1d5d3a3b8f4a1f6b0c2d7e8f90112233445566778899aabbccddeeff00
tag:
  description: The image's tag, made of the first 12 digits of RV(input_digest).
  returned: success
  type: str
  sample: stt-engine:3f0c9c1d5d3a
base_digest:
  description: Digest of the base image; empty when the image starts from C(scratch).
  returned: success
  type: str
  sample: sha256:7a6e0e2d5c7b0a3f6d7b9d6a2f6ac0f2c7e3a5a64b0de5e0b1a8b0d6d1d3c4b5
status:
  description:
    - V(present) when the image was there, V(built) when this call saw the build end.
    - V(running) when the build goes on, V(predicted) in check mode when it would be built.
  returned: success
  type: str
  sample: built
reason:
  description: Why the image was built or tagged; empty when nothing had to be done.
  returned: success
  type: str
  sample: 'no image of these inputs: changed file stt_engine/app.py'
cached:
  description: Whether no step of the Dockerfile had to be executed.
  returned: success
  type: bool
  sample: false
image_id:
  description: The image's id; empty while there is no image.
  returned: success
  type: str
  sample: sha256:5d0da3dc976460b72c77d94c8a1ad043720b0416bfc16c52c45d4847e53fadb6
size:
  description: Bytes of the image as the engine counts them; 0 while there is no image.
  returned: success
  type: int
  sample: 7860000000
layers:
  description: The image's layers from the lowest up; empty while there is no image.
  returned: success
  type: list
  elements: dict
  contains:
    diff_id:
      description: SHA-256 of the uncompressed layer.
      type: str
    size:
      description: Bytes of the files in the layer.
      type: int
changes:
  description: What moved since the newest other build that is still on the host.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: C(file), C(build argument), C(label), C(secret), C(base), C(image) or C(input).
      type: str
    name:
      description: Its name.
      type: str
    change:
      description: C(added), C(removed) or C(changed).
      type: str
    before:
      description: What was there; empty when added.
      type: str
    after:
      description: What is there now; empty when removed.
      type: str
log_path:
  description: The build's log on the host, compressed after success; empty when there is none.
  returned: success
  type: str
  sample: /opt/stt/jobs/image-build-3f0c9c1d5d3a/job.log.gz
progress:
  description: The step that runs and how many are done.
  returned: when the build goes on
  type: dict
  sample:
    step: 3
    steps: 7
    name: RUN pip install --require-hashes -r locks/torch.txt
    step_started: 1767225600.0
    done: 2
    total: 7
seconds:
  description: How long the build took; without a build, how long this call took.
  returned: success
  type: float
  sample: 161.2
step:
  description: The failed step and their number; empty when the build failed outside of a step.
  returned: when a build fails
  type: str
  sample: 3/7
command:
  description: The failed step's instruction.
  returned: when a build fails
  type: str
  sample: RUN pip install torch==2.6.0
lines:
  description: The last lines of the failed step that speak of an error, or else its last lines.
  returned: when a build fails
  type: list
  elements: str
  sample: ['ERROR: No matching distribution found for torch==2.6.0']
"""

import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stt.engine.plugins.module_utils._build_image import (
    BaseRequest,
    ImageBuilder,
    seconds_of,
)
from ansible_collections.stt.engine.plugins.module_utils._build_inputs import make_request
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError


def ensure_image(params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Bring about the image that the parameters ask for; returns the module's result."""
    since = time.monotonic()
    request = make_request(
        context=params["context"],
        dockerfile=params["dockerfile"],
        platform=params["platform"],
        target=params["target"],
        build_args=params["build_args"],
        labels=params["labels"],
        secrets=params["secrets"],
    )
    builder = ImageBuilder(
        DockerCli(params["docker"]),
        request,
        BaseRequest(params["base"], params["base_digest"], params["base_archive"] or ""),
        repository=params["repository"],
        jobs_root=Path(params["jobs_root"]),
        check_mode=check_mode,
    )
    found = builder.look()
    result: dict[str, Any] = {
        "changed": found.reason is not None,
        "input_digest": builder.digest,
        "tag": builder.tag,
        "base_digest": builder.base_digest,
        "status": "present",
        "cached": True,
        "image_id": "",
        "size": 0,
        "layers": [],
    }
    state = builder.job.state()
    image_id = found.image_id
    if found.reason is not None and check_mode:
        result.update(status="predicted", cached=False)
    elif found.adopt:
        builder.adopt(found)
    elif found.reason is not None:
        state = builder.build(wait=params["wait"], timeout=params["timeout"])
        outcome = state.result or {}
        image_id = str(outcome.get("image_id", ""))
        result.update(status="built", cached=outcome.get("steps_run") == 0)
        if state.status == "running":
            result.update(status="running", progress=state.progress)
    if image_id:
        result.update(builder.describe(image_id))
    changes = builder.changes() if found.reason else []
    result.update(reason=builder.reason(found), changes=changes, diff=builder.diff(changes))
    result["log_path"] = "" if state.status == "absent" else state.log_path
    if result["status"] == "built":
        result["seconds"] = seconds_of(state, since)
    else:
        result["seconds"] = round(time.monotonic() - since, 3)
    return result


def main() -> None:
    """Read the parameters, ensure the image, and speak to Ansible."""
    module = AnsibleModule(
        argument_spec={
            "context": {"type": "path", "required": True},
            "dockerfile": {"type": "str", "default": "Dockerfile"},
            "base": {"type": "str", "default": ""},
            "base_digest": {"type": "str", "default": ""},
            "base_archive": {"type": "path"},
            "build_args": {"type": "dict", "default": {}},
            "labels": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "default": {}, "no_log": False},
            "target": {"type": "str", "default": ""},
            "platform": {"type": "str", "default": "linux/amd64"},
            "repository": {"type": "str", "default": "stt-engine"},
            "jobs_root": {"type": "path", "default": "/opt/stt/jobs"},
            "wait": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 7200},
            "docker": {"type": "str", "default": "docker"},
        },
        supports_check_mode=True,
    )
    try:
        result = ensure_image(module.params, check_mode=module.check_mode)
    except SttError as error:
        module.fail_json(**error.result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
