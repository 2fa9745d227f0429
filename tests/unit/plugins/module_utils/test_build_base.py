# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image a base reference means: refusals first, then where the digest is taken from."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._build_base import (
    archive_digests,
    repository,
    resolve,
)
from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError

ONE, TWO, THREE = (f"sha256:{digit * 64}" for digit in "123")
NAME = "registry.example.com/ubi8/python-311"


def image(**fields: Any) -> dict[str, Any]:
    return {
        "Id": ONE,
        "Os": "linux",
        "Architecture": "amd64",
        "RepoDigests": [],
        "RootFS": {"Layers": [THREE]},
        **fields,
    }


def docker(directory: Path, found: dict[str, Any] | None, registry: str = "") -> DockerCli:
    """An engine that has one image or none, and a registry that answers or refuses."""
    (directory / "image").write_text(json.dumps([found] if found else []))
    (directory / "registry").write_text(registry)
    absent = "" if found else "echo 'Error: No such image: x' >&2; exit 1"
    refuse = "" if registry else "echo 'ERROR: no such host' >&2; exit 1"
    script = directory / "docker"
    script.write_text(
        f"#!/bin/sh\ncase $1 in\nimage) cat {directory}/image; {absent};;\n"
        f"buildx) cat {directory}/registry; {refuse};;\nesac\n"
    )
    script.chmod(0o755)
    return DockerCli(str(script))


def test_pinned_to_what_is_no_digest(tmp_path: Path) -> None:
    with pytest.raises(SttError) as caught:
        resolve(docker(tmp_path, image()), NAME, platform="linux/amd64", pinned="sha256:12")
    assert str(caught.value).startswith(
        f"digest of base image {NAME}: found 'sha256:12'; needed sha256: and 64 hexadecimal digits"
    )


def test_reference_and_pin_disagree(tmp_path: Path) -> None:
    with pytest.raises(SttError, match=f"found digest {ONE}; needed digest {TWO}"):
        resolve(docker(tmp_path, image()), f"{NAME}@{ONE}", platform="", pinned=TWO)


def test_local_image_is_not_the_pinned_one(tmp_path: Path) -> None:
    with pytest.raises(SttError, match=f"found digest {ONE}; needed digest {TWO}"):
        resolve(docker(tmp_path, image()), NAME, platform="linux/amd64", pinned=TWO)


def test_wrong_platform(tmp_path: Path) -> None:
    with pytest.raises(SttError, match="found platform linux/amd64; needed platform linux/arm64"):
        resolve(docker(tmp_path, image()), NAME, platform="linux/arm64")


def test_neither_here_nor_in_a_registry(tmp_path: Path) -> None:
    with pytest.raises(SttError) as caught:
        resolve(docker(tmp_path, None), NAME, platform="linux/amd64")
    assert caught.value.found == "not on this host, and its registry says: no such host"
    assert "base_archive" in caught.value.fix


def test_local_only_image_is_known_by_its_id(tmp_path: Path) -> None:
    for pinned in ("", ONE):
        found = resolve(docker(tmp_path, image()), "x:1", platform="linux/amd64", pinned=pinned)
        assert (found.digest, found.pin, found.local) == (ONE, "x:1", True)
        assert found.layers == (THREE,)


def test_pulled_image_is_known_by_its_registry_digest(tmp_path: Path) -> None:
    pulled = image(RepoDigests=[f"other/name@{THREE}", f"{NAME}@{TWO}"])
    for reference in (f"{NAME}:1", NAME, f"{NAME}:1@{TWO}"):
        found = resolve(docker(tmp_path, pulled), reference, platform="linux/amd64")
        assert (found.digest, found.pin, found.local) == (TWO, f"{NAME}@{TWO}", True)


def test_pinned_image_that_is_elsewhere_is_left_to_the_build(tmp_path: Path) -> None:
    """No network is needed to know what a digest means."""
    for present in (None, image(RepoDigests=[f"{NAME}@{TWO}"])):
        found = resolve(
            docker(tmp_path, present), f"{NAME}:1", platform="linux/amd64", pinned=THREE
        )
        assert (found.digest, found.pin, found.local) == (THREE, f"{NAME}@{THREE}", False)


