# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolving and listing through huggingface_hub against a hub on this host."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._hub import (
    ModelTree,
    check_commit,
    check_repository,
    list_model,
    model_directory,
)
from ansible_collections.stt.engine.plugins.module_utils._hub_access import HubAccess
from tests.lab.hub import Hub

REPOSITORY = "lab/model"


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repos")
    model = root / REPOSITORY
    (model / "deep" / "er").mkdir(parents=True)
    (model / "config.json").write_text("{}")
    (model / "deep" / "er" / "file.txt").write_text("text")
    (model / "model.safetensors").write_bytes(bytes(range(256)) * 40)
    for number in range(12):
        (model / f"part-{number:02}.txt").write_text(str(number))
    return root


@pytest.fixture
def hub(repositories: Path) -> Iterator[Hub]:
    with Hub(repositories, page_size=5) as running:
        yield running


def ask(hub: Hub | str, revision: str = "main", **changes: Any) -> ModelTree:
    settings = {"repository": REPOSITORY, "tools_python": sys.executable, "patience": 4.0}
    token = changes.pop("token", None)
    ca_bundle = changes.pop("ca_bundle", None)
    settings.update(changes)
    endpoint = hub if isinstance(hub, str) else hub.url
    return list_model(
        HubAccess(endpoint, token=token, ca_bundle=ca_bundle), revision=revision, **settings
    )


def message(hub: Hub | str, revision: str = "main", **changes: Any) -> str:
    with pytest.raises(SttError) as caught:
        ask(hub, revision, **changes)
    return str(caught.value)


@pytest.mark.parametrize(
    "name", ["", "whisper", "/x", "a/", "a/b/c", "../x", "a/..", "a b/c", "-a/b"]
)
def test_malformed_repository(name: str) -> None:
    with pytest.raises(SttError) as caught:
        check_repository(name)
    assert str(caught.value) == (
        f"repository: found {name!r}; needed OWNER/NAME, such as openai/whisper-large-v3-turbo; "
        "fix: correct repository"
    )


@pytest.mark.parametrize(
    "commit", ["", "main", "41f01f3", "41F01F3FE87F28C78E2FBF8B568835947DD65ED9"]
)
def test_commit_must_be_whole(commit: str) -> None:
    with pytest.raises(SttError) as caught:
        check_commit(commit)
    assert str(caught.value) == (
        f"commit: found {commit!r}; needed a full commit of 40 hexadecimal digits; "
        "fix: let stt_model_info resolve a branch or tag once, and keep the commit"
    )


def test_unknown_repository(hub: Hub) -> None:
    assert message(hub, repository="lab/other") == (
        f"model lab/other: found no such repository at {hub.url} (HTTP 404); "
        "needed a repository that this hub serves; "
        "fix: correct repository or endpoint; a private repository needs token_file"
    )


def test_unknown_revision(hub: Hub) -> None:
    assert message(hub, "v9") == (
        f"model lab/model: found no revision 'v9' at {hub.url}; "
        "needed a branch, tag or commit of the repository; "
        "fix: correct the revision; a mirror may not hold it yet"
    )


def test_gated_repository_with_and_without_a_token(hub: Hub) -> None:
    hub.faults.add("token", path=REPOSITORY, value="hf_right")
    gated = (
        "model lab/model: found restricted access (HTTP {}); "
        "needed a token of an account that was granted access; "
        "fix: accept the model's terms with that account, and give its token in token_file"
    )
    assert message(hub) == gated.format(401)
    assert message(hub, token="hf_wrong") == gated.format(403)
    assert ask(hub, token="hf_right").commit == hub.commit(REPOSITORY)


def test_refused_without_a_code(hub: Hub) -> None:
    hub.faults.add("status", value=401)
    assert message(hub) == (
        f"model lab/model: found HTTP 401 from {hub.url} without a token; "
        "needed access to the repository; "
        "fix: give a valid token in token_file, or correct repository: hubs answer so for "
        "repositories that do not exist, too"
    )
    assert "with the given token" in message(hub, token="hf_any")


def test_web_page_in_place_of_the_answer(hub: Hub) -> None:
    hub.faults.add("html")
    found = message(hub)
    assert found.startswith(
        f"model hub {hub.url}: found HTTP 200 with text/html; charset=utf-8 from "
        f"{hub.url}/api/models/lab/model/revision/main, not a model hub's answer ("
    )
    assert found.endswith(
        "needed JSON that describes the repository; "
        "fix: check endpoint: a sign-in page or a proxy may be answering in the hub's place"
    )


def test_unreachable_hub() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        began = time.monotonic()
        found = message(endpoint, patience=2.0)
    assert time.monotonic() - began < 10
    assert found.startswith(f"model hub {endpoint}: found no connection (")
    assert found.endswith(
        "needed an answer over HTTP; fix: check name, network and firewall of the server, "
        "set proxy, or name a mirror in endpoint"
    )


