# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process of the tools environment that can be ended at any time, with all that it started."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError


class HubProcess:
    """Runs one of our programs in the tools environment.

    Parameters, a token among them, go through standard input: neither the command line nor the
    environment of the process shows them.
    """

    def __init__(self, tools_python: str, program: ModuleType, home: Path, endpoint: str) -> None:
        self._tools_python = tools_python
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C.UTF-8",
            "HOME": str(home),
            "HF_HOME": str(home),
            "HF_ENDPOINT": endpoint,
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            **{
                name: os.environ[name]
                for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")
                if os.environ.get(name)
            },
        }
        try:
            self._child = subprocess.Popen(
                [tools_python, "-I", "-c", inspect.getsource(program)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=home,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise self.error(os.strerror(error.errno or 0)) from error

    def communicate(self, parameters: dict[str, Any] | None, seconds: float) -> dict[str, Any]:
        """The answer; TimeoutError when it is not there after so many seconds.

        Call again with None to go on waiting.
        """
        given = None if parameters is None else json.dumps(parameters).encode()
        try:
            output, complaints = self._child.communicate(given, seconds)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError from error
        try:
            return dict(json.loads(output))
        except ValueError as error:
            last = complaints.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no output"]
            raise self.error(f"exit {self._child.returncode}: {last[0]}") from error

    def end(self) -> None:
        """Kill what still runs; nothing of it is left afterwards."""
        if self._child.poll() is None:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.communicate()

    def error(self, found: str) -> SttError:
        """What is said of a tools environment that does not work."""
        return SttError(
            f"tools environment {self._tools_python}",
            found=found,
            needed="a Python in which huggingface_hub of requirements/tools.txt imports",
            fix="install the tools environment again, or correct tools_python",
        )
