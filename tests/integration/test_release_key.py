# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A key out of a vault signs a release, and is nowhere when the run is over."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.controller import Controller, Run, task
from tests.unit.plugins.release_samples import passed_on_cpu
from tests.unit.plugins.sealed_release import CONVERTER, VERIFY, make_key

RESULTS = passed_on_cpu()
TAKEN = "{{ result_0['path'] }}"


class Vault:
    """A key that a vault's password opens, and a run that signs with it."""

    def __init__(self, place: Path) -> None:
        self.plain = make_key(place / "plain.pem")
        self.password = place / "password"
        self.password.write_text("open sesame\n", encoding="utf-8")
        self.encrypted = place / "release.pem"
        shutil.copy(self.plain, self.encrypted)
        program = str(Path(sys.executable).with_name("ansible-vault"))
        command = [program, "encrypt", "--vault-password-file", str(self.password)]
        subprocess.run([*command, str(self.encrypted)], check=True, capture_output=True)
        self.controller = Controller(place)
        self.release = place / "releases" / "one"

    def sign(self, *arguments: str, **given: Any) -> Run:
        """Take the key and do with it what the role release_seal does."""
        original, converted = RESULTS["models"]
        signing = {"dest": str(self.release), "key_file": TAKEN}
        seal = {
            "tag": RESULTS["tag"],
            "image": RESULTS["image"],
            "model": original,
            "conversions": [{**converted, "converter": CONVERTER}],
            "checks": RESULTS["checks"],
        }
        self.release.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.plain.with_suffix(".pub"), self.release / "release.pub")
        shutil.copy(VERIFY, self.release / "verify.sh")
        return self.controller.run(
            {**task("stt_release_key", **given), "no_log": "key" in given},
            task("stt_release_manifest", **signing, **seal),
            task("stt_release_report", results=RESULTS, **signing),
            task("stt_release_files", **signing),
            hosts="server",
            arguments=("-vvv", *arguments),
        )

    def proven(self) -> subprocess.CompletedProcess[str]:
        """What an auditor who has the public key sees."""
        public = self.plain.with_suffix(".pub")
        command = ["sh", str(VERIFY), str(public), str(self.release)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    @property
    def secret(self) -> str:
        """A line of the key."""
        return self.plain.read_text(encoding="utf-8").splitlines()[1]


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path)


@pytest.mark.parametrize("kind", ["an encrypted file", "a variable"])
def test_a_key_from_a_vault_signs_and_is_gone_with_the_run(vault: Vault, kind: str) -> None:
    variable = vault.controller.directory / "vault.yml"
    lines = vault.plain.read_text(encoding="utf-8").splitlines()
    variable.write_text("\n  ".join(["vault_key: |", *lines]) + "\n", encoding="utf-8")
    if kind == "a variable":
        given = {"key_file": "/none", "key": "{{ vault_key }}"}
        arguments: tuple[str, ...] = ("--extra-vars", f"@{variable}")
    else:
        given = {"key_file": str(vault.encrypted)}
        arguments = ("--vault-password-file", str(vault.password))
    done = vault.sign(*arguments, **given)
    assert not [result for result in done.results if result.get("failed")], done.output
    # The callback has signed once more when the report was completed.
    assert vault.proven().returncode == 0, vault.proven().stdout
    assert '"tasks": null' not in (vault.release / "report.json").read_text(encoding="utf-8")
    lent = Path(done.results[-1]["key_file"])
    assert lent.name.startswith("stt-release-")
    assert not lent.exists()
    assert vault.secret not in done.output
    assert vault.secret in vault.plain.read_text(encoding="utf-8")


def test_a_file_of_a_vault_needs_its_password(vault: Vault) -> None:
    (failed, *_others) = vault.sign(key_file=str(vault.encrypted)).results
    assert failed["failed"] is True
    assert f"signing key {vault.encrypted}: found a file that ansible-vault" in failed["msg"]
    assert "fix: give it with --vault-password-file or --ask-vault-pass" in failed["msg"]


def test_any_other_file_is_used_where_it_lies(vault: Vault) -> None:
    done = vault.sign(key_file=str(vault.plain))
    taken = done.results[0]
    assert (taken["path"], taken["from_vault"]) == (str(vault.plain), False)
    assert vault.proven().returncode == 0
    absent = vault.controller.run(task("stt_release_key", key_file="/none"), hosts="server")
    assert (absent.results[0]["path"], absent.results[0]["changed"]) == ("/none", False)
