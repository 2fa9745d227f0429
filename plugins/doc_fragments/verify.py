# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stt_image_verify and stt_model_verify have in common."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  image:
    description: Id or reference of the engine image; it must be on the host.
    type: str
    required: true
  checks:
    description: The check archive on the host. The judged image brings no judge of its own.
    type: path
    required: true
  reference_image:
    description:
      - Id or reference of this collection's own image of the variant C(full). What cannot be judged
        in O(image), because it has no torch, transformers or faster-whisper, is then judged in a
        second container of that image with the same mounts; its results stand in the place of those
        that were skipped, and name it. Without it they are skipped with the reason.
    type: str
    default: ''
  gpu:
    description:
      - V(required) fails where there is no GPU, V(auto) uses one that is there, V(absent) looks for
        none. A check that needs a GPU and gets none is C(skipped) with that reason, never passed.
    type: str
    choices: [required, auto, absent]
    default: auto
  container:
    description:
      - Name of the container. One of this name that an interrupted run has left is removed first,
        if it carries the label of this collection; any other is left alone and the module fails.
    type: str
    default: stt-test-engine
  memory_bytes:
    description: Memory limit of the container; it gets no swap.
    type: int
    default: 8000000000
  timeout:
    description: Seconds that all checks together may take.
    type: float
    default: 1800
  deadline:
    description: Seconds that every single check may take; without it each has a limit of its own.
    type: float
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
      quantization:
        description: How the converted model's weights are stored.
        type: str
      mel_bins:
        description:
          - Mel bins that the models take; where the manifest does not tell, the original's
            C(config.json) does.
        type: int
      uid:
        description: User id that the container runs as; 2000 where nobody names it.
        type: int
      user:
        description:
          - Name of that user; C(stt-user) for this collection's own image, any for another engine.
        type: str
      port:
        description:
          - Port that another engine's service is asked on; 8003, or the only one that it exposes.
        type: int
  logs_directory:
    description:
      - Directory on the host for the checks' log. Every run writes a new file. In check mode, and
        without this option, none is kept.
    type: path
  reuse:
    description:
      - File with the result of an earlier run. If that passed and was about the same image, models,
        checks, clips, expectations, GPU policy, driver and boot of the host, it is returned and no
        container is started.
    type: path
  fail_on_verdict:
    description: Whether a failed verdict fails the task. The results are returned either way.
    type: bool
    default: true
  self_test:
    description:
      - Also show that the checks can fail. Faults are planted, in copies of the models and clips,
        in the environment and in a container that is started wrongly, and every check that watches
        over one has to fail and to name it. When one does not, the task fails, because a check
        that cannot fail proves nothing. Not done in check mode, nor after a failed verdict.
    type: bool
    default: false
  self_test_record:
    description:
      - File with RV(self_test) of an earlier run. Without O(self_test) it is returned, if it is
        about the same checks in the same image.
    type: path
  docker:
    description: The Docker command line client, by name or path.
    type: str
    default: docker
attributes:
  check_mode:
    support: full
    description:
      - Can run in check mode. The checks change nothing, so they run where image and models exist;
        otherwise the module says what is missing and skips.
  diff_mode:
    support: none
    description: Returns details on what has changed (or possibly needs changing) in check mode.
  platform:
    support: full
    platforms: posix
    description: Target OS/families that can be operated against.
notes:
  - The container runs as uid 2000 with a read-only root file system, a temporary C(/tmp), fresh
    volumes for cache and logs, no network, no capabilities and no new privileges. It is removed at
    the end, whatever happens.
  - An image without any label of this collection's content, such as C(stt.engine.variant) or
    C(stt.engine.cuda), is taken for another engine. Checks of this collection's own service are
    skipped for it with that reason, and its service is believed only what it transcribes.
requirements:
  - Docker engine 23 or newer
  - python >= 3.11
author:
  - stt.engine contributors (@stt-engine)
"""
