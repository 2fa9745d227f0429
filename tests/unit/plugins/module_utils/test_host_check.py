# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pre-check of a host: each problem in its own words, all of them at once."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._host_check import HostCheck
from ansible_collections.stt.engine.plugins.module_utils._host_check_needs import (
    NeededFile,
    Needs,
)
from ansible_collections.stt.engine.plugins.module_utils._host_check_reach import Endpoint

DEAD = (
    "Cannot connect to the Docker daemon at unix:///run/docker.sock. Is the docker daemon running?"
)


def docker(
    directory: Path,
    *,
    runtimes: tuple[str, ...] = ("runc",),
    data_root: str = "",
    down: bool = False,
) -> DockerCli:
    """A docker on the path that says what a good engine says, or that its daemon is down."""
    info = {
        "ServerVersion": "26.1.5",
        "Driver": "overlay2",
        "DockerRootDir": data_root or str(directory),
        "Runtimes": {name: {} for name in runtimes},
        "ClientInfo": {"Plugins": [{"Name": "buildx", "Version": "0.13.1"}]},
    }
    (directory / "info").write_text(json.dumps(info))
    (directory / "version").write_text(json.dumps({"Client": {"Version": "26.1.5"}}))
    script = directory / "docker"
    answer = f"echo '{DEAD}' >&2; exit 1" if down else f"cat {directory}/$1"
    script.write_text(
        "#!/bin/sh\n[ $1 = buildx ] && echo 'github.com/docker/buildx v0.13.1 0' && exit\n"
        f"{answer}\n"
    )
    script.chmod(0o755)
    return DockerCli(str(script))


def run(engine: DockerCli, root: Path, **needs: Any) -> dict[str, dict[str, Any]]:
    """The results by name; ``dev`` is not a need but where devices are looked for."""
    where = {"dev": needs.pop("dev")} if "dev" in needs else {}
    checks = HostCheck(engine, Needs(root=root, **needs), **where).run()
    for check in checks:
        assert set(check) == {
            *("id", "name", "status", "expected", "found", "fix", "seconds", "evidence")
        }
        assert check["id"] == "R1.1"
        assert bool(check["fix"]) is (check["status"] in ("failed", "error"))
        assert check["expected"]
        assert check["found"]
    names = [check["name"] for check in checks]
    assert len(set(names)) == len(names)
    return {check["name"]: check for check in checks}


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("a file")
    checks = run(
        docker(tmp_path, down=True),
        tmp_path / "root/below",
        docker_bytes=1 << 60,
        root_bytes=1 << 60,
        memory_bytes=1 << 60,
        architecture="s390x",
        endpoints=[Endpoint("http://127.0.0.1:1/", needed_for="R3 (the model)")],
        gpu="required",
        commands=["sh", "no-such-command", "nor-this"],
        minimum_buildx="99",
        dev=tmp_path,
    )
    assert {name for name, check in checks.items() if check["status"] == "failed"} == {
        "docker_engine",
        "buildx",
        "architecture",
        "disk_docker",
        "disk_root",
        "memory",
        "commands",
        "root_writable",
        "reachability_127_0_0_1_1",
        "gpu",
    }
    assert checks["python"]["status"] == "passed"
    assert checks["docker_engine"]["found"] == DEAD
    assert checks["docker_engine"]["expected"] == "a running Docker daemon"
    assert checks["buildx"]["found"] == "buildx 0.13.1"
    assert checks["commands"]["found"] == "no-such-command, nor-this missing"
    assert checks["root_writable"]["found"] == f"{tmp_path}/root is not a directory"
    assert checks["architecture"]["expected"] == "s390x"
    assert checks["reachability_127_0_0_1_1"]["expected"] == ("an HTTP answer, for R3 (the model)")


