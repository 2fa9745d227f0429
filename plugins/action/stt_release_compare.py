# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says on the controller what differs between two sealed releases, and keeps that as a page."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.stt.engine.plugins.module_utils import _release_files as files
from ansible_collections.stt.engine.plugins.module_utils._digest import sha256_hex
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._release_manifest import (
    FILE_NAME,
)
from ansible_collections.stt.engine.plugins.module_utils._release_manifest import (
    SIGNATURE_NAME as MANIFEST_SIGNATURE,
)
from ansible_collections.stt.engine.plugins.module_utils._release_store import (
    SealedRelease,
    choose,
    refuse_unreadable,
    sealed_releases,
)
from ansible_collections.stt.engine.plugins.module_utils._report_text import LANGUAGES
from ansible_collections.stt.engine.plugins.module_utils._store import write_atomically
from ansible_collections.stt.engine.plugins.plugin_utils._compare import Release, compare
from ansible_collections.stt.engine.plugins.plugin_utils._compare_html import page
from ansible_collections.stt.engine.plugins.plugin_utils._compare_terminal import comparison_lines
from ansible_collections.stt.engine.plugins.plugin_utils._controller_action import (
    ControllerAction,
    show_lines,
)

PLACE = "compare"
READ = (FILE_NAME, "report.json", "sbom.cdx.json")
# Of these an unsigned release has none.
SIGNED = (MANIFEST_SIGNATURE, files.SIGNATURE_NAME, "release.pub")
PROOF_SECONDS = 600
# What verify.sh says besides what it refutes.
UNTOLD = ("proven: ", "not proven: ", "release: ", "result: ")
COLOURS = {
    "added": "COLOR_DIFF_ADD",
    "removed": "COLOR_DIFF_REMOVE",
    "changed": "COLOR_CHANGED",
    "same": "COLOR_OK",
}


