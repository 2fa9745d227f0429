#!/usr/bin/python
# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack a directory into one file whose name and bytes depend on its content alone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stt_bundle
version_added: 0.1.0
short_description: Pack a directory into one deterministic file
description:
  - Packs the files of a directory into C(DEST/NAME-DIGEST.tar) or C(DEST/NAME-DIGEST.pyz), where
    DIGEST is the first 12 digits of the file's SHA-256.
  - The same content gives the same bytes on every machine. Owners and times are left out, modes
    become V(0755) for files that their owner may execute and V(0644) for the others, and nothing
    is compressed.
  - A symbolic link to a file is packed as that file. A link to a directory, a link to nothing and
    special files are refused.
  - Runs where the directory is, usually on the controller with C(delegate_to=localhost).
options:
  path:
    description: Directory to pack. What is on disk is packed, whether or not git tracks it.
    type: path
    required: true
  dest:
    description: Directory that receives the file; it is made if missing.
    type: path
    required: true
  name:
    description: Beginning of the file's name.
    type: str
    required: true
  format:
    description:
      - V(tar) is a plain tar archive.
      - V(pyz) is a Python zip application that starts with C(#!/usr/bin/env python3); the directory
        must have a C(__main__.py).
    type: str
    choices: [tar, pyz]
    default: tar
  exclude:
    description:
      - Shell patterns of what to leave out.
      - A pattern with a slash is matched against the path below O(path); any other pattern against
        each part of that path.
      - V(__pycache__), V(*.pyc), V(.git), V(.mypy_cache) and V(.ruff_cache) are always left out.
    type: list
    elements: str
    default: []
  files:
    description:
      - Paths below O(path) of the only files to pack. Whatever else lies there is not looked at,
        and O(exclude) does not count.
      - A link on the way to such a file is followed, and the file is packed under the path that is
        given here.
    type: list
    elements: str
  private:
    description:
      - Keep what is packed from other users of this machine. The bundle gets the mode V(0600), and
        O(dest) gets V(0700).
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Can run in check mode and predicts the change without writing anything.
  diff_mode:
    support: none
    description: Returns details on what has changed (or possibly needs changing) in check mode.
  platform:
    support: full
    description: Target OS/families that can be operated against.
    platforms: posix
author:
  - stt.engine contributors (@stt-engine)
"""

EXAMPLES = r"""
- name: Pack the check scripts into one file
  stt.engine.stt_bundle:
    path: "{{ playbook_dir }}/../checks"
    dest: "{{ lookup('ansible.builtin.env', 'HOME') }}/.cache/stt-engine/bundles"
    name: checks
    format: pyz
    exclude: [tests]
  delegate_to: localhost
  register: bundle

- name: Carry it to the server
  ansible.builtin.copy:
    src: "{{ bundle.file }}"
    dest: "/opt/stt/checks/{{ bundle.file | basename }}"
    mode: "0444"
"""

RETURN = r"""
digest:
  description: SHA-256 of the packed file, 64 hexadecimal digits.
  returned: success
  type: str
  sample: 0f343b0931126a20f133d67c2b018a3b5f7d0e0a0a2c8d8a3fc1fa65ce2a1f2d
file:
  description: Path of the packed file; in check mode the path that it would have.
  returned: success
  type: str
  sample: /home/op/.cache/stt-engine/bundles/checks-0f343b093112.pyz
files:
  description: Paths of the packed files below O(path), sorted.
  returned: success
  type: list
  elements: str
  sample: [__main__.py, runner.py]
"""

import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.stt.engine.plugins.module_utils._digest import sha256_file, sha256_hex
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._store import write_atomically

ALWAYS_EXCLUDED = ("__pycache__", "*.pyc", ".git", ".mypy_cache", ".ruff_cache")
SHEBANG = b"#!/usr/bin/env python3\n"
# The earliest time that a zip file can hold; a fixed one, because times are not content.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_TAR_TIME = 315532800


@dataclass(frozen=True)
class Member:
    """One file to pack: its path in the bundle, where its bytes are, and its mode."""

    name: str
    source: Path
    mode: int


def is_excluded(relative: PurePosixPath, patterns: list[str]) -> bool:
    """Whether one of the shell patterns leaves this path out."""
    for pattern in (*ALWAYS_EXCLUDED, *patterns):
        if "/" in pattern:
            if fnmatchcase(str(relative), pattern.strip("/")):
                return True
        elif any(fnmatchcase(part, pattern) for part in relative.parts):
            return True
    return False


def members(root: Path, exclude: list[str], files: list[str] | None = None) -> list[Member]:
    """The files to pack, sorted by their path in the bundle; of ``files``, where it is given."""
    if not root.is_dir():
        raise SttError(
            f"bundle source {root}",
            found="a file" if root.exists() else "nothing there",
            needed="a directory",
            fix="give the directory to pack in path",
        )
    if files is not None:
        found = list(
            {member.name: member for member in (_named(root, one) for one in files)}.values()
        )
    else:
        found = list(_walk(root, PurePosixPath(), exclude))
    if not found:
        raise SttError(
            f"bundle source {root}",
            found="no file to pack",
            needed="at least one file that exclude does not leave out",
            fix="check path and exclude",
        )
    return sorted(found, key=lambda member: member.name)


def _walk(root: Path, below: PurePosixPath, exclude: list[str]) -> Iterator[Member]:
    for entry in os.scandir(root / below):
        relative = below / entry.name
        if is_excluded(relative, exclude):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, relative, exclude)
        elif entry.is_file():
            yield _member(str(relative), Path(entry.path))
        else:
            raise _refused(Path(entry.path))


def _named(root: Path, name: str) -> Member:
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts or not (root / relative).is_file():
        raise SttError(
            f"bundle member {root / relative}",
            found="no file below the directory to pack",
            needed="paths of files below path",
            fix="correct files",
        )
    return _member(str(relative), root / relative)


def _member(name: str, source: Path) -> Member:
    return Member(name, source, 0o755 if source.stat().st_mode & 0o100 else 0o644)


def _refused(path: Path) -> SttError:
    kind = "a special file"
    if path.is_symlink():
        kind = f"a link to {'a directory' if path.is_dir() else 'nothing'} ({path.readlink()})"
    return SttError(
        f"bundle member {path}",
        found=kind,
        needed="files, directories and links to files",
        fix="replace it by files or name it in exclude",
    )


def pack(
    root: Path,
    bundle_format: str,
    exclude: list[str],
    output: IO[bytes],
    files: list[str] | None = None,
) -> list[str]:
    """Write the bundle to a binary stream and return the names of the packed files."""
    chosen = members(root, exclude, files)
    names = [member.name for member in chosen]
    if bundle_format == "pyz":
        if "__main__.py" not in names:
            raise SttError(
                f"bundle source {root}",
                found="no __main__.py",
                needed="a __main__.py at its top, which python runs",
                fix="add __main__.py, or pack with format=tar",
            )
        _pack_zip(chosen, output)
    else:
        _pack_tar(chosen, output)
    return names


def _pack_tar(chosen: list[Member], output: IO[bytes]) -> None:
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
        directories = {
            str(parent)
            for member in chosen
            for parent in PurePosixPath(member.name).parents
            if str(parent) != "."
        }
        for name in sorted(directories):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, _TAR_TIME
            archive.addfile(info)
        for member in chosen:
            content = member.source.read_bytes()
            info = tarfile.TarInfo(member.name)
            info.size, info.mode, info.mtime = len(content), member.mode, _TAR_TIME
            archive.addfile(info, io.BytesIO(content))


def _pack_zip(chosen: list[Member], output: IO[bytes]) -> None:
    output.write(SHEBANG)
    # Stored: compressed bytes would differ with the version of zlib.
    with zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as archive:
        for member in chosen:
            info = zipfile.ZipInfo(member.name, date_time=_ZIP_TIME)
            info.create_system = 3
            info.external_attr = (0o100000 | member.mode) << 16
            archive.writestr(info, member.source.read_bytes())


def bundle(
    *,
    path: Path,
    dest: Path,
    name: str,
    bundle_format: str,
    exclude: list[str],
    check_mode: bool,
    files: list[str] | None = None,
    private: bool = False,
) -> dict[str, Any]:
    """Pack the directory unless its bundle is there already; returns the module's result."""
    if "/" in name or not name:
        raise SttError(
            "bundle name",
            found=repr(name),
            needed="a file name without a slash",
            fix="give the directory in dest",
        )
    packed = io.BytesIO()
    try:
        names = pack(path, bundle_format, exclude, packed, files)
    except OSError as exc:
        raise SttError(
            f"bundle member {exc.filename or path}",
            found=exc.strerror or str(exc),
            needed="files and directories that can be read",
            fix="mend its permissions or name it in exclude",
        ) from exc
    content = packed.getvalue()
    digest = sha256_hex(content)
    file = dest / f"{name}-{digest[:12]}.{bundle_format}"
    mode = 0o600 if private else 0o755 if bundle_format == "pyz" else 0o644
    changed = not _is_kept(file, digest, private)
    if changed and not check_mode:
        _keep(file, content, mode, private)
    return {"changed": changed, "digest": digest, "file": str(file), "files": names}


def _is_kept(file: Path, digest: str, private: bool) -> bool:
    """Whether the bundle is there, and kept from others where it is to be."""
    if not file.is_file() or sha256_file(file) != digest:
        return False
    return not private or not any(one.stat().st_mode & 0o077 for one in (file, file.parent))


def _keep(file: Path, content: bytes, mode: int, private: bool) -> None:
    dest = file.parent
    try:
        dest.mkdir(parents=True, exist_ok=True)
        if private:
            # What earlier runs have left in it is of the same kind.
            dest.chmod(0o700)
        write_atomically(file, content, mode=mode)
    except OSError as exc:
        raise SttError(
            f"bundle directory {dest}",
            found=exc.strerror or str(exc),
            needed="a directory that can be written",
            fix="choose another dest or mend its permissions",
        ) from exc


def main() -> None:
    """Read the parameters, pack, and speak to Ansible."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "dest": {"type": "path", "required": True},
            "name": {"type": "str", "required": True},
            "format": {"type": "str", "choices": ["tar", "pyz"], "default": "tar"},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "files": {"type": "list", "elements": "str"},
            "private": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        result = bundle(
            path=Path(params["path"]),
            dest=Path(params["dest"]),
            name=params["name"],
            bundle_format=params["format"],
            exclude=params["exclude"],
            check_mode=module.check_mode,
            files=params["files"],
            private=params["private"],
        )
    except SttError as error:
        module.fail_json(**error.result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
