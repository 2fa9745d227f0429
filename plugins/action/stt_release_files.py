# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists and signs a release's own files on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.stt.engine.plugins.module_utils import _release_files as files
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._release_manifest import (
    FILE_NAME,
)
from ansible_collections.stt.engine.plugins.module_utils._release_manifest import (
    SIGNATURE_NAME as MANIFEST_SIGNATURE,
)
from ansible_collections.stt.engine.plugins.module_utils._release_sign import choose_signer
from ansible_collections.stt.engine.plugins.plugin_utils._controller_action import (
    ControllerAction,
)


class ActionModule(ControllerAction):
    """Writes SHA256SUMS and SHA256SUMS.sig, over everything else in the release's directory."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "dest": {"type": "path", "required": True},
        "brought": {"type": "list", "elements": "str", "default": []},
        "key_file": {"type": "path", "no_log": False},
        "unsigned": {"type": "bool", "default": False},
        "openssl": {"type": "str", "default": "openssl"},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return what was, or would be, listed and signed."""
        signer = choose_signer(arguments["key_file"], arguments["unsigned"], arguments["openssl"])
        directory = Path(arguments["dest"])
        if not (directory / FILE_NAME).is_file():
            raise SttError(
                f"release files {directory}",
                found=f"no {FILE_NAME}",
                needed="a release that is sealed",
                fix="seal it with stt.engine.stt_release_manifest first",
            )
        manifest = directory / FILE_NAME
        if signer and not signer.verifies(manifest, directory / MANIFEST_SIGNATURE):
            raise SttError(
                f"release files {directory}",
                found=f"no {MANIFEST_SIGNATURE} by this key for the {FILE_NAME} there",
                needed=f"a {FILE_NAME} that this key signed",
                fix="seal it with stt.engine.stt_release_manifest first",
            )
        try:
            entries = files.collect(directory)
            before = files.signed_before(directory, signer)
        except OSError as error:
            raise _unreadable(directory, error) from error
        files.refuse_unproven(directory, before, entries, arguments["brought"])
        signature = directory / files.SIGNATURE_NAME
        wanted = signature.exists() == (signer is not None)
        reason = files.reason_to_sign(before, entries, signature=wanted)
        if not self._task.check_mode and (reason is not None or before != entries):
            files.write(directory, entries, signer)
        return {
            "changed": reason is not None,
            "reason": reason or "",
            "path": str(directory / files.LIST_NAME),
            "signature": str(signature) if signer else "",
            "files": sorted(entries),
            "key_file": arguments["key_file"] or "",
            "openssl": arguments["openssl"],
        }


def _unreadable(directory: Path, error: OSError) -> SttError:
    return SttError(
        f"release files {directory}",
        found=f"{error.filename}, which cannot be read ({error.strerror})",
        needed="files that the user who releases may read",
        fix="correct its permissions",
    )
