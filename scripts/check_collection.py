# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the collection, install the archive somewhere else, and use it from there.

Proves what an operator gets: the archive holds what a release needs and nothing else, every plugin
imports, every module documents itself, and every module is in an action group.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parent.parent
NEEDED = (
    "LICENSES/GPL-3.0-or-later.txt",
    "README.md",
    "checks",
    "docker",
    "inventory/build",
    "meta/runtime.yml",
    "playbooks/compare.yml",
    "playbooks/release.yml",
    "playbooks/verify.yml",
    "plugins/modules",
    "requirements/tools.txt",
    "roles",
)
UNWANTED = (".git", ".venv", "Makefile", "inventory/lab", "scripts", "tests")
PLUGIN_KINDS = ("action", "callback", "filter", "module_utils", "modules", "plugin_utils")
IMPORT_ALL = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    module = importlib.import_module(name)
    if not module.__file__.startswith(sys.argv[1]):
        sys.exit(f"{name}: found {module.__file__}; needed the installed copy below {sys.argv[1]}")
"""


def run(*command: str, environment: dict[str, str] | None = None) -> str:
    """The standard output of a command; its error output goes with the failure."""
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode != 0:
        raise RuntimeError(
            f"{' '.join(command[:4])} ended with {done.returncode}: {done.stderr.strip()}"
        )
    return done.stdout


def build_and_install(destination: Path) -> Path:
    """The directory of the collection, installed below `destination` from a fresh archive."""
    # The checkout's own link counts as installed unless Ansible looks in the destination alone.
    only_there = {"ANSIBLE_COLLECTIONS_PATH": str(destination)}
    run("ansible-galaxy", "collection", "build", "--force", "--output-path", str(destination))
    archive = str(next(destination.glob("stt-engine-*.tar.gz")))
    install = ["ansible-galaxy", "collection", "install", archive, "-p", str(destination)]
    run(*install, "--no-deps", "--offline", environment=only_there)
    return destination / "ansible_collections" / "stt" / "engine"


def judge_files(installed: Path) -> list[str]:
    """What the archive lacks or should not have."""
    return [f"archive: {name} is missing" for name in NEEDED if not (installed / name).exists()] + [
        f"archive: {name} should not be in it" for name in UNWANTED if (installed / name).exists()
    ]


def judge_imports(installed: Path, collections: Path) -> list[str]:
    """A sentence when a plugin of the installed copy does not import."""
    names = [
        f"ansible_collections.stt.engine.plugins.{kind}.{path.stem}"
        for kind in PLUGIN_KINDS
        for path in sorted((installed / "plugins" / kind).glob("*.py"))
        if path.stem != "__init__"
    ]
    try:
        run(sys.executable, "-c", IMPORT_ALL, str(collections), *names)
    except RuntimeError as error:
        return [f"import: {error}"]
    print(f"{len(names)} plugin files import from the installed copy")
    return []


def judge_modules(installed: Path, collections: Path) -> list[str]:
    """What keeps a module from being documented or from being in an action group."""
    modules = {path.stem for path in (installed / "plugins" / "modules").glob("*.py")} - {
        "__init__"
    }
    runtime = yaml.safe_load((installed / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    grouped = {name for group in runtime["action_groups"].values() for name in group}
    found = [
        f"meta/runtime.yml: {name} is in no action group" for name in sorted(modules - grouped)
    ]
    found += [f"meta/runtime.yml: there is no module {name}" for name in sorted(grouped - modules)]
    documents = json.loads(
        run(
            "ansible-doc",
            "--json",
            "-t",
            "module",
            *(f"stt.engine.{name}" for name in sorted(modules)),
            environment={"ANSIBLE_COLLECTIONS_PATH": str(collections)},
        )
    )
    for name in sorted(modules):
        document = documents.get(f"stt.engine.{name}", {})
        missing = [part for part in ("doc", "examples", "return") if not document.get(part)]
        found += [f"{name}: ansible-doc shows no {part}" for part in missing]
    return found


def main() -> int:
    """Judge the built collection and return the exit status."""
    with tempfile.TemporaryDirectory(prefix="stt-engine-build-") as directory:
        collections = Path(directory).resolve()
        installed = build_and_install(collections)
        found = judge_files(installed)
        found += judge_imports(installed, collections)
        found += judge_modules(installed, collections)
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
