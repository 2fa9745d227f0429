#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge an engine image in one locked-down container."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stt_image_verify
version_added: 0.1.0
short_description: Check an engine image in a container, as production will run it
description:
  - With O(phase=R4) starts one container of the image with both models mounted, as production will,
    and runs every check of the runbook's step R4 in it - user and isolation, mounted models and
    their hashes, torch and torchaudio, every CUDA library by loading it, CUDA by computing,
    permissions.
  - With O(phase=R2) judges the image alone, before anything uses it, against its base - processor,
    C and C++ library that every added program needs, dangling links, secrets, OS packages,
    Python packages, CUDA libraries, imports, user, port and labels - and lists what is inside.
  - Each check runs in a process of its own, so that a crash or a hang is that check's result alone.
    A check without a result is an error.
options:
  phase:
    description: V(R2) judges the image alone, V(R4) together with O(models), which it then needs.
    type: str
    choices: [R2, R4]
    default: R4
  base:
    description:
      - With O(phase=R2) the base image by id or reference. Without it the base is found by the
        labels C(org.opencontainers.image.base.name) and C(stt.engine.base-digest). It must be on
        the host, because only what is added to it is judged.
    type: str
    default: ''
  models:
    description:
      - The models that are mounted read-only below C(/app/models). Required with O(phase=R4), not
        used with O(phase=R2).
    type: dict
    suboptions:
      ctranslate2:
        description: Directory of the converted model; mounted as C(ctranslate2_model).
        type: path
        required: true
      transformers:
        description: Directory of the original model; leave it out where nothing needs it.
        type: path
      name:
        description:
          - The original model's repository with C(/) replaced by C(_); its directory's name in the
            container, and the name by which clips that are meant for it are known.
        type: str
        required: true
      sealed:
        description:
          - What a release's C(manifest.json) says of its models, as it stands there. Their files
            are then held against it, and not against the manifests beside them, which nobody
            signed.
        type: list
        elements: dict
        default: []
  expected:
    description:
      - Values that are held against what is found. What is left out comes from the image's labels
        and from the converted model's manifest.
    type: dict
    default: {}
    suboptions:
      torch:
        description: Version of torch; without a local part (C(+cu129)) any build of it is right.
        type: str
      torchaudio:
        description: Version of torchaudio; torch's where neither this nor a label names it.
        type: str
      cuda:
        description: CUDA version that torch is built for, such as V(12.9) or V(cu129).
        type: str
      variant:
        description:
          - What this collection's own image was built as. Its labels must then say so, and the
            other options here that speak of its build are compared with them. Without it the labels
            alone tell, and an image with none of them is another engine.
        type: str
        choices: [full, slim]
      version:
        description: With O(expected.variant) the version that the image was built as.
        type: str
      revision:
        description: With O(expected.variant) the commit that it was built of; may be empty.
        type: str
      base:
        description: The base's name as the build was given it.
        type: str
      base_digest:
        description: The base's digest.
        type: str
      quantization:
        description: How the converted model's weights are stored.
        type: str
      mel_bins:
        description:
          - Mel bins that the models take; where the manifest does not tell, the original's
            C(config.json) does.
        type: int
      uid:
        description: User id that the image and the container run as; 2000 where nobody names it.
        type: int
      user:
        description:
          - Name of that user; C(stt-user) for this collection's own image, any for another engine.
        type: str
      port:
        description:
          - Port that the image exposes and that another engine's service is asked on; 8003, or the
            only one that another engine exposes.
        type: int
      os:
        description: With O(phase=R2) what the base is, such as V(rhel8).
        type: str
      packages:
        description:
          - With O(phase=R2) the lock, name to version. Every one must be installed, and nothing
            else beside what the base brought.
        type: dict
      modules:
        description:
          - With O(phase=R2) modules that must import, in the service's directory; this collection's
            own service where none is named.
        type: list
        elements: str
      glibc:
        description: With O(phase=R2) the highest C(GLIBC) version that may be needed, else 2.28.
        type: str
      glibcxx:
        description: With O(phase=R2) the highest C(GLIBCXX) version, else 3.4.25.
        type: str
      cxxabi:
        description: With O(phase=R2) the highest C(CXXABI) version, else 1.3.11.
        type: str
