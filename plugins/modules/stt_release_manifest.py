#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

DOCUMENTATION = r"""
module: stt_release_manifest
version_added: 0.1.0
short_description: Seal a release with its manifest and signature
description:
  - Writes C(manifest.json), an in-toto Statement whose subjects are the image, by its config
    digest, and every model file, by its SHA-256. Its predicate holds what the release is made of,
    the lock, every check with its result, tool versions, the NVIDIA driver needed and peak memory.
  - Signs it with ECDSA P-256 into C(manifest.json.sig), verifiable with stock openssl.
  - Refuses a release in which any check failed, was broken, or was planned and has no result.
  - A manifest of the same release that says the same is kept, whatever its sequence number, times
    and measured figures, if it is signed by this key. One without a signature, or of another key,
    is written anew; one that its signature does not hold for was edited, and is refused.
  - Never writes over the manifest of another release.
  - Runs on the controller only, as an action; it needs no connection to the host.
options:
  dest:
    description: The release's directory on the controller; made if it is missing.
    type: path
    required: true
  tag:
    description: The image's tag for its users, such as V(cuda129-rhel89-v1.2).
    type: str
    required: true
  image:
    description:
      - What M(stt.engine.stt_image_build) returned, with C(image_id), C(input_digest),
        C(base_digest), C(layers) and C(size).
      - The keys C(base), C(variant), C(cuda), C(revision) and C(platform) are kept if there.
        C(cuda), such as V(cu128) or V(12.8), tells which NVIDIA driver is needed.
    type: dict
    required: true
  model:
    description: The original model, with C(repository), C(commit) and C(files).
    type: dict
    required: true
  conversions:
    description:
      - The converted models, each with C(path), C(quantization), C(converter) and C(files).
    type: list
    elements: dict
    required: true
  lock:
    description:
      - The release's C(inputs) and C(expected_outputs) as the lock has them, and
        C(accepted_transcripts), by which clips of unknown text were judged.
    type: dict
    default: {}
  checks:
    description: Every check result of the release.
    type: list
    elements: dict
    required: true
  planned:
    description:
      - What must have a result.
      - V(R4.3) asks for at least one result of the step, V(R4.3/cuda_available) for this check's.
    type: list
    elements: str
    default: []
  tools:
    description: Versions of the tools that took part, by name.
    type: dict
    default: {}
  peak_memory_bytes:
    description: The most memory that the checks used.
    type: int
    default: 0
  key_file:
    description: A PEM file with an ECDSA P-256 private key that only its owner may read.
    type: path
  unsigned:
    description:
      - Seal without a signature; the manifest says so.
      - One of this and O(key_file) is needed, and not both.
    type: bool
    default: false
  openssl:
    description: The openssl command on the controller.
    type: str
    default: openssl
attributes:
  check_mode:
    support: full
    description: Can run in check mode; it predicts C(changed) and writes nothing.
  diff_mode:
    support: full
    description: Returns details on what has changed (or possibly needs changing) in check mode.
author:
  - stt.engine contributors (@stt-engine)
"""

EXAMPLES = r"""
- name: Seal the release
  stt.engine.stt_release_manifest:
    dest: "{{ playbook_dir }}/releases/{{ release }}"
    tag: cuda129-rhel89-v1.2
    image: "{{ image | combine({'cuda': 'cu129'}) }}"
    model: "{{ fetched | combine({'repository': 'openai/whisper-large-v3-turbo'}) }}"
    conversions:
      - "{{ converted }}"
    lock: "{{ locked }}"
    checks: "{{ ansible_facts['stt_release_checks'] }}"
    planned: "{{ image_verified['planned'] + model_verified['planned'] }}"
    key_file: ~/.config/stt-engine/release.pem
"""

RETURN = r"""
release:
  description: The release's id.
  returned: success
  type: str
  sample: cuda129-rhel89-v1.2-3f2a9c51d07e
path:
  description: The manifest.
  returned: success
  type: str
  sample: /home/operator/stt/releases/cuda129-rhel89-v1.2-3f2a9c51d07e/manifest.json
signature:
  description: The signature's file; empty when O(unsigned=true).
  returned: success
  type: str
  sample: /home/operator/stt/releases/cuda129-rhel89-v1.2-3f2a9c51d07e/manifest.json.sig
signed:
  description: Whether the manifest is signed.
  returned: success
  type: bool
  sample: true
sha256:
  description: The SHA-256 of the manifest's bytes.
  returned: success
  type: str
  sample: 5c3f0a0c3f1c0d53b3b1c4e6a1a9a4a3d5a0e8f0b7a25f4d9f4b0b0d7c6e5f4a
sequence:
  description: UTC seconds at sealing; later releases have higher numbers.
  returned: success
  type: int
  sample: 1769847300
sealed:
  description: When the manifest was sealed; one that was kept keeps its time.
  returned: success
  type: str
  sample: "2026-01-31T08:15:00.250Z"
key_sha256:
  description: The SHA-256 of the public key that signs; empty when O(unsigned=true).
  returned: success
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
gpu:
  description: V(proven) when a GPU computed and was right, otherwise V(absent).
  returned: success
  type: str
  sample: absent
verdict:
  description: Always V(passed); a failed verdict is not sealed.
  returned: success
  type: str
  sample: passed
counts:
  description: How many checks ended in each status.
  returned: success
  type: dict
  sample:
    passed: 61
    failed: 0
    error: 0
    skipped: 4
reason:
  description: Why it was, or would be, written; empty when the manifest there was kept.
  returned: success
  type: str
  sample: there is no manifest yet
"""
