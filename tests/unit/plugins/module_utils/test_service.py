# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a running service is seen, and in what it may differ from the release."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._docker_cli import DockerCli
from ansible_collections.stt.engine.plugins.module_utils._service import Service, services
from ansible_collections.stt.engine.plugins.module_utils._service_deviations import deviations

IMAGE = f"sha256:{'1' * 64}"
LOST = f"sha256:{'9' * 64}"
PLACE = "/app/models/ctranslate2_model"
MODEL = "/opt/stt/models/openai_whisper/41f0-ct2-int8"

OF_THE_IMAGE = {
    "Env": ["PATH=/opt/app-root/bin:/bin", "STT_PORT=8003"],
    "Entrypoint": None,
    "Cmd": ["/opt/app-root/bin/python3", "-m", "stt_engine"],
    "WorkingDir": "/app",
    "Healthcheck": {"Test": ["CMD", "python3", "-m", "stt_engine.healthcheck"]},
}


def container() -> dict[str, Any]:
    """A container as the engine describes one that was started as docs/service.md says."""
    return {
        "Name": "/stt",
        "Image": IMAGE,
        "State": {"Running": True, "StartedAt": "2026-01-31T08:06:30Z"},
        "Config": {
            "User": "2000",
            "Env": ["STT_COMPUTE_TYPE=float16", *OF_THE_IMAGE["Env"]],
            **{name: OF_THE_IMAGE[name] for name in ("Entrypoint", "Cmd", "WorkingDir")},
            "Healthcheck": OF_THE_IMAGE["Healthcheck"],
        },
        "HostConfig": {
            "ReadonlyRootfs": True,
            "Privileged": False,
            "CapDrop": ["ALL"],
            "CapAdd": None,
            "SecurityOpt": ["no-new-privileges"],
            "NetworkMode": "bridge",
            "IpcMode": "private",
            "PidMode": "",
            "Devices": [],
            "DeviceRequests": [{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}],
            "Tmpfs": {"/tmp": ""},
        },
        "Mounts": [{"Type": "bind", "Source": MODEL, "Destination": PLACE, "RW": False}],
        "NetworkSettings": {
            "Ports": {"8003/tcp": [{"HostIp": "0.0.0.0", "HostPort": "18003"}]},
            "Networks": {"bridge": {"IPAddress": "172.17.0.2"}},
        },
    }


class Engine(DockerCli):
    """An engine's own answers, without the engine."""

    def __init__(self, place: Path, *found: dict[str, Any], changed: str = "") -> None:
        answer = place / "docker"
        answer.write_text(f"#!/bin/sh\nprintf '%s' '{changed}'\n")
        answer.chmod(0o755)
        super().__init__(str(answer))
        self.found = list(found)

    def image(self, reference: str) -> dict[str, Any] | None:
        return None if reference == LOST else {"Id": reference, "Config": OF_THE_IMAGE}

    def containers(self, label: str = "") -> list[dict[str, Any]]:
        assert label == ""
        return self.found


def seen(place: Path, *found: dict[str, Any]) -> list[Service]:
    return services(Engine(place, *found))


def changed(path: str, value: Any) -> dict[str, Any]:
    """A container that differs in one setting; dots lead to it."""
    found = copy.deepcopy(container())
    *way, last = path.split(".")
    at = found
    for name in way:
        at = at[name]
    at[last] = value
    return found


def test_what_runs_is_told_by_name_image_model_and_address(tmp_path: Path) -> None:
    (service,) = seen(tmp_path, container())
    assert (service.name, service.image_id, service.model) == ("stt", IMAGE, MODEL)
    assert (service.address, service.settings["STT_PORT"]) == ("127.0.0.1:18003", "8003")


def test_checks_and_what_has_ended_serve_nothing(tmp_path: Path) -> None:
    ended = changed("State.Running", False)
    check = changed("HostConfig.NetworkMode", "none")
    assert seen(tmp_path, ended, check) == []


@pytest.mark.parametrize(
    ("path", "value", "address"),
    [
        (
            "NetworkSettings.Ports",
            {"8003/tcp": [{"HostIp": "10.1.2.3", "HostPort": "1"}]},
            "10.1.2.3:1",
        ),
        ("NetworkSettings.Ports", {"8003/tcp": None}, "172.17.0.2:8003"),
        ("NetworkSettings.Ports", {}, "172.17.0.2:8003"),
        ("Config.Env", ["STT_PORT=9"], "172.17.0.2:9"),
    ],
)
def test_a_service_is_reached_where_it_is(
    tmp_path: Path, path: str, value: Any, address: str
) -> None:
    (service,) = seen(tmp_path, changed(path, value))
    assert service.address == address


