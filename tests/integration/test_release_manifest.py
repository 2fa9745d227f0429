# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest by the real ansible-playbook, on hosts that are never reached."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.stt.engine.plugins.module_utils._release_sign import Signer
from tests.integration.controller import Controller, snapshot, task
from tests.unit.plugins.release_samples import passed_on_cpu
from tests.unit.plugins.sealed_release import make_key

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
