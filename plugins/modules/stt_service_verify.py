#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges a running service against the release that it should be."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stt_service_verify
version_added: 0.1.0
short_description: Judge a running service against a sealed release, without touching it
description:
  - Looks at each running container of O(image_id). Its model must be O(model), read-only; beside it
    only other models, cache and logs may be mounted, and a temporary C(/tmp). What is started and
    every variable but C(STT_*), proxies, time zone and choice of GPU must be the image's own, and
    no file may have been changed. It must run as the release was proven, that is as uid 2000, on a
    read-only root, without capabilities, new privileges, or devices and namespaces of its host.
  - Asks each such service for C(/health), which must be 200 and name no other model, and lets it
    transcribe one recording, where one is given. Its text is compared by letters and digits alone
    with the one that is known; where none is known, there must be a text, and it is said that it
    was not compared.
  - A host without a running engine of ours is skipped with that reason. One whose engines are all
    of other images fails.
  - Starts, stops and changes nothing.
options:
  image_id:
    description: The id of the release's image.
    type: str
    required: true
  model:
    description: The directory on the host of the model that the release serves.
    type: path
    required: true
  digest:
    description: The SHA-256 of the model's C(model.bin), without which C(/health) may name any.
    type: str
    default: ''
  recording:
    description: A recording of speech; without one the service is only asked for its health.
    type: dict
    suboptions:
      name:
        description: Its file's name.
        type: str
        required: true
      content:
        description: Its content in base64.
        type: str
        required: true
      text:
        description: The text that the release's service gave for it when it was sealed, if known.
        type: str
        default: ''
      limit:
        description: The share of its letters in which the answer may differ.
        type: float
        default: 0.2
  timeout:
    description: For how many seconds an answer is waited for.
    type: float
    default: 120
  docker:
    description: The Docker command line client, by name or path.
    type: str
    default: docker
attributes:
  check_mode:
    support: full
    description: Can run in check mode; it changes nothing in either mode.
  diff_mode:
    support: none
    description: Returns details on what has changed (or possibly needs changing) in check mode.
  platform:
    support: full
    platforms: posix
    description: Target OS families that can be operated against.
author:
  - stt.engine contributors (@stt-engine)
"""

EXAMPLES = r"""
- name: Judge what runs here
  stt.engine.stt_service_verify:
    image_id: sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    model: /opt/stt/models/openai_whisper-large-v3-turbo/41f0-ct2-int8_float16-0123456789ab
"""

RETURN = r"""
checks:
  description: The results of C(service_as_sealed) and C(service_answers) of the step R6.3.
  returned: success
  type: list
  elements: dict
  sample: []
services:
  description: The names of the containers that were judged.
  returned: success
  type: list
  elements: str
  sample: [stt]
