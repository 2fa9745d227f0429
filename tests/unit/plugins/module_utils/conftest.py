# Copyright (c) stt.engine contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hub behind TLS for the tests of this directory."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.hub import Hub


def make_certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for a name or address, with its key."""
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=stt-engine test", "-addext"),
            f"subjectAltName={name}",
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.fixture
def tls_hub(tmp_path: Path, repositories: Path) -> Iterator[tuple[Hub, str, str]]:
    """A hub that speaks TLS, its address, and the file of the authority that signed for it."""
    certificate, key = make_certificate(tmp_path, "IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    hub = Hub(repositories)
    hub.server.socket = context.wrap_socket(hub.server.socket, server_side=True)
    with hub:
        yield hub, hub.url.replace("http://", "https://"), str(certificate)