def test_silent_hub_is_given_up(hub: Hub) -> None:
    hub.faults.add("delay", value=60)
    began = time.monotonic()
    found = message(hub, patience=2.0)
    assert time.monotonic() - began < 10
    assert found.startswith(f"model hub {hub.url}: found silence (")
    hub.faults.clear()
    hub.faults.add("delay", path="/api/models/lab/model/tree/*", value=60)
    assert message(hub, patience=2.0) == (
        f"model hub {hub.url}: found no complete answer in 12 s; "
        "needed the list of the repository's files; "
        "fix: check that the server reaches the hub, or name a mirror in endpoint"
    )


def test_lasting_failure_of_the_hub(hub: Hub) -> None:
    hub.faults.add("status", value=503)
    assert message(hub, patience=2.0) == (
        f"model hub {hub.url}: found HTTP 503, again and again; "
        "needed the list of the repository's files; "
        "fix: wait and run again, or name a mirror in endpoint"
    )


def test_passing_failures_are_waited_for(hub: Hub) -> None:
    hub.faults.add("status", value=429, retry_after=1, count=1)
    hub.faults.add("drop", count=1)
    began = time.monotonic()
    assert ask(hub).commit == hub.commit(REPOSITORY)
    assert time.monotonic() - began >= 1


def test_certificate_that_cannot_be_verified(tls_hub: tuple[Hub, str, str]) -> None:
    _hub, endpoint, authority = tls_hub
    found = message(endpoint)
    assert found.startswith(f"model hub {endpoint}: found a certificate that cannot be verified (")
    assert found.endswith(
        "needed a certificate signed by an authority that this server trusts; "
        "fix: name the company's CA file in ca_bundle; verification cannot be switched off"
    )
    assert len(ask(endpoint, ca_bundle=authority).commit) == 40


def test_python_without_huggingface_hub(tmp_path: Path, hub: Hub) -> None:
    assert message(hub, tools_python=str(tmp_path / "python")) == (
        f"tools environment {tmp_path}/python: found No such file or directory; "
        "needed a Python in which huggingface_hub of requirements/tools.txt imports; "
        "fix: install the tools environment again, or correct tools_python"
    )
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    found = message(hub, tools_python=str(bare / "bin" / "python"))
    assert "found exit 1: ModuleNotFoundError: No module named 'httpx2'; " in found


def test_tree_of_several_pages_with_folders(hub: Hub) -> None:
    tree = ask(hub)
    assert tree.commit == hub.commit(REPOSITORY)
    assert [file.path for file in tree.files] == sorted(file.path for file in tree.files)
    assert len(tree.files) == 15
    by_path = {file.path: file for file in tree.files}
    assert by_path["deep/er/file.txt"].size == 4
    assert by_path["model.safetensors"].identity.startswith("sha256:")
    assert by_path["config.json"].identity == "git:9e26dfeeb6e641a33dae4961196235bdb965b21b"
    assert ask(hub, tree.commit) == tree


def test_listing_of_a_mirror_that_leaks_xet_hashes(hub: Hub) -> None:
    plain = ask(hub)
    hub.faults.add("xet")
    assert ask(hub) == plain


def test_moved_branch_names_another_commit(hub: Hub) -> None:
    hub.faults.add("branch", path=REPOSITORY, value="c" * 40)
    assert ask(hub).commit == "c" * 40


def test_token_is_in_no_command_line_and_no_environment(hub: Hub) -> None:
    hub.faults.add("delay", value=1.5, count=1)
    token = "hf_" + os.urandom(8).hex()
    reader = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import glob, sys, time\n"
            "needle, seen = sys.stdin.read().encode(), 0\n"
            "end = time.monotonic() + 1.5\n"
            "while time.monotonic() < end:\n"
            "    for path in glob.glob('/proc/[0-9]*/[ce][mn][dv]*'):\n"
            "        try:\n"
            "            data = open(path, 'rb').read()\n"
            "        except OSError:\n"
            "            continue\n"
            "        seen += b'HF_HUB_DISABLE_XET' in data\n"
            "        if needle in data:\n"
            "            sys.exit(path)\n"
            "    time.sleep(0.05)\n"
            "sys.exit(0 if seen else 'the child was never seen')\n",
        ],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert reader.stdin is not None
    reader.stdin.write(token)
    reader.stdin.close()
    reader.stdin = None
    ask(hub, token=token, patience=20.0)
    _output, complaints = reader.communicate(timeout=30)
    assert reader.returncode == 0, complaints


def test_place_of_a_model() -> None:
    assert model_directory(Path("/opt/stt/models"), "openai/whisper", "c" * 40) == Path(
        f"/opt/stt/models/openai_whisper/{'c' * 40}"
    )
