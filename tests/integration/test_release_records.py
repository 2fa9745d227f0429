# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock, manifest and report by the real ansible-playbook, on hosts that are never reached."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ansible_collections.stt.engine.plugins.module_utils._release_sign import Signer
from tests.integration.controller import CHECKOUT, Controller
from tests.unit.plugins.release_samples import passed_on_cpu, stopped_in_r5
from tests.unit.plugins.sealed_release import VERIFY, make_key, seal

SCHEMA = json.loads((CHECKOUT / "docs" / "report.schema.json").read_text(encoding="utf-8"))
RESULTS = passed_on_cpu()
CONVERTER = {"ctranslate2": "4.8.5", "transformers": "5.23.0"}
# The last second of 2199.
FORGED = 7_258_118_399


def forge(predicate: dict[str, Any]) -> None:
    """Edit what makes no difference between two manifests of one release."""
    for edit in MEASURED_OR_SAID:
        edit(predicate)


MEASURED_OR_SAID: list[Callable[[dict[str, Any]], None]] = [
    lambda predicate: predicate["release"].update(sequence=FORGED),
    lambda predicate: predicate["release"].update(sealed="2199-12-31T00:00:00Z"),
    lambda predicate: predicate["checks"][-1].update(found="FORGED"),
    lambda predicate: predicate["checks"][0].update(expected="FORGED"),
    lambda predicate: predicate["checks"][0].update(fix="FORGED"),
    lambda predicate: predicate["checks"][0].update(seconds=0.001),
    lambda predicate: predicate.update(peak_memory_bytes=1),
    lambda predicate: predicate["service_memory"].update(peak_bytes=1),
]
EDITS: list[Callable[[dict[str, Any]], None]] = [
    *MEASURED_OR_SAID,
    lambda predicate: predicate.update(gpu="proven"),
    lambda predicate: predicate["signature"].update(unsigned=True),
]


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


def task(name: str, **parameters: Any) -> dict[str, Any]:
    """A task of one of our modules; become must not matter to it."""
    return {f"stt.engine.{name}": parameters, "become": True}


