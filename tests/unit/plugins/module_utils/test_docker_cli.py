# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands behind the word docker: errors first. The commands here print what real ones do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._docker_cli import (
    DockerCli,
    at_least,
    daemon_error,
    version_tuple,
)
from ansible_collections.stt.engine.plugins.module_utils._errors import SttError

DEAD = (
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. "
    "Is the docker daemon running?"
)
DENIED = (
    "permission denied while trying to connect to the Docker daemon socket at "
    'unix:///var/run/docker.sock: Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.45/info": '
    "dial unix /var/run/docker.sock: connect: permission denied"
)


def info(server: str = "26.1.5+dfsg1", buildx: str | None = "0.13.1+ds1") -> dict[str, Any]:
    plugins = [] if buildx is None else [{"Name": "buildx", "Version": buildx}]
    return {
        "Driver": "overlay2",
        "DriverStatus": [["Backing Filesystem", "extfs"]],
        "DockerRootDir": "/var/lib/docker",
        "Architecture": "x86_64",
        "OperatingSystem": "Debian GNU/Linux 13 (trixie)",
        "ServerVersion": server,
        "Runtimes": {"runc": {"path": "runc"}, "nvidia": {"path": "nvidia-container-runtime"}},
        "ClientInfo": {"Context": "default", "Plugins": plugins},
    }


def version(client: str = "26.1.5+dfsg1", engine: str = "Engine") -> dict[str, Any]:
    return {
        "Client": {"Version": client},
        "Server": {"Components": [{"Name": engine, "Version": client}]},
    }


def shadow(directory: Path, **answers: tuple[int, Any, str]) -> DockerCli:
    """A docker on the path that answers its first word with (exit status, output, error)."""
    cases = []
    for word, (rc, output, error) in answers.items():
        text = output if isinstance(output, str) else json.dumps(output)
        (directory / f"{word}.out").write_text(text)
        (directory / f"{word}.err").write_text(error)
        cases.append(
            f"{word.replace('_', '-')}) cat {directory}/{word}.out; "
            f"cat {directory}/{word}.err >&2; exit {rc};;"
        )
    script = directory / "docker"
    script.write_text("#!/bin/sh\ncase $1 in\n" + "\n".join(cases) + "\n*) exit 99;;\nesac\n")
    script.chmod(0o755)
    return DockerCli(str(script))


def refused(docker: DockerCli) -> SttError:
    with pytest.raises(SttError) as caught:
        docker.version()
    return caught.value


def test_no_docker_command(tmp_path: Path) -> None:
    assert str(refused(DockerCli(f"{tmp_path}/docker"))) == (
        f"docker command '{tmp_path}/docker': found No such file or directory; needed the Docker "
        "CLI on PATH; fix: install the package docker-ce-cli (Debian: docker.io) or set its path"
    )


@pytest.mark.parametrize(
    "answer",
    [
        (1, {"ServerVersion": "", "ClientInfo": {"Plugins": []}}, DEAD),
        (0, {"ServerErrors": [DEAD], "ClientInfo": {"Plugins": []}}, ""),
        (1, "", f"\n{DEAD}\n"),
    ],
    ids=["client 28", "client 20.10", "nothing printed"],
)
def test_daemon_down(tmp_path: Path, answer: tuple[int, Any, str]) -> None:
    error = refused(shadow(tmp_path, info=answer))
    assert str(error) == (
        f"docker daemon: found {DEAD}; needed a running Docker daemon; fix: start it (systemctl "
        "enable --now docker) and look at its log (journalctl -u docker) if it does not stay up"
    )
    assert error.details["cmd"][1:] == ["info", "--format", "{{json .}}"]


