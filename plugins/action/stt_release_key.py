# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the key that signs out of a vault, for as long as the run lasts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

from ansible import constants
from ansible.errors import AnsibleError

from ansible_collections.stt.engine.plugins.module_utils._digest import sha256_hex
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.plugin_utils._controller_action import (
    ControllerAction,
)

VAULTED = b"$ANSIBLE_VAULT;"


class ActionModule(ControllerAction):
    """Says which file openssl reads the key from; it lies in Ansible's own temporary directory."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "key_file": {"type": "path", "required": True},
        "key": {"type": "str", "default": "", "no_log": True},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the file, and whether the user has given it."""
        path = Path(arguments["key_file"])
        if arguments["key"]:
            return self._lent(arguments["key"].encode())
        if _is_vaulted(path):
            return self._lent(self._decrypted(path))
        return {"changed": False, "path": str(path), "from_vault": False}

    def _lent(self, key: bytes) -> dict[str, Any]:
        """A private copy; Ansible removes the directory when the run is over."""
        content = key.strip() + b"\n"
        path = Path(
            vars(constants)["DEFAULT_LOCAL_TMP"], f"stt-release-{sha256_hex(content)[:12]}.pem"
        )
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        return {"changed": False, "path": str(path), "from_vault": True}

    def _decrypted(self, path: Path) -> bytes:
        try:
            return Path(self._loader.get_real_file(str(path), decrypt=True)).read_bytes()
        except AnsibleError as error:
            raise SttError(
                f"signing key {path}",
                found=f"a file that ansible-vault encrypted, which does not open ({error})",
                needed="the password that it was encrypted with",
                fix="give it with --vault-password-file or --ask-vault-pass",
            ) from error


def _is_vaulted(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(VAULTED)) == VAULTED
    except FileNotFoundError:
        return False
    except OSError as error:
        raise SttError(
            f"signing key {path}",
            found=f"a file that cannot be read ({error.strerror})",
            needed="a PEM file",
            fix="correct its permissions, or name another with release_seal_key_file",
        ) from error
