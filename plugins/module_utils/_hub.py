# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which commit a revision names and which files it holds, asked through huggingface_hub."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from re import fullmatch
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils import _hub_child
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._hub_access import HubAccess
from ansible_collections.stt.engine.plugins.module_utils._hub_process import HubProcess

# The child gives up by itself before; this ends one that hangs.
_KILL_MARGIN_SECONDS = 10
# Longer than this, an answer "come back later" is for the operator, not for a waiting job.
LONGEST_WAIT_SECONDS = 300.0
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository: ``sha256`` is known for LFS files, ``git_sha1`` of their pointer."""

    path: str
    size: int
    git_sha1: str
    sha256: str | None

    @property
    def identity(self) -> str:
        """The hash that the content must have, with its kind."""
        return f"sha256:{self.sha256}" if self.sha256 else f"git:{self.git_sha1}"

    def as_dict(self) -> dict[str, Any]:
        """The file as modules return it; without a git hash where that is a pointer's."""
        return {
            "path": self.path,
            "size": self.size,
            "lfs": self.sha256 is not None,
            "sha256": self.sha256,
            "git_sha1": None if self.sha256 else self.git_sha1,
        }


@dataclass(frozen=True)
class ModelTree:
    """The files of one commit, sorted by path."""

    commit: str
    files: tuple[RemoteFile, ...]


def check_repository(repository: str) -> None:
    """Refuse what cannot be the name of a repository."""
    if not fullmatch(rf"{_NAME}/{_NAME}", repository):
        raise SttError(
            "repository",
            found=repr(repository),
            needed="OWNER/NAME, such as openai/whisper-large-v3-turbo",
            fix="correct repository",
        )


def check_commit(commit: str) -> None:
    """Refuse everything but a full commit: a branch may be another model tomorrow."""
    if not fullmatch(r"[0-9a-f]{40}", commit):
        raise SttError(
            "commit",
            found=repr(commit),
            needed="a full commit of 40 hexadecimal digits",
            fix="let stt_model_info resolve a branch or tag once, and keep the commit",
        )


def list_model(
    access: HubAccess,
    repository: str,
    revision: str,
    tools_python: str,
    patience: float = 60.0,
) -> ModelTree:
    """Resolve a revision and list its files.

    ``patience`` is for how many seconds failures that pass by themselves are tried again.
    """
    access.tls()
    parameters = {
        "endpoint": access.endpoint,
        "repository": repository,
        "revision": revision,
        "token": access.token,
        "ca_bundle": access.ca_bundle,
        "proxy": access.proxy_for(access.endpoint),
        "patience": patience,
        "inactivity": max(1.0, min(30.0, patience / 2)),
    }
    began, waited, left = time.monotonic(), 0.0, patience
    while True:
        parameters["patience"] = left
        answer = _ask(tools_python, parameters, deadline=left + _KILL_MARGIN_SECONDS)
        if "error" not in answer:
            return _tree(answer, access, repository)
        # A time that the hub named itself is waited for beyond the patience.
        wait = float(answer["error"].get("wait") or 0.0)
        left = patience - (time.monotonic() - began - waited)
        if not wait or left <= 0 or waited + wait > LONGEST_WAIT_SECONDS:
            raise _explain(answer["error"], access, repository, revision)
        time.sleep(wait)
        waited += wait


def _ask(tools_python: str, parameters: dict[str, Any], deadline: float) -> dict[str, Any]:
    """Run the child in the tools environment and end it, with all it started, at the deadline."""
    endpoint = parameters["endpoint"]
    with tempfile.TemporaryDirectory(prefix="stt-hub-") as home:
        process = HubProcess(tools_python, _hub_child, Path(home), endpoint)
        try:
            return process.communicate(parameters, deadline)
        except TimeoutError as error:
            raise SttError(
                f"model hub {endpoint}",
                found=f"no complete answer in {deadline:.0f} s",
                needed="the list of the repository's files",
                fix="check that the server reaches the hub, or name a mirror in endpoint",
            ) from error
        finally:
            process.end()


def is_plain_path(path: str) -> bool:
    """Whether a name stays inside the directory that it is joined to, and can be shown."""
    plain = PurePosixPath(path)
    return (
        str(plain) == path
        and path not in (".", "")
        and not plain.is_absolute()
        and ".." not in plain.parts
        and path.isprintable()
    )


