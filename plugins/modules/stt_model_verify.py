#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge both models in the engine image: load, transcribe, serve."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stt_model_verify
version_added: 0.1.0
short_description: Check that models load, transcribe and are served in the engine image
description:
  - Starts one container of the image with both models mounted and runs every check of the runbook's
    step R5 in it - structure of the converted model, loading with faster-whisper and transformers
    with device and compute type read back, audio, transcription of clips by both and by the running
    service over HTTP, and agreement of both encoders.
  - Each check runs in a process of its own, so that a crash or a hang is that check's result alone.
    A check without a result is an error.
  - With O(models.alternatives) other conversions of the same model are judged beside the served one
    and compared by figures - size, load time, real-time factor, memory, and agreement of encoder
    and texts with the original model in float32.
options:
  models:
    description: The models that are mounted read-only below C(/app/models).
    type: dict
    required: true
    suboptions:
      ctranslate2:
        description: Directory of the converted model; mounted as C(ctranslate2_model).
        type: path
        required: true
      transformers:
        description:
          - Directory of the original model; it may be left out for an image without torch, and not
            with O(reference_image).
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
      alternatives:
        description:
          - Conversions to compare with O(models.ctranslate2), each mounted as
            C(quantizations/<quantization>). Every one needs the manifest that
            M(stt.engine.stt_model_convert) leaves beside it, and so does O(models.ctranslate2).
        type: list
        elements: dict
        default: []
        suboptions:
          quantization:
            description: How the weights are stored; each type once, and not the served one's.
            type: str
            choices: [float32, float16, bfloat16, int8, int8_float32, int8_float16, int8_bfloat16]
            required: true
          path:
            description: Directory of the conversion.
            type: path
            required: true
  clips:
    description:
      - Directory on the host with C(clips.json) and audio. Texts are judged for the model that they
        were set for; with any other model both decoders must agree on the clips.
    type: path
  accepted_transcripts:
    description:
      - What a person has accepted as the text of clips that have none, as the release lock keeps
        it - C(repository), C(commit) and C(quantization) of a model, and C(clips) by name. It holds
        for this model and for recordings with the same hash; others are judged as without it, and
        the results say so.
    type: dict
    default: {}
  accept_transcripts:
    description:
      - Hear every clip of unknown text anew, hold all decoders against what faster-whisper hears,
        and return that as RV(accepted_transcripts). O(accepted_transcripts) then only tells since
        when a text that is still the same has been accepted.
    type: bool
    default: false
  real_time_factor_limit:
    description:
      - Time that transcribing the long clips may take over the time that they last. V(0) is 1.0 on
        a GPU; on a CPU the figure is then only recorded.
    type: float
    default: 0.0
extends_documentation_fragment:
  - stt.engine.verify
"""

EXAMPLES = r"""
- name: Check the models
  stt.engine.stt_model_verify:
    image: "{{ built['image_id'] }}"
    checks: /opt/stt/checks/checks-0123456789ab.pyz
    models:
      ctranslate2: "{{ converted['path'] }}"
      transformers: "{{ fetched['path'] }}"
      name: openai_whisper-large-v3-turbo
      alternatives:
        - quantization: float16
          path: "{{ converted_float16['path'] }}"
    clips: /opt/stt/clips/0123456789ab
    gpu: required
    reuse: /opt/stt/releases/cuda129-rhel89-v1.2-0123456789ab/R5.json
  register: checked
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
      sample: R5.2
    name:
      description: Name of the check, unique within its step.
      type: str
      returned: always
      sample: faster_whisper_float32
    status:
      description: C(passed), C(failed), C(error) or C(skipped).
      type: str
      returned: always
      sample: passed
    expected:
      description: What was needed, as a sentence.
      type: str
      returned: always
      sample: faster-whisper loads the converted model on cpu in float32
    found:
      description: What was found; for a skipped check the reason.
      type: str
      returned: always
      sample: loaded on cpu in float32, multilingual, 128 mel bins
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
  sample: [{"id": "R5.2", "name": "faster_whisper_float32"}]
accepted_transcripts:
  description:
    - What to keep in the lock, in the form of O(accepted_transcripts); empty when every clip's text
      was known.
  returned: with O(accept_transcripts), when the checks ran and the verdict is C(passed)
  type: dict
  sample:
    repository: openai/whisper-large-v3-turbo
    commit: 41f01f3fe87f28c78e2fbf8b568835947dd65ed9
    quantization: int8_float16
    clips:
      order.wav:
        sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
        text: Your order will arrive on Friday.
        language: en
        made_by: faster-whisper 1.2.1 with ctranslate2 4.8.5, int8_float32 on cpu
        accepted: "2026-01-31T08:15:00Z"
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
  sample: /opt/stt/releases/unsealed/logs/R5-20260131T081500000000Z.log
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
  sample: {"phase": "R5", "image": "sha256:766b9c3d907a", "gpu": "auto, 0 devices"}
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
      sample: 12
    gates:
      description: How many checks were shown a fault.
      type: int
      returned: when it ran
      sample: 25
    failed_as_planted:
      description: How many of them failed on every fault that is theirs, and named it.
      type: int
      returned: when it ran
      sample: 25
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
        - gate: R5.8/encoder_agreement
          control: flipped_weight
          planted: one flipped bit of a weight in model.bin
          status: failed
          found: the cosine is 0.01842
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
    Phase,
    VerifyRequest,
    model_arguments,
)
from ansible_collections.stt.engine.plugins.module_utils._verify_self_test import refuse_useless

PHASE: Phase = "R5"


def main() -> None:
    """Read the parameters, have the phase judged, and speak to Ansible."""
    module = AnsibleModule(argument_spec=model_arguments(), supports_check_mode=True)
    try:
        request = VerifyRequest.from_params(PHASE, module.params)
        result = verify(request, check_mode=module.check_mode)
        refuse_useless(result)
    except SttError as error:
        module.fail_json(**error.result())
    if result["verdict"] == "failed" and module.params["fail_on_verdict"]:
        module.fail_json(msg=failure_message(PHASE, result["checks"]), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
