# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name of a release: the image's tag and a digest of everything that makes it what it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._digest import canonical_json, sha256_hex
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._yaml_text import plain

DIGEST_CHARACTERS = 12
# Docker allows 128 characters; the id appends a dash and the digest's beginning.
TAG_CHARACTERS = 128 - DIGEST_CHARACTERS - 1
TAG = re.compile(rf"(?=.{{1,{TAG_CHARACTERS}}}\Z)[A-Za-z0-9_][A-Za-z0-9_.-]*")
SHA256 = re.compile(r"[0-9a-f]{64}")
COMMIT = re.compile(r"[0-9a-f]{40}")
OBJECT = "release id"


def identity(
    *,
    input_digest: str,
    commit: str,
    files: Sequence[Mapping[str, Any]] | Mapping[str, str],
    quantizations: Sequence[str],
    converter: Mapping[str, Any],
) -> dict[str, Any]:
    """What two releases must share to be the same one.

    ``files`` are the original model's, as ``[{path, sha256}]`` or ``{path: sha256}``; ``converter``
    holds the versions of the libraries that converted it.
    """
    return {
        "image_input_digest": _hex(
            SHA256, input_digest, "the image's input digest", "64 hex digits"
        ),
        "model_commit": _hex(COMMIT, commit, "the model's commit", "40 hex digits"),
        "model_files": _files(files),
        "quantization": _texts(quantizations, "quantization"),
        "converter": _versions(converter),
    }


def release_id(tag: str, identified: Mapping[str, Any]) -> str:
    """``<tag>-<first 12 hex digits>``; itself a valid tag."""
    if not TAG.fullmatch(tag):
        raise _error(
            f"the tag {tag!r}",
            f"a Docker tag of at most {TAG_CHARACTERS} letters, digits, '_', '.' and '-'",
        )
    return f"{tag}-{sha256_hex(canonical_json(plain(identified)))[:DIGEST_CHARACTERS]}"


def _error(found: str, needed: str) -> SttError:
    return SttError(
        OBJECT, found=found, needed=needed, fix="pass what the roles returned, unchanged"
    )


def _hex(pattern: re.Pattern[str], value: str, what: str, needed: str) -> str:
    text = str(value).removeprefix("sha256:")
    if not pattern.fullmatch(text):
        raise _error(f"{what} {value!r}", needed)
    return text


def _files(files: Sequence[Mapping[str, Any]] | Mapping[str, str]) -> dict[str, str]:
    if isinstance(files, Mapping):
        pairs = [(str(path), str(digest)) for path, digest in files.items()]
    else:
        pairs = [(str(file.get("path", "")), str(file.get("sha256", ""))) for file in files]
    if not pairs:
        raise _error("no files of the model", "every file with its sha256")
    named: dict[str, str] = {}
    for path, digest in pairs:
        if not path or path in named:
            raise _error(f"the model file {path!r} twice or without a name", "each file once")
        named[path] = _hex(SHA256, digest, f"{path} with the sha256", "64 hex digits")
    return named


def _texts(values: Sequence[str], what: str) -> list[str]:
    texts = sorted({str(value) for value in values})
    if not texts or not all(texts):
        raise _error(f"no {what}", f"at least one {what}")
    return texts


def _versions(converter: Mapping[str, Any]) -> dict[str, str]:
    versions = {str(name): str(version) for name, version in converter.items()}
    if not versions or not all(versions.values()):
        raise _error("no converter versions", "the versions of ctranslate2 and transformers")
    return versions
