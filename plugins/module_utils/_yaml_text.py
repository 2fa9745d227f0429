# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML on the controller: strict reading, and one sorted form for writing.

Only action plugins use this: ansible-core brings PyYAML to the controller, servers need none.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any


class YamlTextError(Exception):
    """A text that is not the YAML we accept; the message says where and why."""


def load(text: str) -> Any:
    """Parse one document; a key given twice is an error, not a silent last one."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            seen: set[Any] = set()
            for key_node, _value in node.value:
                key = self.construct_object(key_node, deep=True)
                if isinstance(key, Hashable) and key in seen:
                    line = key_node.start_mark.line + 1
                    raise YamlTextError(f"the key {key!r} twice (line {line})")
                if isinstance(key, Hashable):
                    seen.add(key)
            return super().construct_mapping(node, deep=deep)

    try:
        return yaml.load(text, Loader=Loader)
    except yaml.YAMLError as error:
        raise YamlTextError(_describe(error)) from error


def _describe(error: Any) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"{problem} (line {mark.line + 1})" if mark is not None else str(problem)


def dump(value: Any) -> str:
    """The sorted block form of a plain value, one line for each scalar."""
    content = plain(value)
    text = _dump(content, readable=True)
    # PyYAML does not escape every control character that it cannot read back.
    return text if load(text) == content else _dump(content, readable=False)


def _dump(value: Any, *, readable: bool) -> str:
    import yaml

    text: str = yaml.safe_dump(
        value,
        sort_keys=True,
        default_flow_style=False,
        allow_unicode=readable,
        width=4096,
    )
    return text


def plain(value: Any, path: str = "value") -> Any:
    """A copy of built-in types only: no tags, no lazy containers, keys as text.

    Raises TypeError naming the path of anything that JSON and YAML cannot both carry.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [plain(item, f"{path}[{index}]") for index, item in enumerate(value)]
    raise TypeError(f"{path} is a {type(value).__name__}, neither text, number, list nor dict")
