#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

DOCUMENTATION = r"""
module: stt_release_report
version_added: 0.1.0
short_description: Write a release's report and print the closing checklist
description:
  - Makes of one result set C(report.json), whose schema is C(docs/report.schema.json),
    C(junit.xml), C(report.tap) (TAP 14), and C(report.html), one page for people that needs no
    network and no other file.
  - Prints the closing checklist and the success criteria, which say the same.
  - Writes anew C(index.html), one page about all releases that are kept, with what changed from
    each to the next, and about the runs that failed.
  - Where a release holds several quantizations, a table of their figures (size, load time,
    real-time factor, memory, agreement with float32) stands in all but C(junit.xml) and
    C(report.tap); nothing is ranked.
  - Each item is decided by the results of certain checks. An item whose checks were all skipped is
    skipped, never ticked. An item without any result is an error, and so is a planned check without
    one. A release that was stopped shows what it did not reach as C(not_run).
  - The verdict is V(failed) when anything failed, was broken or has no result, or when the release
    was stopped. The task itself does not fail for that; look at RV(verdict).
  - The report of an earlier run stays in the directory C(history). Where there is a
    C(manifest.json) it stays only if the signed list C(SHA256SUMS) names it as it is, so that
    nothing that was edited is sealed with the release. Times and measured figures alone do not
    count as a change.
  - Runs on the controller only, as an action; it needs no connection to the host.
options:
  dest:
    description: The directory for the files on the controller; made if it is missing.
    type: path
    required: true
  results:
    description: The result set.
    type: dict
    required: true
    suboptions:
      release:
        description: The release's id; empty when it was stopped before it had one.
        type: str
      tag:
        description: The image's tag for its users.
        type: str
      host:
        description: The build server's name in the inventory.
        type: str
      started:
        description:
          - When it began, as M(stt.engine.stt_phase) writes times.
          - By default the time at which the first phase began.
        type: str
      finished:
        description: When it ended; now by default.
        type: str
      phases:
        description: The phases, as M(stt.engine.stt_phase) returns them.
        type: list
        elements: dict
      checks:
        description: Every check result.
        type: list
        elements: dict
      planned:
        description:
          - What must have a result besides the steps that the checklist names itself.
          - A step such as V(R5.7), or a single check such as V(R4.3/cuda_matmul).
        type: list
        elements: str
      self_test:
        description:
          - What showed that the checks can fail, one
            RV(stt.engine.stt_model_verify#module:self_test) for each phase. The report tells of it
            when all of them are there and none is empty.
        type: list
        elements: dict
      seal:
        description:
          - How the release was sealed, with C(sealed), C(anew) (whether the manifest was written),
            C(key_sha256) (empty where nothing signs), C(lock) (its path) and C(reused) (the phases
            whose checks did not run again).
        type: dict
      image:
        description:
          - The image as M(stt.engine.stt_image_build) returns it.
          - C(base) and C(cuda) are shown when they are there.
        type: dict
      models:
        description:
          - The models, each with C(repository), C(commit), C(path) and C(files).
          - A converted one also has C(quantization).
        type: list
        elements: dict
      failure:
        description:
          - What stopped the release, if anything did, with C(msg) and, if known, C(phase), C(task),
            C(object), C(found), C(needed), C(fix) and C(log_path).
        type: dict
      versions:
        description: Versions of the tools that took part, by name.
        type: dict
      lock:
        description: What to tell of the lock.
        type: dict
      logs:
        description: The kept logs, as paths within O(dest).
        type: list
        elements: str
      files:
        description: The release's other files that the page links to, as paths within O(dest).
        type: list
        elements: str
  language:
    description: The language of page and checklist.
    type: str
    choices: [ko, en]
    default: en
  print:
    description: Print the checklist; in check mode it is returned but not printed.
    type: bool
    default: true
  key_file:
    description:
      - The private key in PEM form by which the signed list is verified.
      - Without it whatever list is there counts.
    type: path
  openssl:
    description: The openssl command on the controller, 1.1.1 or newer.
    type: str
    default: openssl
  index:
    description:
      - Write C(index.html) into the directory that holds O(dest); where that is a failed run in a
        directory named C(failed), into the one above.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Can run in check mode; it predicts C(changed), and neither writes nor prints.
  diff_mode:
    support: none
    description: Returns details on what has changed (or possibly needs changing) in check mode.
author:
  - stt.engine contributors (@stt-engine)
"""

EXAMPLES = r"""
- name: Report
  stt.engine.stt_release_report:
    dest: "{{ playbook_dir }}/releases/{{ release }}"
    language: ko
    results:
      release: "{{ release }}"
      host: "{{ inventory_hostname }}"
      phases: "{{ ansible_facts['stt_release_phases'] }}"
      checks: "{{ ansible_facts['stt_release_checks'] }}"
      planned: "{{ image_verified['planned'] + model_verified['planned'] }}"
      image: "{{ image }}"
      models:
        - "{{ fetched | combine({'repository': repository}) }}"
        - "{{ converted | combine({'repository': repository, 'commit': fetched['commit']}) }}"
      logs: [logs/build.log.gz]
  register: report

- name: Stop when it has not passed
  ansible.builtin.assert:
    that: report['verdict'] == 'passed'
"""

RETURN = r"""
verdict:
  description: V(passed) or V(failed).
  returned: success
  type: str
  sample: passed
release:
  description: The release's id; empty when it has none.
  returned: success
  type: str
  sample: cuda129-rhel89-v1.2-3f2a9c51d07e
gpu:
  description: V(proven) when a GPU computed and was right, otherwise V(absent).
  returned: success
  type: str
  sample: absent
counts:
  description: How many checks ended in each status.
  returned: success
  type: dict
  sample:
    passed: 61
    failed: 0
    error: 0
    skipped: 4
checklist:
  description: The printed lines.
  returned: success
  type: list
  elements: str
  sample:
    - "stt.engine release cuda129-rhel89-v1.2-3f2a9c51d07e"
    - "Verdict: Passed"
paths:
  description: The files written.
  returned: success
  type: dict
  contains:
    json:
      description: The report for machines.
      type: str
      sample: /home/operator/stt/releases/cuda129-rhel89-v1.2-3f2a9c51d07e/report.json
    html:
      description: The page for people.
      type: str
      sample: /home/operator/stt/releases/cuda129-rhel89-v1.2-3f2a9c51d07e/report.html
    junit:
      description: The checks as JUnit XML.
      type: str
      sample: /home/operator/stt/releases/cuda129-rhel89-v1.2-3f2a9c51d07e/junit.xml
    tap:
      description: The checks in the Test Anything Protocol.
      type: str
      sample: /home/operator/stt/releases/cuda129-rhel89-v1.2-3f2a9c51d07e/report.tap
"""
