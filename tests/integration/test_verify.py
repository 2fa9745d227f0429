# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verification modules over SSH on a real engine, with an image that is no engine image.

The base image has a Python and nothing else, which is enough to show how a container of checks is
started, followed and removed. Labelled as this collection's own, whatever it lacks fails by name;
without the label it is another engine, which need not have it.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests.bench import caught
from tests.integration.build_host import BASE
from tests.integration.verify_host import VerifyHost, failing
from tests.unit.model_files import write_ctranslate2

SLEEP = "import time\ntime.sleep(600)\n"
EAT = "data = []\nwhile True:\n    data.append(bytearray(8 << 20))\n"


def archive_of(source: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("__main__.py", source)
    return packed.getvalue()


class BareHost(VerifyHost):
    """Also has an image that calls itself an engine of this collection and holds none."""

    @property
    def bare(self) -> str:
        return f"{self.prefix}-bare"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareHost]:
    host = BareHost()
    try:
        host.carry()
        host.derive(BASE, "LABEL stt.engine.variant=full", name="bare")
        directory = write_ctranslate2(tmp_path_factory.mktemp("model"))
        files = {path.name: path.read_bytes() for path in directory.iterdir()}
        host.put(files, "models/converted")
        yield host
    finally:
        host.clean()


@pytest.fixture
def other_archive(host: BareHost) -> Iterator[None]:
    """Whatever a test puts in the archive's place goes at its end."""
    original = host.ssh_bytes(f"cat {host.directory}/checks/checks.pyz")
    yield
    host.put({"checks.pyz": original}, "checks")


def verify(
    host: BareHost, module: str = "stt_image_verify", image: str = "", **changes: Any
) -> dict[str, Any]:
    where = f"{host.directory}/models/converted"
    return host.verify(module, image or host.bare, where, **changes)


def test_the_container_is_locked_down_and_what_the_image_lacks_fails(host: BareHost) -> None:
    done = verify(host)
    assert done["failed"] is True
    assert done["changed"] is False
    assert done["verdict"] == "failed"
    wrong = failing(done)
    # The base image has no user of ours, no application and no torch.
    assert wrong["R4.1 container_user"] == (
        "uid 2000 has no entry in /etc/passwd: getuser() fails for it"
    )
    assert wrong["R4.1 service_importable"] == "there is no /app/stt_engine"
    assert wrong["R4.3 torch_version"] == "ModuleNotFoundError: No module named 'torch'"
    assert "belongs to uid 0" in wrong["R4.4 logs_writable"]
    assert done["msg"].startswith(
        f"R4: {len(wrong)} of {len(done['checks'])} checks did not pass ("
    )
    assert "R4.1 service_importable" in done["msg"]
    assert "the first: found uid 2000 has no entry in /etc/passwd" in done["msg"]
    passed = {
        f"{check['id']} {check['name']}" for check in done["checks"] if check["status"] == "passed"
    }
    assert {
        "R4.1 root_read_only",
        "R4.1 temporary_writable",
        "R4.1 network_isolated",
        "R4.1 visible_devices",
        "R4.2 models_present",
        "R4.2 models_readable",
        "R4.2 models_read_only",
        "R4.2 models_self_contained",
        "R4.4 elsewhere_refused",
    } <= passed
    assert done["gpu"] == "absent"
    assert [(one["id"], one["name"]) for one in done["planned"]] == [
        (one["id"], one["name"]) for one in done["checks"]
    ]
    assert host.containers() == []
    log = host.ssh(f"cat {done['log_path']}")
    assert "--network=none" in log
    assert "ModuleNotFoundError: No module named 'torch'" in log


def test_a_failed_verdict_may_be_returned_instead(host: BareHost) -> None:
    done = verify(host, fail_on_verdict=False)
    assert not done.get("failed", False)
    assert done["verdict"] == "failed"


def test_logs_are_never_overwritten(host: BareHost) -> None:
    before = host.ssh(f"ls {host.directory}/logs").split()
    verify(host, fail_on_verdict=False)
    after = host.ssh(f"ls {host.directory}/logs").split()
    assert len(after) == len(before) + 1
    assert set(before) < set(after)