def test_tag_in_a_registry(tmp_path: Path) -> None:
    answer = json.dumps({"mediaType": "x", "digest": TWO, "size": 1})
    found = resolve(docker(tmp_path, None, answer), f"{NAME}:1", platform="linux/amd64")
    assert (found.digest, found.pin, found.local) == (TWO, f"{NAME}@{TWO}", False)


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("debian", "debian"),
        ("debian:12", "debian"),
        ("docker.io/library/debian:12", "debian"),
        ("docker.io/org/x@sha256:1", "org/x"),
        ("localhost:5000/a/b:c", "localhost:5000/a/b"),
        ("localhost:5000/a", "localhost:5000/a"),
    ],
)
def test_repository(reference: str, name: str) -> None:
    assert repository(reference) == name


@pytest.mark.parametrize(
    ("reference", "pin"),
    [
        (NAME, NAME),
        (f"{NAME}:1-77", f"{NAME}:1-77"),
        (f"{NAME}@{ONE}", f"{NAME}@{ONE}"),
    ],
)
def test_image_of_a_containerd_store(tmp_path: Path, reference: str, pin: str) -> None:
    found = image(RepoDigests=[f"{NAME}@{ONE}"])
    resolved = resolve(docker(tmp_path, found), reference, platform="linux/amd64")
    assert (resolved.digest, resolved.pin, resolved.local) == (ONE, pin, True)


def archive(path: Path, manifest: Any, index: Any = None) -> Path:
    with tarfile.open(path, "w") as packed:
        for name, content in (("manifest.json", manifest), ("index.json", index)):
            data = json.dumps(content).encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if content is not None:
                packed.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("config", ["1" * 64 + ".json", "blobs/sha256/" + "1" * 64])
def test_digest_of_an_archive(tmp_path: Path, config: str) -> None:
    file = archive(
        tmp_path / "a.tar",
        [
            {"Config": "2" * 64 + ".json", "RepoTags": ["other:1"]},
            {"Config": config, "RepoTags": ["x:2", "base:latest"]},
        ],
    )
    assert archive_digests(file, "base") == (ONE, "")
    assert archive_digests(file, "docker.io/library/base:latest") == (ONE, "")


def test_digest_of_an_archive_for_a_containerd_store(tmp_path: Path) -> None:
    def entry(digest: str, name: str) -> dict[str, Any]:
        return {"digest": digest, "annotations": {"io.containerd.image.name": name}}

    index = {
        "manifests": [
            {"digest": ONE},
            entry(ONE, "docker.io/library/base:2"),
            entry(THREE, "docker.io/library/base:1"),
        ]
    }
    manifest = [{"Config": f"blobs/sha256/{'2' * 64}", "RepoTags": ["base:1"]}]
    file = archive(tmp_path / "a.tar", manifest, index)
    assert archive_digests(file, "base:1") == (TWO, THREE)


def test_archives_that_are_refused(tmp_path: Path) -> None:
    def refused(file: Path, reference: str = "base:1") -> str:
        with pytest.raises(SttError) as caught:
            archive_digests(file, reference)
        assert caught.value.object == f"base archive {file}"
        return caught.value.found

    assert refused(tmp_path / "none") == "no such file"
    (tmp_path / "junk").write_bytes(b"junk" * 1000)
    assert refused(tmp_path / "junk").startswith("no readable manifest.json")
    with tarfile.open(tmp_path / "empty", "w"):
        pass
    assert refused(tmp_path / "empty").startswith("no readable manifest.json")
    tagged = archive(tmp_path / "a", [{"Config": "x", "RepoTags": ["base:2", "other:1"]}])
    assert refused(tagged) == "only base:2, other:1"
    assert refused(archive(tmp_path / "b", [{"Config": "x", "RepoTags": None}])) == (
        "only images without a name"
    )
    assert refused(archive(tmp_path / "c", [{"Config": "x", "RepoTags": ["base:1"]}])) == (
        "a configuration named 'x'"
    )
