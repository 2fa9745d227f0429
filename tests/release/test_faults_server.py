# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A build server that cannot make a release is refused at R1, before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bench import caught
from tests.release.conftest import Lab, Run
from tests.release.fault_hosts import (
    company_server,
    corner,
    own_daemon,
    shadow,
    small_mount,
)

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("intact")]

# A commit as anybody makes it.
SOMEBODY = "-c user.name=Somebody -c user.email=somebody@example.com"
SOURCES = "/opt/stt/sources"
# Names that no index has at this version.
TOOLS = f"huggingface-hub==0.0.99999 --hash=sha256:{'0' * 64}\n"
PODMAN = """
case "$1" in
    --version) echo "podman version 4.9.4-rhel" ;;
    *) echo "Emulate Docker CLI using podman. Create /etc/containers/nodocker to quiet msg." >&2
       echo '{"Client": {"Version": "4.9.4-rhel"}, "Server": {"Version": "4.9.4-rhel",
             "Components": [{"Name": "Podman Engine", "Version": "4.9.4-rhel"}]}}' ;;
esac
"""
# The real one, but for one word of what it says.
OLD = """docker "$@" | sed -E 's/"Version":"[0-9]+[.][0-9]+[.][0-9]+/"Version":"20.10.24/g'"""
WITHOUT_BUILDX = """docker "$@" | sed 's#"Name":"buildx"#"Name":"other"#'"""
FORBIDDEN = 'HOME=/ exec setpriv --reuid=65534 --regid=65534 --clear-groups docker "$@"'


def refused(lab: Lab, record: caught.Record, **variables: Any) -> Run:
    """Run a release that stops; what its report says goes to the record."""
    run = lab.play(variables=variables)
    assert run.rc != 0
    report = lab.failed_report()
    assert report["verdict"] == "failed"
    failed = run.output.partition("[ERROR]")[2]
    for word in ("found", "needed", "fix"):
        assert word in failed, run.output[-5000:]
    caught.by_run(record, report)
    return run


@pytest.mark.fault("no room under Docker's data")
def test_docker_on_a_small_file_system(lab: Lab, record_property: caught.Record) -> None:
    with own_daemon(lab) as daemon:
        run = refused(lab, record_property, docker_host_docker=daemon.docker)
    assert f"free on the file system {daemon.place}/data that holds Docker's data" in run.output


@pytest.mark.fault("no room under stt_root")
def test_a_root_on_a_small_file_system(lab: Lab, record_property: caught.Record) -> None:
    with small_mount(lab) as mount:
        refused(lab, record_property, stt_root=f"{mount}/stt")
        assert lab.ssh(f"find {mount} -mindepth 1") == ""


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(FORBIDDEN, marks=pytest.mark.fault("Docker socket forbidden"), id="socket"),
        pytest.param(OLD, marks=pytest.mark.fault("engine too old"), id="old"),
        pytest.param(WITHOUT_BUILDX, marks=pytest.mark.fault("no buildx"), id="buildx"),
        pytest.param(PODMAN, marks=pytest.mark.fault("podman posing as docker"), id="podman"),
    ],
)
def test_another_docker(lab: Lab, script: str, record_property: caught.Record) -> None:
    with shadow(lab, script) as docker:
        refused(lab, record_property, docker_host_docker=docker)


@pytest.mark.parametrize(
    "variable",
    [
        pytest.param(
            "whisper_model_endpoint", marks=pytest.mark.fault("hub behind the company's CA")
        ),
        pytest.param(
            "engine_image_index_url", marks=pytest.mark.fault("index behind the company's CA")
        ),
    ],
)
def test_a_server_that_only_the_company_vouches_for(
    lab: Lab, variable: str, record_property: caught.Record
) -> None:
    with company_server(lab) as address:
        refused(lab, record_property, **{variable: address})


@pytest.mark.fault("tools cannot be fetched")
def test_a_command_that_fails_is_told_in_the_same_words(
    lab: Lab, tmp_path: Path, record_property: caught.Record
) -> None:
    lock = tmp_path / "tools.txt"
    lock.write_text(TOOLS)
    run = refused(lab, record_property, docker_host_tools_lock=str(lock))
    assert "No matching distribution found for huggingface-hub==0.0.99999" in run.output


@pytest.fixture(scope="module")
def origin(lab: Lab) -> Iterator[str]:
    """An engine's repository: a fix on main, and a branch that only points at files."""
    with corner(lab) as place:
        name = place.rpartition("/")[2]
        commit = f"git {SOMEBODY} commit --quiet"
        pointer = f"version https://git-lfs.github.com/spec/v1\\noid sha256:{'0' * 64}\\nsize 5\\n"
        lab.ssh(
            f"mkdir {place}/work && cd {place}/work && git init --quiet --initial-branch=main && "
            "echo 'FROM scratch' > Dockerfile && git add --all && "
            f"{commit} -m 'An engine' && git tag first && "
            f"echo '# mended' >> Dockerfile && {commit} --all -m 'The fix' && git tag fix && "
            f"git checkout --quiet -b pointers && printf '{pointer}' > weights.bin && "
            "git add weights.bin && git update-index --add --cacheinfo "
            "160000,$(git rev-parse first),vendor/decoder && "
            f"{commit} -m 'Point elsewhere' && git checkout --quiet --force main && "
            f"git clone --quiet --bare {place}/work {place}/{name}.git"
        )
        yield f"{place}/{name}.git"
        # Also what was exported of its commits.
        lab.ssh(
            f"for commit in $(git -C {place}/{name}.git rev-list --all | cut -c1-12); do "
            f"rm -rf {SOURCES}/$commit {SOURCES}/git/$commit.index; done; "
            f"rm -rf {SOURCES}/git/{name}"
        )


@pytest.mark.fault("local work in the checkout")
def test_work_that_only_the_server_has(
    lab: Lab, origin: str, record_property: caught.Record
) -> None:
    checkout = f"{SOURCES}/git/{origin.rpartition('/')[2].removesuffix('.git')}"
    lab.ssh(
        f"rm -rf {checkout} && git clone --quiet {origin} {checkout} && cd {checkout} && "
        f"echo '# mine' >> Dockerfile && git {SOMEBODY} commit --quiet --all -m 'Only here' && "
        "echo '# not yet committed' >> Dockerfile"
    )
    look = f"cd {checkout} && git log --format=%H && cat Dockerfile && git status --porcelain"
    before = lab.ssh(look)
    refused(lab, record_property, engine_source_repository=origin)
    assert lab.ssh(look) == before
    lab.ssh(f"rm -rf {checkout}")


@pytest.mark.fault("required fix not among the ancestors")
def test_a_commit_without_the_required_fix(
    lab: Lab, origin: str, record_property: caught.Record
) -> None:
    older, fix = lab.ssh(f"git -C {origin} rev-parse first fix").split()
    given = {"engine_source_revision": older, "engine_source_required_commit": fix}
    refused(lab, record_property, engine_source_repository=origin, **given)


@pytest.mark.fault("commit that points elsewhere")
def test_a_commit_that_only_points_at_files(
    lab: Lab, origin: str, record_property: caught.Record
) -> None:
    given = {"engine_source_repository": origin, "engine_source_revision": "pointers"}
    run = refused(lab, record_property, **given)
    assert "submodule vendor/decoder, LFS pointer weights.bin" in run.output
