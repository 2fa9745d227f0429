# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which commit a revision names and which files it holds, asked through huggingface_hub."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from re import fullmatch
from typing import Any

from ansible_collections.stt.engine.plugins.module_utils import _hub_child
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._hub_access import HubAccess

# The child gives up by itself before; this ends one that hangs.
_KILL_MARGIN_SECONDS = 10
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
    answer = _ask(
        tools_python,
        {
            "endpoint": access.endpoint,
            "repository": repository,
            "revision": revision,
            "token": access.token,
            "ca_bundle": access.ca_bundle,
            "proxy": access.proxy_for(access.endpoint),
            "patience": patience,
            "inactivity": max(1.0, min(30.0, patience / 2)),
        },
        deadline=patience + _KILL_MARGIN_SECONDS,
    )
    if "error" in answer:
        raise _explain(answer["error"], access, repository, revision)
    return _tree(answer, access, repository)


def _ask(tools_python: str, parameters: dict[str, Any], deadline: float) -> dict[str, Any]:
    """Run the child in the tools environment and end it, with all it started, at the deadline."""
    endpoint = parameters["endpoint"]
    with tempfile.TemporaryDirectory(prefix="stt-hub-") as home:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C.UTF-8",
            "HOME": home,
            "HF_HOME": home,
            "HF_ENDPOINT": endpoint,
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
            **{
                name: os.environ[name]
                for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")
                if os.environ.get(name)
            },
        }
        try:
            child = subprocess.Popen(
                [tools_python, "-I", "-c", inspect.getsource(_hub_child)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=home,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise _tools_error(tools_python, os.strerror(error.errno or 0)) from error
        try:
            output, complaints = child.communicate(json.dumps(parameters).encode(), deadline)
        except subprocess.TimeoutExpired as error:
            raise SttError(
                f"model hub {endpoint}",
                found=f"no complete answer in {deadline:.0f} s",
                needed="the list of the repository's files",
                fix="check that the server reaches the hub, or name a mirror in endpoint",
            ) from error
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.communicate()
    try:
        answer = json.loads(output)
    except ValueError as error:
        last = complaints.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no output"]
        raise _tools_error(tools_python, f"exit {child.returncode}: {last[0]}") from error
    return dict(answer)


def _tools_error(tools_python: str, found: str) -> SttError:
    return SttError(
        f"tools environment {tools_python}",
        found=found,
        needed="a Python in which huggingface_hub of requirements/tools.txt imports",
        fix="install the tools environment again, or correct tools_python",
    )


def _tree(answer: dict[str, Any], access: HubAccess, repository: str) -> ModelTree:
    """Take over the answer; a name that would leave the model's directory is refused."""
    files = []
    for entry in answer["files"]:
        path = PurePosixPath(entry["path"])
        whole = str(path) == entry["path"] and not path.is_absolute() and ".." not in path.parts
        hashes = fullmatch(r"[0-9a-f]{40}", entry["git_sha1"] or "") and (
            entry["sha256"] is None or fullmatch(r"[0-9a-f]{64}", entry["sha256"])
        )
        if not whole or not hashes or not entry["path"].isprintable() or entry["size"] < 0:
            raise SttError(
                f"model {repository}",
                found=f"the entry {entry!r} in its list of files",
                needed="paths inside the repository, with size and hash",
                fix=f"check what {access.endpoint} serves; this is not what a model hub lists",
            )
        files.append(
            RemoteFile(entry["path"], entry["size"], entry["git_sha1"], entry["sha256"] or None)
        )
    return ModelTree(str(answer["commit"]), tuple(sorted(files, key=lambda file: file.path)))


def _explain(error: dict[str, Any], access: HubAccess, repository: str, revision: str) -> SttError:
    """The error of the child with its remedy."""
    status = error.get("status")
    code = error.get("code")
    hub = f"model hub {access.endpoint}"
    model = f"model {repository}"
    name = error["class"]
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
            found=f"HTTP {status}, again and again",
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