@pytest.mark.usefixtures("other_archive")
@pytest.mark.parametrize(
    ("source", "changes", "words"),
    [
        pytest.param(
            "",
            {},
            "the container ended with exit status 0",
            marks=pytest.mark.fault("check script that says nothing"),
        ),
        ("print('hello')", {}, "the container ended with exit status 0"),
        ("raise SystemExit(3)", {}, "the container ended with exit status 3"),
        (SLEEP, {"timeout": 4}, "the container was stopped at the time limit of 4 s"),
        (EAT, {"memory_bytes": 100_000_000}, "the out-of-memory killer struck"),
    ],
    ids=["nothing", "noise", "exit", "hang", "memory"],
)
def test_an_archive_without_results_is_an_error_of_every_step(
    host: BareHost,
    source: str,
    changes: dict[str, Any],
    words: str,
    record_property: caught.Record,
) -> None:
    host.put({"checks.pyz": archive_of(source)}, "checks")
    done = verify(host, **changes)
    assert done["failed"] is True
    caught.by_checks(record_property, done["checks"])
    assert [check["id"] for check in done["checks"]] == ["R4.1", "R4.2", "R4.3", "R4.4"]
    assert {check["status"] for check in done["checks"]} == {"error"}
    assert all(words in check["found"] for check in done["checks"]), done["checks"]
    assert host.containers() == []


@pytest.mark.long
@pytest.mark.usefixtures("other_archive")
@pytest.mark.fault("check script that says nothing")
@pytest.mark.parametrize("phase", ["R2", "R5"])
def test_an_archive_that_says_nothing_is_no_pass_in_any_phase(
    host: BareHost, phase: str, record_property: caught.Record
) -> None:
    host.put({"checks.pyz": archive_of("")}, "checks")
    if phase == "R2":
        done = host.judge(BASE, base=BASE)
    else:
        done = verify(host, "stt_model_verify", clips=f"{host.directory}/clips")
    assert (done["failed"], done["verdict"]) == (True, "failed")
    assert {check["status"] for check in done["checks"]} == {"error"}
    caught.by_checks(record_property, done["checks"])


def test_what_a_killed_run_left_is_removed_at_the_next_start(host: BareHost) -> None:
    label = "--label stt.engine.owner=stt.engine"
    host.ssh(
        f"docker volume create {label} {host.prefix}-cache && "
        f"docker run --detach {label} --name {host.prefix} "
        f"--volume {host.prefix}-cache:/cache --entrypoint sleep {BASE} 600"
    )
    done = verify(host, fail_on_verdict=False)
    assert done["verdict"] == "failed"
    assert host.containers() == []


def test_a_container_of_somebody_else_is_left_alone(host: BareHost) -> None:
    host.ssh(f"docker run --detach --name {host.prefix} --entrypoint sleep {BASE} 600")
    done = verify(host)
    assert done["failed"] is True
    assert "found no label stt.engine.owner=stt.engine" in done["msg"]
    assert host.prefix in host.containers()
    host.ssh(f"docker container rm --force {host.prefix}")


def test_a_container_of_another_installation_is_left_alone(host: BareHost) -> None:
    labels = "--label stt.engine.owner=stt.engine --label stt.engine.place=/somewhere/else"
    host.ssh(f"docker run --detach {labels} --name {host.prefix} --entrypoint sleep {BASE} 600")
    done = verify(host)
    assert done["failed"] is True
    assert "found it runs with the checks of /somewhere/else" in done["msg"]
    assert host.prefix in host.containers()
    host.ssh(f"docker container rm --force {host.prefix}")


def test_a_missing_image_is_one_sentence_and_skips_in_check_mode(host: BareHost) -> None:
    where = f"{host.directory}/models/converted"
    done = host.verify("stt_image_verify", "stt-engine:no-such", where)
    assert done["msg"] == (
        "image stt-engine:no-such: found no such image on this host; needed the engine image; "
        "fix: build or deliver the image first"
    )
    done = host.verify("stt_image_verify", "stt-engine:no-such", where, check=True)
    assert done["skipped"] is True
    assert done["changed"] is False


def test_a_stopped_engine_is_one_sentence(host: BareHost) -> None:
    done = verify(host, docker="/no/such/docker")
    assert done["failed"] is True
    assert "fix: install the package docker-ce-cli" in done["msg"]


def test_check_mode_judges_and_keeps_no_log(host: BareHost) -> None:
    before = host.ssh(f"ls {host.directory}/logs").split()
    done = verify(host, check=True, fail_on_verdict=False)
    assert done["verdict"] == "failed"
    assert done["changed"] is False
    assert host.ssh(f"ls {host.directory}/logs").split() == before
    assert host.containers() == []


