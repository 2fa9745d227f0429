# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The signed list of a release's files by the real ansible-playbook."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.controller import Controller, snapshot, task
from tests.unit.plugins.release_samples import passed_on_cpu
from tests.unit.plugins.sealed_release import VERIFY, make_key, seal

RESULTS = passed_on_cpu()
CONVERTER = {"ctranslate2": "4.8.5", "transformers": "5.23.0"}


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


class TestFiles:
    """stt_release_files, the callback that signs again, and verify.sh over what they left."""

    @pytest.fixture
    def dest(self, tmp_path: Path) -> Path:
        return tmp_path / "releases" / "one"

    @pytest.fixture
    def steps(self, dest: Path, tmp_path: Path) -> dict[str, dict[str, Any]]:
        """What the role release_seal does with a release's directory, by what is made."""
        key = make_key(tmp_path / "release.pem")
        original, converted = RESULTS["models"]
        seal = {
            "tag": RESULTS["tag"],
            "image": RESULTS["image"],
            "model": original,
            "conversions": [{**converted, "converter": CONVERTER}],
            "checks": RESULTS["checks"],
        }
        log = {"dest": str(dest / "logs" / "R4-1.log"), "content": "judged\n"}
        folder = {"path": str(dest / "logs"), "state": "directory"}
        public = {"src": str(key.with_suffix(".pub")), "dest": str(dest / "release.pub")}
        script = {"src": str(VERIFY), "dest": str(dest / "verify.sh"), "mode": "0755"}
        local = {"delegate_to": "localhost", "become": False}
        signing = {"dest": str(dest), "key_file": str(key)}
        return {
            "folder": {"ansible.builtin.file": folder, **local},
            "log": {"ansible.builtin.copy": log, **local},
            "key": {"ansible.builtin.copy": public, **local},
            "script": {"ansible.builtin.copy": script, **local},
            "manifest": task("stt_release_manifest", **signing, **seal),
            "report": task("stt_release_report", results=RESULTS, **signing),
            "files": task("stt_release_files", **signing, brought=["logs/R4-1.log"]),
        }

    def verify(self, dest: Path, key: Path) -> subprocess.CompletedProcess[str]:
        command = ["sh", str(VERIFY), str(key), str(dest)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def test_a_run_leaves_what_verify_sh_proves_a_second_changes_nothing_an_edit_is_not_signed(
        self,
        controller: Controller,
        steps: dict[str, dict[str, Any]],
        dest: Path,
        tmp_path: Path,
    ) -> None:
        first = controller.run(*steps.values(), hosts="server")
        assert first.results[-1]["reason"] == "there is no list that is signed by this key yet"
        trusted = tmp_path / "release.pub"
        signing = {"dest": str(dest), "key_file": str(tmp_path / "release.pem")}
        # The report was completed when the run was over, after its files were signed.
        assert json.loads((dest / "report.json").read_bytes())["tasks"] is not None
        proven = self.verify(dest, trusted)
        assert proven.returncode == 0, proven.stdout
        log = dest / "logs" / "R4-1.log"
        edit = {"ansible.builtin.copy": {"dest": str(log), "content": "edited"}}
        *again, _edited, refused = controller.run(
            *steps.values(),
            {**edit, "delegate_to": "localhost"},
            task("stt_release_files", **signing),
            hosts="server",
        ).results
        assert [result["changed"] for result in again] == [False] * len(steps)
        assert any(name.startswith("history/") for name in snapshot(dest))
        assert (refused["failed"], refused["object"]) == (True, f"release files {dest}")
        assert refused["found"].startswith("logs/R4-1.log, which was changed after it was signed")
        # The callback has signed again what the second run had listed, and not the edited log.
        refuted = self.verify(dest, trusted)
        assert refuted.returncode == 1
        assert refuted.stdout.count("\nrefuted: ") == 1
        assert "\nrefuted: logs/R4-1.log\n" in refuted.stdout

    def test_check_mode_predicts_and_writes_nothing(
        self, controller: Controller, tmp_path: Path
    ) -> None:
        sealed = seal(tmp_path)
        for name in ("SHA256SUMS", "SHA256SUMS.sig"):
            (sealed.release / name).unlink()
        before = snapshot(sealed.release)
        key = str(sealed.key.with_suffix(".pem"))
        logs = [name for name in before if name.startswith(("logs/", "history/"))]
        predicted, nothing = controller.run(
            task("stt_release_files", dest=str(sealed.release), key_file=key, brought=logs),
            task("stt_release_files", dest=str(sealed.models), key_file=key),
            hosts="server",
            arguments=("--check",),
        ).results
        assert (predicted["changed"], predicted["files"]) == (True, sorted(before))
        assert nothing["found"] == "no manifest.json"
        assert snapshot(sealed.release) == before

    @pytest.mark.parametrize("lost", [("SHA256SUMS.sig",), ("SHA256SUMS", "SHA256SUMS.sig")])
    def test_nothing_is_signed_again_because_its_list_was_damaged(
        self, controller: Controller, tmp_path: Path, lost: tuple[str, ...]
    ) -> None:
        sealed = seal(tmp_path)
        key = str(sealed.key.with_suffix(".pem"))
        (sealed.release / "history" / "2026-01-30T080000.000Z.json").write_text("FORGED")
        for name in lost:
            (sealed.release / name).unlink()
        logs = [name for name in snapshot(sealed.release) if name.startswith("logs/")]
        before = snapshot(sealed.release)
        (refused,) = controller.run(
            task("stt_release_files", dest=str(sealed.release), key_file=key, brought=logs),
            hosts="server",
        ).results
        assert refused["failed"]
        assert refused["found"].startswith("history/2026-01-30T080000.000Z.json, which this run ")
        assert snapshot(sealed.release) == before

    def test_no_list_is_signed_beside_a_manifest_that_its_signature_does_not_hold_for(
        self, controller: Controller, tmp_path: Path
    ) -> None:
        sealed = seal(tmp_path)
        manifest = sealed.release / "manifest.json"
        manifest.write_bytes(manifest.read_bytes().replace(b"absent", b"proven"))
        key = str(sealed.key.with_suffix(".pem"))
        before = snapshot(sealed.release)
        (refused,) = controller.run(
            task("stt_release_files", dest=str(sealed.release), key_file=key), hosts="server"
        ).results
        assert refused["found"] == "no manifest.json.sig by this key for the manifest.json there"
        assert snapshot(sealed.release) == before

    @pytest.mark.parametrize("former", ["unsigned", "another key", "killed before the list"])
    def test_a_release_made_again_is_proven_whatever_signed_it_before(
        self,
        controller: Controller,
        steps: dict[str, dict[str, Any]],
        dest: Path,
        tmp_path: Path,
        former: str,
    ) -> None:
        make_key(tmp_path / "other.pem")
        signing = {"key_file": str(tmp_path / "other.pem")}
        signing = {"unsigned": True} if former == "unsigned" else signing
        first = {name: dict(step) for name, step in steps.items() if name != "key"}
        if former == "killed before the list":
            del first["files"]
        else:
            for name in ("manifest", "files"):
                module = f"stt.engine.stt_release_{name}"
                kept = {
                    key: value for key, value in first[name][module].items() if key != "key_file"
                }
                first[name][module] = {**kept, **signing}
        run = controller.run(*first.values(), *steps.values(), hosts="server")
        assert not [result for result in run.results if result.get("failed")], run.output
        proven = self.verify(dest, tmp_path / "release.pub")
        assert proven.returncode == 0, proven.stdout
        # Nothing vouches for the former report, so it is not signed with this one.
        assert not [name for name in snapshot(dest) if name.startswith("history/")]

    def test_the_report_is_not_completed_where_its_list_was_changed(
        self, controller: Controller, steps: dict[str, dict[str, Any]], dest: Path
    ) -> None:
        replace = {
            "path": str(dest / "SHA256SUMS"),
            "regexp": "^[0-9a-f]{64}(  logs/)",
            "replace": f"{'0' * 64}\\1",
        }
        run = controller.run(
            *steps.values(),
            {"ansible.builtin.replace": replace, "delegate_to": "localhost"},
            hosts="server",
        )
        assert "was not completed with the run's tasks" in " ".join(run.output.split())
        assert json.loads((dest / "report.json").read_bytes())["tasks"] is None
        assert f"{'0' * 64}  logs/R4-1.log\n".encode() in (dest / "SHA256SUMS").read_bytes()
