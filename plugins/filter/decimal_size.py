# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that writes bytes as the report does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.stt.engine.plugins.module_utils._report_text import size


def decimal_size(count: Any) -> str:
    """Bytes with three digits in decimal units."""
    try:
        return size(int(count))
    except (TypeError, ValueError) as exc:
        raise AnsibleFilterError(
            f"decimal_size: found {count!r}; needed a number of bytes; "
            "fix: pass the size that a module returned"
        ) from exc


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters of this file by name."""
        return {"decimal_size": decimal_size}