"""

import base64
import binascii
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._service import Service, services
from ansible_collections.stt.engine.plugins.module_utils._service_ask import (
    AGREEMENT,
    Recording,
    asked,
)
from ansible_collections.stt.engine.plugins.module_utils._service_deviations import deviations

NOTHING_RUNS = "no engine of ours runs on this host"
NO_RECORDING = "no recording is at hand, so it was only asked for its health"
NOT_COMPARED = "not compared, because no text of it is known for this release"
AS_SEALED = {
    "id": "R6.3",
    "name": "service_as_sealed",
    "expected": "what serves here is the sealed image with the sealed model, unchanged, with the "
    "image's own command and environment and nothing else mounted, on a read-only root, as uid "
    "2000 without capabilities, new privileges and parts of its host",
    "fix": "deploy the release again, or start the container as docs/service.md says",
}
ANSWERS = {
    "id": "R6.3",
    "name": "service_answers",
    "expected": "/health is 200 with the sealed model, and /transcribe gives the sealed text",
    "fix": "look at the container's log (docker logs), and at its model and device",
}
UNKNOWN = "/health is 200 with the sealed model, and /transcribe gives a text"


def result(
    check: dict[str, str], started: float, *, found: str, good: bool | None, **evidence: Any
) -> dict[str, Any]:
    """A check result; neither good nor bad is a skip, whose reason is what was found."""
    status = "skipped" if good is None else "passed" if good else "failed"
    return {
        **check,
        "status": status,
        "found": found,
        "fix": check["fix"] if status == "failed" else "",
        "seconds": round(time.monotonic() - started, 3),
        "evidence": evidence,
    }


def as_sealed(mine: list[Service], others: list[Service], docker: DockerCli, model: str) -> Any:
    """Whether what runs is the release."""
    started = time.monotonic()
    if not mine and not others:
        return result(AS_SEALED, started, found=NOTHING_RUNS, good=None)
    if not mine:
        told = "; ".join(f"{one.name} runs the image {one.image_id}" for one in others)
        return result(AS_SEALED, started, found=f"{told}, and nothing runs the release", good=False)
    wrong = {one.name: deviations(one, docker, one.image_id, model) for one in mine}
    bad = "; ".join(f"{name}: {', '.join(found)}" for name, found in wrong.items() if found)
    beside = (
        f"; beside it {', '.join(one.name for one in others)} of other images" if others else ""
    )
    good = f"{', '.join(wrong)}: as sealed{beside}"
    return result(AS_SEALED, started, found=bad or good, good=not bad)


def answers(mine: list[Service], recording: Recording | None, digest: str, timeout: float) -> Any:
    """Whether what runs answers; without a recording that can only be refuted."""
    started = time.monotonic()
    compared = recording is not None and bool(recording.text)
    check = ANSWERS if compared else {**ANSWERS, "expected": UNKNOWN}
    if not mine:
        return result(check, started, found=NOTHING_RUNS, good=None)
    told = {one.name: asked(one, recording, digest, timeout) for one in mine}
    bad = "; ".join(
        f"{name}: {', '.join(one['problems'])}" for name, one in told.items() if one["problems"]
    )
    if bad:
        return result(check, started, found=bad, good=False, answers=told)
    if recording is None:
        return result(check, started, found=NO_RECORDING, good=None, answers=told)
    good = "; ".join(
        f"{name}: {one['text']!r} on {one['device'] or 'an unnamed device'}"
        f"{' in ' + one['compute_type'] if one['compute_type'] else ''}"
        for name, one in told.items()
    )
    found = good if compared else f"{good}; {NOT_COMPARED}"
    return result(check, started, found=found, good=True, answers=told)


def recording_of(given: dict[str, Any] | None) -> Recording | None:
    """The recording as bytes."""
    if given is None:
        return None
    try:
        content = base64.b64decode(given["content"], validate=True)
    except binascii.Error as error:
        raise SttError(
            f"recording {given['name']}",
            found=f"content that is not base64 ({error})",
            needed="the file as ansible.builtin.slurp returns it",
            fix="hand on the slurped content unchanged",
        ) from error
    return Recording(given["name"], content, given["text"], given["limit"])


def verify(parameters: dict[str, Any]) -> dict[str, Any]:
    """Judge every service of the image."""
    docker = DockerCli(parameters["docker"])
    found = services(docker)
    mine = [one for one in found if one.image_id == parameters["image_id"]]
    others = [one for one in found if one not in mine]
    recording = recording_of(parameters["recording"])
    checks = [
        as_sealed(mine, others, docker, parameters["model"]),
        answers(mine, recording, parameters["digest"], parameters["timeout"]),
    ]
    return {"checks": checks, "services": [one.name for one in mine]}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "image_id": {"type": "str", "required": True},
            "model": {"type": "path", "required": True},
            "digest": {"type": "str", "default": ""},
            "recording": {
                "type": "dict",
                "options": {
                    "name": {"type": "str", "required": True},
                    "content": {"type": "str", "required": True, "no_log": False},
                    "text": {"type": "str", "default": ""},
                    "limit": {"type": "float", "default": AGREEMENT},
                },
            },
            "timeout": {"type": "float", "default": 120},
            "docker": {"type": "str", "default": "docker"},
        },
        supports_check_mode=True,
    )
    try:
        outcome = verify(module.params)
    except SttError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=False, **outcome)


if __name__ == "__main__":
    main()
