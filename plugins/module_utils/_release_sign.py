# Copyright (c) stt.engine contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detached ECDSA P-256 signatures, made and verified with the openssl command alone."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError

ALGORITHM = "ECDSA P-256, SHA-256"
CURVE = b"prime256v1"
TIMEOUT_SECONDS = 30.0
MAKE_KEY = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out KEY"


class Signer:
    """Signs with one private key in a file that nobody else may read."""

    def __init__(self, key_file: Path, openssl: str = "openssl") -> None:
        self._key = key_file
        self._openssl = openssl
        self._check_file()
        self._public = self._run(
            ["pkey", "-in", str(key_file), "-pubout", "-outform", "DER"],
            found="a file that openssl cannot read as an unencrypted private key",
        )
        text = self._run(
            ["pkey", "-pubin", "-inform", "DER", "-noout", "-text"],
            found="a public key that openssl cannot print",
            data=self._public,
        )
        if CURVE not in text:
            raise self._error("a key of another kind", "an ECDSA P-256 key")

    @property
    def key_sha256(self) -> str:
        """The SHA-256 of the public key in DER form, by which an auditor knows it again."""
        return hashlib.sha256(self._public).hexdigest()

    def sign(self, data: bytes) -> bytes:
        """The DER signature of some bytes."""
        return self._run(
            ["dgst", "-sha256", "-sign", str(self._key)],
            found="a key that openssl does not sign with",
            data=data,
        )

    def verifies(self, file: Path, signature: Path) -> bool:
        """Whether a signature file is this key's for a file; false when either is missing."""
        if not (file.is_file() and signature.is_file()):
            return False
        arguments = ["dgst", "-sha256", "-prverify", str(self._key)]
        completed = self._call([*arguments, "-signature", str(signature), str(file)])
        return completed.returncode == 0

    def _check_file(self) -> None:
        try:
            mode = self._key.stat().st_mode & 0o777
        except OSError as error:
            raise self._error(
                f"no file that can be read ({error.strerror})", "a PEM file"
            ) from error
        if mode & 0o077:
            raise self._error(
                f"permissions {mode:04o}, which let others read it",
                "a file that only its owner may read",
                f"chmod 600 {self._key}",
            )

    def _run(self, arguments: Sequence[str], *, found: str, data: bytes = b"") -> bytes:
        completed = self._call(arguments, data)
        if completed.returncode != 0:
            reason = completed.stderr.decode("utf-8", "replace").strip().splitlines()
            raise self._error(
                f"{found} ({reason[-1] if reason else 'no message'})", "an ECDSA P-256 key"
            )
        return completed.stdout

    def _call(
        self, arguments: Sequence[str], data: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                [self._openssl, *arguments],
                input=data,
                capture_output=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SttError(
                f"openssl command {self._openssl}",
                found=f"a command that does not run ({error})",
                needed="openssl 1.1.1 or newer on the controller",
                fix="install openssl, or name it with the parameter openssl",
            ) from error

    def _error(
        self, found: str, needed: str, fix: str = f"make a key with: {MAKE_KEY}"
    ) -> SttError:
        return SttError(f"signing key {self._key}", found=found, needed=needed, fix=fix)


def choose_signer(key_file: str | None, unsigned: bool, openssl: str = "openssl") -> Signer | None:
    """The signer, or None when the release is unsigned by an explicit word."""
    if bool(key_file) == unsigned:
        raise SttError(
            "release signature",
            found="both a key and unsigned: true" if unsigned else "no signing key",
            needed="a key_file, or unsigned: true, and not both",
            fix="name the key's file, or say unsigned: true, which the manifest then records",
        )
    return Signer(Path(key_file), openssl) if key_file else None
