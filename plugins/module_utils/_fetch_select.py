# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a model are wanted, and whether a hub's list of files satisfies that."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from re import fullmatch
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._hub import (
    ModelTree,
    RemoteFile,
    is_plain_path,
)

# What transformers and the converter read: no second copy of the weights in another format.
DEFAULT_PATTERNS = (
    "*.json",
    "*.txt",
    "*.model",
    "model.safetensors",
    "model-*.safetensors",
    "!*/*",
)
DEFAULT_REQUIRED = (
    "config.json",
    "tokenizer.json",
    "preprocessor_config.json",
    "model.safetensors|model.safetensors.index.json",
)


@dataclass(frozen=True)
class Selection:
    """The wanted files of one commit.

    ``patterns`` choose by shell pattern, those with ``!`` leave out again. ``required`` must be
    among the chosen; ``a|b`` is satisfied by either. ``expected`` (path to size and SHA-256), when
    given, is exactly what the chosen files must be.
    """

    repository: str
    commit: str
    patterns: tuple[str, ...] = DEFAULT_PATTERNS
    required: tuple[str, ...] = DEFAULT_REQUIRED
    expected: Mapping[str, tuple[int, str]] | None = None

    @property
    def name(self) -> str:
        """The model in messages."""
        return f"model {self.repository}@{self.commit[:12]}"

    def choose(self, tree: ModelTree) -> list[RemoteFile]:
        """The wanted files of the tree, sorted by path; raises SttError when some are missing."""
        if tree.commit != self.commit:
            raise SttError(
                self.name,
                found=f"commit {tree.commit} in the hub's answer",
                needed=f"commit {self.commit}",
                fix="check endpoint: a hub must answer for the commit that it was asked for",
            )
        chosen = [file for file in tree.files if self._matches(file.path)]
        self.check_required([file.path for file in chosen])
        if self.expected is not None:
            self._check_expected(chosen, self.expected)
        return chosen

    def check_required(self, paths: Iterable[str]) -> None:
        """Refuse a set of files in which a required one is missing."""
        present = set(paths)
        missing = [
            " or ".join(item.split("|"))
            for item in self.required
            if present.isdisjoint(item.split("|"))
        ]
        if missing:
            raise SttError(
                self.name,
                found=f"no {', no '.join(missing)} among its files "
                f"({', '.join(sorted(present)) or 'none'})",
                needed=", ".join(" or ".join(item.split("|")) for item in self.required),
                fix="choose a commit of the repository that holds them, or correct files",
            )

    def check_contents(self, places: Mapping[str, Path], sha256: Mapping[str, str]) -> None:
        """Judge the chosen files once they are there: locked hashes, and shards of the weights."""
        changed = [
            f"{path} has sha256 {sha256.get(path)}, expected {digest}"
            for path, (_size, digest) in sorted((self.expected or {}).items())
            if sha256.get(path) != digest
        ]
        if changed:
            raise self._drift(changed)
        for index in sorted(path for path in places if path.endswith(".safetensors.index.json")):
            named = shards(places[index])
            missing = named - places.keys()
            # A second set of weights that was not chosen has its index here, but no shard.
            if missing and (missing != named or "model.safetensors" not in places):
                raise SttError(
                    self.name,
                    found=f"no {', no '.join(sorted(missing))}, which {index} names",
                    needed="every shard of the weights",
                    fix="choose a commit that holds them, or correct files",
                )

    def _matches(self, path: str) -> bool:
        wanted = any(fnmatchcase(path, p) for p in self.patterns if not p.startswith("!"))
        return wanted and not any(
            fnmatchcase(path, pattern[1:]) for pattern in self.patterns if pattern.startswith("!")
        )

    def _check_expected(
        self, chosen: Sequence[RemoteFile], expected: Mapping[str, tuple[int, str]]
    ) -> None:
        present = {file.path: file for file in chosen}
        differences = [f"{path} is missing" for path in sorted(expected.keys() - present.keys())]
        differences += [f"{path} is new" for path in sorted(present.keys() - expected.keys())]
        for path in sorted(expected.keys() & present.keys()):
            size, digest = expected[path]
            file = present[path]
            if file.size != size:
                differences.append(f"{path} has {file.size} bytes, expected {size}")
            elif file.sha256 is not None and file.sha256 != digest:
                differences.append(f"{path} has sha256 {file.sha256}, expected {digest}")
        if differences:
            raise self._drift(differences)

    def _drift(self, differences: list[str]) -> SttError:
        return SttError(
            self.name,
            found="; ".join(differences),
            needed="exactly the files of expected_files",
            fix="check which hub answers; if the change is wanted, update the lock",
            differences=differences,
        )


def parse_expected(files: Sequence[Mapping[str, Any]]) -> dict[str, tuple[int, str]] | None:
    """The module's ``expected_files`` by path; None when none are given."""
    expected = {}
    for file in files:
        path, size, digest = file.get("path"), file.get("size"), file.get("sha256")
        if not (
            isinstance(path, str)
            and is_plain_path(path)
            and isinstance(size, int)
            and size >= 0
            and isinstance(digest, str)
            and fullmatch(r"[0-9a-f]{64}", digest)
        ):
            raise SttError(
                "expected_files",
                found=repr(dict(file)),
                needed="path, size and sha256 of each file",
                fix="take the list from files of an earlier result",
            )
        expected[path] = (size, digest)
    return expected or None


def tree_of_expected(commit: str, expected: Mapping[str, tuple[int, str]]) -> ModelTree:
    """The list of files without a hub: what the lock says."""
    files = (RemoteFile(path, size, "", digest) for path, (size, digest) in expected.items())
    return ModelTree(commit, tuple(sorted(files, key=lambda file: file.path)))


def shards(index: Path) -> set[str]:
    """The files that an index of sharded weights names."""
    try:
        weights = json.loads(index.read_bytes())["weight_map"]
        return {str(name) for name in weights.values()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SttError(
            str(index),
            found=f"no readable weight_map ({type(error).__name__})",
            needed="an index of sharded weights",
            fix="choose another commit of the repository",
        ) from error
