# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine of your own: another git repository is built, judged by its texts, and released.

Its /health answers 200 whatever is the case. What it lacks, torch and transformers, is judged in
the collection's own image beside it.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.hosts import ssh_command
from tests.lab.layout import BUILD_HOST, Places, cache_root
from tests.release.conftest import CHECKOUT, Lab, Run

pytestmark = pytest.mark.long

CONTENT = CHECKOUT / "tests" / "fixtures" / "foreign_engine"
TITLE = "org.opencontainers.image.title=foreign-engine"
PLACE = "/var/tmp/stt-foreign"
ORIGIN = f"{PLACE}/foreign-engine.git"
ROOT = "/opt/stt-foreign"
CHECKED_OUT = f"{ROOT}/sources/git/foreign-engine"
LFS = "https://git-lfs.github.com/spec/v1"
NO_GPU = "no GPU on this host"
ANOTHER = "the image is another engine, without the label stt.engine.variant"
# What a user adds to the variables of a build server.
VARIABLES = """
stt_root: {ROOT}
engine_source_repository: {ORIGIN}
engine_source_required_commit: "{first}"
engine_image_dockerfile: Dockerfile
engine_image_package_lock: false
# It has neither torch nor transformers.
engine_image_variant: slim
"""
# As production runs it, with a model directory of one's own.
START = "docker run --detach --network none --read-only --tmpfs /tmp --user 2000 --cap-drop ALL"
ASK = """
import sys, urllib.error, urllib.request
form = b'--x\\r\\nContent-Disposition: form-data; name="file"\\r\\n\\r\\nRIFF\\r\\n--x--\\r\\n'
kind = {"Content-Type": "multipart/form-data; boundary=x"}
for body, path in ((None, "health"), (form, "transcribe")):
    try:
        request = urllib.request.Request("http://127.0.0.1:8003/" + path, body, kind)
        print(path, urllib.request.urlopen(request).status)
    except urllib.error.HTTPError as error:
        print(path, error.code)
"""


