# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's build server as the benchmark uses it: a directory, the modules, measured commands."""

from __future__ import annotations

import inspect
import io
import json
import shlex
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ansible

from tests.bench import on_server
from tests.bench.place import CHECKOUT, REPOSITORY, Model
from tests.integration.build_host import BuildHost
from tests.integration.model_lab import RUNNER
from tests.lab.hosts import ssh_command
from tests.lab.layout import BUILD_HOST, Places, cache_root

LIMIT = 280.0


class BenchServer(BuildHost):
    """A directory of this run on the server's own file system, with what runs the modules."""

    def __init__(self) -> None:
        super().__init__()
        # /tmp there is a container's layer; models lie below /opt.
        self.directory = f"/opt/{self.prefix.replace('test', 'bench')}"

    def carry(self) -> None:
        """Put there what Ansible would send along with a module: no Ansible call is measured."""
        packed = io.BytesIO()
        package = Path(next(iter(ansible.__path__)))
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for name in ("__init__.py", "_vendor", "release.py", "module_utils"):
                archive.add(package / name, f"ansible/{name}", filter=_sources)
            for name in ("modules", "module_utils"):
                inside = f"ansible_collections/stt/engine/plugins/{name}"
                archive.add(CHECKOUT / "plugins" / name, inside, filter=_sources)
        self.unpack(packed.getvalue(), "python")

    def send_model(self, model: Model) -> str:
        """Put the model there and publish it with our module, so that its manifest is real."""
        brought = f"{self.directory}/brought"
        command = f"mkdir -p {brought} && tar -C {brought} -xf -"
        names = list(model.sha256)
        with subprocess.Popen(
            ["tar", "-C", str(model.directory), "-cf", "-", *names], stdout=subprocess.PIPE
        ) as packer:
            remote = ssh_command(BUILD_HOST, Places(cache_root()), f"sh -c {shlex.quote(command)}")
            subprocess.run(remote, stdin=packer.stdout, check=True, timeout=LIMIT)
        if packer.returncode != 0:
            raise RuntimeError(f"tar of {model.directory} ended with {packer.returncode}")
        expected = [
            {"path": name, "size": (model.directory / name).stat().st_size, "sha256": digest}
            for name, digest in model.sha256.items()
        ]
        answer = self.measure_module(
            "stt_model_fetch",
            {
                "repository": REPOSITORY,
                "commit": "0" * 40,
                "root": self.directory,
                "source_path": brought,
                "expected_files": expected,
            },
        )
        self.ssh(f"rm -rf {brought}")
        if answer["result"].get("failed"):
            raise RuntimeError(answer["result"]["msg"])
        return str(answer["result"]["path"])

    def measure_module(
        self, name: str, arguments: Mapping[str, Any], source: str = "", settle: str = ""
    ) -> dict[str, Any]:
        """Run a module's process there; the answer has its result besides what was measured."""
        answer = self.measure(
            ["python3", "-c", RUNNER],
            json.dumps([name, {**arguments, "_ansible_check_mode": False}]),
            {"PYTHONPATH": f"{self.directory}/python"},
            source,
            settle,
        )
        try:
            result = json.loads(answer["output"])
        except ValueError:
            result = {"failed": True, "msg": f"no result: {answer['complaints'][-500:]}"}
        return {**answer, "result": result}

    def measure(
        self,
        argv: Sequence[str],
        data: str,
        environment: Mapping[str, str],
        source: str,
        settle: str,
    ) -> dict[str, Any]:
        """Run a command there; returns its time and the peak of the container it starts."""
        order = {
            "argv": list(argv),
            "input": data,
            "environment": dict(environment),
            "source": source,
            "settle": settle or f"{self.directory}/nothing",
            "limit": LIMIT,
        }
        program = inspect.getsource(on_server).encode()
        said = self.ssh(f"python3 - {shlex.quote(json.dumps(order))}", program)
        return dict(json.loads(said))


def _sources(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if entry.name.endswith(("__pycache__", ".pyc")) else entry
