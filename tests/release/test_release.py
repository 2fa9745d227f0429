# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way: a release is made, made again without a change, and proven from outside."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
import uuid
from pathlib import Path

import pytest

from tests.lab.hosts import ssh_command
from tests.lab.layout import BUILD_HOST, Places, cache_root
from tests.release.conftest import CHECKOUT, Lab, Run

STEPS = {
    *("R1.1", "R1.2", "R1.3", "R2.1", "R2.2", "R2.3", "R2.4", "R2.5", "R3.1", "R3.2", "R3.3"),
    *("R4.1", "R4.2", "R4.3", "R4.4", "R5.1", "R5.2", "R5.3", "R5.4", "R6.1", "R6.2", "R6.3"),
}  # fmt: skip


@pytest.fixture(scope="module")
def released(lab: Lab) -> Run:
    run = lab.play()
    assert run.rc == 0, run.output[-6000:]
    return run


@pytest.mark.usefixtures("released")
def test_every_step_of_the_runbook_has_a_result_and_the_verdict_is_passed(lab: Lab) -> None:
    report = lab.report()
    assert report["verdict"] == "passed"
    assert {check["id"] for check in report["checks"]} >= STEPS
    assert {check["status"] for check in report["checks"]} <= {"passed", "skipped"}
    assert {phase["id"] for phase in report["phases"]} == {"R1", "R2", "R3", "R4", "R5", "R6"}


@pytest.mark.usefixtures("released")
def test_what_needs_a_gpu_is_skipped_with_its_reason_and_the_manifest_says_so(lab: Lab) -> None:
    skipped = [check for check in lab.report()["checks"] if check["status"] == "skipped"]
    assert skipped
    # With every text known, the decoders are held against the texts and not against each other.
    cuda = [check for check in skipped if check["name"] != "decoders_agree"]
    assert cuda
    assert all("no GPU on this host" in check["found"] for check in cuda)
    manifest = json.loads((lab.newest() / "manifest.json").read_bytes())
    assert manifest["predicate"]["gpu"] == "absent"


@pytest.mark.usefixtures("released")
def test_the_clips_were_really_transcribed_by_all_three(lab: Lab) -> None:
    for step in ("R5.5", "R5.6", "R5.7"):
        judged = [check for check in lab.report()["checks"] if check["id"] == step]
        checks = [check for check in judged if check["name"] != "decoders_agree"]
        assert checks
        assert all(check["status"] == "passed" for check in checks), checks


@pytest.mark.usefixtures("released")
def test_stock_openssl_verifies_the_manifest_and_refuses_an_edit(lab: Lab, tmp_path: Path) -> None:
    release = lab.newest()
    command = ["openssl", "dgst", "-sha256", "-verify", str(release / "release.pub")]
    command += ["-signature", str(release / "manifest.json.sig")]
    subprocess.run([*command, str(release / "manifest.json")], check=True, capture_output=True)
    edited = tmp_path / "manifest.json"
    edited.write_bytes((release / "manifest.json").read_bytes().replace(b"absent", b"proven"))
    refused = subprocess.run([*command, str(edited)], check=False, capture_output=True)
    assert refused.returncode != 0


def audit(lab: Lab) -> str:
    """What the release's own verify.sh says of it, its models and its image, on the server."""
    release, place = lab.newest(), f"/tmp/stt-test-{uuid.uuid4().hex[:12]}"
    places = Places(cache_root())
    key = subprocess.run(
        ["openssl", "pkey", "-in", str(places.lab / "release.pem"), "-pubout"],
        check=True,
        capture_output=True,
    ).stdout.decode()
    script = f"""mkdir {place} && cd {place} && tar -x
cat >trusted.pub <<'EOF'
{key}EOF
sh release/verify.sh --release {release.name} --models /opt/stt/models \\
    --image stt-engine:{release.name} trusted.pub
echo "status $?"
cd / && rm -rf {place}
"""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as packed:
        packed.add(release, "release")
    return subprocess.run(
        ssh_command(BUILD_HOST, places, script),
        input=archive.getvalue(),
        check=True,
        capture_output=True,
        timeout=120,
    ).stdout.decode()