class ActionModule(ControllerAction):
    """Proves both releases, compares them, prints the comparison and writes it."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "directory": {"type": "path", "required": True},
        "from": {"type": "str", "default": ""},
        "to": {"type": "str", "default": ""},
        "prove": {"type": "list", "elements": "str", "default": []},
        "allow_unsigned": {"type": "bool", "default": False},
        "language": {"type": "str", "choices": list(LANGUAGES), "default": "en"},
        "print": {"type": "bool", "default": True},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the comparison, the printed lines and what was, or would be, written."""
        root, language = Path(arguments["directory"]), arguments["language"]
        before, after = pair(root, arguments["from"], arguments["to"])
        proof = (arguments["prove"], arguments["allow_unsigned"])
        read = {one.id: _proven(one, *proof) for one in (before, after)}
        try:
            found = compare(read[before.id], read[after.id])
            lines = comparison_lines(found, language)
            contents = {
                "html": page(found, language).encode("utf-8", "replace"),
                "json": json.dumps(found, indent=1, sort_keys=True).encode() + b"\n",
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _unknown_form(before, after, error) from error
        # Of one release and itself there is nothing to keep.
        name = root / PLACE / f"{before.id}..{after.id}"
        paths = {kind: Path(f"{name}.{kind}") for kind in contents} if before.id != after.id else {}
        wanted = {path: contents[kind] for kind, path in paths.items()}
        changed = {path: content for path, content in wanted.items() if _differs(path, content)}
        if not self._task.check_mode:
            _write(changed)
        if paths and not self._task.check_mode:
            lines = comparison_lines(found, language, str(paths["html"]))
        if arguments["print"]:
            show_lines(lines, COLOURS)
        return {
            "changed": bool(changed),
            "comparison": found,
            "lines": [line.text for line in lines],
            "paths": {kind: str(path) for kind, path in paths.items()},
        }


def pair(root: Path, first: str, second: str) -> tuple[SealedRelease, SealedRelease]:
    """The two that are meant: by default the newest, and the one sealed before it."""
    releases = sealed_releases(root)
    if not (first and second):
        refuse_unreadable(root, releases)
    after = choose(root, second, releases) if second or not releases else releases[0]
    if first:
        return choose(root, first, releases), after
    older = [one for one in releases if (one.sequence, one.id) < (after.sequence, after.id)]
    if not older:
        raise SttError(
            f"release {after.id}",
            found=f"no release in {root} that was sealed before it",
            needed="two sealed releases to compare",
            fix=_name_another(after, releases),
        )
    return older[0], after


def _name_another(after: SealedRelease, releases: Sequence[SealedRelease]) -> str:
    others = [release.id for release in releases if release.id != after.id]
    if not others:
        return (
            "make another release first, or name the directory of more with "
            "-e release_seal_directory=DIR"
        )
    return f"name the other one with -e from=ID (there are: {', '.join(others)})"


def _proven(release: SealedRelease, prove: Sequence[str], allow_unsigned: bool) -> Release:
    """A release's documents, once its seal was proven as far as that can be done here.

    That it is unsigned anybody can write into it: where a key is known, only who asks may say so.
    """
    unsigned = bool((release.predicate.get("signature") or {}).get("unsigned"))
    bare = unsigned and not any((release.directory / name).exists() for name in SIGNED)
    by_signature = bool(prove) and not bare
    if prove and bare and not allow_unsigned:
        raise _unsigned(release)
    if by_signature:
        _prove(release, prove)
    contents = {name: _read(release, name) for name in READ}
    _hold_against_list(release, contents)
    try:
        manifest, report, sbom = (json.loads(content) for content in contents.values())
        return Release(manifest["predicate"], report, sbom, "signature" if by_signature else "list")
    except (ValueError, KeyError, TypeError) as error:
        raise _unknown_form(release, release, error) from error


def _prove(release: SealedRelease, prove: Sequence[str]) -> None:
    """Let verify.sh prove both signatures and every file of a release."""
    command = [*prove, "--release", release.id, str(release.directory)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PROOF_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _refuted(release, f"{command[0]}, which does not end ({error})") from error
    if done.returncode == 0:
        return
    kept = [line for line in done.stdout.splitlines() if not line.startswith(UNTOLD)]
    said = "; ".join(" ".join(line.split()) for line in kept)
    raise _refuted(release, said or done.stderr.strip() or f"exit status {done.returncode}")


def _refuted(release: SealedRelease, found: str) -> SttError:
    return SttError(
        f"release {release.id}",
        found=found,
        needed="both signatures by the known key, and every file as it was sealed",
        fix="bring the release back as it was sealed, or name the key that sealed it with "
        "release_seal_public_key",
    )


def _unsigned(release: SealedRelease) -> SttError:
    return SttError(
        f"release {release.id}",
        found=f"a {FILE_NAME} that says it is unsigned, although a key is known here",
        needed="both signatures by the known key",
        fix="bring the release back as it was sealed; if it was sealed unsigned, say so with "
        "-e release_seal_allow_unsigned=true",
    )


def _hold_against_list(release: SealedRelease, contents: dict[str, bytes]) -> None:
    """Refuse what was edited, also where nobody signed it or the key is not known."""
    listed = files.parse(_read(release, files.LIST_NAME))
    for name, content in contents.items():
        if listed.get(name) != sha256_hex(content):
            raise _refuted(release, f"{name}, which is not what {files.LIST_NAME} names")


def _read(release: SealedRelease, name: str) -> bytes:
    path = release.directory / name
    try:
        return path.read_bytes()
    except OSError as error:
        raise _refuted(release, f"no {name} that can be read ({error.strerror})") from error


def _unknown_form(one: SealedRelease, other: SealedRelease, error: Exception) -> SttError:
    names = one.id if one is other else f"{one.id} and {other.id}"
    return SttError(
        f"release {names}",
        found=f"documents of another form ({type(error).__name__}: {error})",
        needed="manifest.json, report.json and sbom.cdx.json as this collection writes them",
        fix="compare it with the collection that sealed it",
    )


def _differs(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() != content
    except FileNotFoundError:
        return True
    except OSError as error:
        raise _unwritable(path, error) from error


def _write(contents: dict[Path, bytes]) -> None:
    for path, content in contents.items():
        try:
            path.parent.mkdir(exist_ok=True)
            write_atomically(path, content)
        except OSError as error:
            raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> SttError:
    return SttError(
        f"comparison {path}",
        found=f"a place that cannot be read or written ({error.strerror})",
        needed=f"permission and space to write in {path.parent}",
        fix="correct its permissions or make room; --check only prints",
    )