def test_one_bad_endpoint_does_not_judge_another(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            connection, _peer = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        with ThreadPoolExecutor(1) as pool:
            serving = pool.submit(answer)
            bad = Endpoint("https://localhost:1/", ca_bundle=f"{tmp_path}/none.pem")
            good = Endpoint(f"http://127.0.0.1:{port}/", needed_for="R2")
            checks = run(docker(tmp_path), tmp_path, endpoints=[bad, good, good])
            serving.result(timeout=10)
    assert checks["reachability_localhost_1"]["status"] == "failed"
    assert checks["reachability_localhost_1"]["expected"] == "a readable file of PEM certificates"
    reached = checks[f"reachability_127_0_0_1_{port}"]
    assert (reached["status"], reached["found"]) == ("passed", "HTTP status 204")
    assert reached["expected"] == f"an HTTP answer from http://127.0.0.1:{port}/, for R2"
    assert f"reachability_127_0_0_1_{port}_2" not in checks


def test_nothing_is_wrong(tmp_path: Path) -> None:
    checks = run(
        docker(tmp_path), tmp_path / "opt/stt", commands=["sh"], architecture=os.uname()[4]
    )
    counts = Counter(check["status"] for check in checks.values())
    assert counts == {"passed": 9, "skipped": 1}
    assert checks["gpu"]["status"] == "skipped"
    assert checks["root_writable"]["found"] == f"{tmp_path}/opt/stt can be made below {tmp_path}"
    assert not (tmp_path / "opt").exists()


def test_no_docker_at_all(tmp_path: Path) -> None:
    checks = run(DockerCli(f"{tmp_path}/docker"), tmp_path)
    for name in ("docker_engine", "buildx"):
        assert checks[name]["status"] == "failed"
        assert checks[name]["expected"] == "the Docker CLI on PATH"
    assert checks["disk_root"]["status"] == "passed"


def test_needs_on_one_file_system_are_added(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    part = int(free * 0.6)
    checks = run(docker(tmp_path), tmp_path, docker_bytes=part, root_bytes=part)
    for name in ("disk_docker", "disk_root"):
        assert checks[name]["status"] == "failed"
        assert checks[name]["evidence"]["need_bytes"] == 2 * part
        assert checks[name]["expected"].endswith("(Docker's data and the releases together)")
    alone = run(docker(tmp_path), tmp_path, docker_bytes=part)
    assert alone["disk_docker"]["status"] == "passed"


def test_docker_data_elsewhere_is_judged_there(tmp_path: Path) -> None:
    """A full file system under Docker's data is seen although the root has room."""
    if Path("/dev/shm").stat().st_dev == tmp_path.stat().st_dev:
        pytest.fail("this test needs /dev/shm as a file system of its own")
    shared = shutil.disk_usage("/dev/shm")
    checks = run(docker(tmp_path, data_root="/dev/shm"), tmp_path, docker_bytes=shared.total * 2)
    disk = checks["disk_docker"]
    assert disk["status"] == "failed"
    assert "the file system /dev/shm that holds Docker's data root /dev/shm" in disk["found"]
    assert disk["fix"].startswith("free ")
    assert checks["disk_root"]["status"] == "passed"


def test_less_than_recommended_is_a_warning(tmp_path: Path) -> None:
    disk = run(docker(tmp_path), tmp_path, recommended_bytes=1 << 60)["disk_docker"]
    assert disk["status"] == "passed"
    assert disk["evidence"]["warning"] == ("less than the recommended 1152921504.6 GB is free")
    assert disk["evidence"]["warning"] in disk["found"]


def test_check_that_breaks_is_an_error_not_a_pass(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("nonsense")
    host = HostCheck(docker(tmp_path), Needs(root=tmp_path), proc=tmp_path / "none")
    memory = {check["name"]: check for check in host.run()}["memory"]
    assert memory["status"] == "error"
    assert memory["found"].startswith("FileNotFoundError: ")


def smi(directory: Path, text: str, rc: int = 0) -> str:
    """Put an nvidia-smi that says something on the path."""
    tool = directory / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho '{text}'\nexit {rc}\n")
    tool.chmod(0o755)
    return f"{directory}:{os.environ['PATH']}"


def test_gpu_policies_without_a_gpu(tmp_path: Path) -> None:
    required = run(docker(tmp_path), tmp_path, gpu="required", dev=tmp_path)["gpu"]
    assert required["status"] == "failed"
    assert required["found"].startswith(f"no {tmp_path}/nvidia0; no answer from nvidia-smi (")
    assert required["found"].endswith("; no nvidia runtime in docker info")
    auto = run(docker(tmp_path), tmp_path, gpu="auto", dev=tmp_path)["gpu"]
    assert (auto["status"], auto["found"]) == ("skipped", "no GPU on this host")
    absent = run(docker(tmp_path), tmp_path, gpu="absent", dev=tmp_path)["gpu"]
    assert (absent["status"], absent["found"]) == (
        "skipped",
        "the policy says that none is used",
    )


def test_gpu_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nvidia0").touch()
    monkeypatch.setenv("PATH", smi(tmp_path, "NVIDIA L40S, 575.57.08"))
    engine = docker(tmp_path, runtimes=("nvidia", "runc"))
    for policy in ("auto", "required"):
        gpu = run(engine, tmp_path, gpu=policy, dev=tmp_path)["gpu"]
        assert (gpu["status"], gpu["found"]) == ("passed", "NVIDIA L40S, driver 575.57.08")
    facts = HostCheck(engine, Needs(root=tmp_path), dev=tmp_path).facts()["gpu"]
    assert (facts["present"], facts["driver"]) == (True, "575.57.08")


def test_gpu_that_cannot_be_used_is_no_skip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nvidia0").touch()
    monkeypatch.setenv("PATH", smi(tmp_path, "Failed to initialize NVML", 9))
    gpu = run(docker(tmp_path), tmp_path, gpu="auto", dev=tmp_path)["gpu"]
    assert gpu["status"] == "failed"
    assert gpu["found"] == (
        "no answer from nvidia-smi (Failed to initialize NVML); no nvidia runtime in docker info"
    )


def test_data_root_is_read_from_the_configuration_when_docker_is_down(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/daemon.json").write_text('{"data-root": "/srv/docker"}')
    shutil.copy("/etc/os-release", tmp_path / "os-release")
    engine = DockerCli(f"{tmp_path}/none")
    host = HostCheck(engine, Needs(root=tmp_path), etc=tmp_path)
    facts = host.facts()
    assert facts["data_root"] == "/srv/docker"
    assert facts["docker_version"] == ""
    assert facts["memory_bytes"] > 0
    assert len(facts["boot_id"]) == 36


def test_every_file_that_a_later_step_needs_is_looked_for(tmp_path: Path) -> None:
    here = tmp_path / "netrc"
    here.touch()
    files = [NeededFile(str(here), "engine_image_netrc")]
    assert run(docker(tmp_path), tmp_path, files=files)["files"]["status"] == "passed"
    files += [NeededFile("/nope.tar", "engine_image_base_archive"), NeededFile("/no", "other")]
    result = run(docker(tmp_path), tmp_path, files=files)["files"]
    assert result["status"] == "failed"
    assert (
        result["found"]
        == "nothing at /nope.tar (engine_image_base_archive); nothing at /no (other)"
    )
    assert "correct the variables" in result["fix"]
    assert "files" not in run(docker(tmp_path), tmp_path)