def test_the_hosts_own_network_and_none_at_all(tmp_path: Path) -> None:
    alone = changed("NetworkSettings", {"Ports": {}, "Networks": {"x": {"IPAddress": ""}}})
    own = copy.deepcopy(alone)
    own["HostConfig"]["NetworkMode"] = "host"
    assert [one.address for one in seen(tmp_path, alone, own)] == ["", "127.0.0.1:8003"]


def judged(place: Path, found: dict[str, Any], diff: str = "", model: str = MODEL) -> list[str]:
    engine = Engine(place, found, changed=diff)
    (service,) = services(engine)
    return deviations(service, engine, IMAGE, model)


def test_one_that_is_started_as_described_is_as_sealed(tmp_path: Path) -> None:
    mounted = (
        "C /app\nC /app/models\nA /app/models/ctranslate2_model\nC /tmp\nC /dev\nA /dev/null\n"
    )
    assert judged(tmp_path, container(), mounted) == []


CACHE = {"Type": "volume", "Source": "/v", "Destination": "/opt/app-root/src/.cache", "RW": True}
LOGS = {"Type": "bind", "Source": "/srv/logs", "Destination": "/app/logs", "RW": True}
CODE = {"Source": "/root/patch", "Destination": "/app/stt_engine", "RW": False}
OTHER_MODEL = {"Source": "/opt/stt/models/x", "Destination": "/app/models/x", "RW": False}
ALL_MODELS = {"Source": "/opt/stt/models", "Destination": "/app/models", "RW": False}
INNER = f"STT_MODEL_PATH=/app/models/{MODEL.removeprefix('/opt/stt/models/')}"


def test_further_mounts_that_hide_nothing_are_right(tmp_path: Path) -> None:
    found = container()
    found["Mounts"] += [CACHE, LOGS, OTHER_MODEL]
    assert judged(tmp_path, found) == []
    found = container()
    found["Mounts"] = [ALL_MODELS]
    found["Config"]["Env"].append(INNER)
    assert judged(tmp_path, found) == []


@pytest.mark.parametrize(
    ("mount", "told"),
    [
        (CODE, "/root/patch mounted over /app/stt_engine"),
        (
            {"Source": "/var/run/docker.sock", "Destination": "/var/run/docker.sock"},
            "/var/run/docker.sock mounted over /var/run/docker.sock",
        ),
        ({"Source": "/", "Destination": "/host"}, "/ mounted over /host"),
        ({"Source": "", "Destination": "/v", "Type": "volume"}, "a volume mounted over /v"),
        ({**OTHER_MODEL, "RW": True}, "/opt/stt/models/x mounted over /app/models/x"),
        (
            {**OTHER_MODEL, "Destination": f"{PLACE}/model.bin"},
            f"/opt/stt/models/x mounted over {PLACE}/model.bin",
        ),
        (
            {"Source": "/", "Destination": "/app/logs"},
            "/ of the host mounted at /app/logs",
        ),
        (
            {"Source": "/opt/stt/models", "Destination": "/app/logs"},
            "/opt/stt/models of the host mounted at /app/logs",
        ),
        (
            {"Type": "tmpfs", "Source": "", "Destination": "/app/stt_engine"},
            "a temporary file system over /app/stt_engine",
        ),
    ],
)
def test_whatever_else_is_mounted_is_told(tmp_path: Path, mount: dict[str, Any], told: str) -> None:
    found = container()
    found["Mounts"].append(mount)
    assert judged(tmp_path, found) == [told]


def test_a_model_is_no_way_to_lie_over_the_programs(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "ctranslate2_model").symlink_to(MODEL)
    found = container()
    found["Mounts"] = [{"Source": str(tmp_path), "Destination": "/app", "RW": False}]
    assert judged(tmp_path, found) == [f"{tmp_path} mounted over /app"]
    found = container()
    found["Config"]["Env"].append(f"STT_MODEL_PATH={PLACE}/../../logs/{Path(MODEL).name}")
    found["Mounts"].append(LOGS)
    assert f"model /srv/logs/{Path(MODEL).name}" in judged(tmp_path, found)


