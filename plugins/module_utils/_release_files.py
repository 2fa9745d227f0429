# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The signed list of a release's own files, in the format of sha256sum."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from ansible_collections.stt.engine.plugins.module_utils._digest import sha256_file
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._release_sign import Signer
from ansible_collections.stt.engine.plugins.module_utils._store import write_atomically

LIST_NAME = "SHA256SUMS"
SIGNATURE_NAME = "SHA256SUMS.sig"
# Every run writes these anew: the report has its own times in it.
REPORT_FILES = frozenset({"report.json", "report.html", "junit.xml", "report.tap"})
HISTORY = "history/"
MADE_BY_EVERY_RUN = REPORT_FILES | {
    "manifest.json",
    "manifest.json.sig",
    "release.pub",
    "sbom.cdx.json",
    "verify.sh",
}
# sha256sum escapes such names, and a shell that reads them line by line goes astray.
UNLISTABLE = re.compile(rb"[\x00-\x1f\x7f\\]")
LINE = re.compile(rb"([0-9a-f]{64})  ([^\x00-\x1f\x7f\\]+)")


def collect(directory: Path) -> dict[str, str]:
    """The SHA-256 of every file below a release's directory, by name, but for the list itself."""
    found: dict[str, str] = {}
    for folder, folders, names in os.walk(directory):
        for name in [*names, *folders]:
            path = Path(folder) / name
            listed = path.relative_to(directory).as_posix()
            if listed in (LIST_NAME, SIGNATURE_NAME) or (name in folders and not path.is_symlink()):
                continue
            _refuse_unlistable(path, listed)
            found[listed] = sha256_file(path)
    return found


def _refuse_unlistable(path: Path, listed: str) -> None:
    found = ""
    if path.is_symlink():
        found = "a link"
    elif not path.is_file():
        found = "something that is no file"
    elif UNLISTABLE.search(os.fsencode(listed)):
        found = f"the name {listed!r}"
    if found:
        raise SttError(
            f"release files {path.parent}",
            found=found if listed in found else f"{found}, {listed!r}",
            needed="plain files, with names of printable characters and without a backslash",
            fix="remove or rename it",
        )


def render(entries: Mapping[str, str]) -> bytes:
    """The list's bytes, sorted by name: they are what is signed."""
    lines = sorted((os.fsencode(name), digest.encode()) for name, digest in entries.items())
    return b"".join(digest + b"  " + name + b"\n" for name, digest in lines)


def parse(data: bytes) -> dict[str, str]:
    """The list that :func:`render` wrote; empty when it is not one."""
    matches = [LINE.fullmatch(line) for line in data.removesuffix(b"\n").split(b"\n")]
    if not all(matches):
        return {}
    return {os.fsdecode(match[2]): match[1].decode() for match in matches if match}


def signed_before(directory: Path, signer: Signer | None) -> dict[str, str] | None:
    """The list that is there, when this key signed it; without a key, whatever is there."""
    path, signature = directory / LIST_NAME, directory / SIGNATURE_NAME
    trusted = signer.verifies(path, signature) if signer else path.is_file()
    return parse(path.read_bytes()) if trusted else None


def refuse_unproven(
    directory: Path,
    before: Mapping[str, str] | None,
    now: Mapping[str, str],
    brought: Collection[str],
) -> None:
    """Sign nothing but what this run made or ``brought``, and what was signed ``before``.

    What was signed may have got another name: so a former log or report comes into the history.
    """
    known = set((before or {}).values())
    for name, digest in sorted(now.items()):
        if name in MADE_BY_EVERY_RUN or name in brought:
            continue
        signed = (before or {}).get(name)
        if digest != signed and (signed or digest not in known):
            raise _unproven(directory, name, digest, signed, listed=before is not None)


def _unproven(
    directory: Path, name: str, digest: str, signed: str | None, *, listed: bool
) -> SttError:
    found = f"{name}, which this run has not made"
    if signed:
        found = f"{name}, which was changed after it was signed (sha256 {digest})"
    elif listed:
        found += f" and which {LIST_NAME} does not name (sha256 {digest})"
    else:
        found += f", and no {LIST_NAME} that holds and could vouch for it"
    return SttError(
        f"release files {directory}",
        found=found,
        needed=f"the file as it was signed, sha256 {signed}"
        if signed
        else "only what this run made, and what was signed by this key before",
        fix="bring it back, or remove it if it cannot be had any more"
        if signed
        else f"find out where it came from, and move it out of {directory}"
        + ("" if listed else f", or bring back {LIST_NAME} and {SIGNATURE_NAME} as they were"),
    )


def reason_to_sign(
    before: Mapping[str, str] | None, now: Mapping[str, str], *, signature: bool
) -> str | None:
    """Why the list says something new, or None when only a report's times differ.

    ``signature`` tells whether there is one exactly when one is wanted.
    """
    if before is None:
        return "there is no list that is signed by this key yet"
    if not signature:
        return "the list's signature is not wanted"
    old, new = (_lasting(entries) for entries in (before, now))
    if old == new:
        return None
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return f"the list there differs in {', '.join(names)}"


def _lasting(entries: Mapping[str, str]) -> dict[str, str]:
    return {
        name: digest
        for name, digest in entries.items()
        if name not in REPORT_FILES and not name.startswith(HISTORY)
    }


def write(
    directory: Path,
    entries: Mapping[str, str],
    signer: Signer | None,
    contents: Mapping[str, bytes] | None = None,
) -> None:
    """Write the list and its signature, after the ``contents`` that it already tells of.

    Everything that can fail for another reason than the disk comes first, and a list never lies
    beside a signature of another one.
    """
    data = render(entries)
    path, signature = directory / LIST_NAME, directory / SIGNATURE_NAME
    signed = signer.sign(data) if signer else None
    try:
        for name, content in (contents or {}).items():
            write_atomically(directory / name, content)
        signature.unlink(missing_ok=True)
        write_atomically(path, data)
        if signed is not None:
            write_atomically(signature, signed)
    except OSError as error:
        raise SttError(
            f"release files {directory}",
            found=f"a place that cannot be written ({error.strerror})",
            needed=f"permission and space to write in {directory}",
            fix="choose another directory for releases, or make room",
        ) from error