@pytest.mark.usefixtures("released")
def test_an_auditor_proves_release_models_and_image_on_the_server_without_ansible(lab: Lab) -> None:
    said = audit(lab)
    assert said.splitlines()[-1] == "status 0", said
    for name in (
        "manifest.json",
        "report.json",
        "report.tap",
        "sbom.cdx.json",
        "logs/fetch.log.gz",
    ):
        assert f"proven: {name} is unchanged" in said
    assert "model.safetensors is unchanged" in said
    assert f"proven: the image stt-engine:{lab.newest().name} has the sealed id" in said


@pytest.mark.usefixtures("released")
def test_the_image_is_the_cuda_one_and_carries_its_tags(lab: Lab) -> None:
    name = f"stt-engine:{lab.newest().name}"
    script = "import torch; print(torch.__version__, torch.version.cuda)"
    printed = lab.ssh(
        f"docker run --rm --network none --read-only --tmpfs /tmp {name} python3 -c '{script}'"
    )
    assert printed.split() == ["2.8.0+cu128", "12.8"]
    ids = lab.ssh(
        f"docker image inspect --format '{{{{.Id}}}}' {name} stt-engine:cuda128-debian12-v1.2"
    ).split()
    assert len(ids) == 2
    assert ids[0] == ids[1]
    size = int(lab.ssh(f"docker image inspect --format '{{{{.Size}}}}' {name}"))
    assert size > 6_000_000_000


@pytest.mark.usefixtures("released")
def test_every_log_is_kept_under_a_name_that_tells_what_it_is(lab: Lab) -> None:
    names = {path.name for path in (lab.newest() / "logs").iterdir()}
    assert {"build.log.gz", "fetch.log.gz", "convert-int8_float16.log.gz"} <= names
    assert all(name.endswith((".log", ".log.gz")) for name in names), names
    for phase in ("R2", "R4", "R5"):
        assert any(name.startswith(f"{phase}-") for name in names), names
    logs = lab.report()["logs"]
    assert {Path(log["path"]).name for log in logs} == names


@pytest.mark.usefixtures("released")
def test_the_bill_of_materials_names_every_locked_package(lab: Lab) -> None:
    bill = json.loads((lab.newest() / "sbom.cdx.json").read_bytes())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    listed = {(one["name"], one["version"].partition("+")[0]) for one in bill["components"]}
    locked = {
        (package, version.partition("+")[0])
        for file in (CHECKOUT / "docker" / "locks" / "full-cu128").glob("*.txt")
        for package, version in re.findall(r"^([a-z0-9-]+)==(\S+)", file.read_text(), re.MULTILINE)
    }
    assert len(locked) > 40
    assert {(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in listed} >= locked
    image = bill["metadata"]["component"]["hashes"][0]["content"]
    assert lab.report()["image"]["image_id"] == f"sha256:{image}"


@pytest.mark.usefixtures("released")
def test_a_second_run_changes_nothing_and_names_the_same_release(lab: Lab) -> None:
    before = lab.newest().name
    manifest = (lab.newest() / "manifest.json").read_bytes()
    run = lab.play()
    assert run.rc == 0, run.output[-6000:]
    assert run.recap["changed"] == 0, run.output
    assert lab.newest().name == before
    assert (lab.newest() / "manifest.json").read_bytes() == manifest
    # The report was renewed, and what is signed is true of it.
    said = audit(lab)
    assert said.splitlines()[-1] == "status 0", said


@pytest.mark.usefixtures("released")
def test_a_dry_run_changes_nothing(lab: Lab) -> None:
    run = lab.play("--check", "--diff")
    assert run.rc == 0, run.output[-6000:]
    assert run.recap["changed"] == 0, run.output


def test_a_dry_run_on_a_server_that_was_never_used_predicts_and_leaves_nothing(lab: Lab) -> None:
    run = lab.play("--check", "--diff", variables={"stt_root": "/opt/stt-never-used"})
    assert run.rc == 0, run.output[-6000:]
    assert "+model.safetensors 7438576 " in run.output
    assert lab.ssh("ls -d /opt/stt-never-used /tmp/*.stt-* 2>/dev/null || true") == ""
