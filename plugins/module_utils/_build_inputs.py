# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes into an image build, as one document with one digest."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils._build_parser import meaning
from ansible_collections.stt.engine.plugins.module_utils._digest import (
    canonical_json,
    sha256_file,
    sha256_hex,
)
from ansible_collections.stt.engine.plugins.module_utils._dockerignore import (
    Entry,
    Pattern,
    parse,
    walk,
)
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError

DOCUMENT_VERSION = 2
# 2 January 1980, so that no time zone makes it earlier than what zip files can hold.
DEFAULT_EPOCH = 315619200

# What the engine obeys although no Dockerfile declares it.
_OBEYED = re.compile(r"SOURCE_DATE_EPOCH|BUILDKIT_\w+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SECRET_NAME = re.compile(
    r"(?:^|[_.-])(?:token|passwd|password|secret|credentials?|api_?key|private_?key)(?:$|[_.-])",
    re.IGNORECASE,
)
# Only at a name's end: PASS_ONE and AUTH_URL are ordinary, and so is a switch such as USE_AUTH=1.
_PERHAPS_SECRET_NAME = re.compile(
    r"(?:(?:^|[_.-])(?:pass|auth|authorization|(?:access|ssh|deploy)_?key)"
    r"|[_.-]pwd|password|passwd|passphrase)$",
    re.IGNORECASE,
)
_SWITCH = re.compile(r"(?:|0|1|true|false|yes|no|on|off|none)", re.IGNORECASE)
_URL_CREDENTIALS = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s@]+@", re.IGNORECASE)
_QUERY_CREDENTIALS = re.compile(
    r"[?&;](?:[a-z0-9]+[_.-])*(?:(?:access|auth|private|job|bearer)?token|passwd|password|pass|pwd"
    r"|secret|credentials?|api_?key|access_?key|auth|signature|sig)=[^&\s]",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"\b(?:hf_|gh[pousr]_|glpat-|github_pat_|pypi-AgE|xox[abp]-)[A-Za-z0-9_-]{16,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|^(?:basic|bearer)\s+\S{8,}$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class BuildRequest:
    """What the caller asks for; paths are absolute."""

    context: Path
    dockerfile: Path
    platform: str = "linux/amd64"
    target: str = ""
    build_args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Path] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """The time given to every file of the context: SOURCE_DATE_EPOCH or a fixed one."""
        return int(self.build_args.get("SOURCE_DATE_EPOCH") or DEFAULT_EPOCH)


def make_request(
    *,
    context: str,
    dockerfile: str,
    platform: str,
    target: str,
    build_args: Mapping[str, Any],
    labels: Mapping[str, Any],
    secrets: Mapping[str, Any],
) -> BuildRequest:
    """Check what the caller gave; a relative Dockerfile is looked for in the context."""
    root = Path(context).absolute()
    if not root.is_dir():
        raise SttError(
            f"build context {root}",
            found="a file" if root.exists() else "nothing there",
            needed="a directory",
            fix="give the directory with the engine's source in context",
        )
    file = root / dockerfile
    if not file.is_file():
        raise SttError(
            f"Dockerfile {file}",
            found="a directory" if file.is_dir() else "nothing there",
            needed="a readable file",
            fix="give its path, relative to the context or absolute, in dockerfile",
        )
    request = BuildRequest(
        context=root,
        dockerfile=file,
        platform=platform,
        target=target,
        build_args={str(key): _text(value) for key, value in sorted(build_args.items())},
        labels={str(key): _text(value) for key, value in sorted(labels.items())},
        secrets={str(key): Path(str(value)) for key, value in sorted(secrets.items())},
    )
    for name, value in request.build_args.items():
        _check_build_arg(name, value)
    for identifier, path in request.secrets.items():
        _check_secret(identifier, path)
    for label in request.labels:
        if label.startswith("stt.engine."):
            raise SttError(
                f"label {label}",
                found="a label of the collection's own",
                needed="labels outside of stt.engine.",
                fix="choose another name; the collection sets its labels itself",
            )
    return request


