# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that names a release."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._release_id import identity, release_id


def name_release(
    tag: str,
    *,
    input_digest: str,
    commit: str,
    files: Sequence[Mapping[str, Any]] | Mapping[str, str],
    quantization: str | Sequence[str],
    converter: Mapping[str, Any],
) -> str:
    """The id of the release that is made of these parts."""
    quantizations = [quantization] if isinstance(quantization, str) else list(quantization)
    try:
        identified = identity(
            input_digest=input_digest,
            commit=commit,
            files=files,
            quantizations=quantizations,
            converter=converter,
        )
        return release_id(str(tag), identified)
    except SttError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters of this file by name."""
        return {"release_id": name_release}