extends_documentation_fragment:
  - stt.engine.verify
notes:
  - With O(phase=R2) a second container, C(<container>-files), reads every file of the image, also
    those that only root may read. It runs as root with the capability C(DAC_OVERRIDE) alone, with
    the same read-only root file system and without a network. A third, C(<container>-base), is made
    of the base and never started.
"""

EXAMPLES = r"""
- name: Check the image
  stt.engine.stt_image_verify:
    image: "{{ built['image_id'] }}"
    checks: /opt/stt/checks/checks-0123456789ab.pyz
    models:
      ctranslate2: "{{ converted['path'] }}"
      transformers: "{{ fetched['path'] }}"
      name: openai_whisper-large-v3-turbo
    gpu: auto
    logs_directory: /opt/stt/releases/unsealed/logs
  register: checked

- name: Judge the image before anything uses it
  stt.engine.stt_image_verify:
    phase: R2
    image: "{{ built['image_id'] }}"
    checks: /opt/stt/checks/checks-0123456789ab.pyz
    expected:
      packages:
        torch: 2.8.0
        ctranslate2: 4.8.5
  register: judged
"""

RETURN = r"""
checks:
  description:
    - One result for every check that was planned. One that crashed, hung or said nothing is an
      C(error) with the reason.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The runbook's step.
      type: str
      returned: always
      sample: R4.3
    name:
      description: Name of the check, unique within its step.
      type: str
      returned: always
      sample: torch_cuda_build
    status:
      description: C(passed), C(failed), C(error) or C(skipped).
      type: str
      returned: always
      sample: passed
    expected:
      description: What was needed, as a sentence.
      type: str
      returned: always
      sample: a torch built for CUDA 12.9
    found:
      description: What was found; for a skipped check the reason.
      type: str
      returned: always
      sample: torch 2.8.0+cu129 is built for CUDA 12.9
    fix:
      description: What to do; empty when there is nothing to do.
      type: str
      returned: always
      sample: ""
    seconds:
      description: How long the check took.
      type: float
      returned: always
      sample: 0.8
    evidence:
      description: Values that support the result.
      type: dict
      returned: always
      sample: {"peak_memory_bytes": 336388096}
verdict:
  description:
    - C(passed) when every planned check passed or was skipped, else C(failed); C(unknown) in check
      mode when there is nothing to judge yet.
  returned: always
  type: str
  sample: passed
planned:
  description: The checks that were announced, in order, each with C(id) and C(name).
  returned: always
  type: list
  elements: dict
  sample: [{"id": "R4.3", "name": "torch_cuda_build"}]
components:
  description:
    - What is inside, for a bill of materials - every Python distribution and OS package.
  returned: with O(phase=R2), when the checks ran
  type: list
  elements: dict
  contains:
    kind:
      description: C(pypi), C(deb), C(rpm) or C(apk).
      type: str
      returned: always
      sample: pypi
    name:
      description: Its name.
      type: str
      returned: always
      sample: ctranslate2
    version:
      description: Its version.
      type: str
      returned: always
      sample: 4.8.5
    licence:
      description: The licence that it names; empty where it names none.
      type: str
      returned: always
      sample: MIT
    purl:
      description: Its package URL.
      type: str
      returned: always
      sample: pkg:pypi/ctranslate2@4.8.5
container:
  description: The container's C(name), C(image_id), C(exit_status) and C(out_of_memory).
  returned: when the checks ran
  type: dict
  sample:
    name: stt-test-engine
    image_id: "sha256:766b9c3d907a"
    exit_status: 0
    out_of_memory: false
