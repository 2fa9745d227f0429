# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a directory of clips on the controller, as the checks read it in the container."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.stt.engine.plugins.module_utils._release_recording import (
    choose,
    files_of,
    read_clips,
    read_transcripts,
)
from ansible_collections.stt.engine.plugins.plugin_utils._controller_action import (
    ControllerAction,
)


class ActionModule(ControllerAction):
    """Lists what belongs to a set of clips, and chooses what a running service is asked for."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "directory": {"type": "path", "required": True},
        "report": {"type": "path"},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the files and, where a release's report is given, a recording of speech."""
        directory = Path(arguments["directory"])
        entries = read_clips(directory)
        result: dict[str, Any] = {"changed": False, "files": files_of(entries)}
        if arguments["report"] is None:
            return result
        chosen = choose(directory, entries, read_transcripts(Path(arguments["report"])))
        if chosen is None:
            return result
        recording = {
            "name": chosen.name,
            "content": base64.b64encode(chosen.path.read_bytes()).decode("ascii"),
            "text": chosen.text,
            "limit": chosen.limit,
        }
        return {**result, "recording": recording, "timeout": chosen.timeout}