def _tree(answer: dict[str, Any], access: HubAccess, repository: str) -> ModelTree:
    """Take over the answer; a name that would leave the model's directory is refused."""
    files: dict[str, RemoteFile] = {}
    for entry in answer["files"]:
        plain = is_plain_path(entry["path"]) and entry["path"] not in files
        hashes = fullmatch(r"[0-9a-f]{40}", entry["git_sha1"] or "") and (
            entry["sha256"] is None or fullmatch(r"[0-9a-f]{64}", entry["sha256"])
        )
        if not plain or not hashes or entry["size"] < 0:
            raise SttError(
                f"model {repository}",
                found=f"the entry {entry!r} in its list of files",
                needed="paths inside the repository, each once, with size and hash",
                fix=f"check what {access.endpoint} serves; this is not what a model hub lists",
            )
        files[entry["path"]] = RemoteFile(
            entry["path"], entry["size"], entry["git_sha1"], entry["sha256"] or None
        )
    return ModelTree(str(answer["commit"]), tuple(files[path] for path in sorted(files)))


def _explain(error: dict[str, Any], access: HubAccess, repository: str, revision: str) -> SttError:
    """The error of the child with its remedy."""
    status = error.get("status")
    code = error.get("code")
    hub = f"model hub {access.endpoint}"
    model = f"model {repository}"
    name = error["class"]
    wait = float(error.get("wait") or 0.0)
    if error["kind"] == "tls":
        return SttError(
            hub,
            found=f"a certificate that cannot be verified ({_short(error['text'])})",
            needed="a certificate signed by an authority that this server trusts",
            fix="name the company's CA file in ca_bundle; verification cannot be switched off",
        )
    if error["kind"] in ("silent", "unreachable"):
        return SttError(
            hub,
            found=f"{'silence' if error['kind'] == 'silent' else 'no connection'} "
            f"({_short(error['text'])})",
            needed="an answer over HTTP",
            fix="check name, network and firewall of the server, set proxy, or name a mirror "
            "in endpoint",
        )
    if error["kind"] == "answer":
        return SttError(
            hub,
            found=f"HTTP {status} with {error.get('type') or 'no type'} from {error.get('url')}, "
            f"not a model hub's answer ({name})",
            needed="JSON that describes the repository",
            fix="check endpoint: a sign-in page or a proxy may be answering in the hub's place",
        )
    if error["kind"] == "http" and (name == "GatedRepoError" or code == "GatedRepo"):
        return SttError(
            model,
            found=f"restricted access (HTTP {status})",
            needed="a token of an account that was granted access",
            fix="accept the model's terms with that account, and give its token in token_file",
        )
    if error["kind"] == "http" and (name == "RevisionNotFoundError" or code == "RevisionNotFound"):
        return SttError(
            model,
            found=f"no revision {revision!r} at {access.endpoint}",
            needed="a branch, tag or commit of the repository",
            fix="correct the revision; a mirror may not hold it yet",
        )
    if error["kind"] == "http" and status in (401, 403):
        return SttError(
            model,
            found=f"HTTP {status} from {access.endpoint} "
            + ("with the given token" if access.token else "without a token"),
            needed="access to the repository",
            fix="give a valid token in token_file, or correct repository: hubs answer so for "
            "repositories that do not exist, too",
        )
    if error["kind"] == "http" and (name == "RepositoryNotFoundError" or status == 404):
        return SttError(
            model,
            found=f"no such repository at {access.endpoint} (HTTP {status})",
            needed="a repository that this hub serves",
            fix="correct repository or endpoint; a private repository needs token_file",
        )
    if error["kind"] == "http":
        return SttError(
            hub,
            found=f"HTTP {status}, "
            + (f"to be asked again in {wait:.0f} s" if wait else "again and again"),
            needed="the list of the repository's files",
            fix="wait and run again, or name a mirror in endpoint",
        )
    return SttError(
        hub,
        found=f"{name}: {_short(error['text'])}",
        needed="the list of the repository's files",
        fix="check endpoint and repository",
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else line[:197] + "..."


def model_directory(models: Path, repository: str, commit: str) -> Path:
    """Where a commit of a repository is published."""
    return models / repository.replace("/", "_") / commit
