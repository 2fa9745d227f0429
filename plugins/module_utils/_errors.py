# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception that the collection's own code raises for a condition a user can mend."""

from __future__ import annotations

from typing import Any


class SttError(Exception):
    """A failure that names its object, what was found, what was needed and how to fix it.

    Extra keyword arguments (``cmd``, ``rc``, ``log_path`` ...) travel with the result.
    """

    def __init__(self, object_: str, *, found: str, needed: str, fix: str, **details: Any) -> None:
        self.object = object_
        self.found = found
        self.needed = needed
        self.fix = fix
        self.details = details
        super().__init__(f"{object_}: found {found}; needed {needed}; fix: {fix}")

    def result(self) -> dict[str, Any]:
        """The keyword arguments for ``AnsibleModule.fail_json``."""
        return {
            "msg": str(self),
            "object": self.object,
            "found": self.found,
            "needed": self.needed,
            "fix": self.fix,
            **self.details,
        }
