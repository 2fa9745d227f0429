# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host must offer so that a release can be made on it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ansible_collections.stt.engine.plugins.module_utils._host_check_reach import Endpoint

GpuPolicy = Literal["required", "auto", "absent"]


@dataclass(frozen=True)
class NeededFile:
    """A file or directory that the user names to a later step, in a variable of this name."""

    path: str
    variable: str

    def problem(self) -> str:
        """Why this user cannot read it; empty when it can be read."""
        if not Path(self.path).exists():
            return f"nothing at {self.path} ({self.variable})"
        if not os.access(self.path, os.R_OK):
            return f"{self.path} ({self.variable}) not readable for user {os.geteuid()}"
        return ""


@dataclass(frozen=True)
class Needs:
    """What the host must offer; bytes unless said otherwise."""

    root: Path
    minimum_engine: str = "23.0"
    minimum_buildx: str = "0.13"
    docker_bytes: int = 0
    root_bytes: int = 0
    recommended_bytes: int = 0
    memory_bytes: int = 0
    architecture: str = "x86_64"
    endpoints: Sequence[Endpoint] = ()
    gpu: GpuPolicy = "auto"
    commands: Sequence[str] = ()
    files: Sequence[NeededFile] = ()
