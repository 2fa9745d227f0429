# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures by the real openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.stt.engine.plugins.module_utils._errors import SttError
from ansible_collections.stt.engine.plugins.module_utils._release_sign import MAKE_KEY, Signer

DATA = b'{"release": "x"}\n'


def openssl(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *arguments], capture_output=True, check=False)


def make_key(directory: Path, name: str = "release.pem", *arguments: str) -> Path:
    key = directory / name
    made = arguments or ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    assert openssl("genpkey", *made, "-out", str(key)).returncode == 0
    key.chmod(0o600)
    return key


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path)


@pytest.fixture
def signed(tmp_path: Path, key: Path) -> tuple[Path, Path]:
    """A file and its signature."""
    file, signature = tmp_path / "manifest.json", tmp_path / "manifest.json.sig"
    file.write_bytes(DATA)
    signature.write_bytes(Signer(key).sign(DATA))
    return file, signature


def test_a_missing_key_is_named_with_the_way_to_make_one(tmp_path: Path) -> None:
    path = tmp_path / "none.pem"
    with pytest.raises(SttError) as raised:
        Signer(path)
    assert str(raised.value) == (
        f"signing key {path}: found no file that can be read (No such file or directory); "
        f"needed a PEM file; fix: make a key with: {MAKE_KEY}"
    )


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_refused(key: Path, mode: int) -> None:
    key.chmod(mode)
    with pytest.raises(SttError) as raised:
        Signer(key)
    assert str(raised.value) == (
        f"signing key {key}: found permissions {mode:04o}, which let others read it; "
        f"needed a file that only its owner may read; fix: chmod 600 {key}"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
        ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
        ("-algorithm", "ED25519"),
    ],
)
def test_a_key_of_another_kind_is_refused(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    other = make_key(tmp_path, "other.pem", *arguments)
    with pytest.raises(SttError) as raised:
        Signer(other)
    assert (raised.value.found, raised.value.needed) == (
        "a key of another kind",
        "an ECDSA P-256 key",
    )


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.pem"
    path.write_text("not a key")
    path.chmod(0o600)
    with pytest.raises(SttError) as raised:
        Signer(path)
    assert raised.value.found.startswith(
        "a file that openssl cannot read as an unencrypted private key ("
    )


def test_a_missing_openssl_is_named(key: Path) -> None:
    with pytest.raises(SttError) as raised:
        Signer(key, "/nowhere/openssl")
    assert raised.value.object == "openssl command /nowhere/openssl"
    assert raised.value.needed == "openssl 1.1.1 or newer on the controller"


def test_stock_openssl_verifies_with_the_public_key(
    tmp_path: Path, key: Path, signed: tuple[Path, Path]
) -> None:
    file, signature = signed
    public = tmp_path / "release.pub"
    assert openssl("pkey", "-in", str(key), "-pubout", "-out", str(public)).returncode == 0
    verify = ("dgst", "-sha256", "-verify", str(public), "-signature", str(signature), str(file))
    assert openssl(*verify).returncode == 0
    file.write_bytes(DATA + b" ")
    assert openssl(*verify).returncode == 1


def test_our_own_verification_agrees(key: Path, signed: tuple[Path, Path]) -> None:
    file, signature = signed
    assert Signer(key).verifies(file, signature)
    file.write_bytes(DATA + b" ")
    assert not Signer(key).verifies(file, signature)


def test_another_key_s_signature_does_not_verify(tmp_path: Path, signed: tuple[Path, Path]) -> None:
    other = make_key(tmp_path, "other.pem")
    assert not Signer(other).verifies(*signed)


def test_a_missing_or_damaged_signature_does_not_verify(
    key: Path, signed: tuple[Path, Path]
) -> None:
    file, signature = signed
    signature.write_bytes(signature.read_bytes()[:-1])
    assert not Signer(key).verifies(file, signature)
    signature.unlink()
    assert not Signer(key).verifies(file, signature)


def test_the_key_is_known_by_its_public_half(tmp_path: Path, key: Path) -> None:
    der = tmp_path / "key.der"
    openssl("pkey", "-in", str(key), "-pubout", "-outform", "DER", "-out", str(der))
    printed = openssl("dgst", "-sha256", "-r", str(der)).stdout.decode().split()[0]
    assert Signer(key).key_sha256 == printed