@pytest.mark.usefixtures("other_archive")
def test_a_passing_verdict_is_reused_until_something_moves(host: BareHost) -> None:
    """A small archive of its own, because the real checks cannot pass in this image."""
    source = (
        "import json\n"
        "steps = ['R4.1', 'R4.2', 'R4.3', 'R4.4']\n"
        "print(json.dumps({'planned': [{'id': s, 'name': 'one'} for s in steps]}))\n"
        "for step in steps:\n"
        "    print(json.dumps({'id': step, 'name': 'one', 'status': 'passed', 'expected': 'x',\n"
        "        'found': 'x', 'fix': '', 'seconds': 0.0, 'evidence': {}}))\n"
        "print(json.dumps({'finished': {'verdict': 'passed'}}))\n"
    )
    host.put({"checks.pyz": archive_of(source)}, "checks")
    kept = f"{host.directory}/R4.json"
    first = verify(host, reuse=kept)
    assert (first["verdict"], first["reused"]) == ("passed", False)
    host.ssh(f"cat > {kept}", json.dumps(first).encode())
    logs = host.ssh(f"ls {host.directory}/logs")

    second = verify(host, reuse=kept)
    assert (second["verdict"], second["reused"], second["changed"]) == ("passed", True, False)
    assert second["msg"].startswith("R4.json: the same content passed on this boot of the host")
    assert second["checks"] == first["checks"]
    assert host.ssh(f"ls {host.directory}/logs") == logs

    host.ssh(f"touch {host.directory}/models/converted/model.bin")
    third = verify(host, reuse=kept)
    assert (third["verdict"], third["reused"]) == ("passed", False)


def test_a_model_verification_names_what_fails_without_an_engine(host: BareHost) -> None:
    done = verify(host, "stt_model_verify", clips=f"{host.directory}/clips")
    assert done["failed"] is True
    wrong = failing(done)
    assert wrong["R5.1 engine_diagnosis"] == "there is no /app/stt_engine in this image"
    assert wrong["R5.2 faster_whisper_float32"].startswith("ModuleNotFoundError")
    assert wrong["R5.7 service_health"] == "there is no /app/stt_engine in this image"
    # The structure of a model needs nothing of the image.
    assert "R5.1 structure" not in wrong


def test_a_conversion_needs_an_engine_image(host: BareHost) -> None:
    done = host.convert(BASE)
    assert done["failed"] is True
    assert "found no ctranslate2 and no transformers and no torch in it" in done["msg"]
    assert "fix: convert with the full variant of the engine image" in done["msg"]
    assert host.containers() == []


def test_another_engine_need_not_have_what_is_this_collections_own(host: BareHost) -> None:
    done = verify(host, image=BASE, fail_on_verdict=False)
    told = {f"{one['id']} {one['name']}": one for one in done["checks"]}
    skipped = {key: one["found"] for key, one in told.items() if one["status"] == "skipped"}
    assert skipped["R4.1 service_importable"].startswith("the image is another engine")
    assert skipped["R4.3 torch_version"] == "this engine has no torch"
    assert skipped["R4.3 cuda_libraries"] == "no CUDA libraries are installed here"
    assert "R4.3 library_path" in skipped
    # What production asks of every image is asked of this one too.
    assert {"R4.1 container_user", "R4.4 logs_writable"} <= set(failing(done))

    done = verify(host, "stt_model_verify", image=BASE, fail_on_verdict=False)
    wrong = failing(done)
    # The base's own command is an interpreter that ends at once.
    assert "R5.7 service_health" in wrong
    assert not any(key.startswith(("R5.2", "R5.3", "R5.8")) for key in wrong)


def test_an_image_alone_is_judged_against_its_base(host: BareHost) -> None:
    done = host.judge(BASE, base=BASE, fail_on_verdict=False)
    told = {one["name"]: one for one in done["checks"]}
    assert told["added_files"]["status"] == "passed"
    assert told["added_files"]["evidence"]["files"] == 0
    # It has a user of its own, and no port.
    assert set(failing(done)) == {"R2.5 user_and_port"}
    assert told["inventory"]["status"] == "passed"
    assert {one["kind"] for one in done["components"]} == {"deb", "pypi"}
    assert host.containers() == []
    log = host.ssh(f"cat {done['log_path']}")
    (everything,) = [line for line in log.splitlines() if "--user=0 " in line]
    assert "--cap-add=DAC_OVERRIDE " in everything
    assert "--user=2000" in log


def test_an_image_that_names_no_base_is_told_how(host: BareHost) -> None:
    done = host.judge(BASE)
    assert done["failed"] is True
    assert "base image: found no option base, and no label" in done["msg"]