gpu:
  description: C(proven) when a computation ran on a GPU and was right, else C(absent).
  returned: when the checks ran
  type: str
  sample: absent
peak_memory_bytes:
  description: The most memory that one check's process used.
  returned: when the checks ran
  type: int
  sample: 583557120
container_peak_bytes:
  description: The most memory that the container used at once, page cache included.
  returned: when the checks ran and the kernel tells
  type: int
  sample: 1016299520
seconds:
  description: How long the container ran.
  returned: when the checks ran
  type: float
  sample: 31.4
judged:
  description: When the checks ran, in UTC; with O(reuse) the time of the earlier run.
  returned: when the checks ran
  type: str
  sample: "2026-01-31T08:15:00Z"
log_path:
  description: The checks' log on the host; empty when none is kept.
  returned: when the checks ran
  type: str
  sample: /opt/stt/releases/unsealed/logs/R4-20260131T081500000000Z.log
log_tail:
  description: The last lines of the log.
  returned: when the container ended in an unexpected way
  type: list
  elements: str
  sample: ["docker: Error response from daemon: container killed"]
reused:
  description: Whether an earlier verdict was returned instead of running the checks.
  returned: always
  type: bool
  sample: false
reuse_key:
  description: What the verdict is about. Keep the whole result for O(reuse).
  returned: always
  type: dict
  sample: {"phase": "R4", "image": "sha256:766b9c3d907a", "gpu": "auto, 0 devices"}
self_test:
  description:
    - What showed that the checks can fail, now or at the time RV(self_test.ran); empty when nothing
      did with these checks in this image. Keep it for O(self_test_record).
  returned: always
  type: dict
  contains:
    ran:
      description: When, in UTC.
      type: str
      returned: when it ran
      sample: "2026-01-31T08:20:00Z"
    controls:
      description: How many faults were planted.
      type: int
      returned: when it ran
      sample: 14
    gates:
      description: How many checks were shown a fault.
      type: int
      returned: when it ran
      sample: 27
    failed_as_planted:
      description: How many of them failed on every fault that is theirs, and named it.
      type: int
      returned: when it ran
      sample: 27
    left_out:
      description:
        - Faults that could not be planted here, for want of a GPU for instance, each with C(gate)
          and C(reason); another may have shown the same check.
      type: list
      elements: dict
      returned: when it ran
      sample: []
    rows:
      description:
        - Every fault and check, with C(gate), C(control), C(planted), C(status), C(found) and
          C(as_planted).
      type: list
      elements: dict
      returned: when it ran
      sample:
        - gate: R4.2/models_hashes
          control: flipped_weight
          planted: one flipped bit of a weight in model.bin
          status: failed
          found: "1 files differ: model.bin has SHA-256 ..."
          as_planted: true
    wrong:
      description: The rows of checks that did not fail as planted; then the task fails.
      type: list
      elements: dict
      returned: when it ran
      sample: []
skip_reason:
  description: What is missing.
  returned: in check mode when there is nothing to judge yet
  type: str
  sample: "engine image: found no image id; needed a built image; fix: build the image first"
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stt.engine.plugins.module_utils._check_result import failure_message
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._verify import verify
from ansible_collections.stt.engine.plugins.module_utils._verify_request import (
    VerifyRequest,
    image_arguments,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_self_test import refuse_useless


def main() -> None:
    """Read the parameters, have the phase judged, and speak to Ansible."""
    module = AnsibleModule(
        argument_spec=image_arguments(),
        supports_check_mode=True,
        required_if=[("phase", "R4", ["models"])],
    )
    phase = module.params["phase"]
    try:
        request = VerifyRequest.from_params(phase, module.params)
        result = verify(request, check_mode=module.check_mode)
        refuse_useless(result)
    except SttError as error:
        module.fail_json(**error.result())
    if result["verdict"] == "failed" and module.params["fail_on_verdict"]:
        module.fail_json(msg=failure_message(phase, result["checks"]), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
