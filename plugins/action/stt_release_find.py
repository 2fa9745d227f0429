# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds on the controller which sealed release is meant, or which one a host runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.stt.engine.plugins.module_utils._release_store import (
    LATEST,
    SealedRelease,
    choose,
    sealed_releases,
)
from ansible_collections.stt.engine.plugins.plugin_utils._controller_action import (
    ControllerAction,
)


class ActionModule(ControllerAction):
    """Reads manifests and changes nothing; what it returns is not proven yet."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "directory": {"type": "path", "required": True},
        "release": {"type": "str", "default": ""},
        "services": {"type": "list", "elements": "dict", "default": []},
        "recorded": {"type": "list", "elements": "str", "default": []},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the release's id and directory, and how it was found."""
        root = Path(arguments["directory"])
        releases = sealed_releases(root)
        if arguments["release"]:
            release, reason = choose(root, arguments["release"], releases), "named"
        else:
            release, reason = recognise(
                root, releases, arguments["services"], arguments["recorded"]
            )
        return {
            "changed": False,
            "release": release.id,
            "path": str(release.directory),
            "reason": reason,
        }


def recognise(
    root: Path,
    releases: Sequence[SealedRelease],
    services: Sequence[Mapping[str, Any]],
    recorded: Sequence[str],
) -> tuple[SealedRelease, str]:
    """What a host runs, else what it has a record of, else the newest that there is here."""
    for service in services:
        # Releases may share an image: then the model tells which one it is.
        mine = [one for one in releases if one.image_id == service["image_id"]]
        served = [one for one in mine if f"{service['model']}/".endswith(f"/{one.served}/")]
        if mine:
            return (served or mine)[0], f"the container {service['name']} runs it"
    known = {release.id: release for release in releases}
    for name in recorded:
        if name in known:
            return known[name], "it is recorded on the host"
    return choose(root, LATEST, list(releases)), "it is the newest"