def snapshot(directory: Path) -> dict[str, bytes]:
    """Every file below a directory with its content, as an independent reader sees it."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


class TestLock:
    """stt_release_lock."""

    @pytest.fixture
    def lock(self, tmp_path: Path) -> Path:
        path = tmp_path / "records" / "build.lock.yml"
        path.parent.mkdir()
        return path

    def present(self, lock: Path, commit: str = "a", **parameters: Any) -> dict[str, Any]:
        given = {"state": "present", "inputs": {"model": {"commit": commit}}, **parameters}
        return task("stt_release_lock", path=str(lock), **given)

    def test_check_mode_predicts_and_writes_nothing(
        self, controller: Controller, lock: Path
    ) -> None:
        run = controller.run(self.present(lock), hosts="server", arguments=("--check", "--diff"))
        assert (run.results[0]["changed"], run.results[0]["exists"]) == (True, False)
        assert "+    commit: a" in run.output
        assert snapshot(lock.parent) == {}

    def test_written_once_then_obeyed(self, controller: Controller, lock: Path) -> None:
        nothing, first, again, reading, refused = controller.run(
            self.present(lock, inputs={}),
            self.present(lock),
            self.present(lock),
            self.present(lock, commit="b", state="read"),
            self.present(lock, commit="b"),
            hosts="server",
        ).results
        assert (nothing["changed"], nothing["exists"], nothing["inputs"]) == (False, False, {})
        assert (first["changed"], first["exists"]) == (True, False)
        assert (again["changed"], again["exists"], again["drift"]) == (False, True, [])
        assert (reading["changed"], reading["failed"], reading["msg"]) == (
            False,
            False,
            "inputs.model.commit moved from a to b",
        )
        assert reading["inputs"] == {"model": {"commit": "a"}}
        assert (refused["failed"], refused["msg"]) == (
            True,
            f"release lock {lock}: found inputs.model.commit moved from a to b; "
            "needed exactly what is locked; fix: bring it back, "
            "or accept what was found with -e release_lock_update=true and commit the lock",
        )
        assert [entry["path"] for entry in refused["drift"]] == ["inputs.model.commit"]
        assert yaml.safe_load(lock.read_text()) == {"inputs": {"model": {"commit": "a"}}}

    def test_accepted_drift_is_shown_and_written(self, controller: Controller, lock: Path) -> None:
        run = controller.run(
            self.present(lock),
            self.present(lock, commit="b", update=True),
            hosts="server",
            arguments=("--diff",),
        )
        assert run.results[1]["changed"] is True
        assert run.results[1]["inputs"] == {"model": {"commit": "b"}}
        assert "-    commit: a\n+    commit: b" in run.output
        assert yaml.safe_load(lock.read_text()) == {"inputs": {"model": {"commit": "b"}}}


class TestManifest:
    """stt_release_manifest."""

    @pytest.fixture
    def dest(self, tmp_path: Path) -> Path:
        return tmp_path / "releases" / "one"

    @pytest.fixture
    def key(self, tmp_path: Path) -> Path:
        path = tmp_path / "release.pem"
        subprocess.run(
            [
                *("openssl", "genpkey", "-algorithm", "EC"),
                *("-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(path)),
            ],
            check=True,
            capture_output=True,
        )
        path.chmod(0o600)
        return path

    @pytest.fixture
    def seal(self, dest: Path, key: Path) -> Callable[..., dict[str, Any]]:
        original, converted = RESULTS["models"]

        def made(**parameters: Any) -> dict[str, Any]:
            given: dict[str, Any] = {
                "dest": str(dest),
                "tag": RESULTS["tag"],
                "image": RESULTS["image"],
                "model": original,
                "conversions": [{**converted, "converter": CONVERTER}],
                "checks": RESULTS["checks"],
                "planned": ["R4.3/cuda_available"],
                "key_file": str(key),
                **parameters,
            }
            kept = {name: value for name, value in given.items() if value is not None}
            return task("stt_release_manifest", **kept)

        return made

    def test_what_cannot_be_sealed_is_refused(
        self, controller: Controller, seal: Callable[..., dict[str, Any]], dest: Path
    ) -> None:
        failed = [*RESULTS["checks"], {**RESULTS["checks"][0], "name": "x", "status": "failed"}]
        results = controller.run(
            seal(key_file=None),
            seal(unsigned=True),
            seal(image={"image_id": f"sha256:{'0' * 64}"}),
            seal(checks=failed),
            seal(planned=["R5.9"]),
            hosts="server",
        ).results
        assert all(result["failed"] and not result["changed"] for result in results)
        either = (
            "needed a key_file, or unsigned: true, and not both; fix: name the key's file, or say "
            "unsigned: true, which the manifest then records"
        )
        assert [result["msg"] for result in results[:3]] == [
            f"release signature: found no signing key; {either}",
            f"release signature: found both a key and unsigned: true; {either}",
            "release manifest: found no input_digest in what was passed; needed image, model "
            "and conversions as the modules returned them; "
            "fix: pass the registered results unchanged",
        ]
        assert [result["found"] for result in results[3:]] == [
            "a failed verdict (R1.1 x failed: as it should be)",
            "a failed verdict (R5.9 result error: no result)",
        ]
        assert not dest.exists()

    def test_check_mode_names_the_release_as_the_filter_does(
        self, controller: Controller, seal: Callable[..., dict[str, Any]], dest: Path
    ) -> None:
        original, converted = RESULTS["models"]
        expression = (
            "{{ tag | stt.engine.release_id(input_digest=image['input_digest'], "
            "commit=model['commit'], files=model['files'], quantization=kind, "
            "converter=converter) }}"
        )
        named = {
            "ansible.builtin.debug": {"msg": expression},
            "vars": {
                "tag": RESULTS["tag"],
                "image": RESULTS["image"],
                "model": original,
                "kind": converted["quantization"],
                "converter": CONVERTER,
            },
        }
        predicted, name = controller.run(
            seal(), named, hosts="server", arguments=("--check",)
        ).results
        assert (predicted["changed"], predicted["reason"]) == (True, "there is no manifest yet")
        assert predicted["release"] == name["msg"]
        assert not dest.exists()

    def test_sealed_once_then_kept_and_verified_by_openssl(
        self,
        controller: Controller,
        seal: Callable[..., dict[str, Any]],
        dest: Path,
        key: Path,
        tmp_path: Path,
    ) -> None:
        (sealed,) = controller.run(seal(), hosts="server").results
        assert (sealed["changed"], sealed["signed"], sealed["gpu"]) == (True, True, "absent")
        before = snapshot(dest)
        assert set(before) == {"manifest.json", "manifest.json.sig"}
        slower = [{**one, "seconds": 9.0} for one in RESULTS["checks"]]
        again, other, failed = controller.run(
            seal(checks=slower),
            seal(tag="cuda128-debian12-v1.3"),
            seal(planned=["R5.9"]),
            hosts="server",
        ).results
        assert (again["changed"], again["reason"]) == (False, "")
        assert (again["sequence"], again["sha256"]) == (sealed["sequence"], sealed["sha256"])
        assert other["found"] == f"the manifest of the release {sealed['release']}"
        assert failed["failed"]
        assert snapshot(dest) == before
        public = tmp_path / "public.pem"
        subprocess.run(
            ["openssl", "pkey", "-in", str(key), "-pubout", "-out", str(public)], check=True
        )
        subprocess.run(
            [
                *("openssl", "dgst", "-sha256", "-verify", str(public)),
                *("-signature", sealed["signature"], sealed["path"]),
            ],
            check=True,
            capture_output=True,
        )

    def test_what_was_edited_after_it_was_signed_is_refused(
        self,
        controller: Controller,
        seal: Callable[..., dict[str, Any]],
        dest: Path,
        tmp_path: Path,
    ) -> None:
        controller.run(seal(), hosts="server")
        sealed = snapshot(dest)
        damaged = []
        for number, edit in enumerate((*EDITS, None)):
            place = tmp_path / "releases" / str(number)
            place.mkdir()
            (place / "manifest.json.sig").write_bytes(sealed["manifest.json.sig"])
            content = json.loads(sealed["manifest.json"])
            if edit is not None:
                edit(content["predicate"])
            text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
            (place / "manifest.json").write_text("no JSON" if edit is None else f"{text}\n")
            damaged.append(place)
        before = [snapshot(place) for place in damaged]
        results = controller.run(
            *(seal(dest=str(place)) for place in damaged), hosts="server"
        ).results
        for place, result in zip(damaged, results, strict=True):
            assert (result["failed"], result["object"], result["found"]) == (
                True,
                f"release manifest {place}/manifest.json",
                "a manifest that manifest.json.sig does not hold for: one of them was changed "
                "after it was signed",
            )
        assert [snapshot(place) for place in damaged] == before

    def test_what_a_killed_run_left_unsigned_is_written_anew_and_not_kept(
        self, controller: Controller, seal: Callable[..., dict[str, Any]], dest: Path
    ) -> None:
        (first,) = controller.run(seal(), hosts="server").results
        manifest = dest / "manifest.json"
        content = json.loads(manifest.read_text())
        forge(content["predicate"])
        manifest.write_text(json.dumps(content))
        (dest / "manifest.json.sig").unlink()
        signed, again = controller.run(seal(), seal(), hosts="server").results
        assert signed["reason"] == "the manifest there has no signature that is wanted and holds"
        assert first["sequence"] <= signed["sequence"] < FORGED
        assert "FORGED" not in manifest.read_text()
        assert again["changed"] is False

    def test_a_release_may_become_signed_unsigned_and_signed_by_another_key(
        self,
        controller: Controller,
        seal: Callable[..., dict[str, Any]],
        dest: Path,
        tmp_path: Path,
    ) -> None:
        other = Signer(make_key(tmp_path / "other.pem"))
        bare = seal(key_file=None, unsigned=True)
        bare_first, bare_again, signed, moved, moved_again, unsigned = controller.run(
            bare,
            bare,
            seal(),
            seal(key_file=str(tmp_path / "other.pem")),
            seal(key_file=str(tmp_path / "other.pem")),
            bare,
            hosts="server",
        ).results
        assert (bare_first["signed"], bare_first["signature"]) == (False, "")
        assert bare_again["changed"] is False
        for result in (signed, moved, unsigned):
            assert result["reason"] == "the manifest there differs in signature"
        assert moved_again["changed"] is False
        assert moved["sha256"] != signed["sha256"]
        assert set(snapshot(dest)) == {"manifest.json"}
        kept = json.loads((dest / "manifest.json").read_text())["predicate"]["signature"]
        assert kept == {"algorithm": "none", "unsigned": True}
        controller.run(seal(key_file=str(tmp_path / "other.pem")), hosts="server")
        assert other.verifies(dest / "manifest.json", dest / "manifest.json.sig")


class TestReport:
    """stt_release_report and the callback that completes it."""

    @pytest.fixture
    def dest(self, tmp_path: Path) -> Path:
        return tmp_path / "releases" / "one"

    @pytest.fixture
    def report(self, dest: Path) -> Callable[..., dict[str, Any]]:
        def made(**parameters: Any) -> dict[str, Any]:
            given = {"dest": str(dest), "results": RESULTS, "language": "ko", **parameters}
            return task("stt_release_report", **given)

        return made

    def test_what_cannot_be_reported_is_refused(
        self, controller: Controller, report: Callable[..., dict[str, Any]], tmp_path: Path
    ) -> None:
        blocked = tmp_path / "file" / "one"
        blocked.parent.write_text("a file where a directory is needed")
        unknown, unwritable = controller.run(
            report(results={"cheks": []}), report(dest=str(blocked)), hosts="server"
        ).results
        assert unknown["fix"] == "did you mean checks?"
        assert unwritable["msg"] == (
            f"release report {blocked}: found a place that cannot be written (Not a directory); "
            f"needed permission and space to write in {blocked}; "
            "fix: choose another directory for releases, or make room"
        )

    def test_check_mode_predicts_and_neither_prints_nor_writes(
        self, controller: Controller, report: Callable[..., dict[str, Any]], dest: Path
    ) -> None:
        run = controller.run(report(), hosts="server", arguments=("--check",))
        assert run.results[0]["changed"] is True
        assert "결과: 통과 (GPU 제외)" in run.results[0]["checklist"]
        assert "결과:" not in run.output
        assert not dest.exists()

    def test_what_is_printed_is_what_is_written(
        self, controller: Controller, report: Callable[..., dict[str, Any]], dest: Path
    ) -> None:
        run = controller.run(report(), hosts="server")
        (result,) = run.results
        assert (result["changed"], result["verdict"], result["gpu"]) == (True, "passed", "absent")
        assert set(snapshot(dest)) == {"report.json", "report.html", "junit.xml", "report.tap"}
        listed = (dest.parent / "index.html").read_text(encoding="utf-8")
        assert ('href="one/report.html"' in listed, '<html lang="ko">' in listed) == (True, True)
        written = json.loads((dest / "report.json").read_text(encoding="utf-8"))
        jsonschema.validate(written, SCHEMA)
        # The callback counted the run's tasks when it was over.
        assert written["tasks"] == {key: run.recap[key] for key in ("ok", "changed", "failed")}
        assert run.recap["ok"] == 2
        assert "\n".join(result["checklist"]) in run.output
        assert "\x1b" not in run.output
        items = [*written["checklist"], *written["criteria"], *written["beyond"]]
        shown = [line for line in result["checklist"] if line.startswith("  [")]
        marks = {"passed": "  [✓] ", "skipped": "  [-] ", "partly": "  [~] "}
        assert len(shown) == len(items)
        for item, line in zip(items, shown, strict=True):
            partly = item["status"] == "passed" and item["note"]
            mark = marks["partly" if partly else item["status"]]
            assert line.startswith(mark + item["text"])

    def test_a_later_report_of_the_same_changes_nothing_and_keeps_the_first(
        self, controller: Controller, report: Callable[..., dict[str, Any]], dest: Path
    ) -> None:
        later = {**RESULTS, "started": "2026-02-01T08:00:00.000Z", "finished": ""}
        _unused, again, stopped = controller.run(
            report(), report(results=later), report(results=stopped_in_r5()), hosts="server"
        ).results
        assert again["changed"] is False
        assert (stopped["changed"], stopped["failed"], stopped["verdict"]) == (
            True,
            False,
            "failed",
        )
        kept = snapshot(dest)
        assert set(kept) == {
            "report.json",
            "report.html",
            "junit.xml",
            "report.tap",
            "history/2026-01-31T080000.000Z.json",
            "history/2026-02-01T080000.000Z.json",
        }
        first = json.loads(kept["history/2026-01-31T080000.000Z.json"])
        assert (first["started"], first["verdict"]) == (RESULTS["started"], "passed")
        jsonschema.validate(json.loads(kept["report.json"]), SCHEMA)

    def test_a_failed_run_is_listed_one_directory_above(
        self, controller: Controller, report: Callable[..., dict[str, Any]], tmp_path: Path
    ) -> None:
        root = tmp_path / "releases"
        failed = report(dest=str(root / "failed" / "20260131T080000Z"), results=stopped_in_r5())
        quiet = report(dest=str(tmp_path / "others" / "one"), index=False)
        controller.run(failed, quiet, hosts="server")
        assert "failed/20260131T080000Z/report.html" in (root / "index.html").read_text("utf-8")
        assert not (root / "failed" / "index.html").exists()
        assert not (tmp_path / "others" / "index.html").exists()

    @pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("please", False)])
    def test_a_terminal_has_colours_unless_no_color_is_set(
        self,
        controller: Controller,
        report: Callable[..., dict[str, Any]],
        no_color: str,
        coloured: bool,
    ) -> None:
        controller.environment.update(NO_COLOR=no_color, TERM="xterm-256color")
        output = controller.on_a_terminal(report())
        assert ("\x1b[0;32m  [✓] 모델 마운트 성공" in output) is coloured
        assert "  [✓] 모델 마운트 성공" in output

    def test_colours_are_for_terminals_only(
        self, controller: Controller, report: Callable[..., dict[str, Any]]
    ) -> None:
        controller.environment["ANSIBLE_FORCE_COLOR"] = "1"
        run = controller.run(report(), hosts="server")
        assert "\x1b[0;32m  [✓] 모델 마운트 성공" in run.output
        assert not any("\x1b" in line for line in run.results[0]["checklist"])


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