@pytest.mark.parametrize(
    "variable",
    ["TZ=Asia/Seoul", "HTTPS_PROXY=x", "no_proxy=x", "STT_QUEUE=1", "NVIDIA_VISIBLE_DEVICES=0"],
)
def test_variables_that_lead_to_no_other_code_are_right(tmp_path: Path, variable: str) -> None:
    found = container()
    found["Config"]["Env"].append(variable)
    assert judged(tmp_path, found) == []


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        (["PYTHONPATH=/p"], "the variable PYTHONPATH, which the image does not set"),
        (["LD_PRELOAD=/p"], "the variable LD_PRELOAD, which the image does not set"),
        (["PATH=/p"], "the variable PATH otherwise than the image sets it"),
    ],
)
def test_every_other_variable_is_told(tmp_path: Path, variables: list[str], told: str) -> None:
    found = container()
    found["Config"]["Env"] += variables
    assert judged(tmp_path, found) == [told]


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("Image", "sha256:2", "image sha256:2"),
        ("Mounts", [], f"no model mounted at {PLACE}"),
        ("Mounts", [{**ALL_MODELS, "Destination": PLACE}], "model /opt/stt/models"),
        (
            "Mounts",
            [{"Source": MODEL, "Destination": PLACE, "RW": True}],
            f"the model at {PLACE} mounted writable",
        ),
        ("Config.User", "", "user root"),
        ("Config.User", "0:0", "user 0:0"),
        ("Config.User", "20001", "user 20001"),
        ("HostConfig.ReadonlyRootfs", False, "a root file system that can be written"),
        ("HostConfig.Privileged", True, "privileged"),
        ("HostConfig.CapDrop", None, "capabilities of the engine by default"),
        ("HostConfig.CapAdd", ["sys_admin"], "capabilities (SYS_ADMIN)"),
        ("HostConfig.SecurityOpt", [], "without no-new-privileges"),
        (
            "HostConfig.SecurityOpt",
            ["no-new-privileges", "seccomp=unconfined"],
            "security option seccomp=unconfined",
        ),
        ("HostConfig.PidMode", "host", "PidMode host"),
        ("HostConfig.IpcMode", "host", "IpcMode host"),
        ("HostConfig.UTSMode", "host", "UTSMode host"),
        ("HostConfig.UsernsMode", "host", "UsernsMode host"),
        ("HostConfig.Devices", [{"PathOnHost": "/dev/sda"}], "the device /dev/sda"),
        ("HostConfig.DeviceCgroupRules", ["c 1:3 r"], "devices by the rule c 1:3 r"),
        (
            "HostConfig.Tmpfs",
            {"/app/stt_engine": ""},
            "a temporary file system over /app/stt_engine",
        ),
        (
            "Config.Entrypoint",
            ["python", "/patched/liar.py"],
            "entrypoint ['python', '/patched/liar.py'] instead of []",
        ),
        (
            "Config.Cmd",
            ["-m", "liar"],
            f"command ['-m', 'liar'] instead of {OF_THE_IMAGE['Cmd']}",
        ),
        ("Config.WorkingDir", "/tmp", "working directory /tmp instead of /app"),
        (
            "Config.Healthcheck.Test",
            ["CMD", "true"],
            f"health check ['CMD', 'true'] instead of {OF_THE_IMAGE['Healthcheck']['Test']}",
        ),
        ("HostConfig.SecurityOpt", ["no-new-privileges:false"], "without no-new-privileges"),
    ],
)
def test_each_deviation_is_told(tmp_path: Path, path: str, value: Any, told: str) -> None:
    assert judged(tmp_path, changed(path, value)) == [told]


def test_an_image_that_is_gone_and_a_health_check_that_is_switched_off(tmp_path: Path) -> None:
    gone = judged(tmp_path, changed("Image", LOST))
    assert gone == [f"image {LOST}", "an image that the engine no longer has"]
    assert judged(tmp_path, changed("Config.Healthcheck", {"Test": ["NONE"]})) == []
    assert judged(tmp_path, changed("HostConfig.Devices", [{"PathOnHost": "/dev/nvidia0"}])) == []


def test_changed_files_are_told_and_counted(tmp_path: Path) -> None:
    diff = "C /app\n" + "".join(f"A /app/stt_engine/{name}.py\n" for name in "abcdefg")
    (told,) = judged(tmp_path, container(), diff)
    assert told.startswith("files changed since its start: /app/stt_engine/a.py, ")
    assert told.endswith(" and 2 more")
