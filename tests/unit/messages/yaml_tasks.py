# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds every failure that the tasks of roles and playbooks can tell, by reading the YAML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.unit.messages.collected import VALUE, Message, sentence

TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
# A template that hands on the message of what failed before.
HANDED_ON = re.compile(r"\{\{[^}]*\['msg'\][^}]*\}\}")
DEFAULT = re.compile(r"default\((__\w+)\)")
FAIL = ("ansible.builtin.fail", "fail")
ASSERT = ("ansible.builtin.assert", "assert")
CHECKS = "stt.engine.stt_checks"
GOOD = ("passed", "skipped")


def read(path: Path) -> list[Message]:
    """Every message of one file."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [
        message
        for task in _tasks(document)
        for message in _messages(f"{path.as_posix()} ({task.get('name', 'unnamed')})", task)
    ]


def _tasks(node: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping in a list, however deep in blocks and plays."""
    for entry in node if isinstance(node, list) else []:
        if isinstance(entry, Mapping):
            yield entry
            for part in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks"):
                yield from _tasks(entry.get(part))


def _messages(where: str, task: Mapping[str, Any]) -> Iterator[Message]:
    for name, option in [(n, "msg") for n in FAIL] + [(n, "fail_msg") for n in ASSERT]:
        if name in task:
            arguments = task[name] if isinstance(task[name], Mapping) else {}
            yield from _said(where, name, str(arguments.get(option, "")), task)
    if CHECKS in task:
        for check in task[CHECKS].get("checks", []):
            yield _check(where, "check", check)
    for result in _results(task):
        yield _check(where, "check result", result)


def _said(where: str, kind: str, text: str, task: Mapping[str, Any]) -> Iterator[Message]:
    """A message of its own, or another's with what stands in for it where there is none."""
    if not HANDED_ON.search(text):
        yield sentence(where, kind, TEMPLATE.sub(VALUE, text))
        return
    variables = task.get("vars", {})
    for name in DEFAULT.findall(text):
        yield sentence(where, kind, TEMPLATE.sub(VALUE, str(variables.get(name, ""))))


def _results(node: Any) -> Iterator[Mapping[str, Any]]:
    """Check results that a task writes down itself, and that are not good whatever happens."""
    if isinstance(node, Mapping):
        if {"status", "found", "fix"} <= node.keys() and node["status"] not in GOOD:
            yield node
        for value in node.values():
            yield from _results(value)
    elif isinstance(node, list):
        for value in node:
            yield from _results(value)


def _check(where: str, kind: str, check: Mapping[str, Any]) -> Message:
    parts = {"object": "name", "found": "found", "needed": "expected", "fix": "fix"}
    texts = {
        part: (" ".join(TEMPLATE.sub(VALUE, str(check[option])).split()),)
        for part, option in parts.items()
        if option in check
    }
    return Message(f"{where} {check.get('id')} {check.get('name')}", kind, texts)
