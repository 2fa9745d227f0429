# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stt_image_build over SSH on a real engine: identity, errors, jobs, secrets, bases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.build_host import BASE, BuildHost

DOCKERFILE = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
USER 0
ARG EXTRA
ENV LEVEL=1
COPY app /app
RUN python3 -m compileall -q /app && echo compiled
"""
CONTEXT = {
    "Dockerfile": DOCKERFILE,
    "app/main.py": "print('one')\n",
    "app/names.txt": "a\nb\n",
    "notes/todo.md": "later\n",
    ".dockerignore": "notes\n*.log\n",
}


@pytest.fixture
def host() -> Iterator[BuildHost]:
    host = BuildHost()
    try:
        yield host
    finally:
        host.clean()


def inspect(host: BuildHost, reference: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(host.ssh(f"docker image inspect {reference}"))[0]
    return found


def test_identity_from_first_build_to_edits(host: BuildHost) -> None:
    host.put({**CONTEXT, "app/unique.txt": host.prefix})

    predicted = host.build(check=True)
    assert (predicted["changed"], predicted["status"]) == (True, "predicted")
    assert predicted["reason"] == "no image of these inputs"
    assert host.images() == []
    assert host.ssh(f"ls {host.directory}").split() == ["context"]

    built = host.build()
    assert (built["changed"], built["status"], built["cached"]) == (True, "built", False)
    for name in ("input_digest", "tag", "base_digest", "reason"):
        assert built[name] == predicted[name]
    assert built["tag"] == f"{host.prefix}:{built['input_digest'][:12]}"
    assert host.images() == [built["input_digest"][:12]]

    image, base = inspect(host, built["tag"]), inspect(host, BASE)
    assert image["Id"] == built["image_id"]
    assert image["Config"]["Labels"]["stt.engine.owner"] == "stt.engine"
    assert image["Config"]["Labels"]["stt.engine.input-digest"] == built["input_digest"]
    assert image["Config"]["Labels"]["stt.engine.base-digest"] == base["Id"]
    assert [layer["diff_id"] for layer in built["layers"]] == image["RootFS"]["Layers"]
    assert sum(layer["size"] for layer in built["layers"]) == built["size"] == image["Size"]
    assert all(layer["size"] > 0 for layer in built["layers"])
    log = host.ssh(f"zcat {built['log_path']}")
    assert "[3/3] RUN python3 -m compileall" in log
    assert "    compiled" in log
    assert host.ssh(f"ls {host.directory}/jobs/*").split() == [
        "guard",
        "inputs.json",
        "job.log.gz",
        "lock",
        "state.json",
    ]

    for check in (False, True):
        again = host.build(check=check)
        assert (again["changed"], again["status"], again["reason"]) == (False, "present", "")
        assert (again["cached"], again["changes"]) == (True, [])
        for name in ("image_id", "tag", "layers", "size", "log_path", "base_digest"):
            assert again[name] == built[name]

    host.put({"notes/todo.md": "sooner\n", "debug.log": "x"})
    host.ssh(f"touch -d 2001-01-01 {host.directory}/context/app/main.py")
    ignored = host.build()
    assert (ignored["changed"], ignored["input_digest"]) == (False, built["input_digest"])

    host.put({"app/main.py": "print('two')\n", "app/new.py": ""})
    for check in (True, False):
        edited = host.build(check=check)
        assert edited["changed"] is True
        assert edited["reason"] == (
            "no image of these inputs: changed file app/main.py, added file app/new.py"
        )
        assert [
            (change["kind"], change["name"], change["change"]) for change in edited["changes"]
        ] == [("file", "app/main.py", "changed"), ("file", "app/new.py", "added")]
        assert edited["diff"]["before"].startswith("file app/main.py: file 0644 sha256:")
        assert "file app/new.py: file 0644 sha256:e3b0c442" in edited["diff"]["after"]
        assert len(host.images()) == (1 if check else 2)
    assert edited["layers"][: len(base["RootFS"]["Layers"])] == built["layers"][:1]

    # Back to what it was: that image is still there.
    host.put({"app/main.py": "print('one')\n"})
    host.ssh(f"rm {host.directory}/context/app/new.py")
    assert host.build()["image_id"] == built["image_id"]


def test_arguments_labels_and_modes_are_inputs(host: BuildHost) -> None:
    host.put(CONTEXT)
    first = host.build(build_args={"EXTRA": "1"}, labels={"kind": "test"})
    assert inspect(host, first["tag"])["Config"]["Labels"]["kind"] == "test"
    same: dict[str, Any] = {"build_args": {"EXTRA": 1}, "labels": {"kind": "test"}}
    assert host.build(**same)["changed"] is False
    # The Dockerfile asks for it nowhere.
    assert host.build(**{**same, "build_args": {"EXTRA": 1, "OTHER": "x"}})["changed"] is False
    for change, reason in (
        ({"build_args": {"EXTRA": "2"}}, "changed build argument EXTRA"),
        ({"build_args": {}}, "removed build argument EXTRA"),
        ({"labels": {"kind": "other"}}, "changed label kind"),
        ({"platform": "linux/amd64/v2"}, "changed input platform"),
    ):
        predicted = host.build(check=True, **{**same, **change})
        assert predicted["reason"] == f"no image of these inputs: {reason}"
    host.ssh(f"chmod 755 {host.directory}/context/app/main.py")
    assert "changed file app/main.py" in host.build(check=True, **same)["reason"]


def test_failing_step_is_named_with_its_own_words(host: BuildHost) -> None:
    host.put_dockerfile("RUN echo start && echo 'ERROR: it is broken' >&2 && exit 7")
    failed = host.build()
    log = f"{host.directory}/jobs/image-build-*/job.log"
    assert failed["failed"] is True
    assert (failed["step"], failed["rc"]) == ("2/2", 1)
    assert failed["command"] == "RUN echo start && echo 'ERROR: it is broken' >&2 && exit 7"
    assert failed["found"] == "exit code 7 | ERROR: it is broken"
    assert failed["object"].startswith(f"build of {host.prefix}:")
    assert failed["object"].endswith('exit 7"')
    assert failed["needed"] == "every step to succeed"
    assert failed["lines"] == ["ERROR: it is broken"]
    assert host.ssh(f"ls {log}").strip() == failed["log_path"]
    written = host.ssh(f"cat {failed['log_path']}")
    assert "\n    start\n" in written
    assert "\n    ERROR: it is broken\n" in written
    assert host.images() == []
    # Nothing is kept from the failure: the corrected file builds at once.
    host.put_dockerfile("RUN echo start")
    assert host.build()["status"] == "built"


def test_second_call_attaches_to_the_running_build(host: BuildHost) -> None:
    host.put_dockerfile("RUN echo first", "RUN sleep 8 && echo done")
    started = host.build(wait=False)
    assert started["status"] == "running"
    assert (started["image_id"], started["layers"], started["size"]) == ("", [], 0)
    host.until(f"grep -q '\"step\": 3' {host.directory}/jobs/*/state.json")
    state = host.job_state()
    progress = state["progress"]
    assert (progress["step"], progress["steps"], progress["done"]) == (3, 3, 2)
    assert progress["name"] == "RUN sleep 8 && echo done"
    assert progress["step_started"] >= state["started"]
    ended = host.build()
    assert (ended["status"], ended["changed"]) == ("built", True)
    assert ended["seconds"] > 8
    assert host.job_state()["started"] == state["started"]


def test_build_that_takes_too_long_is_stopped(host: BuildHost) -> None:
    host.put_dockerfile("RUN sleep 120")
    failed = host.build(timeout=3)
    assert failed["found"] == "no end within 3 s"
    assert host.images() == []
    host.until("! ps -eo args | grep -q '^sleep 120'")


def test_secrets_stay_out_of_image_and_log(host: BuildHost) -> None:
    secret = f"s3cr3t-{host.prefix}-Zq9"
    host.put({"token": f"{secret}\n"}, "keys")
    secrets = {"token": f"{host.directory}/keys/token"}
    host.put_dockerfile(
        "RUN --mount=type=secret,id=token cat /run/secrets/token && "
        "wc -c < /run/secrets/token > /length",
    )
    built = host.build(secrets=secrets)
    assert secret not in json.dumps(built)
    assert host.ssh(f"docker run --rm --entrypoint cat {built['tag']} /length").strip() == str(
        len(secret) + 1
    )
    for where in (
        f"docker history --no-trunc {built['tag']}",
        f"docker image inspect {built['tag']}",
        f"docker save {built['tag']} | tar -xO --wildcards '*'",
        f"cat {host.directory}/jobs/*/*.json",
        f"zcat {built['log_path']}",
    ):
        assert host.ssh(f"{where} | grep -c -a -F '{secret}' || true").strip() == "0", where
    assert "    ********" in host.ssh(f"zcat {built['log_path']}")

    # Another token gives the same image; another id does not.
    host.put({"token": "another-token\n"}, "keys")
    assert host.build(secrets=secrets)["changed"] is False
    other = host.build(check=True, secrets={**secrets, "netrc": secrets["token"]})
    assert other["reason"] == "no image of these inputs: added secret netrc"


def test_credentials_in_build_arguments_are_refused(host: BuildHost) -> None:
    host.put(CONTEXT)
    password = "correcthorse"
    failed = host.build(build_args={"INDEX_URL": f"https://ci:{password}@pypi.example.com/simple"})
    assert failed["object"] == "build argument INDEX_URL"
    assert failed["found"] == "a URL with a user name or password in it"
    assert password not in failed["msg"]
    assert host.ssh(f"ls {host.directory}").split() == ["context"]


def test_the_image_holds_exactly_what_was_hashed(host: BuildHost) -> None:
    host.put(
        {
            "Dockerfile": "FROM scratch\nCOPY . /\n",
            "Dockerfile.dockerignore": "skip\nDockerfile*\n",
            ".dockerignore": "keep\n",
            "keep/a": "1",
            "skip/b": "2",
        }
    )
    built = host.build(base="")
    assert built["base_digest"] == ""
    listed = host.ssh(
        f"id=$(docker create {built['tag']} x) && docker export $id | tar -t; docker rm $id"
    )
    assert {"keep/a", ".dockerignore"} <= set(listed.split())
    assert not {"skip/b", "Dockerfile"} & set(listed.split())


def test_an_edit_of_the_same_size_is_in_the_image(host: BuildHost) -> None:
    """BuildKit compares size and time of what it was sent before, not its content."""
    for content in ("one", "two", "one", "six"):
        host.put({"Dockerfile": "FROM scratch\nCOPY . /\n", "x": content, "d/y": content})
        host.ssh(f"find {host.directory}/context -exec touch -d 2001-01-01 {{}} +")
        built = host.build(base="")
        found = host.ssh(
            f"id=$(docker create {built['tag']} x); docker cp $id:/x - | tar -xO; "
            "docker cp $id:/d/y - | tar -xO; docker rm $id >/dev/null"
        )
        assert found == content * 2


def test_a_copied_layer_depends_on_content_alone(host: BuildHost) -> None:
    layers = []
    for level, when in (("1", "2001-02-03"), ("2", "2011-12-13")):
        host.put({**CONTEXT, "Dockerfile": DOCKERFILE.replace("LEVEL=1", f"LEVEL={level}")})
        host.ssh(f"find {host.directory}/context -exec touch -d {when} {{}} +")
        layers.append([layer["diff_id"] for layer in host.build()["layers"]])
    assert layers[0][1] == layers[1][1]


def test_lost_and_stolen_tags(host: BuildHost) -> None:
    host.put_dockerfile("ARG BASE_DIGEST", "LABEL on=$BASE_DIGEST", "RUN echo made > /made")
    built = host.build()
    assert inspect(host, built["tag"])["Config"]["Labels"]["on"] == built["base_digest"]
    host.ssh(f"docker tag {built['tag']} {host.prefix}-kept && docker rmi {built['tag']}")
    predicted = host.build(check=True)
    assert predicted["reason"] == f"tag {built['tag']} is missing"
    assert host.images() == []
    adopted = host.build()
    assert (adopted["changed"], adopted["status"]) == (True, "present")
    assert adopted["image_id"] == built["image_id"]
    assert host.build()["changed"] is False

    # An image derived from ours inherits its labels: it is not the one that was built.
    derived = f"FROM {built['tag']}\nLABEL stt.engine.test={host.prefix}\n"
    host.ssh(f"docker build -q -t {built['tag']} {host.put({'Dockerfile': derived}, 'derived')}")
    back = host.build()
    assert back["reason"] == f"tag {built['tag']} names another image than the one that was built"
    assert back["image_id"] == built["image_id"]

    # Without the job's record only tag and label can tell.
    host.ssh(f"rm -r {host.directory}/jobs")
    assert host.build()["changed"] is False


def test_base_of_another_digest_is_refused(host: BuildHost) -> None:
    host.put(CONTEXT)
    there, wanted = inspect(host, BASE)["Id"], f"sha256:{'0' * 64}"
    assert host.build(check=True, base_digest=there)["base_digest"] == there
    failed = host.build(jobs_root="/proc/jobs")
    assert failed["object"] == "jobs directory /proc/jobs"
    failed = host.build(base_digest=wanted)
    assert (failed["object"], failed["found"]) == (f"base image {BASE}", f"digest {there}")
    assert failed["needed"] == f"digest {wanted}"
    failed = host.build(base=f"localhost:9/{host.prefix}/nowhere:1")
    assert failed["object"] == f"base image localhost:9/{host.prefix}/nowhere:1"
    assert failed["found"].startswith("not on this host, and its registry says:")
    assert host.ssh(f"ls {host.directory}").split() == ["context"]


def test_base_from_an_archive(host: BuildHost) -> None:
    name, archive = f"{host.prefix}-base:1", f"{host.directory}/base.tar"
    host.put({"Dockerfile": f"FROM {BASE}\nENV B=1\n"}, "base")
    host.ssh(
        f"docker build -q -t {name} {host.directory}/base && docker save -o {archive} {name}"
        f" && docker rmi {name}"
    )
    host.put(CONTEXT)
    arguments: dict[str, Any] = {"base": name, "base_archive": archive}
    predicted = host.build(check=True, **arguments)
    assert host.ssh(f"docker images -q {name}") == ""
    built = host.build(**arguments)
    assert built["base_digest"] == predicted["base_digest"] == inspect(host, name)["Id"]
    assert built["input_digest"] == predicted["input_digest"]
    assert host.build(**arguments)["changed"] is False

    host.ssh(f"docker rmi {name}; truncate -s 100000 {archive}")
    failed = host.build(**arguments)
    assert failed["object"] == f"base archive {archive}"
    assert failed["found"].startswith("no readable manifest.json")
