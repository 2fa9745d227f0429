# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The public hub's own client accepts the lab's hub: listing, download, redirect, errors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile

from tests.lab.hub import Hub

REPOSITORY = "stt-lab/tiny"
WEIGHTS = b"weights " * 200_000


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    repository = tmp_path / "repos" / REPOSITORY
    repository.mkdir(parents=True)
    (repository / "config.json").write_bytes(b"{}\n")
    (repository / "model.safetensors").write_bytes(WEIGHTS)
    with Hub(tmp_path / "repos", page_size=1) as running:
        yield running


def test_client_lists_every_page(hub: Hub) -> None:
    api = HfApi(endpoint=hub.url)
    assert api.model_info(REPOSITORY).sha == hub.commit(REPOSITORY)
    assert sorted(api.list_repo_files(REPOSITORY)) == ["config.json", "model.safetensors"]
    listed = {entry.path: entry for entry in api.list_repo_tree(REPOSITORY, recursive=True)}
    weights = listed["model.safetensors"]
    assert isinstance(weights, RepoFile)
    assert weights.lfs is not None
    assert weights.lfs.sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert [file.path for file in api.get_paths_info(REPOSITORY, ["config.json"])] == [
        "config.json"
    ]
    assert api.list_repo_refs(REPOSITORY).branches[0].target_commit == hub.commit(REPOSITORY)


@pytest.mark.parametrize("redirected", [False, True])
def test_client_downloads(hub: Hub, tmp_path: Path, redirected: bool) -> None:
    if redirected:
        hub.faults.add("redirect", path="*/resolve/*/model.safetensors")
    fetched = Path(
        snapshot_download(REPOSITORY, endpoint=hub.url, cache_dir=tmp_path / "cache", token=False)
    )
    assert (fetched / "model.safetensors").read_bytes() == WEIGHTS
    assert (fetched / "config.json").read_bytes() == b"{}\n"
    assert fetched.name == hub.commit(REPOSITORY)
    storage = f"/_storage/{REPOSITORY}/{fetched.name}/model.safetensors"
    assert (storage in hub.stats.as_dict()["paths"]) is redirected


def test_client_understands_the_errors(hub: Hub, tmp_path: Path) -> None:
    api = HfApi(endpoint=hub.url)
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("stt-lab/none")
    with pytest.raises(RevisionNotFoundError):
        api.model_info(REPOSITORY, revision="nowhere")
    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download(REPOSITORY, "none.json", cache_dir=tmp_path / "cache")