def _text(value: Any) -> str:
    """The text a build argument gets: nothing for None, lower case for true and false."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_build_arg(name: str, value: str) -> None:
    if not _NAME.fullmatch(name):
        raise SttError(
            f"build argument {name!r}",
            found="a name that no ARG can have",
            needed="letters, digits and underscores",
            fix="correct the name in build_args",
        )
    if name == "SOURCE_DATE_EPOCH" and value and not value.isdigit():
        raise SttError(
            "build argument SOURCE_DATE_EPOCH",
            found=repr(value),
            needed="seconds since 1970 as a whole number",
            fix="give the time of the source's last commit (git log -1 --format=%ct)",
        )
    what = None
    if _URL_CREDENTIALS.search(value):
        what = "a URL with a user name or password in it"
    elif _QUERY_CREDENTIALS.search(value):
        what = "a URL with a token or password in its query"
    elif _TOKEN.search(value) or _names_secret(name, value):
        what = "what looks like a token or password"
    if what is not None:
        raise SttError(
            f"build argument {name}",
            found=what,
            needed="nothing secret: build arguments stay in the image's history",
            fix="give it as a build secret: put it into a file, pass that in secrets and mount it "
            "in the Dockerfile (RUN --mount=type=secret,id=...)",
        )


def _names_secret(name: str, value: str) -> bool:
    """Whether a value under such a name is one to hide."""
    if _SECRET_NAME.search(name):
        return value != ""
    return bool(_PERHAPS_SECRET_NAME.search(name)) and not _SWITCH.fullmatch(value)


def _check_secret(identifier: str, path: Path) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", identifier):
        raise SttError(
            f"secret {identifier!r}",
            found="an id that cannot be passed on",
            needed="letters, digits, dot, underscore and dash",
            fix="correct the id in secrets",
        )
    if not path.is_file() or not os.access(path, os.R_OK) or "," in str(path):
        raise SttError(
            f"secret {identifier}",
            found=f"no readable file at {path}" if "," not in str(path) else f"a comma in {path}",
            needed="a readable file on the host whose path has no comma",
            fix="correct the path in secrets (engine_image_ca_bundle, engine_image_netrc, "
            "engine_image_proxy_file); only the id becomes part of the image's identity",
        )


def ignore_patterns(context: Path, dockerfile: Path) -> list[Pattern]:
    """The ignore file that the engine would use: the Dockerfile's own, else the context's."""
    own = dockerfile.with_name(dockerfile.name + ".dockerignore")
    for file in (own, context / ".dockerignore"):
        if file.is_file():
            return parse(file.read_text(encoding="utf-8", errors="surrogateescape"), str(file))
    return []


def describe(entry: Entry, sha256: str = "") -> str:
    """One member of the context as a line of the document."""
    if entry.kind == "directory":
        return f"directory {entry.mode:04o}"
    if entry.kind == "link":
        return f"link {entry.target}"
    return f"file {entry.mode:04o} sha256:{sha256}"


def context_lines(root: Path, entries: Sequence[Entry]) -> dict[str, str]:
    """Every member of a context with its kind, mode and content."""
    lines = {}
    for entry in entries:
        if entry.kind != "file":
            lines[entry.path] = describe(entry)
            continue
        try:
            lines[entry.path] = describe(entry, sha256_file(root / entry.path))
        except OSError as exc:
            raise _unreadable(root / entry.path, exc) from exc
    return lines


def _unreadable(path: Path, exc: OSError) -> SttError:
    return SttError(
        f"build context {path}",
        found=exc.strerror or str(exc),
        needed="a file that can be read",
        fix="mend its permissions or name it in .dockerignore",
    )


def make_document(
    request: BuildRequest,
    context: Mapping[str, str],
    *,
    base: Mapping[str, str],
    images: Mapping[str, str],
    declared: Collection[str],
) -> dict[str, Any]:
    """All that decides what the image becomes; secrets by their id only.

    Comments in the Dockerfile do not, nor does an argument that no stage of the target has
    ``declared``: the engine gives such a one to no step.
    """
    unused = unused_arguments(request, declared)
    text = read_text(request.dockerfile)
    return {
        "version": DOCUMENT_VERSION,
        "platform": request.platform,
        "target": request.target,
        "dockerfile": dockerfile_digest(text),
        "build_args": {
            name: value for name, value in request.build_args.items() if name not in unused
        },
        "labels": dict(request.labels),
        "secrets": sorted(request.secrets),
        "base": dict(base),
        "images": dict(images),
        "context": dict(context),
    }


def read_text(dockerfile: Path) -> str:
    """A Dockerfile as text that keeps every byte apart."""
    return dockerfile.read_bytes().decode("utf-8", "surrogateescape")


def dockerfile_digest(text: str) -> str:
    """What a Dockerfile says, as a digest."""
    return sha256_hex(meaning(text).encode("utf-8", "surrogateescape"))


def unused_arguments(request: BuildRequest, declared: Collection[str]) -> list[str]:
    """The build arguments that no instruction asks for and that the engine itself does not obey."""
    return [
        name for name in request.build_args if name not in declared and not _OBEYED.fullmatch(name)
    ]


def input_digest(document: Mapping[str, Any]) -> str:
    """The 64 hex digits that name an image by what goes into it."""
    return sha256_hex(canonical_json(document))


def copy_context(root: Path, entries: Sequence[Entry], destination: Path, epoch: int) -> None:
    """Copy exactly the listed members, all with one modification time.

    The engine is given this copy and nothing else: what was hashed is what is sent.
    """
    destination.mkdir(mode=0o755)
    for entry in entries:
        target = destination / entry.path
        if entry.kind == "directory":
            target.mkdir(mode=0o755)
        elif entry.kind == "link":
            target.symlink_to(entry.target)
        else:
            try:
                shutil.copyfile(root / entry.path, target, follow_symlinks=False)
            except OSError as exc:
                raise _unreadable(root / entry.path, exc) from exc
            target.chmod(entry.mode)
    # Deepest first: making a member changes its directory's time.
    for entry in reversed(entries):
        target = destination / entry.path
        if entry.kind == "directory":
            target.chmod(entry.mode)
        os.utime(target, (epoch, epoch), follow_symlinks=False)
    os.utime(destination, (epoch, epoch))


def compare(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[dict[str, str]]:
    """What moved between two documents: ``kind, name, change`` and the two values."""
    if before is None:
        return []
    changes = []
    for kind, old, new in _facets(before, after):
        for name in sorted(old.keys() | new.keys()):
            was, now = old.get(name), new.get(name)
            if was != now:
                change = "added" if was is None else "removed" if now is None else "changed"
                changes.append(
                    {
                        "kind": kind,
                        "name": name,
                        "change": change,
                        "before": was or "",
                        "after": now or "",
                    }
                )
    return changes


def _facets(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[tuple[str, dict[str, str], dict[str, str]]]:
    def pick(document: Mapping[str, Any], name: str) -> dict[str, str]:
        value = document.get(name, {})
        if isinstance(value, list):
            return dict.fromkeys(value, "given")
        return {key: str(entry) for key, entry in value.items()}

    def single(document: Mapping[str, Any]) -> dict[str, str]:
        names = ("dockerfile", "platform", "target", "version")
        return {name: str(document.get(name, "")) for name in names}

    pairs = [("input", single(before), single(after))]
    for kind, name in (
        ("base", "base"),
        ("image", "images"),
        ("build argument", "build_args"),
        ("label", "labels"),
        ("secret", "secrets"),
        ("file", "context"),
    ):
        pairs.append((kind, pick(before, name), pick(after, name)))
    return pairs


def change_text(changes: Sequence[Mapping[str, str]], limit: int = 4) -> str:
    """The changes in a few words: ``changed file app/main.py, added build argument CUDA``."""
    words = [f"{change['change']} {change['kind']} {change['name']}" for change in changes]
    more = f" and {len(words) - limit} more" if len(words) > limit else ""
    return ", ".join(words[:limit]) + more


def diff_text(changes: Sequence[Mapping[str, str]], side: str) -> str:
    """One side of Ansible's diff, a line for each change that has a value there."""
    return "".join(
        f"{change['kind']} {change['name']}: {change[side]}\n"
        for change in changes
        if change["change"] != ("added" if side == "before" else "removed")
    )


def current_entries(request: BuildRequest) -> list[Entry]:
    """The members of the request's context as they are on disk now."""
    return walk(request.context, ignore_patterns(request.context, request.dockerfile))