class Origin:
    """The foreign engine's repository on the build server, with a clone here that pushes to it."""

    def __init__(self, lab: Lab, clone: Path) -> None:
        self.clone = clone
        lab.ssh(f"rm -rf {PLACE} {ROOT} && git init --quiet --bare {ORIGIN}")
        shutil.copytree(CONTENT, clone)
        self.git("init", "--quiet", "--initial-branch=main")
        self.first = self.commit("An engine", "main")

    def git(self, *arguments: str) -> str:
        """Run git in the clone, as nobody in particular."""
        way = ssh_command(BUILD_HOST, Places(cache_root()))
        somebody = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com"]
        return subprocess.run(
            ["git", "-C", str(self.clone), *somebody, *arguments],
            env={
                **os.environ,
                # Without the destination, which is in the address.
                "GIT_SSH_COMMAND": shlex.join(way[:-1]),
                "GIT_CONFIG_GLOBAL": os.devnull,
            },
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout.strip()

    def commit(self, message: str, branch: str) -> str:
        """Commit everything to a branch, bring it to the server and name the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        self.git("push", "--quiet", "--force", f"root@127.0.0.1:{ORIGIN}", f"HEAD:{branch}")
        return self.git("rev-parse", "HEAD")

    def branch(self, name: str, before: str, after: str) -> None:
        """Bring a branch to the server on which one thing is otherwise than on main."""
        self.git("checkout", "--quiet", "-B", name, self.first)
        server = self.clone / "server.py"
        text = server.read_text()
        assert text.count(before) == 1
        server.write_text(text.replace(before, after))
        self.commit(f"Break it: {name}", name)
        self.git("checkout", "--quiet", "main")


@dataclass(frozen=True)
class Foreign:
    """The lab with a foreign engine, and the inventory of its releases."""

    lab: Lab
    origin: Origin
    inventory: Path
    reference: str

    @property
    def lock(self) -> Path:
        """The lock, where a release leaves it."""
        return self.inventory.with_name(f"{self.inventory.name}.lock.yml")

    def play(self, *options: str, **variables: Any) -> Run:
        """Run the release playbook on the foreign engine."""
        return self.lab.play(*options, variables=variables, inventory=str(self.inventory))

    def failed_report(self) -> dict[str, Any]:
        """The report of the newest run that failed."""
        newest = max((self.lab.releases / "failed").iterdir())
        document: dict[str, Any] = json.loads((newest / "report.json").read_bytes())
        return document


@pytest.fixture(scope="module")
def foreign(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    """A foreign engine's repository beside a lab that has released the collection's own engine."""
    place = tmp_path_factory.mktemp("foreign")
    own = lab.play(variables={"release_lock_path": str(place / "own.lock.yml")})
    assert own.rc == 0, own.output[-6000:]
    origin = Origin(lab, place / "clone")
    inventory = place / "inventory"
    shutil.copytree(CHECKOUT / "inventory" / "lab", inventory)
    settings = inventory / "group_vars" / "build.yml"
    kept = settings.read_text().replace("stt_root: /opt/stt\n", "")
    settings.write_text(kept + VARIABLES.format(ROOT=ROOT, ORIGIN=ORIGIN, first=origin.first))
    reference = lab.report()["image"]["image_id"]
    yield Foreign(Lab(place / "releases"), origin, inventory, reference)
    made = f"docker image ls --quiet --filter label={TITLE} | sort -u"
    lab.ssh(f"{made} | xargs -r docker image rm --force >/dev/null; rm -rf {PLACE} {ROOT}")


@pytest.fixture(scope="module")
def released(foreign: Foreign) -> Run:
    """A release of the foreign engine."""
    run = foreign.play()
    assert run.rc == 0, run.output[-8000:]
    return run


@pytest.fixture
def report(foreign: Foreign, released: Run) -> dict[str, Any]:
    """The report of that release."""
    assert foreign.lab.newest().name in released.output
    return foreign.lab.report()


def by_key(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{check['id']} {check['name']}": check for check in report["checks"]}


def not_good(report: dict[str, Any]) -> dict[str, str]:
    """What is neither passed nor skipped for a reason."""
    return {
        key: check["found"]
        for key, check in by_key(report).items()
        if check["status"] not in ("passed", "skipped")
    }


@pytest.fixture
def nothing_is_released(foreign: Foreign, released: Run) -> Iterator[None]:
    """Whatever a test plants, the release before it stays as it is."""
    assert released.rc == 0
    release = foreign.lab.newest().name
    server = (
        "docker image ls --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | "
        f"grep foreign-engine | sort; find {ROOT}/releases/{release} {ROOT}/models -type f "
        "-printf '%p %T@ %s\\n' | sort"
    )

    def state() -> tuple[Any, ...]:
        lock = foreign.lock.read_bytes()
        return (foreign.lab.newest().name, lock, foreign.lab.ssh(server))

    before = state()
    yield
    assert state() == before


def test_another_repository_becomes_a_release(foreign: Foreign, report: dict[str, Any]) -> None:
    assert report["verdict"] == "passed"
    checks = by_key(report)
    assert checks["R1.2 required_commit"]["status"] == "passed"
    assert foreign.origin.first in checks["R1.2 source_at_known_state"]["found"]
    # No torch and no CUDA library: it is what its Dockerfile says, not the collection's own image.
    assert 200_000_000 < report["image"]["size"] < 2_000_000_000
    assert report["image"]["image_id"] != foreign.reference
    look = "import importlib.util as u; print(u.find_spec('torch'), u.find_spec('transformers'))"
    run = f"docker run --rm --network none {report['image']['image_id']} python3 -c"
    assert foreign.lab.ssh(f"{run} {shlex.quote(look)}").split() == ["None", "None"]
    tag = f"stt-engine:{foreign.lab.newest().name}"
    identifier = foreign.lab.ssh(f"docker image inspect --format '{{{{.Id}}}}' {tag}")
    assert identifier.strip() == report["image"]["image_id"]


@pytest.mark.usefixtures("released")
def test_its_own_service_was_judged_by_what_it_transcribes(report: dict[str, Any]) -> None:
    judge = by_key(report)["R5.7 service_transcribes"]
    assert judge["status"] == "passed"
    # In the foreign image itself, not in the one beside it.
    assert "image" not in judge["evidence"]
    transcripts = judge["evidence"]["transcripts"]
    assert len(transcripts) > 10
    assert all(one["good"] for one in transcripts)
    assert sum(bool(one["text"]) for one in transcripts) > 10


def test_its_health_proves_nothing(foreign: Foreign, report: dict[str, Any]) -> None:
    """What the release was made in spite of: 200 without a model."""
    image = report["image"]["image_id"]
    foreign.lab.ssh(f"cat >{PLACE}/ask.py <<'END'\n{ASK}\nEND")
    container = foreign.lab.ssh(f"{START} {image}").strip()
    ask = f"docker exec --interactive {container} python3 - <{PLACE}/ask.py"
    try:
        # Until it listens.
        said = foreign.lab.ssh(f"timeout 60 sh -c 'until {ask}; do :; done' 2>/dev/null").split()
    finally:
        foreign.lab.ssh(f"docker container rm --force {container}")
    assert said[:2] == ["health", "200"]
    assert said[2] == "transcribe"
    assert int(said[3]) >= 500


def test_what_it_lacks_is_judged_in_the_collections_own_image(
    foreign: Foreign, report: dict[str, Any]
) -> None:
    beside = {
        key: check
        for key, check in by_key(report).items()
        if check["evidence"].get("image") == foreign.reference
    }
    # It is judged by itself too, by the gates of every image.
    assert beside.pop("R2.5 reference_image")["status"] == "passed"
    for key, check in beside.items():
        assert check["status"] in ("passed", "skipped"), (key, check)
        assert "in the reference image" in check["found"], (key, check)
    passed = {key for key, check in beside.items() if check["status"] == "passed"}
    assert passed >= {
        "R4.3 torch_version",
        "R4.3 torch_matmul_cpu",
        "R5.3 transformers_load",
        "R5.4 features",
        "R5.6 transformers_texts",
        "R5.8 encoder_agreement",
    }


@pytest.mark.usefixtures("released")
def test_every_skip_says_why_and_nothing_else_is_left_out(report: dict[str, Any]) -> None:
    assert not not_good(report)
    skipped = {
        key: check["found"] for key, check in by_key(report).items() if check["status"] == "skipped"
    }
    no_gpu = {key for key, found in skipped.items() if NO_GPU in found}
    another = {key for key, found in skipped.items() if ANOTHER in found}
    assert another == {
        "R2.5 labels",
        "R2.5 modules",
        "R2.5 no_os_additions",
        "R4.1 service_importable",
        "R5.1 engine_diagnosis",
        "R5.7 service_without_model",
    }
    # What an image without CUDA and torch has not got.
    assert skipped.keys() - no_gpu - another == {
        "R2.3 library_path",
        "R2.5 cuda_libraries",
        "R2.5 library_path",
        "R2.5 torch_cuda",
        "R4.3 cuda_libraries",
        "R4.3 library_path",
        "R5.6 decoders_agree",
    }


@pytest.mark.usefixtures("released")
def test_a_second_run_changes_nothing(foreign: Foreign) -> None:
    before = foreign.lab.newest().name
    run = foreign.play()
    assert run.rc == 0, run.output[-8000:]
    assert run.recap["changed"] == 0, run.output
    assert foreign.lab.newest().name == before


@pytest.mark.usefixtures("nothing_is_released")
def test_a_dry_run_changes_nothing(foreign: Foreign) -> None:
    run = foreign.play("--check", "--diff")
    assert run.rc == 0, run.output[-8000:]
    assert run.recap["changed"] == 0, run.output


@pytest.mark.usefixtures("nothing_is_released")
@pytest.mark.parametrize(
    ("branch", "before", "after", "words"),
    [
        (
            "no-model",
            'Path("/app/models/ctranslate2_model")',
            'Path("/app/models/ctranslate2")',
            ("status 500", "no model"),
        ),
        ("no-text", '"text": text,', '"text": "",', ("gave ''",)),
        ("no-success", '"success": True', '"success": False', ("status 200", '"success": false')),
    ],
    ids=["no model", "no text", "no success"],
)
def test_a_healthy_engine_that_does_not_transcribe_is_stopped(
    foreign: Foreign, branch: str, before: str, after: str, words: tuple[str, ...]
) -> None:
    foreign.origin.branch(branch, before, after)
    run = foreign.play(engine_source_revision=branch)
    assert run.rc != 0
    found = not_good(foreign.failed_report())
    # Everything else about it is right.
    assert set(found) == {"R5.7 service_transcribes"}, found
    for word in words:
        assert word in found["R5.7 service_transcribes"], found
    failed = run.output.partition("[ERROR]")[2]
    for word in ("R5.7 service_transcribes", "found", "needed", "fix"):
        assert word in failed, run.output[-6000:]


@pytest.mark.usefixtures("nothing_is_released")
def test_work_that_only_the_server_has_is_left_alone(foreign: Foreign) -> None:
    somebody = "-c user.name=Somebody -c user.email=somebody@example.com"
    before = foreign.lab.ssh(f"git -C {CHECKED_OUT} rev-parse HEAD").strip()
    foreign.lab.ssh(
        f"cd {CHECKED_OUT} && echo '# a fix made here' >>server.py && "
        f"git {somebody} commit --quiet --all --message 'A fix that only this server has' && "
        "echo '# not yet committed' >>server.py"
    )
    look = f"git -C {CHECKED_OUT} rev-parse HEAD; cat {CHECKED_OUT}/server.py"
    mine = foreign.lab.ssh(look)
    try:
        run = foreign.play()
        assert foreign.lab.ssh(look) == mine
    finally:
        foreign.lab.ssh(f"git -C {CHECKED_OUT} reset --quiet --hard {before}")
    assert run.rc != 0
    assert "R1.2 no_local_work" in run.output
    for words in ("A fix that only this server has", "M server.py", "nothing was changed"):
        assert words in run.output, run.output[-4000:]


@pytest.mark.usefixtures("nothing_is_released")
def test_a_revision_without_the_required_commit_is_refused(foreign: Foreign) -> None:
    foreign.origin.branch("with-the-fix", '"status": "ok"', '"status": "up"')
    fix = foreign.origin.git("rev-parse", "with-the-fix")
    run = foreign.play(engine_source_required_commit=fix)
    assert run.rc != 0
    assert "R1.2 required_commit" in run.output
    assert fix in run.output
    assert "engine_source_revision" in run.output


@pytest.mark.usefixtures("nothing_is_released")
def test_files_that_the_commit_only_points_at_are_named(foreign: Foreign) -> None:
    origin = foreign.origin
    origin.git("checkout", "--quiet", "-B", "pointers", origin.first)
    pointer = origin.clone / "weights.bin"
    digest = "0" * 64
    pointer.write_text(f"version {LFS}\noid sha256:{digest}\nsize 5\n")
    origin.git("add", "weights.bin")
    origin.git("update-index", "--add", "--cacheinfo", f"160000,{origin.first},vendor/decoder")
    origin.git("commit", "--quiet", "--message", "Point elsewhere")
    origin.git("push", "--quiet", "--force", f"root@127.0.0.1:{ORIGIN}", "HEAD:pointers")
    origin.git("checkout", "--quiet", "main")
    run = foreign.play(engine_source_revision="pointers")
    assert run.rc != 0
    assert "R1.2 source_is_whole" in run.output
    assert "submodule vendor/decoder, LFS pointer weights.bin" in run.output
    assert "Commit these files themselves" in run.output