def test_real_client_without_a_daemon(tmp_path: Path) -> None:
    """Whatever Docker CLI this machine has, its own words are understood."""
    docker = DockerCli(environment={"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    assert refused(docker).needed in ("a running Docker daemon", "the Docker CLI on PATH")


def test_socket_forbidden(tmp_path: Path) -> None:
    error = refused(shadow(tmp_path, info=(1, {"ServerVersion": ""}, DENIED)))
    assert (error.object, error.found) == ("docker daemon", DENIED)
    assert error.needed == "a user who may use the Docker socket"
    assert "usermod -aG docker USER" in error.fix


@pytest.mark.parametrize(
    ("info_answer", "printed", "found"),
    [
        (
            (
                0,
                {"host": {"arch": "amd64"}, "version": {"Version": "4.9.4"}},
                "Emulate Docker CLI using podman. Create /etc/containers/nodocker to quiet msg.",
            ),
            "podman version 4.9.4",
            "podman 4.9.4 posing as docker",
        ),
        (
            (0, {"host": {"arch": "amd64"}, "version": {"Version": "5.2.1"}}, ""),
            "podman version 5.2.1",
            "podman 5.2.1 posing as docker",
        ),
    ],
    ids=["with its banner", "quiet"],
)
def test_podman_posing_as_docker(
    tmp_path: Path, info_answer: tuple[int, Any, str], printed: str, found: str
) -> None:
    docker = shadow(tmp_path, info=info_answer, __version=(0, printed, ""))
    error = refused(docker)
    assert (error.object, error.found) == ("docker engine", found)
    assert error.needed == "Docker engine 23.0 or newer"


def test_podmans_socket_behind_a_docker_client(tmp_path: Path) -> None:
    docker = shadow(
        tmp_path,
        info=(0, info("4.9.4"), ""),
        version=(0, version("26.1.5", "Podman Engine"), ""),
    )
    assert refused(docker).found == "podman 4.9.4 posing as docker"


@pytest.mark.parametrize(
    ("server", "client", "message"),
    [
        (
            "20.10.24+dfsg1",
            "28.2.2",
            "docker engine: found Docker engine 20.10.24+dfsg1; needed Docker engine 23.0 or "
            "newer; fix: upgrade the Docker engine (package docker-ce) on this host",
        ),
        (
            "26.1.5",
            "20.10.24",
            "docker CLI: found Docker CLI 20.10.24; needed Docker CLI 23.0 or newer; "
            "fix: upgrade the Docker CLI (package docker-ce-cli) on this host",
        ),
    ],
)
def test_too_old(tmp_path: Path, server: str, client: str, message: str) -> None:
    docker = shadow(tmp_path, info=(0, info(server), ""), version=(0, version(client), ""))
    assert str(refused(docker)) == message


@pytest.mark.parametrize(
    ("buildx", "found"),
    [
        (None, "no buildx plugin"),
        ("v0.12.1", "buildx 0.12.1"),
        ("", "buildx "),
    ],
)
def test_buildx_missing_or_old(tmp_path: Path, buildx: str | None, found: str) -> None:
    docker = shadow(tmp_path, info=(0, info(buildx=buildx), ""), version=(0, version(), ""))
    error = refused(docker)
    assert (error.object, error.found) == ("docker buildx", found)
    assert error.needed == "buildx 0.13 or newer"
    assert docker.version(minimum_buildx=None).server == "26.1.5+dfsg1"


def test_output_that_is_not_json(tmp_path: Path) -> None:
    error = refused(shadow(tmp_path, info=(0, "Docker says hello", "")))
    assert error.found.endswith("'Docker says hello'")
    assert error.needed == "one JSON document"


def test_no_answer_in_time(tmp_path: Path) -> None:
    script = tmp_path / "docker"
    script.write_text("#!/bin/sh\nexec sleep 30\n")
    script.chmod(0o755)
    with pytest.raises(SttError) as caught:
        DockerCli(str(script)).run(["info"], timeout=0.2)
    assert caught.value.found == "no answer within 0.2 s"


def test_failed_command_carries_its_output(tmp_path: Path) -> None:
    docker = shadow(tmp_path, image=(3, "some output", "first\nError: the last line\n"))
    with pytest.raises(SttError) as caught:
        docker.run(["image", "tag", "a", "b"])
    error = caught.value
    assert error.object == "docker image tag"
    assert error.found == "exit status 3: Error: the last line"
    assert error.details["rc"] == 3
    assert error.details["stdout"] == "some output"
    assert error.details["stderr"] == "first\nError: the last line"
    assert docker.run(["image", "tag"], check=False).rc == 3


def test_only_our_own_things_are_removed(tmp_path: Path) -> None:
    foreign = [{"Id": "sha256:1", "Config": {"Labels": {"stt.engine.owner": "someone"}}}]
    docker = shadow(tmp_path, image=(0, foreign, ""), container=(0, foreign, ""))
    with pytest.raises(SttError, match=r"image x: found no label stt\.engine\.owner="):
        docker.remove_image("x")
    with pytest.raises(SttError, match=r"container x: found no label stt\.engine\.owner="):
        docker.remove_container("x")


def test_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    docker = shadow(tmp_path, image=(1, "[]", "Error: No such image: x"))
    assert docker.image("x") is None
    assert docker.remove_image("x") is False
    # What is listed and then goes is left out; what is still there is returned.
    docker = shadow(tmp_path, image=(1, [{"Id": "sha256:1"}], "Error: No such image: x"))
    assert docker.image("x") == {"Id": "sha256:1"}


def test_a_dead_daemon_is_not_taken_for_an_absent_image(tmp_path: Path) -> None:
    docker = shadow(tmp_path, image=(1, "[]", DEAD))
    with pytest.raises(SttError, match="needed a running Docker daemon"):
        docker.image("x")


def test_good_engine(tmp_path: Path) -> None:
    containerd = info()
    containerd["DriverStatus"] = [["driver-type", "io.containerd.snapshotter.v1"]]
    docker = shadow(tmp_path, info=(0, info(), ""), version=(0, version(), ""))
    found = docker.version()
    assert (found.server, found.client, found.buildx) == (
        "26.1.5+dfsg1",
        "26.1.5+dfsg1",
        "0.13.1+ds1",
    )
    assert (found.storage_driver, found.containerd_store) == ("overlay2", False)
    assert found.runtimes == ("nvidia", "runc")
    docker = shadow(tmp_path, info=(0, containerd, ""), version=(0, version(), ""))
    assert docker.version().containerd_store is True


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("v0.13.1+ds1", (0, 13, 1)), ("28.0.0-rc.1", (28, 0, 0)), ("23", (23,)), ("none", ())],
)
def test_version_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert version_tuple(text) == numbers


def test_versions_are_compared_by_number() -> None:
    assert at_least("23.0.1", "23.0")
    assert at_least("100.1", "23.0")
    assert not at_least("9.9", "23.0")
    assert not at_least("unknown", "0")


def test_other_words_are_no_daemon_error() -> None:
    assert daemon_error("Error response from daemon: No such image: x") is None
    assert daemon_error("open /root/key: permission denied") is None
