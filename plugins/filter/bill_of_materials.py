# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that lists what a release is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.stt.engine.plugins.module_utils import _sbom
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError


def bill_of_materials(
    components: Sequence[Mapping[str, Any]],
    *,
    release: str,
    image: Mapping[str, Any],
    model: Mapping[str, Any],
    conversions: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Image, packages and model files of a release as one CycloneDX document."""
    try:
        return _sbom.bill_of_materials(
            components, release=release, image=image, model=model, conversions=conversions
        )
    except SttError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters of this file by name."""
        return {"bill_of_materials": bill_of_materials}
