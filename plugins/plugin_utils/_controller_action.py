# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame of an action on the controller alone: no connection, no module, no privilege."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from ansible.constants import config
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._report_terminal import Line


def show_lines(lines: Iterable[Line], colours: Mapping[str, str]) -> None:
    """Print lines, each in the colour that Ansible's setting of that name gives its status.

    Ansible leaves the colours out where there is no terminal, and where NO_COLOR is a word for yes.
    """
    display = Display()
    # By its convention NO_COLOR counts whatever it says, unless it is empty.
    known = {} if os.environ.get("NO_COLOR") else colours
    for line in lines:
        setting = known.get(line.status)
        display.display(line.text, color=config.get_config_value(setting) if setting else None)


class ControllerAction(ActionBase):
    """An action whose whole work is :meth:`act`; an SttError raised there is the task's failure.

    It runs in the controller's own process and user, whatever ``become`` says for the host.
    """

    TRANSFERS_FILES = False
    _requires_connection = False
    ARGUMENTS: ClassVar[dict[str, Any]]
    variables: Mapping[str, Any]

    @abstractmethod
    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Do the work with validated arguments and return the result's fields."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Validate the arguments, act, and turn an SttError into a failed result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self.variables = task_vars or {}
        _validated, arguments = ActionBase.validate_argument_spec(self, self.ARGUMENTS)
        try:
            result.update(self.act(arguments))
        except SttError as error:
            result.update(failed=True, changed=False, **error.result())
        return result
