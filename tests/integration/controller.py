# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs tasks by the real ansible-playbook, against the collection with roles made for the test."""

from __future__ import annotations

import errno
import json
import os
import pty
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
PLAYBOOK_SECONDS = 120
# What a role of the collection looks like to who judges the inputs.
ROLE_SPEC = """\
argument_specs:
  main:
    options:
      whisper_model_revision: {type: str, default: main}
      whisper_model_streams: {type: int, default: 4}
      whisper_model_quantization: {type: str, choices: [int8, int8_float16], default: int8}
      whisper_model_cache: {type: path, default: /var/cache}
      whisper_model_repository: {type: str, required: true}
  fetch:
    options:
      whisper_model_args: {type: dict, default: {}}
"""


def _read(screen: int) -> bytes:
    """What a terminal shows next; nothing when the last program has left it."""
    try:
        return os.read(screen, 65536)
    except OSError as error:
        if error.errno == errno.EIO:
            return b""
        raise


@dataclass(frozen=True)
class Run:
    """How a playbook ended; ``results`` has one entry for each task."""

    rc: int
    output: str
    results: list[dict[str, Any]]

    @property
    def recap(self) -> dict[str, int]:
        """The counts of the only host in the recap."""
        line = self.output.split("PLAY RECAP")[1].splitlines()[1]
        return {key: int(value) for key, value in (x.split("=") for x in line.split() if "=" in x)}


class Controller:
    """A directory with the collection, an inventory and a playbook of single tasks."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        engine = directory / "collections" / "ansible_collections" / "stt" / "engine"
        role = engine / "roles" / "whisper_model" / "meta"
        role.mkdir(parents=True)
        (role / "argument_specs.yml").write_text(ROLE_SPEC, encoding="utf-8")
        for name in ("plugins", "meta", "galaxy.yml"):
            (engine / name).symlink_to(CHECKOUT / name)
        (directory / "ansible.cfg").write_text("[defaults]\n", encoding="utf-8")
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(directory / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(directory / "collections"),
            "ANSIBLE_CALLBACKS_ENABLED": "stt.engine.stt_timeline",
        }
        self.inventory = directory / "inventory.yml"
        self.write_inventory({"build": {"hosts": {"server": {}}}})

    def write_inventory(self, content: dict[str, Any]) -> None:
        """Replace the inventory."""
        self.inventory.write_text(json.dumps(content), encoding="utf-8")

    def run(
        self, *tasks: dict[str, Any], hosts: str = "localhost", arguments: tuple[str, ...] = ()
    ) -> Run:
        """Run tasks one after another; none of them stops the next."""
        kept = self.directory / "results.json"
        kept.unlink(missing_ok=True)
        named = [
            {**task, "register": f"result_{number}", "ignore_errors": True}
            for number, task in enumerate(tasks)
        ]
        listed = ", ".join(f"result_{number}" for number in range(len(tasks)))
        keep = {
            "ansible.builtin.copy": {
                "dest": str(kept),
                "content": f"{{{{ [{listed}] | to_json }}}}",
            },
            "delegate_to": "localhost",
            "check_mode": False,
            "diff": False,
        }
        play = {"hosts": hosts, "gather_facts": False, "tasks": [*named, keep]}
        playbook = self.directory / "playbook.yml"
        playbook.write_text(json.dumps([play]), encoding="utf-8")
        completed = self.ansible_playbook(playbook, *arguments)
        output = completed.stdout + completed.stderr
        assert kept.exists(), output
        return Run(completed.returncode, output, json.loads(kept.read_text(encoding="utf-8")))

    def on_a_terminal(self, task: dict[str, Any]) -> str:
        """What somebody sees who runs a task at a terminal."""
        play = {"hosts": "server", "gather_facts": False, "tasks": [task]}
        playbook = self.directory / "playbook.yml"
        playbook.write_text(json.dumps([play]), encoding="utf-8")
        screen, terminal = pty.openpty()
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        with subprocess.Popen(
            [program, "-i", str(self.inventory), str(playbook)],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
        ) as process:
            os.close(terminal)
            seen = b"".join(iter(lambda: _read(screen), b""))
            assert process.wait(PLAYBOOK_SECONDS) == 0, seen
        os.close(screen)
        return seen.decode()

    def ansible_playbook(self, playbook: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a playbook with nothing of the caller's own configuration."""
        return subprocess.run(
            [
                str(Path(sys.executable).with_name("ansible-playbook")),
                *("-i", str(self.inventory), str(playbook), *arguments),
            ],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PLAYBOOK_SECONDS,
            check=False,
        )


def task(name: str, **parameters: Any) -> dict[str, Any]:
    """A task of one of our modules; become must not matter to it."""
    return {f"stt.engine.{name}": parameters, "become": True}


def snapshot(directory: Path) -> dict[str, bytes]:
    """Every file below a directory with its content, as an independent reader sees it."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
